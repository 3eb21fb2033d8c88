"""One middleware shape for recording, faults, guards and replay, written once for sync and async workflows.

A middleware is a generator `(crossing, proceed) -> value`. It asks for what it cannot do itself by yielding an
effect: `Call` (run the step), `Sleep` (wait). `proceed(state)` is the next middleware, to be used with `yield from`:

    def slow(crossing, proceed):
        yield Sleep(2.0)
        return (yield from proceed(crossing.state))

`drive` and `adrive` perform the effects; the step's exceptions arrive at the `yield`, so `try/except` works as usual.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future
from typing import Any, NamedTuple

from gapless.boundary.crossing import Crossing
from gapless.errors import BoundaryTimeout


class Call(NamedTuple):
    """Run the step itself on this state."""

    state: Any
    limit_s: float | None = None
    """Seconds it may take; then `BoundaryTimeout` arrives at the yield, and blocking work is left behind."""


class Sleep(NamedTuple):
    """Wait that many seconds."""

    seconds: float


Effect = Call | Sleep
Flow = Generator[Effect, Any, Any]
Proceed = Callable[[Any], Flow]
Middleware = Callable[[Crossing, Proceed], Flow]


def compose(middlewares: tuple[Middleware, ...], crossing: Crossing) -> Flow:
    """The flow of a crossing: the first middleware is the outermost, the step itself is innermost."""

    def at(index: int) -> Proceed:
        def proceed(state: Any) -> Flow:
            if index == len(middlewares):
                return (yield Call(state))
            crossing.state = state
            return (yield from middlewares[index](crossing, at(index + 1)))

        return proceed

    return at(0)(crossing.state)


def drive(flow: Flow, call: Callable[[Any], Any]) -> Any:
    """Performs a flow in this thread; `call` runs the step."""
    try:
        effect = next(flow)
        while True:
            try:
                sent = _perform(effect, call)
            except BaseException as error:
                effect = flow.throw(error)
            else:
                effect = flow.send(sent)
    except StopIteration as stop:
        return stop.value


async def adrive(flow: Flow, call: Callable[[Any], Awaitable[Any]]) -> Any:
    """Performs a flow on the running event loop; `call` runs the step."""
    try:
        effect = next(flow)
        while True:
            try:
                sent = await _aperform(effect, call)
            except BaseException as error:
                effect = flow.throw(error)
            else:
                effect = flow.send(sent)
    except StopIteration as stop:
        return stop.value


def _perform(effect: Effect, call: Callable[[Any], Any]) -> Any:
    if isinstance(effect, Sleep):
        return time.sleep(effect.seconds)
    if effect.limit_s is None:
        return call(effect.state)
    # Python cannot stop a thread: what does not end in time goes on in this one, and nobody looks at it any more.
    answer: Future[Any] = Future()

    def work() -> None:
        try:
            answer.set_result(call(effect.state))
        except BaseException as error:
            answer.set_exception(error)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(work,), name="gapless-step-limited", daemon=True).start()
    try:
        return answer.result(effect.limit_s)
    except TimeoutError:
        if answer.done():
            raise
        raise _too_late(effect.limit_s) from None


async def _aperform(effect: Effect, call: Callable[[Any], Awaitable[Any]]) -> Any:
    if isinstance(effect, Sleep):
        return await asyncio.sleep(effect.seconds)
    if effect.limit_s is None:
        return await call(effect.state)
    limit = asyncio.timeout(effect.limit_s)
    try:
        async with limit:
            return await call(effect.state)
    except TimeoutError:
        if limit.expired():
            raise _too_late(effect.limit_s) from None
        raise


def _too_late(limit_s: float) -> BoundaryTimeout:
    return BoundaryTimeout(f"it did not end within {limit_s:.3g} s and was abandoned", limit_s=limit_s)
