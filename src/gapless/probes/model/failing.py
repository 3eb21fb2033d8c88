"""A server on this machine that fails as its address says: what a client does then is what is looked at, not the endpoint.

`/429/v1` refuses the first request with Retry-After, `/503/v1` fails it, `/dropped/v1` breaks the connection in mid-stream,
`/ended/v1` ends the stream early without any sign of it, `/endless/v1` streams until the client hangs up.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

RETRY_AFTER_S = 1
_OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
_PAUSE_S, _LONGEST_S = 0.02, 10.0


@dataclass
class Seen:
    """What came to one address."""

    at_s: list[float] = field(default_factory=list[float])
    """When each request did, on `time.perf_counter()`."""
    left_s: float | None = None
    """When the client of an endless stream was gone."""


class Failing:
    """`async with Failing() as server: ... server.url("429") ...`."""

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = defaultdict(Seen)
        self._tasks: set[asyncio.Task[Any]] = set()

    def url(self, fault: str) -> str:
        """Base address of a fault, without "/v1"."""
        return f"http://127.0.0.1:{self._port}/{fault}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        with suppress(ConnectionError, asyncio.IncompleteReadError, ValueError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            size = next(line for line in head.split("\r\n") if line.startswith("content-length:"))
            await reader.readexactly(int(size.partition(":")[2]))
            await self._answer(head.split(" ")[1], writer)
        writer.close()

    async def _answer(self, path: str, writer: asyncio.StreamWriter) -> None:
        fault = path.split("/")[1]
        seen = self.seen[fault]
        seen.at_s.append(time.perf_counter())
        if fault in ("429", "503") and len(seen.at_s) == 1:
            writer.write(_refusal(fault))
            return
        events = list(_anthropic() if path.endswith("/messages") else _openai())
        writer.write(_OK)
        cut = len(events) // 2 if fault in ("dropped", "ended", "endless") else len(events)
        for event in events[:cut]:
            writer.write(_chunk(event))
        if fault == "endless":
            if await _gone(writer, events[cut - 1]):
                seen.left_s = time.perf_counter()
        elif fault != "dropped":
            writer.write(b"0\r\n\r\n")
        with suppress(ConnectionError):
            await writer.drain()


async def _gone(writer: asyncio.StreamWriter, event: bytes) -> bool:
    """Sends an event over and over until the client is gone; whether it went, before patience ended."""
    until = time.perf_counter() + _LONGEST_S
    with suppress(ConnectionError):
        while not writer.is_closing():
            if time.perf_counter() > until:
                return False
            writer.write(_chunk(event))
            await writer.drain()
            await asyncio.sleep(_PAUSE_S)
    return True


def _refusal(status: str) -> bytes:
    said = {"message": "busy on purpose", "type": "rate_limit_error" if status == "429" else "api_error"}
    body = json.dumps({"type": "error", "error": said}).encode()
    wait = f"retry-after: {RETRY_AFTER_S}\r\n" if status == "429" else ""
    head = f"HTTP/1.1 {status} Busy\r\ncontent-type: application/json\r\n{wait}content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return head.encode() + body


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _openai() -> Iterator[bytes]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    for delta in ({"role": "assistant", "content": ""}, *({"content": word} for word in _WORDS)):
        yield _data(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _data(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    yield b"data: [DONE]\n\n"


def _anthropic() -> Iterator[bytes]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    usage = {"input_tokens": 1, "output_tokens": 1}
    empty = {"stop_reason": None, "stop_sequence": None, "usage": usage}
    yield _named("message_start", message=message | empty)
    yield _named("content_block_start", index=0, content_block={"type": "text", "text": ""})
    for word in _WORDS:
        yield _named("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
    yield _named("content_block_stop", index=0)
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    yield _named("message_delta", delta=ended, usage={"output_tokens": 6})
    yield _named("message_stop")


_WORDS = ("one ", "two ", "three ", "four ", "five ", "six")


def _named(kind: str, **body: Any) -> bytes:
    return f"event: {kind}\n".encode() + _data({"type": kind} | body)


def _data(body: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"
