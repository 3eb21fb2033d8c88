"""The one thin door from ordinary code to the async inside."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

from gapless.boundary.session import Passage
from gapless.operations.progress import Stop

T = TypeVar("T")
_THREADS = "gapless-step"
_FINISH_S = 3.0
_left: list[asyncio.Task[Any]] = []
"""Tasks that ignored their cancellation; kept, for their destruction would run their code again."""


def run_sync(work: Callable[[Stop], Coroutine[Any, Any, T]], *, threads: int = 32) -> T:
    """Runs an operation to its end, from code that is not async.

    The first Ctrl-C (or termination signal) asks it to stop and keep what is done; a second one interrupts at once. A
    step that was given up and goes on (it blocks, or ignores its cancellation) is named on stderr and left behind.

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


async def until_stopped(work: Coroutine[Any, Any, T], stop: Stop) -> T:
    """Work of which nothing is kept when it is broken off: the first Ctrl-C ends it, and what it has started with it.

    Raises:
        KeyboardInterrupt: It was broken off.
    """
    task = asyncio.ensure_future(work)

    def end() -> None:
        task.cancel()

    stop.listen(end)
    try:
        return await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def left_behind() -> bool:
    """Whether a step that was given up still runs: the process can then only end by force."""
    blocked = any(thread.name.startswith(_THREADS) and thread.is_alive() for thread in threading.enumerate())
    return blocked or bool(_left)


def _catch_signals(loop: asyncio.AbstractEventLoop, stop: Stop) -> Callable[[], None]:
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            if loop.remove_signal_handler(number):  # asyncio leaves the default behind, whatever was there
                signal.signal(number, handler)

    def on_signal() -> None:
        restore()
        stop.request()

    for number in before:
        loop.add_signal_handler(number, on_signal)
    return restore


def _finish(loop: asyncio.AbstractEventLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    stubborn = _wait(loop, left)
    if not stubborn:  # they may hold such a generator open
        stubborn = _wait(loop, {loop.create_task(loop.shutdown_asyncgens())})
    _leave_behind(stubborn)
    executor = getattr(
        loop, "_default_executor", None
    )  # asyncio offers no shutdown that does not wait for its threads
    if executor is not None:
        executor.shutdown(wait=False, cancel_futures=True)
    loop.close()


def _wait(loop: asyncio.AbstractEventLoop, tasks: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """Waits for tasks that were told to end, but not for ever; returns those that go on."""
    if not tasks:
        return set()
    done, pending = loop.run_until_complete(asyncio.wait(tasks, timeout=_FINISH_S))
    for task in done:
        if not task.cancelled():
            task.exception()  # asked for, so that asyncio does not complain about it
    return pending


def _leave_behind(tasks: set[asyncio.Task[Any]]) -> None:
    told = [_describe(task) for task in tasks]
    # the others only wait for the step
    for words in sorted(one for one in told if one.startswith("step")) or told:
        print(f"gapless: left behind: {words}.", file=sys.stderr)  # noqa: T201
    for task in tasks:
        cast("Any", task)._log_destroy_pending = False  # we have said so ourselves
        _left.append(task)


def _describe(task: asyncio.Task[Any]) -> str:
    """What a task is doing: the step it runs, where it is one, and the line it waits at."""
    here: Any = task.get_coro()
    step, place = None, None
    while here is not None:
        frame = getattr(here, "cr_frame", None) or getattr(here, "ag_frame", None)
        if frame is not None and not frame.f_globals.get("__name__", "").startswith("asyncio"):
            place = f"{frame.f_code.co_name} ({frame.f_code.co_filename}:{frame.f_lineno})"
            passage = frame.f_locals.get("passage")
            step = passage.step if isinstance(passage, Passage) else step  # the session's own frame
        here = getattr(here, "cr_await", None) or getattr(here, "ag_await", None)
    named = f"step {step!r}" if step is not None else "a task of the workflow"
    return f"{named}, which ignored its cancellation in {place or task.get_name()}"
