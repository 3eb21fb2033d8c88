"""What a replay keeps and changes, from what a person typed: a step to start at, golden outputs, edited values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gapless.boundary.keeping import kept_before, kept_through
from gapless.boundary.player import Plan
from gapless.boundary.tape import Place, Tape
from gapless.errors import ReplayMismatch, StoreError, UnknownName, UsageError
from gapless.evals.checks.base import MISSING
from gapless.evals.judge import golden_of
from gapless.operations.replay_edits import INPUT, Edits
from gapless.records.form import misfit
from gapless.records.suite import Case
from gapless.records.value import to_plain
from gapless.records.workflow import Shape

if TYPE_CHECKING:
    from gapless.evals.workflow import Workflow

_ADDRESS = re.compile(r"^(?P<step>.*?)(?:\[(?P<branch>\d+)\])?(?:#(?P<visit>\d+))?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a person asked a replay for."""

    start: str | None = None
    """The first step that runs again: `step`, `step#visit`, `step[branch]`; None: the step after the last edit, else all."""
    sets: tuple[str, ...] = ()
    """`path=value`: in the state that the first step is given, in `STEP.path` what a step hands over, in `input.path` the input."""
    golden: tuple[str, ...] = ()
    """Steps that hand over their golden output."""
    live_effects: bool = False
    """Whether steps with effects run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What the replay does."""

    plan: Plan
    case: Case
    """The case, its input perhaps another."""
    start: str | None
    edits: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Address -> what is handed over instead."""
    notes: tuple[str, ...] = ()


def plan_of(tape: Tape, case: Case, workflow: Workflow, wanted: Wanted) -> Planned:
    """The plan of one replay.

    Raises:
        UsageError: What was typed makes no sense for this trial.
        ReplayMismatch: The trial never passed a step that was named, or a golden output does not fit.
    """
    order = order_of(workflow.shape)
    cut = places_of(tape, workflow.shape, wanted.start) if wanted.start is not None else ()
    kept = kept_before(tape, cut, order) if cut else frozenset[Place]()
    edits = Edits(tape=tape, case=case, kept=kept, cut=cut)
    edits.instead.update(goldens(tape, case, workflow, wanted.golden))
    for text in wanted.sets:
        edits.take(text)
    instead = edits.instead
    if instead:
        given = frozenset(instead)
        kept = (kept_before if cut else kept_through)(tape, cut or tuple(given), order, given)
    early = [place for place in instead if place not in kept]
    if early:
        raise UsageError(
            f"{early[0]} runs again, so what it hands over cannot be given. Start at a step after it, or leave --from out."
        )
    _gone(tape, workflow, kept)
    notes = [_visit_note(tape, cut, wanted.start), _between_note(tape, kept, edits) if edits.state else None]
    return Planned(
        plan=Plan(
            kept=kept,
            instead=instead,
            effects=effects_of(workflow),
            live_effects=wanted.live_effects,
            strict=not edits.state,
            start=frozenset(cut) if edits.state else frozenset(),
            given=edits.missing,
        ),
        case=edits.case,
        start=str(cut[0]) if cut else None,
        edits={str(place): value for place, value in instead.items()}
        | ({INPUT: edits.case.input} if edits.case is not case else {}),
        notes=tuple(note for note in notes if note is not None),
    )


def order_of(shape: Shape) -> dict[str, int]:
    """The workflow's order of steps."""
    return {step.name: index for index, step in enumerate(shape.steps)}


@dataclass(frozen=True, slots=True)
class Effects:
    """Steps that change the world: those of the workflow's shape, and functions that only other steps call, which no shape knows."""

    named: frozenset[str]
    known: frozenset[str]
    """All steps of the shape: what it says of them holds."""

    def __contains__(self, step: object) -> bool:
        if step in self.named or step in self.known:
            return step in self.named
        return any(str(step).endswith(f"/{name}") for name in self.named)


def effects_of(workflow: Workflow) -> Effects:
    """The steps of a workflow that change the world."""
    steps = workflow.shape.steps
    named = frozenset(step.name for step in steps if step.effect)
    return Effects(named, frozenset(step.name for step in steps) - named)


def places_of(tape: Tape, shape: Shape, address: str) -> tuple[Place, ...]:
    """The visits that an address names: the last ones where it names none.

    Raises:
        UnknownName: The workflow has no such step.
        ReplayMismatch: The trial did not pass it, or not so often.
    """
    exact = any(place.step == address for place in tape.visits)  # a name may hold "#" or "["
    found = None if exact else _ADDRESS.match(address)
    step = found["step"] if found else address
    places = [place for place in tape.visits if place.step == step]
    if not places:
        known = list(dict.fromkeys(place.step for place in tape.visits))
        if shape.step(step) is None and not any(s.name.rpartition("/")[2] == step for s in shape.steps):
            raise UnknownName(f"no step {step!r} in this workflow. The trial passed {', '.join(known)}.")
        raise ReplayMismatch(
            f"the trial never reached {step}: it passed {', '.join(known)}. Start at one of these."
        )
    if found and found["branch"] is not None:
        places = [place for place in places if place.branch == int(found["branch"])]
    visit = (
        int(found["visit"])
        if found and found["visit"] is not None
        else max((p.visit for p in places), default=0)
    )
    wanted = tuple(place for place in places if place.visit == visit)
    if not wanted:
        there = ", ".join(str(place) for place in tape.visits if place.step == step)
        raise ReplayMismatch(f"the trial has no {address}: it has {there}.")
    return wanted


