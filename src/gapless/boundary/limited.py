"""One attempt of a step within its time: as a whole, and until the first token of the model that it asks."""

from __future__ import annotations

import math
from collections.abc import Callable

from gapless.boundary.first_token import FirstToken
from gapless.boundary.flow import Call, Effect, Flow, Sleep
from gapless.errors import BoundaryTimeout


class TimeUp(Exception):
    """A limit was reached; `first` if it was that of the first token."""

    def __init__(self, first: bool) -> None:
        super().__init__("the first token" if first else "the whole")
        self.first = first


class Limited:
    """Cuts every effect of a flow to what is left of its limits."""

    def __init__(self, limit_s: float, first_s: float | None, clock: Callable[[], float]) -> None:
        self.limit_s = limit_s
        """Seconds the whole may take; infinity where only the first token has a limit."""
        self._clock = clock
        self._end = clock() + limit_s
        self._first = FirstToken() if first_s is not None else None
        self._first_end = math.inf if first_s is None else clock() + first_s

    def run(self, flow: Flow) -> Flow:
        """The flow.

        Raises:
            TimeUp: A limit was reached; whatever was at work is abandoned.
        """
        go_on: Callable[[], Effect] = lambda: next(flow)  # noqa: E731 - the first of three ways to go on
        while True:
            try:
                effect = go_on()
            except StopIteration as stop:
                return stop.value
            left = math.inf
            try:
                left, first = self._left()
                sent = yield self._cut(effect, left)
                if isinstance(effect, Sleep) and effect.seconds > left:
                    raise TimeUp(first)
            except BoundaryTimeout as late:
                if isinstance(effect, Call) and (effect.limit_s is None or effect.limit_s > left):
                    flow.close()
                    raise TimeUp(self._waiting and self._clock() < self._end) from late
                go_on = _thrower(flow, late)
            except TimeUp:
                flow.close()
                raise
            except BaseException as error:  # the flow is told, whatever it is
                go_on = _thrower(flow, error)
            else:
                go_on = _sender(flow, sent)

    @property
    def _waiting(self) -> bool:
        return self._first is not None and not self._first.seen

    def _left(self) -> tuple[float, bool]:
        """Seconds that are left, and whether they are those until the first token.

        Raises:
            TimeUp: None are.
        """
        now = self._clock()
        first = self._waiting and self._first_end < self._end
        left = (self._first_end if first else self._end) - now
        if left <= 0:
            raise TimeUp(first)
        return left, first

    def _cut(self, effect: Effect, left: float) -> Effect:
        if isinstance(effect, Sleep):
            return Sleep(min(effect.seconds, left))
        whole = min(self._end - self._clock(), math.inf if effect.limit_s is None else effect.limit_s)
        limit = None if whole == math.inf else whole
        if not self._waiting:
            return Call(effect.state, limit)
        return Call(effect.state, limit, self._first, self._first_end - self._clock())


def _sender(flow: Flow, value: object) -> Callable[[], Effect]:
    return lambda: flow.send(value)


def _thrower(flow: Flow, error: BaseException) -> Callable[[], Effect]:
    return lambda: flow.throw(error)
