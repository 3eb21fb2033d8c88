"""The player, which hands recorded crossings over again instead of running their steps.

A replay runs the whole workflow. The player stands at every crossing: one that is kept hands over what the tape says, the
step's own code untouched; every other runs. Nothing runs for real before all that was to be kept has been asked for, in
the state in which it was recorded: a replay that takes another way ends as `ReplayMismatch` before it has called anybody.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import msgspec

from gapless.boundary.crossing import Crossing
from gapless.boundary.flow import Flow, Proceed, Sleep
from gapless.boundary.leaving import LeftTape, ReplayedError, recorded_exception
from gapless.boundary.tape import Place, Tape, Taped, below, place_of
from gapless.errors import ReplayMismatch
from gapless.records.changes import changes, holds
from gapless.records.form import CannotRebuild, fitted, rebuild
from gapless.records.replay import Change
from gapless.records.trial import Ruling, StepEvent
from gapless.records.value import OMITTED, UNSERIALISABLE, is_redacted, to_plain
from gapless.trace.recorder import OpenStep, TrialRecorder, current_step

_WAIT_S, _POLL_S = 1.0, 0.005
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a replay keeps, what it changes, and what it may do."""

    kept: frozenset[Place] = frozenset()
    """Visits that hand over what the tape says."""
    instead: Mapping[Place, Any] = field(default_factory=dict[Place, Any])
    """Visits that hand over something else, as plain data: a golden output, an edited one. They are kept too."""
    effects: Container[str] = frozenset[str]()
    """Steps that change the world, besides those that say so themselves: the tape answers for them, or nothing runs."""
    live_effects: bool = False
    """Whether they run all the same."""
    start: frozenset[Place] = frozenset()
    """Visits that are to be given an edited state."""
    given: Callable[[Any], str | None] = lambda state: None
    """Reads from the plain state that they are given why it is not the edited one; None where it is."""
    later: frozenset[Place] = frozenset()
    """Kept visits that others, which run, may come before."""
    strict: bool = True
    """Whether a kept visit must be given the state it was recorded in; not where an edit before it changes that."""
    exact: bool = False
    """Whether the first visit that runs must be, too."""


