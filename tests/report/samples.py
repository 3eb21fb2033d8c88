"""Reports to look at and to test with, computed from seeded run tables."""

from __future__ import annotations

import itertools
import random

from gapless.gap.analyse import analyse
from gapless.gap.blame import blame
from gapless.records.measurement import Measurement
from gapless.records.report import Report
from gapless.records.trial import ComponentRun, Outcome, Run, StepOutcome
from gapless.records.workflow import FINISH, START, Edge, Layer, LayerSource, Shape, Step
from gapless.report.view import build

LAYERS: dict[str, tuple[Layer, LayerSource]] = {
    "understand": ("orchestration", "metadata"),
    "retrieve": ("context", "metadata"),
    "assess": ("tool", "calls"),
    "draft": ("model", "name"),
}


def shape(names: list[str]) -> Shape:
    steps = tuple(
        Step(
            name=name,
            layer=LAYERS.get(name, ("tool", "default"))[0],
            layer_source=LAYERS.get(name, ("tool", "default"))[1],
        )
        for name in names
    )
    ends = [START, *names, FINISH]
    return Shape(steps=steps, edges=tuple(Edge(source=a, target=b) for a, b in itertools.pairwise(ends)))


def measurement(names: list[str], target: str = "app.py:graph", **fields: object) -> Measurement:
    given = {"id": "01M84HVT0J8K11GNBRTPJGKP2P", "key": "k", "target": target, "fingerprint": "f" * 32}
    given |= {"suite": "suite", "suite_digest": "d" * 32, "trials": 1, "cases": 60, "created_at": 1.8e9}
    return Measurement(**(given | fields), shape=shape(names))  # type: ignore[arg-type]


def labelled(
    *, failing: float = 0.06, benchmark: bool = True, names: list[str] | None = None, count: int = 60
) -> Report:
    """Losses at several exits; without `failing`, everything is correct."""
    steps = names or list(LAYERS)
    rng = random.Random(3)
    runs = [_run(rng, f"c{i}", steps, failing) for i in range(count)]
    alone = [
        ComponentRun(step=step, case=f"c{i}", trial=0, group=f"c{i}", ok=rng.random() > failing / 2)
        for step in steps
        for i in range(count)
    ]
    weather = {"timeout@assess": 0.03, "stale-evidence@retrieve": 0.04}
    gap = analyse(runs, alone if benchmark else [], shape(steps))
    return build(
        measurement(steps, weather_table=weather),
        gap,
        input_digest="a" * 32,
        trial_notes=("2 trials restarted.",),
    )


def unlabelled(names: list[str] | None = None) -> Report:
    """No verdict at all; something is suspected at the second step, one trial in eight failed loudly."""
    steps = names or list(LAYERS)
    runs: list[Run] = []
    for i in range(24):
        outcome: Outcome = "failed" if i % 8 == 7 else "unjudged"
        fired = ("errors-ignored",) if i % 5 == 0 else ()
        event = StepOutcome(step=steps[1], visit=1, attempt=1, ok=None, ms=3.0, suspicions=fired)
        runs.append(
            Run(
                case=f"c{i}",
                trial=0,
                group=f"c{i}",
                outcome=outcome,
                blame=blame([event], outcome),
                events=(event,),
                ms=10.0,
            )
        )
    return build(measurement(steps), analyse(runs, [], shape(steps)))


def empty() -> Report:
    """Nothing was run."""
    return build(measurement(list(LAYERS)), analyse([], [], shape(list(LAYERS))))


HOSTILE = ["<script>alert(1)</script>", "a\"b'c & <b>", "x" * 80, "[bold]red[/bold]"]


def hostile() -> Report:
    """Step names that would do harm if they were not escaped."""
    return labelled(names=HOSTILE, failing=0.2)


ALL = {
    "labelled": labelled,
    "no-benchmark": lambda: labelled(benchmark=False),
    "all-correct": lambda: labelled(failing=0.0),
    "one-case": lambda: labelled(count=1),
    "unlabelled": unlabelled,
    "empty": empty,
    "hostile": hostile,
    "hostile-unlabelled": lambda: unlabelled(HOSTILE),
}


def _run(rng: random.Random, case: str, steps: list[str], failing: float) -> Run:
    events = tuple(
        StepOutcome(step=step, visit=1, attempt=1, ok=rng.random() >= failing, ms=rng.expovariate(1 / 40))
        for step in steps
    )
    outcome: Outcome = "correct"
    if any(event.ok is False for event in events):
        outcome = rng.choice(["wrong", "wrong", "failed", "escalated"])
    return Run(
        case=case,
        trial=0,
        group=case,
        outcome=outcome,
        blame=blame(events, outcome),
        events=events,
        ms=200 + 50 * rng.random(),
        labelled=outcome in ("correct", "wrong"),
        slice={"kind": "even" if int(case[1:]) % 2 == 0 else "odd"},
    )
