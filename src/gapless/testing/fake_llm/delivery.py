"""Sends an answer the way a slow or failing server would: late, in pieces, cut off, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gapless.testing.fake_llm.luck import Pace
from gapless.testing.fake_llm.wire.events import Event, first_half


class Gone(Exception):
    """The client left, or the server is stopping."""


@dataclass(frozen=True)
class House:
    """What an answer has to know of the server that sends it."""

    stopping: asyncio.Event
    """Set when it goes down."""
    paused_s: Callable[[], float]
    """How much longer it stands still."""
    first: Callable[[], None]
    """Is told when the first token of a stream goes out."""
    slots: asyncio.Semaphore | None = None
    """Turns, where only so many answers are written at once."""


class Line:
    """The connection of one request."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, stopping: asyncio.Event) -> None:
        self._transport: asyncio.Transport = scope["state"]["transport"]
        self._send = send
        self._left = asyncio.create_task(_until_disconnect(receive))
        self._stopping = asyncio.create_task(stopping.wait())

    async def wait(self, seconds: float) -> None:
        """Lets time pass.

        Raises:
            Gone: There is nobody left to answer.
        """
        if seconds > 0:
            ends = (self._left, self._stopping)
            done, _ = await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if done:
                raise Gone

    def here(self) -> None:
        """Makes sure that somebody is there to be written to: a stream without pauses would not notice otherwise.

        Raises:
            Gone: There is nobody left to answer.
        """
        if self._left.done() or self._transport.is_closing():
            raise Gone

    async def head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Sends status and headers."""
        self.here()
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes, *, last: bool = False) -> None:
        """Sends a part of the body."""
        self.here()
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})

    async def hang_up(self) -> None:
        """Ends the connection in the middle of things, as a crash would; what was written still arrives."""
        self._transport.close()
        await self._left

    def release(self) -> None:
        """Stops watching the connection."""
        self._left.cancel()
        self._stopping.cancel()


class Delivery(Response):
    """An answer with its pace and its fault."""

    def __init__(
        self,
        body: bytes | list[Event],
        *,
        pace: Pace,
        tokens: int,
        house: House,
        headers: dict[str, str],
        fault: str | None = None,
        hang_s: float | None = None,
        error: Event | None = None,
    ) -> None:
        self._events = body if isinstance(body, list) else None
        media = "application/json" if self._events is None else "text/event-stream; charset=utf-8"
        super().__init__(body if isinstance(body, bytes) else None, headers=headers, media_type=media)
        if self._events is not None:
            del self.headers["content-length"]
            self.headers["cache-control"] = "no-cache"
        self._pace = pace
        self._tokens = tokens
        self._house = house
        self._fault = fault
        self._hang_s = hang_s
        self._error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it."""
        line = Line(scope, receive, send, self._house.stopping)
        try:
            async with self._house.slots or nullcontext():
                await self._answer(line)
        except Gone:
            await line.hang_up()
        finally:
            line.release()

    async def _answer(self, line: Line) -> None:
        try:
            if self._hang_s is not None:
                await line.wait(self._hang_s)
                await line.hang_up()
            elif self._events is None:
                await self._whole(line)
            else:
                await self._in_pieces(line, self._events)
        except Gone:
            if (
                self._fault == "deaf" and not self._house.stopping.is_set()
            ):  # the model writes on for nobody, and keeps its slot meanwhile
                await asyncio.sleep(self._pace.whole_s(self._tokens))
            raise

    async def _whole(self, line: Line) -> None:
        await line.wait(self._pace.whole_s(self._tokens))
        await line.wait(self._house.paused_s())
        if self._fault == "disconnect":
            await line.hang_up()
            return
        await line.head(self.status_code, self.raw_headers)
        await line.write(bytes(self.body), last=True)

    async def _in_pieces(self, line: Line, events: list[Event]) -> None:
        cut = self._fault in ("disconnect", "truncated_stream", "stream_error")
        await line.head(self.status_code, self.raw_headers)
        if self._fault == "burst":  # a proxy that buffers: as late as a whole answer, and all of it at once
            await line.wait(self._pace.whole_s(self._tokens))
            self._house.first()
            await line.write(b"".join(each.data for each in events), last=True)
            return
        await line.wait(self._pace.first_s)
        begun = False
        for each in first_half(events) if cut else events:
            if each.token and begun:
                await line.wait(self._pace.next_s())
            await line.wait(self._house.paused_s())
            if each.token and not begun:
                self._house.first()
            begun = begun or each.token
            await line.write(each.data)
        if self._fault == "disconnect":
            await line.hang_up()
            return
        error = self._error if self._fault == "stream_error" else None
        await line.write(error.data if error is not None else b"", last=True)


async def _until_disconnect(receive: Receive) -> Any:
    while (await receive())["type"] != "http.disconnect":
        pass
