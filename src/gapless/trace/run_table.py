"""The plain run table, `gapless.runs/1`: one JSON object a line, by which a measurement travels (METHOD section 13)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gapless.records.measurement import Measurement
from gapless.records.replay import ReplayRun
from gapless.records.trial import (
    Action,
    ComponentRun,
    EventStatus,
    Outcome,
    RulingCount,
    Run,
    StepOutcome,
    ToolCount,
)
from gapless.records.workflow import Layer, Shape

FORMAT = "gapless.runs/1"
ARM = "A"
"""The condition of a run that names none."""

Name = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Ordinal = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Milliseconds = Annotated[float, Meta(ge=0)]


class Line(msgspec.Struct, tag_field="kind", forbid_unknown_fields=True, gc=False, omit_defaults=True):
    """One line of the table."""


class StepOwn(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What only gapless says of a step event."""

    branch: int | None = None
    router: bool = False
    status: EventStatus = "ok"
    suspicions: tuple[str, ...] = ()


class StepLine(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One attempt of one visit of one step."""

    node: Name
    layer: Layer | None = None
    visit: Ordinal | None = None
    """Counted from the arrivals where it is left out."""
    attempt: Ordinal = 1
    ok: bool | None = None
    ms: Milliseconds | None = None
    gapless: StepOwn | None = None


class WorkflowOwn(msgspec.Struct, forbid_unknown_fields=True):
    """What gapless knows of the workflow itself; the first run of a table carries it."""

    target: str
    suite: str
    shape: Shape
    weather: dict[str, float] = {}


class ToolOwn(msgspec.Struct, forbid_unknown_fields=True):
    """How a run used one tool."""

    tool: Name
    calls: Count
    errors: Count = 0
    empty: Count | None = None


class RulingOwn(msgspec.Struct, forbid_unknown_fields=True):
    """How often a guard ruled one way at one step of a run."""

    step: Name
    guard: Name
    action: Action
    count: Ordinal = 1
    ms: Milliseconds = 0.0
    """What that cost: time waited or spent again."""


class RunOwn(msgspec.Struct, forbid_unknown_fields=True):
    """What only gapless says of a run."""

    ms: Milliseconds | None = None
    """Wall time; steps may overlap, so theirs do not add up to it."""
    tokens_in: Count | None = None
    tokens_out: Count | None = None
    why: str = ""
    blame: str | None = None
    """Where a person placed the loss, if not where the rule does."""
    faults: tuple[str, ...] = ()
    starts: Ordinal = 1
    decided: tuple[str, ...] = ()
    """Which checks decided the outcome."""
    judged: Outcome | None = None
    """What they alone had made of it, where a person said otherwise."""
    after_review: Outcome | None = None
    """How an escalated run ended once a reviewer had decided."""
    tools: tuple[ToolOwn, ...] = ()
    rulings: tuple[RulingOwn, ...] = ()
    workflow: WorkflowOwn | None = None


class RunLine(Line, tag="run"):
    """One trial."""

    case: Name
    trial: Count
    outcome: Outcome
    arm: Name = ARM
    group: Name | None = None
    slice: dict[str, str | int | float | bool] = {}
    planned: tuple[Name, ...] | None = None
    steps: list[StepLine] = []
    signals: dict[str, float | None] = {}
    shadow_correct: bool | None = None
    split: Literal["tune", "cal", "test", "deploy"] | None = None
    gapless: RunOwn | None = None


class ComponentOwn(msgspec.Struct, forbid_unknown_fields=True):
    """What only gapless says of a benchmark run."""

    reason: str = ""
    ms: Milliseconds | None = None
    attempts: Ordinal = 1


class ComponentLine(Line, tag="component"):
    """One run of one step alone on golden inputs."""

    node: Name
    case: Name
    trial: Count
    ok: bool | None = None
    group: Name | None = None
    gapless: ComponentOwn | None = None


class ReplayOwn(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What only gapless says of a replay."""

    condition: Name | None = None
    """That of the trial: `arm` says on a replay what was handed over."""
    outcome: Outcome | None = None
    reason: str = ""
    """Why it has no verdict."""
    ms: Milliseconds | None = None


class ReplayLine(Line, tag="replay"):
    """One replay from a step with its output kept or replaced by the golden one."""

    case: Name
    trial: Count
    node: Name
    arm: Literal["golden", "observed"]
    rep: Count = 0
    ok: bool | None = None
    gapless: ReplayOwn | None = None


def lines(
    measurement: Measurement,
    runs: Iterable[Run],
    components: Iterable[ComponentRun],
    replays: Iterable[ReplayRun] = (),
) -> Iterator[bytes]:
    """A whole measurement as a run table, line by line, each with its newline.

    Args:
        measurement: What was measured; its condition is the arm.
        runs: Its trials; a `blame` stands only where the rule would not place the loss there.
        components: The benchmark runs that belong to it.
        replays: Reruns of its lost trials; the format has no line for subsets of golden outputs.
    """
    encode = msgspec.json.Encoder().encode
    layers: dict[str, str] = {s.name: s.layer for s in measurement.shape.steps if not s.layer_guessed}
    workflow: dict[str, Any] = {"workflow": _workflow(measurement)}
    for run in runs:
        yield encode(_run(run, measurement.condition, layers, workflow)) + b"\n"
        workflow = {}
    for part in components:
        yield encode(_component(part)) + b"\n"
    for rerun in replays:
        if rerun.arm != "subset":
            yield encode(_replay(rerun, measurement.condition)) + b"\n"


def _run(run: Run, arm: str, layers: Mapping[str, str], own: Mapping[str, Any]) -> dict[str, Any]:
    line: dict[str, Any] = {"kind": "run", "arm": arm, "case": run.case, "trial": run.trial}
    line["outcome"] = run.outcome
    if run.group != run.case:
        line["group"] = run.group
    line |= _given(run, slice={}, planned=None, split=None)
    extra = run.step_metadata
    line["steps"] = [_step(event, layers) | extra.get(at, {}) for at, event in enumerate(run.events)]
    line |= _given(run, signals={}, shadow_correct=None)
    said = _given(run, tokens_in=None, tokens_out=None, why="", blame=None, faults=(), starts=1)
    said |= _given(run, decided=(), judged=None, after_review=None)
    said |= _milliseconds(run.ms)
    if run.tools:
        said["tools"] = [_tool(count) for count in run.tools]
    if run.rulings:
        said["rulings"] = [_ruling(count) for count in run.rulings]
    said |= own
    return line | ({"gapless": said} if said else {}) | run.metadata


def _component(run: ComponentRun) -> dict[str, Any]:
    line: dict[str, Any] = {"kind": "component", "node": run.step, "case": run.case, "trial": run.trial}
    line |= {"ok": run.ok, "group": run.group}
    said = _given(run, reason="", attempts=1) | _milliseconds(run.ms)
    return line | ({"gapless": said} if said else {}) | run.metadata


def _replay(run: ReplayRun, condition: str) -> dict[str, Any]:
    line: dict[str, Any] = {"kind": "replay", "case": run.case, "trial": run.trial, "node": run.step}
    line |= {"arm": run.arm, "rep": run.rep, "ok": run.ok}
    said = {"condition": condition} | _given(run, outcome=None, reason="") | _milliseconds(run.ms)
    return line | {"gapless": said}


def _workflow(measurement: Measurement) -> dict[str, Any]:
    said: dict[str, Any] = {"target": measurement.target, "suite": measurement.suite}
    said["shape"] = msgspec.to_builtins(measurement.shape)
    return said | ({"weather": measurement.weather_table} if measurement.weather_table else {})


def _step(event: StepOutcome, layers: Mapping[str, str]) -> dict[str, Any]:
    line: dict[str, Any] = {"node": event.step}
    if event.step in layers:
        line["layer"] = layers[event.step]
    line |= {"visit": event.visit, "attempt": event.attempt, "ok": event.ok} | _milliseconds(event.ms)
    said = _given(event, branch=None, router=False, status="ok", suspicions=())
    return line | ({"gapless": said} if said else {})


def _tool(count: ToolCount) -> dict[str, Any]:
    return {"tool": count.tool, "calls": count.calls} | _given(count, errors=0, empty=None)


def _ruling(count: RulingCount) -> dict[str, Any]:
    return {"step": count.step, "guard": count.guard, "action": count.action} | _given(count, count=1, ms=0.0)


def _given(record: Any, **defaults: Any) -> dict[str, Any]:
    """The fields of a record that differ from their default."""
    return {name: value for name, default in defaults.items() if (value := getattr(record, name)) != default}


def _milliseconds(ms: float) -> dict[str, float]:
    return {} if math.isnan(ms) else {"ms": ms}
