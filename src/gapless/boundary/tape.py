"""The recorded crossings of a trial: what each visit of each step was given and handed over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from gapless.records.trial import ErrorInfo, Ruling, StepEvent, TrialRecord

Load = Callable[[str], Any]
"""The plain value of a payload digest."""


class Place(NamedTuple):
    """One visit of one step, whatever attempts it took."""

    step: str
    branch: int | None
    visit: int

    def __str__(self) -> str:
        branch = f"[{self.branch}]" if self.branch is not None else ""
        return f"{self.step}{branch}#{self.visit}"


@dataclass(frozen=True, slots=True)
class Taped:
    """What the tape holds of one visit."""

    place: Place
    event: StepEvent
    """The attempt that succeeded, else the last one."""
    index: int
    """Of the visit's first attempt among all events, which are in the order of their starts."""
    inside: tuple[StepEvent, ...] = ()
    """Steps that its own code called, and theirs."""

    @property
    def ended(self) -> bool:
        """Whether the step handed something over."""
        return self.event.status == "ok"


@dataclass(frozen=True, slots=True)
class Tape:
    """The visits of a recorded trial, in the order in which they began."""

    visits: Mapping[Place, Taped]
    rulings: tuple[Ruling, ...]
    load: Load
    error: ErrorInfo | None = None
    """What the trial itself ended with."""

    @classmethod
    def of(cls, record: TrialRecord, load: Load) -> Tape:
        """The tape of a recorded trial; `load` reads the values it refers to."""
        visits: dict[Place, Taped] = {}
        for index, event in enumerate(record.events):
            place = Place(event.step, event.branch, event.visit)
            known = visits.get(place)
            if known is None:
                visits[place] = Taped(place, event, index)
            elif not known.ended:
                visits[place] = Taped(place, event, known.index)
        steps = {place.step for place in visits}
        for outer in [taped for taped in visits.values() if any(below(s, taped.place.step) for s in steps)]:
            visits[outer.place] = replace(outer, inside=_inside(outer, record.events))
        return cls(visits, record.rulings, load, record.error)

    def last(self, step: str) -> tuple[Place, ...]:
        """The last visit of a step: one place, or one for each parallel branch."""
        places = [place for place in self.visits if place.step == step]
        most = {b: max(p.visit for p in places if p.branch == b) for b in {p.branch for p in places}}
        return tuple(place for place in places if place.visit == most[place.branch])


def place_of(event: StepEvent) -> Place:
    """The visit that an event belongs to."""
    return Place(event.step, event.branch, event.visit)


def below(step: str, outer: str) -> bool:
    """Whether a step was called by another's own code."""
    return step.startswith(f"{outer}/")


def _inside(outer: Taped, events: tuple[StepEvent, ...]) -> tuple[StepEvent, ...]:
    event = outer.event
    end = event.started_ms + event.ms
    return tuple(
        one for one in events if below(one.step, event.step) and event.started_ms <= one.started_ms <= end
    )
