"""The one thin door from ordinary code to the async inside."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from gapless.operations.progress import Stop

T = TypeVar("T")
_THREADS = "gapless-step"


def run_sync(work: Callable[[Stop], Coroutine[Any, Any, T]], *, threads: int = 32) -> T:
    """Runs an operation to its end, from code that is not async.

    The first Ctrl-C (or termination signal) asks it to stop and keep what is done; a second one interrupts at once. A
    blocking step that a timeout abandoned is not waited for.

    Args:
        work: Given a `Stop`, returns the coroutine to run.
        threads: Threads for synchronous steps.
    """
    stop = Stop()
    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(max_workers=threads, thread_name_prefix=_THREADS))
    restore = _catch_signals(loop, stop)
    try:
        return loop.run_until_complete(work(stop))
    finally:
        restore()
        _finish(loop)


def abandoned_threads() -> bool:
    """Whether a step that was given up still blocks a thread: the process can then only end by force."""
    return any(thread.name.startswith(_THREADS) and thread.is_alive() for thread in threading.enumerate())


def _catch_signals(loop: asyncio.AbstractEventLoop, stop: Stop) -> Callable[[], None]:
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    caught = (signal.SIGINT, signal.SIGTERM)

    def on_signal() -> None:
        for number in caught:
            loop.remove_signal_handler(number)
        stop.request()

    for number in caught:
        loop.add_signal_handler(number, on_signal)

    def restore() -> None:
        for number in caught:
            loop.remove_signal_handler(number)

    return restore


def _finish(loop: asyncio.AbstractEventLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    executor = getattr(
        loop, "_default_executor", None
    )  # asyncio offers no shutdown that does not wait for its threads
    if executor is not None:
        executor.shutdown(wait=False, cancel_futures=True)
    loop.close()
