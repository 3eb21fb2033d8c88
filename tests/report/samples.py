"""Reports to look at and to test with, computed from seeded run tables.

`python tests/report/samples.py FOLDER` writes every one of them as HTML, JSON and text.
"""

from __future__ import annotations

import itertools
import random
import sys
from pathlib import Path

import msgspec

from gapless.gap.analyse import analyse
from gapless.gap.blame import blame
from gapless.gap.causes import LostTrials, causes
from gapless.records.measurement import Measurement
from gapless.records.replay import Arm, Causes, ReplayRun
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
    """A chain."""
    ends = [START, *names, FINISH]
    edges = tuple(Edge(source=a, target=b) for a, b in itertools.pairwise(ends))
    return Shape(steps=tuple(_step(name) for name in names), edges=edges)


def _step(name: str, **fields: object) -> Step:
    layer, source = LAYERS.get(name, ("tool", "default"))
    return Step(name=name, layer=layer, layer_source=source, **fields)  # type: ignore[arg-type]


def agent_shape() -> Shape:
    """A loop behind a router, a review step, a way that skips a step, and a step that calls itself."""
    steps = (
        _step("understand"),
        Step(name="agent", layer="model", layer_source="calls"),
        Step(name="tools", layer="tool", layer_source="calls"),
        Step(name="should_continue", router=True),
        Step(name="check/figures", layer="observability", layer_source="metadata"),
        Step(name="human_review", review=True, layer_source="metadata"),
        _step("draft"),
    )
    pairs = [
        (START, "understand"),
        ("understand", "agent"),
        ("understand", "draft"),
        ("agent", "should_continue"),
        ("should_continue", "tools"),
        ("should_continue", "check/figures"),
        ("should_continue", "human_review"),
        ("tools", "agent"),
        ("tools", "tools"),
        ("check/figures", "draft"),
        ("human_review", "draft"),
        ("draft", FINISH),
    ]
    return Shape(steps=steps, edges=tuple(Edge(source=a, target=b) for a, b in pairs))


def measurement(shape_: Shape, target: str = "app.py:graph", **fields: object) -> Measurement:
    given: dict[str, object] = {
        "id": "01M84HVT0J8K11GNBRTPJGKP2P",
        "key": "k",
        "target": target,
        "fingerprint": "f" * 32,
        "suite": "suppliers",
        "suite_digest": "d" * 32,
        "cases": 60,
        "created_at": 1.8e9,
        "version": "0.1.0",
        "settings": {"workflow": "app.py:graph", "suite": "suppliers.yaml"},
    }
    return Measurement(**(given | fields), shape=shape_)  # type: ignore[arg-type]


