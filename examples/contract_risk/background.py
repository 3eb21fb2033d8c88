"""One event loop in a thread of its own, for connections that outlive a trial and are shared by all of them."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_CLOSE_WITHIN_S = 8.0


class Background:
    """Runs coroutines for callers on other loops, and closes what was opened when the process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closers: list[Callable[[], Awaitable[None]]] = []

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine there and waits for it here; a cancelled caller cancels it."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._running()))

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine there and blocks until it is done."""
        return asyncio.run_coroutine_threadsafe(work, self._running()).result()

    def at_end(self, close: Callable[[], Awaitable[None]]) -> None:
        """Registers what has to be closed before the process ends."""
        with self._lock:
            self._closers.append(close)

    def close(self) -> None:
        """Closes everything, last opened first; at most some seconds."""
        with self._lock:
            loop, closers = self._loop, self._closers[::-1]
            self._closers = []
        if loop is None or not closers:
            return
        closing = asyncio.run_coroutine_threadsafe(_close_all(closers), loop)
        try:
            closing.result(_CLOSE_WITHIN_S)
        except (concurrent.futures.TimeoutError, concurrent.futures.CancelledError):
            closing.cancel()  # the processes end by themselves when our ends of their pipes close

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="contract-risk", daemon=True).start()
                atexit.register(self.close)
            return self._loop


async def _close_all(closers: list[Callable[[], Awaitable[None]]]) -> None:
    for close in closers:
        await close()


BACKGROUND = Background()
