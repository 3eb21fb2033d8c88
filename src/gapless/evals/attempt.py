"""Runs a workflow's own code so that whatever it does ends that attempt and nothing else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.flow import Flow, Proceed
from gapless.errors import BoundaryTimeout
from gapless.trace.recorder import NotAnException

T = TypeVar("T")
_GRACE_S = 5.0


async def attempt(work: Coroutine[Any, Any, T], *, limit_s: float, what: str) -> T:
    """Awaits a workflow's code in a task of its own: it may cancel itself, and it cannot outlive its time.

    Args:
        work: The code to run.
        limit_s: Seconds it may take.
        what: Names it in the timeout's message: "the trial".

    Raises:
        BoundaryTimeout: It did not end in time. A task that ignores its cancellation is left behind.
        NotAnException: It ended with something that is no exception, such as `sys.exit()`.
        Exception: What it raised.
    """
    task = asyncio.create_task(_contained(work))
    try:
        await _ended(task, limit_s)
    except asyncio.CancelledError:
        await _give_up(task)
        raise
    if not task.done():
        await _give_up(task)
        _replace_threads()
        text = f"{what} did not end within {limit_s:g} s and was abandoned. Raise it with --timeout, or find the slow step in the report."
        raise BoundaryTimeout(text, limit_s=limit_s)
    try:
        return task.result()
    except asyncio.CancelledError as error:  # nobody but the workflow itself has cancelled it
        raise NotAnException(error) from error


async def _ended(task: asyncio.Task[Any], limit_s: float) -> None:
    """Waits until a task ends or its time is up: what `asyncio.wait` does, without what it does for several tasks."""
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def wake(_: object = None) -> None:
        if not waiter.done():
            waiter.set_result(None)

    timer = loop.call_later(limit_s, wake)
    task.add_done_callback(wake)
    try:
        await waiter
    finally:
        timer.cancel()
        task.remove_done_callback(wake)


def contain(crossing: Crossing, proceed: Proceed) -> Flow:
    """Middleware: a step that exits raises an exception instead, before that reaches a framework's own tasks.

    An event loop stops at once when a task in it ends with SystemExit, and takes every other trial with it.
    """
    try:
        return (yield from proceed(crossing.state))
    except (SystemExit, KeyboardInterrupt) as error:
        if _passes(error):
            raise
        raise NotAnException(error) from error


async def _contained(work: Coroutine[Any, Any, T]) -> T:
    try:
        return await work
    except BaseException as error:  # SystemExit in a task would stop the event loop
        if _passes(error):
            raise
        raise NotAnException(error) from error


def _passes(error: BaseException) -> bool:
    if isinstance(error, KeyboardInterrupt):  # Ctrl-C reaches the main thread alone
        return threading.current_thread() is threading.main_thread()
    return isinstance(error, (Exception, asyncio.CancelledError, GeneratorExit))


async def _give_up(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait({task}, timeout=_GRACE_S)
    if task.done() and not task.cancelled():
        task.exception()  # it is of no interest any more; asking keeps asyncio from complaining


def _replace_threads() -> None:
    # A blocking step that was abandoned keeps its thread. Without fresh ones, a few of them would starve every later trial.
    loop = asyncio.get_running_loop()
    before = getattr(loop, "_default_executor", None)  # asyncio has no other way to ask for it
    if not isinstance(before, ThreadPoolExecutor):
        return
    threads = getattr(before, "_max_workers", None)
    loop.set_default_executor(ThreadPoolExecutor(threads, thread_name_prefix="gapless-step"))
    before.shutdown(wait=False)  # what waits in it still runs; its idle threads end
