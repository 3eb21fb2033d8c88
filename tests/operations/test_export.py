"""A measurement that travels: what is read back is what was written, and every figure is the same."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypedDict

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.graph import END, START, StateGraph

from gapless.errors import UnknownName, UsageError
from gapless.gap.blame import blame
from gapless.operations.benchmark import benchmark_into
from gapless.operations.export import STDOUT, export
from gapless.operations.ingest import ingest
from gapless.operations.label import put
from gapless.operations.measure import Ask, measure_into
from gapless.operations.open import open_store, pick
from gapless.operations.report import report_on, run_table
from gapless.records.label import Label
from gapless.records.measurement import Measurement
from gapless.records.trial import OUTCOMES, ComponentRun, RulingCount, Run, StepOutcome, ToolCount
from gapless.records.workflow import FINISH, Edge, Shape, Step
from gapless.settings import Place, Settings
from gapless.trace.run_table import lines

NAN = float("nan")
names = st.text(min_size=1, max_size=8)
milliseconds = st.one_of(st.just(NAN), st.floats(0, 1e9))
plain = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(-1e9, 1e9), st.text(max_size=5)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
foreign = st.dictionaries(st.sampled_from(["ms", "team", "Ünï", "status", ""]), plain, max_size=2)
"""What another tool says of a run: some of it in words that are ours elsewhere."""


@st.composite
def events(draw: st.DrawFn) -> tuple[StepOutcome, ...]:
    """Loops, retries, branches, skips and crashes, in any order that time may have had."""
    return tuple(
        draw(
            st.lists(
                st.builds(
                    StepOutcome,
                    step=st.sampled_from(["a", "b/c", "\u202ed", "e" * 300]),
                    visit=st.integers(1, 4),
                    attempt=st.integers(1, 3),
                    ok=st.sampled_from([True, False, None]),
                    ms=milliseconds,
                    router=st.sampled_from([False, False, True]),
                    branch=st.sampled_from([None, None, 0, 3]),
                    status=st.sampled_from(["ok", "error", "paused", "abandoned"]),
                    suspicions=st.sampled_from([(), (), ("empty-result", "retry-storm")]),
                ),
                max_size=7,
            )
        )
    )


@st.composite
def run(draw: st.DrawFn, case: str, trial: int, group: str) -> Run:
    steps, outcome = draw(events()), draw(st.sampled_from(OUTCOMES))
    ruled = blame(steps, outcome)
    apart = {}
    if steps and draw(st.booleans()):
        extra = draw(st.dictionaries(st.sampled_from(["cost", "model"]), plain, min_size=1, max_size=2))
        apart = {draw(st.integers(0, len(steps) - 1)): extra}
    return Run(
        case=case,
        trial=trial,
        group=group,
        outcome=outcome,
        blame=ruled if outcome == "correct" else draw(st.sampled_from([ruled, "b/c"])),
        split=draw(st.sampled_from([None, "tune", "cal", "test"])),
        slice=draw(st.dictionaries(names, names, max_size=2)),
        planned=draw(st.sampled_from([None, ("a",), ("a", "a", "b/c")])),
        events=steps,
        ms=draw(milliseconds),
        starts=draw(st.integers(1, 3)),
        faults=draw(st.sampled_from([(), ("timeout",)])),
        tokens_in=draw(st.sampled_from([None, 0, 7])),
        tokens_out=draw(st.sampled_from([None, 9])),
        labelled=outcome in ("correct", "wrong"),
        why=draw(st.sampled_from(["", "exact: expected 3, got 4"])),
        decided=draw(st.sampled_from([(), ("exact",)])),
        judged=draw(st.sampled_from([None, "wrong"])),
        tools=draw(
            st.sampled_from(
                [(), (ToolCount(tool="t", calls=3, errors=1, empty=2), ToolCount(tool="u", calls=1))]
            )
        ),
        after_review=draw(st.sampled_from([None, *OUTCOMES])) if outcome == "escalated" else None,
        rulings=draw(
            st.sampled_from([(), (RulingCount(step="a", guard="retry", action="retry", count=2, ms=1.5),)])
        ),
        signals=draw(st.dictionaries(names, st.one_of(st.none(), st.floats(-9, 9)), max_size=2)),
        shadow_correct=draw(st.sampled_from([None, True, False])),
        metadata=draw(foreign),
        step_metadata=apart,
    )


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Run], list[ComponentRun]]:
    runs: list[Run] = []
    components: list[ComponentRun] = []
    for case in draw(st.lists(names, min_size=1, max_size=4, unique=True)):
        group = draw(st.sampled_from([case, "g"]))
        runs += [draw(run(case, trial, group)) for trial in range(draw(st.integers(1, 3)))]
        if draw(st.booleans()):
            components.append(
                ComponentRun(
                    step="a",
                    case=case,
                    trial=draw(st.integers(0, 2)),
                    group=draw(st.sampled_from([group, "h"])),
                    ok=draw(st.sampled_from([True, False, None])),
                    reason=draw(st.sampled_from(["", "because"])),
                    ms=draw(milliseconds),
                    attempts=draw(st.integers(1, 2)),
                    metadata=draw(st.dictionaries(st.sampled_from(["ms", "z"]), plain, max_size=1)),
                )
            )
    return runs, components


SHAPE = Shape(
    steps=(Step(name="a", layer="tool", layer_source="name"), Step(name="desk", review=True, effect=True)),
    edges=(Edge(source="a", target=FINISH, conditional=True),),
)
GIVEN = Measurement(
    id="",
    key="",
    target="app.py:graph",
    fingerprint="",
    suite="s",
    suite_digest="",
    condition="ß",
    shape=SHAPE,
)


def same(first: Any, second: Any) -> bool:
    return msgspec.msgpack.encode(first) == msgspec.msgpack.encode(second)  # NaN is not equal to itself


def by_name(parts: Any) -> list[Any]:
    return sorted(
        parts, key=lambda part: (getattr(part, "step", "").encode(), part.case.encode(), part.trial)
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables(), st.randoms())
def test_what_is_read_back_is_what_was_written(
    table: tuple[list[Run], list[ComponentRun]], chance: Any
) -> None:
    runs, components = table
    ruled = [
        msgspec.structs.replace(r, blame=None if r.blame == blame(r.events, r.outcome) else r.blame)
        for r in runs
    ]
    body = list(lines(GIVEN, ruled, components))
    chance.shuffle(body)
    with TemporaryDirectory() as folder:
        place = Place(root=folder, settings=Settings(), database=f"sqlite:///{folder}/g.db")
        file = Path(folder) / "runs.jsonl"
        file.write_bytes(b"".join(body))
        (measurement,) = ingest(place, [str(file)]).measurements
        with open_store(place) as store:
            assert same(list(run_table(store, measurement)), by_name(runs))
            benchmark = store.benchmark_of(measurement)
            read = store.components(benchmark.id) if benchmark is not None else []
            assert same(read, by_name(components))
            known = {step.name for step in SHAPE.steps}
            assert measurement.shape.edges == SHAPE.edges
            assert tuple(s for s in measurement.shape.steps if s.name in known) == SHAPE.steps
            assert (measurement.condition, measurement.target, measurement.suite) == (
                "ß",
                "app.py:graph",
                "s",
            )
            export(store, measurement, str(file))
        once = file.read_bytes()
        again = Place(root=folder, settings=Settings(), database=f"sqlite:///{folder}/h.db")
        (second,) = ingest(again, [str(file)]).measurements
        with open_store(again) as store:
            export(store, second, str(file))
        assert file.read_bytes() == once


FULL = Run(
    case="c",
    trial=3,
    group="g",
    outcome="wrong",
    blame="elsewhere",
    split="cal",
    slice={"k": "v"},
    planned=("a",),
    events=(StepOutcome(step="a", visit=2, attempt=2, ok=False, ms=1.5, branch=1, status="error"),),
    ms=7.5,
    starts=2,
    faults=("timeout",),
    tokens_in=1,
    tokens_out=2,
    labelled=True,
    why="exact: no",
    decided=("exact",),
    judged="correct",
    tools=(ToolCount(tool="t", calls=3, errors=1, empty=2),),
    rulings=(RulingCount(step="a", guard="retry", action="retry", count=2, ms=1.5),),
    signals={"a": 0.5},
    shadow_correct=False,
    metadata={"team": "x"},
    step_metadata={0: {"cost": 1}},
)
"""A run without any default: whoever gives a run another field adds it here, and lets it travel."""
ESCALATED = msgspec.structs.replace(
    FULL, trial=4, outcome="escalated", labelled=False, judged=None, after_review="wrong"
)
"""What only an escalated run holds."""


def test_nothing_that_a_run_holds_is_forgotten(tmp_path: Path) -> None:
    for field in msgspec.structs.fields(Run):
        held = getattr(FULL, field.name) or getattr(ESCALATED, field.name)
        assert held or field.name == "shadow_correct", field.name
    place = Place(root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path / 'g.db'}")
    (tmp_path / "runs.jsonl").write_bytes(b"".join(lines(GIVEN, [FULL, ESCALATED], [])))
    (measurement,) = ingest(place, [str(tmp_path / "runs.jsonl")]).measurements
    with open_store(place) as store:
        assert list(run_table(store, measurement)) == [FULL, ESCALATED]


class State(TypedDict, total=False):
    n: int
    doubled: int
    total: int


def agent() -> Any:
    def double(state: State) -> State:
        return {"doubled": state["n"] * 2 + (state["n"] % 5 == 0)}

    def check(state: State) -> State:
        if state["n"] == 7:
            raise ConnectionError("503 upstream")
        return {}

    def add(state: State) -> State:
        return {"total": state["doubled"] + (state["n"] != 3)}

    graph = StateGraph(State)
    graph.add_node("double", double, metadata={"layer": "tool"})
    graph.add_node("check", check)
    graph.add_node("add", add)
    graph.add_edge(START, "double")
    graph.add_conditional_edges(
        "double", lambda state: "check" if state["n"] % 2 else "add", ["check", "add"]
    )
    graph.add_edge("check", "add")
    graph.add_edge("add", END)
    return graph.compile()


SHOWN = (1, 2, 4, 6, 8)
"""Cases whose path a correct trial shows; the others declare it."""
SUITE = [
    {
        "id": f"c{n}",
        "group": f"g{n // 2}",
        "slice": {"parity": "odd" if n % 2 else "even"},
        "input": {"n": n},
        "golden": {"double": {"doubled": 2 * n}, "check": {}, "add": {"total": 2 * n + 1}},
        "checks": {"end": [{"numeric": {"path": "total", "value": 2 * n + 1}}]} if n < 16 else {},
    }
    | ({} if n in SHOWN else {"path": ["double", "check", "add"] if n % 2 else ["double", "add"]})
    for n in range(20)
]


async def test_every_figure_of_a_report_is_the_same_from_its_table(tmp_path: Path) -> None:
    place = Place(root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path / 'g.db'}")
    file = tmp_path / "runs.jsonl.gz"
    with open_store(place) as store:
        measured = await measure_into(store, agent(), SUITE, Ask(trials=2), place=place)
        await benchmark_into(store, agent(), SUITE, trials=2, place=place)
        put(store, measured.measurement, Label(case="c17", trial=0, correct=False, blame="check"))
        put(store, measured.measurement, Label(case="c18", trial=1, correct=True))
        put(store, measured.measurement, Label(case="c3", trial=0, correct=True))
        original = report_on(store, measured.measurement)
        done = export(store, measured.measurement, str(file))
    assert original.gap.compounding.predicted.point is not None
    assert {"double", "check", "(crash)"} & {row.exit for row in original.gap.boundaries}
    assert done.lines == original.gap.n_runs + sum(part.rate.n_runs for part in original.gap.components)
    other = Place(root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path / 'other.db'}")
    (measurement,) = ingest(other, [str(file)]).measurements
    with open_store(other) as store:
        again = report_on(store, measurement)
    assert again.gap == original.gap
    assert again.headline == original.headline
    assert again.measurement.shape == original.measurement.shape


def test_where_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path / 'g.db'}")
    line = b'{"kind":"run","case":"c","trial":0,"outcome":"wrong"}\n'
    (tmp_path / "in.jsonl").write_bytes(line)
    ingest(place, [str(tmp_path / "in.jsonl")])
    with open_store(place) as store:
        newest = pick(store, None)
        export(store, newest, str(tmp_path / "out.jsonl"))
        shown = io.TextIOWrapper(io.BytesIO())
        monkeypatch.setattr(sys, "stdout", shown)
        export(store, newest, STDOUT)
        assert shown.buffer.getvalue() == (tmp_path / "out.jsonl").read_bytes()  # type: ignore[attr-defined]
        with pytest.raises(UsageError, match="is no folder"):
            export(store, newest, str(tmp_path / "in.jsonl" / "out.jsonl"))
        with pytest.raises(UnknownName, match=r"no format 'csv' to export. Formats: runs"):
            export(store, newest, STDOUT, "csv")
    assert not list(tmp_path.glob("*.tmp"))
