"""What a replay keeps and changes, from what a person typed: a step to start at, golden outputs, edited values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from gapless.boundary.keeping import kept_before, kept_through
from gapless.boundary.tape import Place, Plan, Tape
from gapless.errors import ReplayMismatch, UnknownName, UsageError
from gapless.evals.checks.base import MISSING
from gapless.evals.judge import golden_of
from gapless.evals.pointer import Nowhere, parse
from gapless.records.suite import Case
from gapless.records.value import to_plain
from gapless.records.workflow import Shape

if TYPE_CHECKING:
    from gapless.evals.workflow import Workflow

INPUT = "input"
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
    instead = goldens(tape, case, workflow, wanted.golden)
    cut = places_of(tape, workflow.shape, wanted.start) if wanted.start is not None else ()
    kept = kept_before(tape, cut, order) if cut else frozenset[Place]()
    tolerant = False
    for text in wanted.sets:
        before = dict(instead)
        case = _set(text, tape, case, instead, kept)
        tolerant = tolerant or (_in_state(text, tape) and instead != before)
    if instead and not cut:
        kept = kept_through(tape, [max(instead, key=lambda place: tape.visits[place].index)], order)
    early = [place for place in instead if place not in kept]
    if early:
        raise UsageError(
            f"{early[0]} runs again, so what it hands over cannot be given. Start at a step after it, or leave --from out."
        )
    _gone(tape, workflow, kept)
    effects, live = effects_of(workflow.shape), wanted.live_effects
    notes = [_visit_note(tape, cut, wanted.start), _between_note(tape, kept, instead) if tolerant else None]
    return Planned(
        plan=Plan(kept=kept, instead=instead, effects=effects, live_effects=live, strict=not tolerant),
        case=case,
        start=str(cut[0]) if cut else None,
        edits={str(place): value for place, value in instead.items()}
        | ({INPUT: case.input} if any(text.startswith(INPUT) for text in wanted.sets) else {}),
        notes=tuple(note for note in notes if note is not None),
    )


def order_of(shape: Shape) -> dict[str, int]:
    """The workflow's order of steps."""
    return {step.name: index for index, step in enumerate(shape.steps)}


def effects_of(shape: Shape) -> frozenset[str]:
    """Steps that change the world."""
    return frozenset(step.name for step in shape.steps if step.effect)


def places_of(tape: Tape, shape: Shape, address: str) -> tuple[Place, ...]:
    """The visits that an address names: the last ones where it names none.

    Raises:
        UnknownName: The workflow has no such step.
        ReplayMismatch: The trial did not pass it, or not so often.
    """
    found = _ADDRESS.match(address)
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
        recorded = tape.load(taped.event.output)
        if recorded is not None and isinstance(golden, dict) != isinstance(recorded, dict):
            return (
                f"{place}: its golden output is {kind_of(golden)!r}, the step hands over {kind_of(recorded)!r}. "
                "Write the golden in the form of the step's own output."
            )
    declared = getattr(workflow, "declared", None)
    schema = declared().get(place.step) if declared is not None else None
    if schema is None:
        return None
    breach = next(iter(DeclaredSchema(schema).breaches(to_plain(golden), null=True)), None)
    return f"{place}: its golden output does not fit what the step declares: {breach}" if breach else None


def _set(text: str, tape: Tape, case: Case, instead: dict[Place, Any], kept: frozenset[Place]) -> Case:
    """Notes one `--set` among what is handed over instead; returns the case, its input perhaps another."""
    path, equals, said = text.partition("=")
    if not equals or not path:
        raise UsageError(f"--set {text}: write path=value, for example --set assessment.total=12.")
    value = _value(said)
    step, rest = _step_in(path, tape)
    if step is None and (path == INPUT or path.startswith((f"{INPUT}.", f"{INPUT}["))):
        return msgspec.structs.replace(
            case, input=_put(text, path[len(INPUT) :].lstrip("."), case.input, value)
        )
    if step is not None:
        place = max(tape.last(step), key=lambda one: tape.visits[one].index)
        instead[place] = _put(text, rest, _handed(tape, place, instead), value)
        return case
    writer = _writer_of(path, tape, kept, instead)
    if writer is not None:
        instead[writer] = _put(text, path, _handed(tape, writer, instead), value)
        return case
    if isinstance(case.input, dict):
        return msgspec.structs.replace(case, input=_put(text, path, case.input, value))
    raise UsageError(
        f"--set {text}: no step before the start hands over {path!r}, and the input is no object. "
        "Write STEP.path=value or input.path=value."
    )


def _in_state(text: str, tape: Tape) -> bool:
    """Whether a `--set` speaks of the state, and not of a step or of the input by name."""
    path = text.partition("=")[0]
    return _step_in(path, tape)[0] is None and not path.startswith((f"{INPUT}.", f"{INPUT}["))


def _between_note(tape: Tape, kept: frozenset[Place], instead: Mapping[Place, Any]) -> str | None:
    """Which steps were not run although what they were given is another thing now."""
    first = min(tape.visits[place].index for place in instead)
    visits = sorted((tape.visits[p] for p in kept if p not in instead), key=lambda taped: taped.index)
    later = [str(taped.place) for taped in visits if taped.index > first and not taped.event.router]
    if not later:
        return None
    return f"{', '.join(later)} stayed as recorded, although the state before them is another one now."


def _step_in(path: str, tape: Tape) -> tuple[str | None, str]:
    """The step a path begins with, and what follows it."""
    steps = sorted({place.step for place in tape.visits}, key=len, reverse=True)
    for step in steps:
        if path == step or path.startswith((f"{step}.", f"{step}[")):
            return step, path[len(step) :].lstrip(".")
    return None, path


def _writer_of(path: str, tape: Tape, kept: frozenset[Place], instead: Mapping[Place, Any]) -> Place | None:
    """The last kept visit whose handoff holds the first key of a path: what is in the state came from there."""
    key = parse(path).parts[0] if parse(path).parts else None
    kept_in_order = sorted(kept, key=lambda place: tape.visits[place].index, reverse=True)
    for place in kept_in_order:
        handed = _handed(tape, place, instead) if tape.visits[place].ended else None
        if isinstance(handed, dict) and key in handed:
            return place
    return None


def _handed(tape: Tape, place: Place, instead: Mapping[Place, Any]) -> Any:
    if place in instead:
        return instead[place]
    address = tape.visits[place].event.output
    return tape.load(address) if address is not None else None


def _put(text: str, path: str, value: Any, new: Any) -> Any:
    try:
        changed = parse(path).put(value, new)
    except ValueError as error:
        raise UsageError(f"--set {text}: {error}") from error
    if isinstance(changed, Nowhere):
        raise UsageError(f"--set {text}: {changed}.")
    return changed


def _value(said: str) -> Any:
    """What was typed, as JSON where it is; else as text."""
    try:
        return json.loads(said)
    except ValueError:
        return said


def _gone(tape: Tape, workflow: Workflow, kept: frozenset[Place]) -> None:
    """Refuses a tape with steps that the workflow no longer has, before anything runs."""
    known = {step.name for step in workflow.shape.steps}
    if not known:
        return
    for place in sorted(kept, key=lambda one: tape.visits[one].index):
        if place.step not in known and place.step.rpartition("/")[2] not in known:
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