def goldens(tape: Tape, case: Case, workflow: Workflow, steps: tuple[str, ...]) -> dict[Place, Any]:
    """The golden outputs of some steps, at their last visits.

    Raises:
        UsageError: The case has none for a step, or it does not fit.
    """
    found: dict[Place, Any] = {}
    for step in steps:
        for place in places_of(tape, workflow.shape, step):
            golden = golden_at(tape, case, place)
            if golden is MISSING:
                have = ", ".join(name for name in case.golden if name != "end") or "none"
                raise UsageError(
                    f"case {case.id} has no golden output for {place}; it has {have}. Add it to the suite."
                )
            misfit = golden_misfit(tape, workflow, place, golden)
            if misfit is not None:
                raise ReplayMismatch(misfit)
            found[place] = golden
    return found


def golden_at(tape: Tape, case: Case, place: Place) -> Any:
    """The golden output of one visit; MISSING where there is none, or parallel branches share one."""
    branches = {other.branch for other in tape.visits if other.step == place.step}
    if len(branches) > 1:
        return MISSING
    last = max(other.visit for other in tape.visits if other.step == place.step)
    return golden_of(case, place.step, place.visit, last)


def golden_misfit(tape: Tape, workflow: Workflow, place: Place, golden: Any) -> str | None:
    """Why a golden output cannot be handed over in place of what was recorded; None where it can."""
    from gapless.boundary.schemas import DeclaredSchema, kind_of

    taped = tape.visits[place]
    if taped.ended and taped.event.output is not None:
        recorded = _known(tape, taped.event.output)
        if recorded is not None and any(
            isinstance(golden, kind) != isinstance(recorded, kind) for kind in (dict, list)
        ):
            return (
                f"{place}: its golden output is {kind_of(golden)!r}, the step hands over {kind_of(recorded)!r}. "
                "Write the golden in the form of the step's own output."
            )
        if taped.event.form is not None:
            other = misfit(to_plain(golden), _known(tape, taped.event.form) or {})
            if other is not None:
                return f"{place}: its golden output cannot be made a {other}, which the step hands over. Write all its fields."
    declared = getattr(workflow, "declared", None)
    schema = declared().get(place.step) if declared is not None else None
    if schema is None:
        return None
    breach = next(iter(DeclaredSchema(schema).breaches(to_plain(golden), null=True)), None)
    return f"{place}: its golden output does not fit what the step declares: {breach}" if breach else None


def _known(tape: Tape, address: str) -> Any:
    """A recorded value; None where the store has lost it: what is handed over instead does not need it."""
    try:
        return tape.load(address)
    except (UnknownName, StoreError):
        return None


def _between_note(tape: Tape, kept: frozenset[Place], edits: Edits) -> str | None:
    """Which steps were not run although what they were given is another thing now."""
    changed = edits.case is not edits.given
    first = -1 if changed else min(tape.visits[place].index for place in edits.instead)
    visits = sorted(
        (tape.visits[place] for place in kept if place not in edits.instead), key=lambda taped: taped.index
    )
    later = [str(taped.place) for taped in visits if taped.index > first and not taped.event.router]
    if not later:
        return None
    return f"{', '.join(later)} stayed as recorded, although the state before them is another one now."


def _gone(tape: Tape, workflow: Workflow, kept: frozenset[Place]) -> None:
    """Refuses a tape with steps that the workflow no longer has, before anything runs."""
    known = {step.name for step in workflow.shape.steps}
    if not known:
        return
    for place in sorted(kept, key=lambda one: tape.visits[one].index):
        parts = place.step.split("/")
        around = {
            "/".join(parts[:end]) for end in range(1, len(parts) + 1)
        }  # a function is in no drawing of its step
        if not around & known and parts[-1] not in known:
            raise ReplayMismatch(
                f"the tape holds {place}, and the workflow has no step {place.step!r} any more; it has "
                f"{', '.join(sorted(known))}. Start before it, or measure this version anew."
            )


def _visit_note(tape: Tape, cut: tuple[Place, ...], start: str | None) -> str | None:
    if not cut or start is None or "#" in start:
        return None
    visits = len({place.visit for place in tape.visits if place.step == cut[0].step})
    if visits < 2:
        return None
    return f"{cut[0].step} was visited {visits} times: this starts at the last. Name another: --from {cut[0].step}#1."
