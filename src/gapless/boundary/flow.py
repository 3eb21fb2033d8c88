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
from contextlib import suppress
from typing import Any, NamedTuple, cast

from msgspec.structs import replace

from gapless.boundary.crossing import Crossing
from gapless.boundary.first_token import FirstToken, awaited
from gapless.errors import BoundaryTimeout


class Call(NamedTuple):
    """Run the step itself on this state."""

    state: Any
    limit_s: float | None = None
    """Seconds it may take; then `BoundaryTimeout` arrives at the yield, and blocking work is left behind."""
    first: FirstToken | None = None
    """What has to come within `first_s`, if the step has not ended by then."""
    first_s: float | None = None
    """Seconds until then; the same happens."""


class Sleep(NamedTuple):
    """Wait that many seconds."""

    seconds: float


Effect = Call | Sleep
Flow = Generator[Effect, Any, Any]
Proceed = Callable[[Any], Flow]
Middleware = Callable[[Crossing, Proceed], Flow]


def compose(middlewares: tuple[Middleware, ...], crossing: Crossing) -> Flow:
    """The flow of a crossing: the first middleware is the outermost, the step itself is innermost.

    What was injected is noted on the crossing for the record. Contracts stand in the same chain and must not read it:
    where there are faults, everything that is none sees the crossing without their labels.
    """
    faults = [middleware for middleware in middlewares if _is_fault(middleware)]
    unlabelled = replace(crossing, faults=[]) if faults else crossing
    proceed: Proceed = _called
    for middleware in reversed(middlewares):
        proceed = _through(middleware, crossing if middleware in faults else unlabelled, proceed)
    return proceed(crossing.state)


def _called(state: Any) -> Flow:
    return (yield Call(state))


def _through(middleware: Middleware, seen: Crossing, inner: Proceed) -> Proceed:
    def proceed(state: Any) -> Flow:
        seen.state = state
        return middleware(seen, inner)

    return proceed


def _is_fault(middleware: Middleware) -> bool:
    """Whether a middleware injects something: it says what a contract can do about it."""
    return hasattr(getattr(middleware, "__self__", middleware), "detectable")


def drive(flow: Flow, call: Callable[[Any], Any]) -> Any:
    """Performs a flow in this thread; `call` runs the step."""
    try:
        effect = next(flow)
        while True:
            try:
                sent = _perform(effect, call)
            except BaseException as error:  # the guards learn of it, an interrupt too
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
            except BaseException as error:  # the guards learn of it, an interrupt too
                effect = flow.throw(error)
            else:
                effect = flow.send(sent)
    except StopIteration as stop:
        return stop.value


def _perform(effect: Effect, call: Callable[[Any], Any]) -> Any:
    if isinstance(effect, Sleep):
        return time.sleep(effect.seconds)
    if effect.limit_s is None and effect.first is None:
        return call(effect.state)
    # Python cannot stop a thread: what does not end in time goes on in this one, and nobody looks at it any more.
    answer: Future[Any] = Future()

    def work() -> None:
        try:
            answer.set_result(call(effect.state))
        except BaseException as error:  # raised again in the thread that waits
            answer.set_exception(error)

    context = contextvars.copy_context()
    if effect.first is not None:
        context.run(awaited.set, effect.first)
    began = time.monotonic()
    threading.Thread(target=context.run, args=(work,), name="gapless-step-limited", daemon=True).start()
    if effect.first is not None and not effect.first.seen:
        _hear(effect, answer)
    left = None if effect.limit_s is None else effect.limit_s - (time.monotonic() - began)
    try:
        return answer.result(None if left is None else max(0.0, left))
    except TimeoutError:
        if answer.done():
            raise
        raise _too_late(effect.limit_s) from None


def _hear(effect: Call, answer: Future[Any]) -> None:
    """Waits for the first token, or the end, as long as the effect allows."""
    sign = threading.Event()
    answer.add_done_callback(lambda _: sign.set())
    if effect.first is not None:
        effect.first.when_seen(sign.set)
    if not sign.wait(_shorter(effect.first_s, effect.limit_s)):
        raise _too_late(_shorter(effect.first_s, effect.limit_s))


def _aperform(effect: Effect, call: Callable[[Any], Awaitable[Any]]) -> Awaitable[Any]:
    if isinstance(effect, Sleep):
        return asyncio.sleep(effect.seconds)
    if effect.limit_s is None and effect.first is None:
        return call(effect.state)
    return _alimited(effect, call)


async def _alimited(effect: Call, call: Callable[[Any], Awaitable[Any]]) -> Any:
    waiting = effect.first is not None and not effect.first.seen
    until = _shorter(effect.first_s, effect.limit_s) if waiting else effect.limit_s
    limit = asyncio.timeout(until)
    token = awaited.set(effect.first if effect.first is not None else awaited.get())
    try:
        async with limit:
            if effect.first is not None and waiting:
                effect.first.when_seen(_later(limit, effect.limit_s))
            return await call(effect.state)
    except TimeoutError:
        if limit.expired():
            first = effect.first is not None and not effect.first.seen
            raise _too_late(until if first else effect.limit_s) from None
        raise
    finally:
        awaited.reset(token)


def _later(limit: asyncio.Timeout, limit_s: float | None) -> Callable[[], None]:
    """Called from any thread once the first token is there: from then on only the whole has a limit."""
    loop = asyncio.get_running_loop()
    end = None if limit_s is None else loop.time() + limit_s

    def postpone() -> None:
        if not limit.expired():
            with suppress(RuntimeError):  # the step has just ended
                limit.reschedule(end)

    return lambda: cast("None", loop.call_soon_threadsafe(postpone))


def _shorter(one: float | None, other: float | None) -> float | None:
    return min((limit for limit in (one, other) if limit is not None), default=None)


def _too_late(limit_s: float | None) -> BoundaryTimeout:
    limit_s = limit_s or 0.0
    return BoundaryTimeout(f"it did not end within {limit_s:.3g} s and was abandoned", limit_s=limit_s)
