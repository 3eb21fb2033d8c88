"""What a server really sent: the SDK refuses a whole answer for one tool that is not as MCP says, and shows none of it.

Keys that a server repeats are masked here, before anything of a message is read.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from gapless.trace.secrets import Secrets

_PARTS = ("result", "params", "error")
"""Of a message, what the server says in it."""


class Tap:
    """Keeps the newest answer to `tools/list` that passed by.

    Args:
        secrets: What is masked in every message; nothing when None.
    """

    def __init__(self, secrets: Secrets | None = None) -> None:
        self.answer: dict[str, Any] | None = None
        self._secrets = secrets

    def see(self, item: Any) -> None:
        """Looks at one message on its way to the session."""
        message = getattr(item, "message", None)
        if self._secrets is not None and message is not None:
            _mask(message, self._secrets)
        result = getattr(message, "result", None)
        if isinstance(result, dict) and isinstance(result.get("tools"), list):
            self.answer = result

    @asynccontextmanager
    async def over(self, transport: AbstractAsyncContextManager[Any]) -> AsyncGenerator[tuple[Any, Any]]:
        """A transport whose incoming messages are looked at."""
        async with transport as (read, write):
            yield self.seen(read), write

    def seen(self, read: Any) -> Any:
        """A read stream whose messages are looked at."""
        return _Seen(read, self)


def _mask(message: Any, secrets: Secrets) -> None:
    for name in _PARTS:
        part = getattr(message, name, None)
        if isinstance(part, dict):
            setattr(message, name, secrets.plain(part))
        elif part is not None:  # an error, which MCP's library has read already
            part.message, part.data = secrets.text(part.message), secrets.plain(part.data)


class _Seen:
    """A read stream that shows every item to a tap."""

    def __init__(self, read: Any, tap: Tap) -> None:
        self._read, self._tap = read, tap

    def __getattr__(self, name: str) -> Any:
        return getattr(self._read, name)

    async def receive(self) -> Any:
        item = await self._read.receive()
        self._tap.see(item)
        return item

    def __aiter__(self) -> _Seen:
        return self

    async def __anext__(self) -> Any:
        item = await self._read.__anext__()
        self._tap.see(item)
        return item

    async def __aenter__(self) -> _Seen:
        await self._read.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        return await self._read.__aexit__(*error)
