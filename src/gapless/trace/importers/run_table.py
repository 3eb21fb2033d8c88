"""Reads `gapless.runs/1`: one JSON object a line, in any order; what it does not know is kept as metadata."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast, get_args

import msgspec

from gapless.records.gap import PSEUDO_EXITS
from gapless.records.replay import ReplayRun
from gapless.records.trial import (
    OUTCOMES,
    ComponentRun,
    EventStatus,
    RulingCount,
    Run,
    StepOutcome,
    ToolCount,
)
from gapless.records.value import to_plain
from gapless.records.workflow import LAYERS
from gapless.trace.importers.base import Learnt, Replayed, Row, Workflow
from gapless.trace.importers.decoding import UNREADABLE, explained
from gapless.trace.importers.source import Source
from gapless.trace.run_table import (
    ComponentLine,
    ComponentOwn,
    Line,
    ReplayLine,
    ReplayOwn,
    RunLine,
    RunOwn,
    StepLine,
    StepOwn,
)

_NAN = float("nan")
_KINDS: dict[str, type[Line]] = {"run": RunLine, "component": ComponentLine, "replay": ReplayLine}
_AnyLine = RunLine | ComponentLine | ReplayLine
_RUN, _STEP, _COMPONENT, _REPLAY = RunOwn(), StepOwn(), ComponentOwn(), ReplayOwn()
_line = msgspec.json.Decoder(_AnyLine)
_KEYS = {kind: {"kind", *form.__struct_fields__} for kind, form in _KINDS.items()}
_STEP_KEYS = set(StepLine.__struct_fields__)
_ALLOWED: dict[str, tuple[str, ...]] = {
    "kind": tuple(_KINDS),
    "outcome": OUTCOMES,
    "layer": LAYERS,
    "split": ("tune", "cal", "test", "deploy"),
    "status": get_args(EventStatus),
    "arm": ("golden", "observed"),
}


def read(source: Source, learnt: Learnt) -> Iterator[Row]:
    """The rows of a run table, one at a time.

    Raises:
        ImporterError: Naming the line and what is wrong with it.
    """
    named: dict[str, int] = {}
    for number, data in source.lines():
        line, extra, step_extra = _decoded(source, data)
        if isinstance(line, RunLine):
            if line.gapless is not None and (said := line.gapless.workflow) is not None:
                learnt.workflows[line.arm] = Workflow(said.target, said.suite, said.shape, said.weather)
            for step in line.steps:
                if step.layer is not None:
                    _learn_layer(source, step.node, step.layer, learnt, named, number)
            yield line.arm, _run(source, line, extra, step_extra)
        elif isinstance(line, ComponentLine):
            yield _component(line, extra)
        else:
            yield _replay(line)


def _learn_layer(
    source: Source, step: str, layer: Any, learnt: Learnt, named: dict[str, int], number: int
) -> None:
    known = learnt.layers.setdefault(step, layer)
    if known != layer:
        raise source.wrong(
            f"step {step!r} is said to be of layer {layer!r}, in line {named.get(step, 1)} of layer {known!r}; a step belongs to one layer"
        )
    named.setdefault(step, number)


def _decoded(source: Source, data: bytes) -> tuple[_AnyLine, dict[str, Any], dict[int, dict[str, Any]]]:
    """The line, what it says beyond the format, and what its steps say beyond it."""
    try:
        try:
            return _line.decode(data), {}, {}
        except msgspec.ValidationError as error:
            if "unknown field" not in str(error):
                raise
        return _split(msgspec.json.decode(data))
    except UNREADABLE as error:
        raise explained(source, data, error, _ALLOWED) from error


def _split(body: dict[str, Any]) -> tuple[_AnyLine, dict[str, Any], dict[int, dict[str, Any]]]:
    known = _KEYS[body["kind"]]
    extra = {key: to_plain(value) for key, value in body.items() if key not in known}
    body = {key: value for key, value in body.items() if key in known}
    step_extra: dict[int, dict[str, Any]] = {}
    if body["kind"] == "run" and isinstance(body.get("steps"), list):
        steps = cast("list[Any]", body["steps"])
        for at, step in enumerate(steps):
            mine = cast("dict[str, Any]", step if isinstance(step, dict) else {})
            if beyond := {key: to_plain(value) for key, value in mine.items() if key not in _STEP_KEYS}:
                step_extra[at] = beyond
                steps[at] = {key: value for key, value in mine.items() if key in _STEP_KEYS}
    return msgspec.convert(body, _AnyLine), extra, step_extra


def _run(source: Source, line: RunLine, extra: dict[str, Any], step_extra: dict[int, Any]) -> Run:
    own = line.gapless or _RUN
    for step in line.steps:
        if step.node in PSEUDO_EXITS:
            raise source.wrong(f"step {step.node!r} has the name by which losses at no step are reported")
    if own.blame is not None and line.outcome == "correct":
        raise source.wrong(
            f"`gapless.blame` is {own.blame!r}, but a correct run has lost nothing that could be placed"
        )
    if own.after_review is not None and line.outcome != "escalated":
        raise source.wrong(
            f"`gapless.after_review` is {own.after_review!r}, but only an escalated run comes before a reviewer"
        )
    return Run(
        case=line.case,
        trial=line.trial,
        group=line.group or line.case,
        outcome=line.outcome,
        blame=own.blame,
        split="test" if line.split == "deploy" else line.split,
        slice={key: _text(value) for key, value in line.slice.items()},
        planned=line.planned,
        events=_events(line.steps),
        ms=_NAN if own.ms is None else own.ms,
        starts=own.starts,
        faults=own.faults,
        tokens_in=own.tokens_in,
        tokens_out=own.tokens_out,
        labelled=line.outcome in ("correct", "wrong"),
        why=own.why,
        decided=own.decided,
        judged=own.judged,
        after_review=own.after_review,
        tools=tuple(ToolCount(tool=t.tool, calls=t.calls, errors=t.errors, empty=t.empty) for t in own.tools),
        rulings=tuple(
            RulingCount(step=r.step, guard=r.guard, action=r.action, count=r.count, ms=r.ms)
            for r in own.rulings
        ),
        signals=line.signals,
        shadow_correct=line.shadow_correct,
        metadata=extra,
        step_metadata=step_extra,
    )


def _events(steps: list[StepLine]) -> tuple[StepOutcome, ...]:
    arrivals: dict[tuple[str, int | None], int] = {}
    events: list[StepOutcome] = []
    for step in steps:
        own = step.gapless or _STEP
        visit = step.visit
        if visit is None:  # a first attempt is an arrival, a later one belongs to the visit that is under way
            known = arrivals.get((step.node, own.branch), 0)
            visit = max(1, known + (step.attempt == 1))
        arrivals[step.node, own.branch] = visit
        events.append(
            StepOutcome(
                step=step.node,
                visit=visit,
                attempt=step.attempt,
                ok=step.ok,
                ms=_NAN if step.ms is None else step.ms,
                router=own.router,
                branch=own.branch,
                status=own.status,
                suspicions=own.suspicions,
            )
        )
    return tuple(events)


def _component(line: ComponentLine, extra: dict[str, Any]) -> ComponentRun:
    own = line.gapless or _COMPONENT
    return ComponentRun(
        step=line.node,
        case=line.case,
        trial=line.trial,
        group=line.group or "",
        ok=line.ok,
        reason=own.reason,
        ms=_NAN if own.ms is None else own.ms,
        attempts=own.attempts,
        metadata=extra,
    )


def _replay(line: ReplayLine) -> Replayed:
    own = line.gapless or _REPLAY
    run = ReplayRun(
        case=line.case,
        trial=line.trial,
        group="",
        step=line.node,
        position=0,
        arm=line.arm,
        rep=line.rep,
        ok=line.ok,
        outcome=own.outcome,
        reason=own.reason,
        ms=_NAN if own.ms is None else own.ms,
    )
    return Replayed(own.condition, run)


def _text(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
