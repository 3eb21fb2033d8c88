"""Ctrl-C ends a checkup at once: what takes its time runs in threads that can be left behind, and closes what it opens late."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any, TypeVar

from gapless.operations.progress import Stop

T = TypeVar("T")
_CLOSE_S = 0.5
"""How long closing is waited for once stopping is requested; what is left ends with this process."""


class Halted(Exception):
    """Stopping was requested before some work was through; it goes on in its thread, and nobody waits for it."""


def halting(stop: Stop) -> asyncio.Event:
    """Set as soon as stopping is requested, from whatever thread."""
    loop, halted = asyncio.get_running_loop(), asyncio.Event()

    def halt() -> None:
        loop.call_soon_threadsafe(halted.set)

    stop.listen(halt)
    return halted


async def aside(halted: asyncio.Event, work: Callable[[], T], *, within_s: float | None = None) -> T:
    """What some work in a thread comes to.

    Args:
        halted: Ends the waiting, not the work.
        work: Anything that blocks.
        within_s: How long it is waited for.

    Raises:
        Halted: Stopping was requested first.
        TimeoutError: It took longer.
    """
    return await _raced(asyncio.to_thread(work), halted, within_s)


async def unless(halted: asyncio.Event, work: Coroutine[Any, Any, T]) -> T:
    """What some work comes to that may be broken off, because nothing of it is kept.

    Raises:
        Halted: Stopping was requested first.
    """
    return await _raced(work, halted, None)


async def _raced(work: Coroutine[Any, Any, T], halted: asyncio.Event, within_s: float | None) -> T:
    task, waiting = asyncio.ensure_future(work), asyncio.ensure_future(halted.wait())
    try:
        await asyncio.wait({task, waiting}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise Halted if halted.is_set() else TimeoutError
    finally:
        waiting.cancel()
        task.cancel()


@contextmanager
def for_at_most(seconds: float, stop: Stop) -> Generator[Stop]:
    """A request to stop that also comes when the time is up; what keeps what it did goes on with it the next time."""
    mine = Stop()
    stop.listen(mine.request)
    timer = asyncio.get_running_loop().call_later(seconds, mine.request)
    try:
        yield mine
    finally:
        timer.cancel()


@asynccontextmanager
async def held_open(halted: asyncio.Event, work: Callable[[ExitStack], T]) -> AsyncGenerator[T]:
    """What some work opens, for as long as the context lasts.

    Args:
        halted: As for `aside`.
        work: Opens things on the stack that it is given, and returns what is wanted of them.

    Raises:
        Halted: Stopping was requested first. What is opened all the same is closed by its thread.
    """
    stack, given_up = ExitStack(), threading.Event()

    def opening() -> T:
        try:
            return work(stack)
        finally:
            if given_up.is_set():
                stack.close()

    try:
        yield await aside(halted, opening)
    finally:
        given_up.set()
        closing = asyncio.ensure_future(asyncio.to_thread(stack.close))
        await asyncio.wait({closing}, timeout=_CLOSE_S if halted.is_set() else None)
        if closing.done():
            closing.result()
