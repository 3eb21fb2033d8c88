"""The lines of this process's stdin, read so that whoever waits for one can be stopped."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress

_AT_ONCE, _WAITING = 1 << 16, 64


class Lines:
    """An async iterator of lines. Python cannot stop a thread that reads; this one is left to end with the process.

    From now on descriptor 0 is empty, so that nobody else in the process takes a line away.
    """

    def __init__(self) -> None:
        self._lines: asyncio.Queue[str | None] = asyncio.Queue(_WAITING)
        self._loop = asyncio.get_running_loop()
        self._source = os.dup(0)
        nowhere = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nowhere, 0)
        os.close(nowhere)
        threading.Thread(target=self._read, name="gapless-stdin", daemon=True).start()

    def __aiter__(self) -> Lines:
        return self

    async def __anext__(self) -> str:
        line = await self._lines.get()
        if line is None:
            raise StopAsyncIteration
        return line

    def _read(self) -> None:
        begun: list[bytes] = []
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            while data := self._some():
                first, *others = data.split(b"\n")
                begun.append(first)
                for part in others:
                    self._hand_over(b"".join(begun))
                    begun = [part]
            if any(begun):
                self._hand_over(b"".join(begun))
            self._put(None)

    def _some(self) -> bytes:
        try:
            return os.read(self._source, _AT_ONCE)
        except OSError:  # the terminal is gone
            return b""

    def _hand_over(self, line: bytes) -> None:
        self._put(line.decode("utf-8", errors="replace"))

    def _put(self, line: str | None) -> None:
        # Waits where many wait already: a client that sends faster than it is answered is slowed down.
        asyncio.run_coroutine_threadsafe(self._lines.put(line), self._loop).result()
