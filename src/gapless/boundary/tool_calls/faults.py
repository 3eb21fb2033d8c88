"""The faults of the shelf at a tool's answers: those that change a field are fitted to what the tool really answers."""

from __future__ import annotations

import difflib
from collections import deque
from functools import partial
from typing import Any

from gapless.boundary.crossing import Crossing
from gapless.boundary.faults.base import Detectable
from gapless.boundary.faults.shelf import SHELF, Usual
from gapless.boundary.flow import Flow, Proceed
from gapless.boundary.tool_calls.answers import is_error, value_of, with_value
from gapless.errors import InvalidSettings, UnknownName

_AT_THE_CALL = ("delay", "hang", "timeout", "exception", "http-429", "http-503", "duplicate-delivery")
"""Faults that need no answer to be fitted to."""
_HANG_S = 3600.0
_REMEMBERED = 8


def fault_at(spoken: str) -> Any:
    """The fault that "KIND@TOOL" names, as a middleware. Part of a tool's name may hold @: the first one divides.

    Raises:
        InvalidSettings: It is not of that form.
        UnknownName: There is no such kind.
    """
    kind, at, tool = spoken.partition("@")
    if not (kind and at and tool):
        raise InvalidSettings(f"{spoken!r}: a fault is KIND@TOOL, for example http-503@search.")
    if kind not in SHELF:
        near = difflib.get_close_matches(kind, SHELF, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownName(f"no fault {kind!r}.{hint} Faults: {', '.join(SHELF)}.")
    if kind in _AT_THE_CALL:
        return SHELF[kind](Usual(tool, (), _HANG_S))
    return AtAnswers(kind, tool)


class AtAnswers:
    """A fault that changes what a tool answers, fitted to each answer and those before it."""

    detectable: Detectable = "detect"

    def __init__(self, kind: str, step: str) -> None:
        self.kind, self.step = kind, step
        self._seen: deque[Any] = deque(maxlen=_REMEMBERED)

    def __call__(self, crossing: Crossing, proceed: Proceed) -> Flow:
        """Runs the call, then changes its answer; where there is nothing to change, nothing is recorded."""
        answer = yield from proceed(crossing.state)
        if crossing.step != self.step or is_error(answer):
            return answer
        value = value_of(answer)
        if value not in self._seen:
            self._seen.append(value)
        fault: Any = SHELF[self.kind](Usual(self.step, tuple(self._seen), _HANG_S))
        if fault is None:
            return answer
        before = len(crossing.faults)
        changed = yield from fault(crossing, partial(_given, value))
        return with_value(answer, changed) if len(crossing.faults) > before else answer


def _given(value: Any, _state: Any) -> Flow:
    return value
    yield  # a flow that asks for nothing
