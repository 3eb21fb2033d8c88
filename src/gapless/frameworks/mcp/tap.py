"""What a server really sent: the SDK refuses a whole answer for one tool that is not as MCP says, and shows none of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any


class Tap:
    """Keeps the newest answer to `tools/list` that passed by."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] | None = None

    def see(self, item: Any) -> None:
        """Looks at one message on its way to the session."""
        result = getattr(getattr(item, "message", None), "result", None)
        if isinstance(result, dict) and isinstance(result.get("tools"), list):
            self.answer = result

    @asynccontextmanager
    async def over(self, transport: AbstractAsyncContextManager[Any]) -> AsyncGenerator[tuple[Any, Any]]:
        """A transport whose incoming messages are looked at."""
        async with transport as (read, write):
            yield _Seen(read, self), write


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