class Player:
    """The tape at work in one trial: a middleware, and what guards ask about crossings that are kept."""

    def __init__(self, tape: Tape, plan: Plan) -> None:
        self.tape, self.plan = tape, plan
        self.mismatch: ReplayMismatch | None = None
        """Why the replay left the tape; everything after it ends the same way."""
        self.saved_ms = 0.0
        """What the kept steps took when they were recorded, in milliseconds."""
        self.recorder: TrialRecorder | None = None
        """Of the trial that is running: it takes over what a kept step had called."""
        self._waiting = set(plan.kept | set(plan.instead))
        self._adopted: set[tuple[Place, int]] = set()
        self._next = _first_running(tape, self._waiting) if plan.exact else None
        self._lock = threading.Lock()

    def __call__(self, crossing: Crossing, proceed: Proceed) -> Flow:
        """Hands over what is kept, and runs what is not."""
        place = _place(crossing)
        with self._lock:
            self._stop_if_left()
            kept = self._keeps(place)
        if kept:
            return self._handed_over(crossing, place)
        yield from self._all_kept_first(crossing, place)
        self._right_state(crossing, place)
        if self._acts(crossing):
            return self._effect(crossing, place)
        return (yield from proceed(crossing.state))

    # -- what guards ask ------------------------------------------------------------------------------------------

    def keeps(self, crossing: Crossing) -> bool:
        """Whether a visit hands over what was recorded, so that its contract has looked at it already."""
        place = _place(crossing)
        return place in self.plan.kept and place not in self.plan.instead

    def gate(self, crossing: Crossing) -> Ruling | None:
        """What a gate said when a kept handoff was recorded; None where it has to look itself."""
        source = crossing.step.partition("->")[0]
        place = Place(source, crossing.branch, crossing.visit)
        if place not in self.plan.kept or place in self.plan.instead:
            return None
        said = (crossing.step, crossing.branch, crossing.visit)
        rulings = (one for one in self.tape.rulings if one.guard == "gate")
        return next((one for one in rulings if (one.step, one.branch, one.visit) == said), None)

    def fallback(self, crossing: Crossing) -> tuple[Any] | None:
        """What the fallback of a kept visit answered when it was recorded; None where it did not answer."""
        place = _place(crossing)
        said = (one for one in self.tape.rulings if one.guard == "fallback")
        found = next((one for one in said if (one.step, one.branch, one.visit) == tuple(place)), None)
        if found is None:
            return None
        taped = self.tape.visits[place]
        if found.handed is None:
            raise self._left(f"{place}: its fallback answered, and the answer was not kept. {_LATER}")
        answered = msgspec.structs.replace(taped.event, output=found.handed, form=found.form)
        return (self._value(replace(taped, event=answered)),)

    def rulings(self, made: Sequence[Ruling]) -> tuple[Ruling, ...]:
        """The trial's rulings: those on the tape for what is kept, those made now for the rest."""
        before = tuple(one for one in self.tape.rulings if self._ruled(one))
        return before + tuple(one for one in made if not self._ruled(one))

    def _ruled(self, ruling: Ruling) -> bool:
        place = Place(ruling.step.partition("->")[0], ruling.branch, ruling.visit)
        return place in self.plan.kept and place not in self.plan.instead

    # -- keeping --------------------------------------------------------------------------------------------------

    def _keeps(self, place: Place) -> bool:
        kept = place in self.plan.kept or place in self.plan.instead
        self._waiting.discard(place)
        return kept

    def _handed_over(self, crossing: Crossing, place: Place) -> Any:
        opened = current_step.get()
        taped = self.tape.visits[place]
        if self.plan.strict:
            self._same_state(crossing, opened, taped, "it was recorded in another state")
        if place in self.plan.instead:
            if opened is not None:
                opened.kept = True
            return self._rebuilt(crossing, taped, self._instead(taped))
        return self._from_tape(crossing, opened, taped)

    def _from_tape(self, crossing: Crossing, opened: OpenStep | None, taped: Taped) -> Any:
        event = taped.event
        self.saved_ms += event.ms
        if opened is not None:
            opened.kept = True
            opened.calls.extend(event.calls)
            opened.faults.extend(event.faults)
        if self.recorder is not None and taped.inside:
            self.recorder.adopt(self._own(taped))
        if not taped.ended:
            raise self._raised(taped)
        return self._rebuilt(crossing, taped, self._value(taped))

    def _rebuilt(self, crossing: Crossing, taped: Taped, handed: Any) -> Any:
        try:
            return crossing.rebuilt(handed, self._routing(taped))
        except CannotRebuild as error:
            raise self._left(f"{taped.place}: where it sent the run: {error}. {_LATER}") from error

    def _instead(self, taped: Taped) -> Any:
        """What is handed over instead, in the classes that the recorded handoff had where it fits them."""
        value = copy.deepcopy(self.plan.instead[taped.place])
        form = taped.event.form
        return value if form is None else fitted(value, self._load(taped, form, "its form"))

    def _own(self, taped: Taped) -> list[StepEvent]:
        """The steps that a kept one had called, each once: those of visits that overlapped may belong to either."""
        with self._lock:
            mine = [one for one in taped.inside if (place_of(one), one.attempt) not in self._adopted]
            self._adopted.update((place_of(one), one.attempt) for one in mine)
        return mine

    def _raised(self, taped: Taped) -> BaseException:
        """The exception that a recorded step ended with.

        Raises:
            LeftTape: Its class is not there, and somebody caught it then who would not know another one.
        """
        error, info = recorded_exception(taped.event), taped.event.error
        if type(error) is ReplayedError and info is not None:
            end = self.tape.error
            if end is None or (end.type, end.message) != (info.type, info.message):
                raise self._left(
                    f"{taped.place}: it ended with {info.type}, and that class is not there any more, or is made inside a "
                    f"function: who caught it then would not know it. {_LATER}"
                )
        return error

    def _value(self, taped: Taped) -> Any:
        plain = self._load(taped, taped.event.output, "what it handed over")
        if holds(plain, OMITTED):
            raise self._left(f"{taped.place}: what it handed over was too large to be kept. {_LATER}")
        if holds(plain, UNSERIALISABLE):
            raise self._left(f"{taped.place}: what it handed over has no plain form. {_LATER}")
        if is_redacted(plain):
            raise self._left(f"{taped.place}: what it handed over was kept with redacted values. {_LATER}")
        form = self._load(taped, taped.event.form, "its form") if taped.event.form is not None else {}
        try:
            return rebuild(plain, form)
        except CannotRebuild as error:
            raise self._left(f"{taped.place}: {error}. {_LATER}") from error

    def _routing(self, taped: Taped) -> Any:
        routing = taped.event.routing
        return self._load(taped, routing, "where it sent the run") if routing is not None else None

    def _load(self, taped: Taped, address: str | None, what: str) -> Any:
        try:
            return self.tape.load(cast("str", address))
        except Exception as error:  # the store's own words say what it lacks
            raise self._left(f"{taped.place}: the tape lacks {what}: {error}") from error

    # -- what runs ------------------------------------------------------------------------------------------------

    def _all_kept_first(self, crossing: Crossing, place: Place) -> Flow:
        """Waits until everything that has to be handed over first has been asked for.

        Steps that run at the same time reach their crossings in any order; on a way of its own the replay never gets there.
        """
        end = time.monotonic() + _WAIT_S
        while True:
            with self._lock:
                self._stop_if_left()
                missing = [kept for kept in self._waiting if self._precedes(kept, crossing)]
            if not missing:
                return
            if time.monotonic() >= end:
                first = min(missing, key=lambda kept: self.tape.visits[kept].index)
                with self._lock:
                    known = "" if place in self.tape.visits else ", of which the tape knows nothing,"
                    raise self._left(
                        f"the replay came to {place}{known} without passing {first}, which the tape has before it. The code, "
                        f"or what it was given, has changed: start at an earlier step."
                    )
            yield Sleep(_POLL_S)

    def _precedes(self, kept: Place, crossing: Crossing) -> bool:
        """Whether a kept visit has to be handed over before a step may run."""
        if kept in self.plan.later or below(kept.step, crossing.step):
            return False  # or it is part of the step
        here, event = self.tape.visits.get(_place(crossing)), self.tape.visits[kept].event
        if here is None or here.event.superstep is None:
            return True
        beside = event.superstep == here.event.superstep
        return not (beside and _graph_of(event.step) == _graph_of(crossing.step))

    def _acts(self, crossing: Crossing) -> bool:
        """Whether the step would change the world if it ran, and may not."""
        declared = crossing.effect or crossing.step in self.plan.effects
        return declared and not crossing.router and not self.plan.live_effects

    def _right_state(self, crossing: Crossing, place: Place) -> None:
        if place in self.plan.start:
            text = self.plan.given(to_plain(crossing.state))
            if text is not None:
                raise self._left(f"{place}: {text}")
        if place == self._next:
            what = "what is kept does not lead to the state it was recorded in"
            self._same_state(crossing, current_step.get(), self.tape.visits[place], what)

    def _effect(self, crossing: Crossing, place: Place) -> Any:
        """The recorded answer of a step that changes the world, if it is the same action."""
        taped = self.tape.visits.get(place)
        if taped is None or not taped.ended:
            raise self._left(
                f"{place} has an effect, and the tape holds no answer of it. Allow it with --live-effects."
            )
        self._same_state(
            crossing, current_step.get(), taped, "it has an effect, and would act on other values"
        )
        return self._from_tape(crossing, current_step.get(), taped)

    def _same_state(self, crossing: Crossing, opened: OpenStep | None, taped: Taped, what: str) -> None:
        """Refuses a state that differs from the recorded one.

        Raises:
            LeftTape: It does.
        """
        then = taped.event.input
        if then is None or (opened is not None and opened.input == then):
            return
        before = self._load(taped, then, "the state it was given")
        if holds(before, OMITTED):
            return
        masked = is_redacted(before)
        found = changes(before, to_plain(crossing.state))
        found = [one for one in found if not (masked and (one.kind == "added" or is_redacted(one.before)))]
        if not found:
            return
        told = "; ".join(_told(one) for one in found[:_SHOWN])
        advice = "Start at an earlier step, or leave --from out: then everything after the edit runs."
        if self._acts(crossing):
            advice = "Allow it with --live-effects."
        elif not self.plan.instead:
            advice = "Start at an earlier step."
        raise self._left(f"{taped.place}: {what}: {told}. {advice}")

    def _left(self, text: str) -> LeftTape:
        self.mismatch = self.mismatch or ReplayMismatch(text)
        return LeftTape(str(self.mismatch))

    def _stop_if_left(self) -> None:
        if self.mismatch is not None:
            raise LeftTape(str(self.mismatch))


_LATER = "Start there, or at an earlier step, so that it runs."


def _told(change: Change) -> str:
    where = change.path or "the state"
    if change.kind == "added":
        return f"{where} is {change.after!r:.80}, and was not there"
    if change.kind == "removed":
        return f"{where} is not there, and was {change.before!r:.80}"
    return f"{where} is {change.after!r:.80}, was {change.before!r:.80}"


def _place(crossing: Crossing) -> Place:
    return Place(crossing.step, crossing.branch, crossing.visit)


def _first_running(tape: Tape, kept: set[Place]) -> Place | None:
    """The first visit that runs, and is no part of one that is kept, nor round one."""
    inside = {place_of(event) for place in kept for event in tape.visits[place].inside}
    running = [
        taped
        for taped in tape.visits.values()
        if taped.place not in kept | inside and not kept & {place_of(event) for event in taped.inside}
    ]
    return min(running, key=lambda taped: taped.index).place if kept and running else None


def _graph_of(step: str) -> str:
    return step.rpartition("/")[0]
