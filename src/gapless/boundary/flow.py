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
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, NamedTuple

from gapless.boundary.crossing import Crossing


class Call(NamedTuple):
    """Run the step itself on this state."""

    state: Any


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
                sent = call(effect.state) if isinstance(effect, Call) else time.sleep(effect.seconds)
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
                if isinstance(effect, Call):
                    sent = await call(effect.state)
                else:
                    sent = await asyncio.sleep(effect.seconds)
            except BaseException as error:
                effect = flow.throw(error)
            else:
                effect = flow.send(sent)
    except StopIteration as stop:
        return stop.value
