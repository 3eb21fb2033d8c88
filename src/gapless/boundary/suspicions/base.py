"""A finished trial with its values loaded: what the step checks look at. It is plain data and holds no store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from gapless.records.trial import Call, StepEvent, TrialRecord
from gapless.records.value import OMITTED, UNSERIALISABLE

Ended = Literal["ok", "failed", "escalated"]


class _Unknown:
    """A value that was not kept; nothing is learnt from it and nothing suspected of it."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()


@dataclass(frozen=True, slots=True)
class ObservedEvent:
    """A step event with what went in and what came out."""

    event: StepEvent
    input: Any = UNKNOWN
    """Plain data of the state the step was given."""
    output: Any = UNKNOWN
    """Plain data of the update it handed over; UNKNOWN unless the event is ok and its value was kept."""
    calls: tuple[tuple[Call, Any, Any], ...] = ()
    """Nested calls with their request and response."""


@dataclass(frozen=True, slots=True)
class ObservedTrial:
    """A trial with its values."""

    case: str
    trial: int
    input: Any
    output: Any
    events: tuple[ObservedEvent, ...]
    ended: Ended


def observe(record: TrialRecord, load: Callable[[str], Any], case_input: Any = UNKNOWN) -> ObservedTrial:
    """Loads the values of a finished trial.

    Args:
        record: The trial.
        load: Plain data of a payload digest; a KeyError means that the value was not kept.
        case_input: What the case gave to the workflow; the first step's input when it is not known.
    """
    known: dict[str, Any] = {}

    def value(digest: str | None) -> Any:
        if digest is None:
            return UNKNOWN
        if digest not in known:
            known[digest] = _loaded(digest, load)
        return known[digest]

    events = tuple(
        ObservedEvent(
            event=event,
            input=value(event.input),
            output=value(event.output) if event.status == "ok" else UNKNOWN,
            calls=tuple((call, value(call.request), value(call.response)) for call in event.calls),
        )
        for event in record.events
    )
    if case_input is UNKNOWN and events:
        case_input = events[0].input
    return ObservedTrial(
        record.case, record.trial, case_input, value(record.output), events, _ended(record.outcome)
    )


def _loaded(digest: str, load: Callable[[str], Any]) -> Any:
    try:
        value = load(digest)
    except KeyError:
        return UNKNOWN
    lost = isinstance(value, dict) and (OMITTED in value or UNSERIALISABLE in value)
    return UNKNOWN if lost else value


def _ended(outcome: str) -> Ended:
    if outcome == "failed":
        return "failed"
    return "escalated" if outcome == "escalated" else "ok"