def run_table() -> tuple[Report, list[Run]]:
    """A report with the run table that it was computed from: every outcome, and cases with awful names."""
    outcomes: list[Outcome] = ["correct", "wrong", "escalated", "failed", "unjudged"]
    runs: list[Run] = []
    for i, outcome in enumerate(outcomes * 3):
        step = AWFUL[i // 5]
        seen = outcome in ("wrong", "failed") and i < 10
        run = _bare(AWFUL[i // 5 + 2] + str(i), outcome, _event(step, ok=not seen))
        why = "" if outcome in ("correct", "unjudged") else f'check: <b> & \x1b[31m "{outcome}"'
        runs.append(msgspec.structs.replace(run, why=why, faults=("timeout",) if i == 3 else ()))
    shape_ = shape(AWFUL)
    m = measurement(shape_, target=AWFUL[0], suite=AWFUL[4], cases=15)
    return build(m, analyse(runs, [], shape_)), runs


def labelled(
    *,
    failing: float = 0.06,
    alone: float | None = None,
    names: list[str] | None = None,
    count: int = 60,
    trials: int = 1,
    unjudged: float = 0.0,
    suspicious: bool = False,
    level: float = 0.95,
) -> Report:
    """Losses at several exits; without `failing`, everything is correct. `alone` is how often a step fails by itself."""
    steps = names or list(LAYERS)
    rng = random.Random(3)
    runs = [_run(rng, f"c{i}", t, steps, failing) for i in range(count) for t in range(trials)]
    runs = [_unjudged(run) if rng.random() < unjudged else run for run in runs]
    if suspicious:
        runs = [_suspicious(run) if index % 6 == 0 else run for index, run in enumerate(runs)]
    rate = failing / 2 if alone is None else alone
    components = [
        ComponentRun(step=step, case=f"c{i}", trial=0, group=f"c{i}", ok=rng.random() > rate)
        for step in steps
        for i in range(count)
    ]
    weather = {"timeout@assess": 0.03, "stale-evidence@retrieve": 0.04}
    m = measurement(shape(steps), weather_table=weather, weather="e" * 32, trials=trials, cases=count)
    gap = analyse(runs, components if rate >= 0 else [], m.shape, level=level)
    return build(m, gap, input_digest="a" * 32, trial_notes=("2 trials were restarted after a crash.",))


def grouped() -> Report:
    """Two cases of one customer, one of every other: groups have different numbers of trials, cases have not."""
    rng = random.Random(9)
    runs = [_run(rng, f"c{i}", 0, list(LAYERS), 0.06) for i in range(60)]
    runs = [msgspec.structs.replace(run, group=f"g{max(0, i - 19)}") for i, run in enumerate(runs)]
    shape_ = shape(list(LAYERS))
    return build(measurement(shape_), analyse(runs, [], shape_))


def unlabelled(names: list[str] | None = None, *, fires: bool = True) -> Report:
    """No verdict at all; something is suspected at the second step, one trial in eight failed loudly."""
    steps = names or list(LAYERS)
    shape_ = shape(steps)
    runs: list[Run] = []
    for i in range(24):
        outcome: Outcome = "failed" if i % 8 == 7 else "unjudged"
        found = ("errors-ignored",) if fires and i % 5 == 0 else ()
        runs.append(_bare(f"c{i}", outcome, _event(steps[1], suspicions=found), _event(steps[0])))
    return build(measurement(shape_, settings={}), analyse(runs, [], shape_))


def agent(*, judged: bool = True) -> Report:
    """An agent with a loop, measured with or without labels."""
    rng = random.Random(5)
    shape_ = agent_shape()
    runs: list[Run] = []
    for i in range(120):
        ok = rng.random() > 0.12
        fired = () if ok else ("empty-result", "errors-ignored")[: 1 + rng.randrange(2)]
        outcome: Outcome = "correct" if ok else rng.choice(["wrong", "wrong", "failed", "escalated"])
        if not judged and outcome in ("correct", "wrong"):
            outcome = "unjudged"
        tool = _event("tools", ok=ok if judged and outcome != "escalated" else None, suspicions=fired)
        runs.append(_bare(f"q{i}", outcome, _event("agent"), tool, _event("agent", visit=2)))
    return build(measurement(shape_, cases=120), analyse(runs, [], shape_))


def empty() -> Report:
    """Nothing was run."""
    return build(measurement(shape(list(LAYERS))), analyse([], [], shape(list(LAYERS))))


HOSTILE = ["<script>alert(1)</script>", "a\"b'c & <b>", "x" * 80, "[bold]red[/bold] \x1b[31m\u202eevil"]


AWFUL = [
    "a|b`c``d | ---",
    "שלום עולם\u200f",
    "n" * 10_000,
    "@everyone ~~*_[l](http://x.example)_*~~ ![i](www.x.example)",
    "]]>\x00\ufffe<!-- # 1. \n\n    code &amp;",
]


def hostile() -> Report:
    """Names that would do harm if they were not escaped."""
    report = labelled(names=HOSTILE, failing=0.2)
    evil = "<img src=x onerror=alert(1)>"
    rows = [msgspec.structs.replace(row, examples=(f"{evil}#0",)) for row in report.gap.boundaries]
    gap = msgspec.structs.replace(report.gap, boundaries=tuple(rows), notes=(*report.gap.notes, evil))
    m = msgspec.structs.replace(report.measurement, target=evil, suite=evil, weather_table={evil: 0.1})
    return build(m, gap, input_digest=evil, trial_notes=(evil,))


def causes_of(
    names: list[str] | None = None,
    *,
    count: int = 30,
    groups: int | None = None,
    culprit: int | None = 2,
    golden: bool = True,
    bare: int | None = None,
) -> Causes:
    """Reruns of lost trials that mostly the third step spoils, which the checks place at the fourth.

    Args:
        names: Steps.
        count: Sampled lost trials.
        groups: Groups they are in; as many as trials when None.
        culprit: The step that spoils two of three; None: all of them the same.
        golden: Whether golden outputs ever rescue.
        bare: The step that has no golden output.
    """
    steps = names or list(LAYERS)
    rng = random.Random(11)
    runs: list[ReplayRun] = []
    blamed: dict[tuple[str, int], str] = {}
    paths = {(f"c{i}", 0): tuple(steps) for i in range(count)}
    for i in range(count):
        at = culprit if culprit is not None and i % 3 else i % len(steps)
        blamed[f"c{i}", 0] = steps[min(at + 1, len(steps) - 1)] if i % 4 else "(unobserved)"
        for k, step in enumerate(steps):
            arms: tuple[Arm, Arm] = ("golden", "observed")
            for arm, rep in itertools.product(arms if k != bare else (), range(3)):
                ok = golden and rng.random() > 0.04 * (len(steps) - k - 1) and (arm == "golden" or k < at)
                runs.append(
                    ReplayRun(
                        case=f"c{i}",
                        trial=0,
                        group=f"g{i % (groups or count)}",
                        step=step,
                        position=k + 1,
                        arm=arm,
                        rep=rep,
                        ok=ok,
                    )
                )
    lost = LostTrials(measurement="01M84HVT0J8K11GNBRTPJGKP2P", count=count + 9, blamed=blamed, paths=paths)
    return causes(runs, steps, lost, shape=shape(steps))


def caused(names: list[str] | None = None) -> Report:
    """A report whose lost trials were replayed."""
    report = labelled(names=names, failing=0.15)
    gap = msgspec.structs.replace(report.gap, causes=causes_of(names))
    return build(report.measurement, gap, input_digest="a" * 32)


ALL = {
    "labelled": labelled,
    "no-benchmark": lambda: labelled(alone=-1.0),
    "proven": lambda: labelled(failing=0.12, alone=0.005, count=240),
    "repeated": lambda: labelled(trials=5, count=40),
    "all-correct": lambda: labelled(failing=0.0),
    "all-lost": lambda: labelled(failing=1.0, alone=0.0),
    "one-case": lambda: labelled(count=1),
    "half-judged": lambda: labelled(unjudged=0.5, suspicious=True),
    "unlabelled": unlabelled,
    "unsuspected": lambda: unlabelled(fires=False),
    "agent": agent,
    "agent-unlabelled": lambda: agent(judged=False),
    "grouped": grouped,
    "long": lambda: labelled(names=[f"step_{i:02d}" for i in range(14)], failing=0.02),
    "empty": empty,
    "hostile": hostile,
    "hostile-unlabelled": lambda: unlabelled(HOSTILE),
    "caused": caused,
    "caused-hostile": lambda: caused(HOSTILE),
    "awful": lambda: labelled(names=AWFUL, failing=0.1, suspicious=True, unjudged=0.1),
}


def _event(
    step: str, *, ok: bool | None = None, visit: int = 1, suspicions: tuple[str, ...] = ()
) -> StepOutcome:
    return StepOutcome(step=step, visit=visit, attempt=1, ok=ok, ms=3.0, suspicions=suspicions)


def _bare(case: str, outcome: Outcome, *events: StepOutcome) -> Run:
    place = blame(events, outcome)
    known = outcome in ("correct", "wrong")
    return Run(
        case=case, trial=0, group=case, outcome=outcome, blame=place, events=events, ms=10.0, labelled=known
    )


def _run(rng: random.Random, case: str, trial: int, steps: list[str], failing: float) -> Run:
    events = tuple(
        StepOutcome(step=step, visit=1, attempt=1, ok=rng.random() >= failing, ms=rng.expovariate(1 / 40))
        for step in steps
    )
    outcome: Outcome = "correct"
    if any(event.ok is False for event in events):
        outcome = rng.choice(
            ["wrong", "wrong", "failed", "escalated", "correct"] if failing < 1 else ["wrong"]
        )
    return Run(
        case=case,
        trial=trial,
        group=case,
        outcome=outcome,
        blame=blame(events, outcome),
        events=events,
        ms=200 + 50 * rng.random(),
        labelled=outcome in ("correct", "wrong"),
        slice={"kind": "even" if int(case[1:]) % 2 == 0 else "odd"},
    )


def _unjudged(run: Run) -> Run:
    if run.outcome not in ("correct", "wrong"):
        return run
    events = tuple(msgspec.structs.replace(event, ok=None) for event in run.events)
    place = blame(events, "unjudged")
    return msgspec.structs.replace(run, outcome="unjudged", blame=place, events=events, labelled=False)


def _suspicious(run: Run) -> Run:
    first, *others = run.events
    fired = msgspec.structs.replace(first, suspicions=("empty-result",))
    return msgspec.structs.replace(run, events=(fired, *others))


if __name__ == "__main__":
    from gapless.report import html, json, text

    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in ALL.items():
        report = make()
        (folder / f"{name}.html").write_text(html.render(report), encoding="utf-8")
        (folder / f"{name}.json").write_text(json.render(report), encoding="utf-8")
        (folder / f"{name}.txt").write_text(text.render(report, width=100, color=False), encoding="utf-8")
