"""Runs that gapless did not make: what they become, and that nothing of a bad table is taken in."""

from __future__ import annotations

import gzip
import io
import json
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gapless.errors import ImporterError, StoreError, UsageError
from gapless.operations.export import export
from gapless.operations.ingest import Ingested, ingest
from gapless.operations.label import promote, put, show
from gapless.operations.open import open_store
from gapless.operations.report import report_on, run_table
from gapless.records.label import Label
from gapless.records.workflow import START, Edge
from gapless.report.text import render
from gapless.settings import Place, Privacy, Settings, StepSettings


@pytest.fixture
def place(tmp_path: Path) -> Place:
    steps = {"draft": StepSettings(layer="model")}
    return Place(
        root=str(tmp_path), settings=Settings(steps=steps), database=f"sqlite:///{tmp_path / 'gapless.db'}"
    )


def run(case: str, trial: int = 0, outcome: str = "correct", **more: Any) -> dict[str, Any]:
    steps = [
        {"node": "retrieve", "layer": "context", "visit": 1, "attempt": 1, "ok": True, "ms": 10},
        {"node": "draft", "visit": 1, "attempt": 1, "ok": outcome == "correct", "ms": 5},
    ]
    return {"kind": "run", "case": case, "trial": trial, "outcome": outcome, "steps": steps} | more


def alone(node: str, case: str, *, ok: bool | None = True) -> dict[str, Any]:
    return {"kind": "component", "node": node, "case": case, "trial": 0, "ok": ok}


TABLE = [
    *(run(f"c{i}", trial, "wrong" if i == 3 else "correct") for i in range(8) for trial in range(2)),
    *(alone(node, f"c{i}", ok=i != 5) for node in ("retrieve", "draft") for i in range(8)),
]


def write(path: Path, lines: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)


def take(place: Place, lines: list[dict[str, Any]], name: str = "runs.jsonl") -> Ingested:
    return ingest(place, [write(Path(place.root) / name, lines)])


def kept(place: Place) -> list[str]:
    with open_store(place) as store:
        return [m.id for m in store.measurements()]


def test_a_table_becomes_a_measurement_with_its_benchmark(place: Place) -> None:
    done = take(place, TABLE)
    (measurement,) = done.measurements
    assert (measurement.condition, measurement.cases, measurement.trials) == ("A", 8, 2)
    assert (done.known, done.runs, done.components) == (False, {"A": 16}, 16)
    with open_store(place) as store:
        report = report_on(store, measurement)
    gap = report.gap
    assert (gap.n_runs, gap.n_cases, gap.outcomes["wrong"]) == (16, 8, 2)
    assert gap.success.point == 14 / 16
    assert [row.exit for row in gap.boundaries if row.wrong] == ["draft"]
    assert {part.step: part.rate.point for part in gap.components} == {"retrieve": 7 / 8, "draft": 7 / 8}
    assert gap.compounding.predicted.point == (7 / 8) ** 2  # the path is what correct trials executed
    assert [row.step for row in gap.latencies] == [
        "retrieve",
        "draft",
    ]  # of the whole run nobody took the time
    assert "run the same command again" not in render(report)
    assert not [step for step in report.next_steps if "gapless measure" in step.command]


def test_layers_come_from_the_file_then_from_settings_then_are_guessed(place: Place) -> None:
    lines = [*TABLE, run("c9", steps=[{"node": "web_search"}, {"node": "zz"}])]
    (measurement,) = take(place, lines).measurements
    layers = {step.name: (step.layer, step.layer_guessed) for step in measurement.shape.steps}
    assert layers == {
        "retrieve": ("context", False),
        "draft": ("model", False),
        "web_search": ("context", True),
        "zz": ("orchestration", True),
    }
    assert Edge(source=START, target="retrieve", conditional=True) in measurement.shape.edges


def test_the_same_table_in_any_order_is_known_again(place: Place) -> None:
    first = take(place, TABLE)
    shuffled = list(TABLE)
    random.Random(7).shuffle(shuffled)
    again = take(place, shuffled, "other.jsonl")
    assert again.known
    assert [m.id for m in again.measurements] == [m.id for m in first.measurements]
    assert len(kept(place)) == 2  # the trials and their benchmark
    assert not take(place, TABLE[:-1]).known


def test_the_order_of_the_lines_changes_no_digit(place: Place, tmp_path: Path) -> None:
    def told(lines: list[dict[str, Any]], name: str) -> Any:
        other = Place(root=str(tmp_path), settings=place.settings, database=f"sqlite:///{tmp_path / name}")
        (measurement,) = take(other, lines).measurements
        with open_store(other) as store:
            report = report_on(store, measurement)
        return report.gap, report.input_digest

    shuffled = list(TABLE)
    random.Random(1).shuffle(shuffled)
    assert told(TABLE, "one.db") == told(shuffled, "two.db")


def test_each_arm_is_a_measurement_and_all_share_the_benchmark(place: Place) -> None:
    lines = TABLE + [run(f"c{i}", arm="B", outcome="failed") for i in range(8)]
    done = take(place, lines)
    assert [(m.condition, done.runs[m.condition]) for m in done.measurements] == [("A", 16), ("B", 8)]
    with open_store(place) as store:
        gaps = [report_on(store, m).gap for m in done.measurements]
    assert [gap.outcomes["failed"] for gap in gaps] == [0, 8]
    assert [len(gap.components) for gap in gaps] == [2, 2]
    assert len({m.suite_digest for m in done.measurements}) == 1


def test_several_files_are_one_table(place: Place, tmp_path: Path) -> None:
    runs = write(tmp_path / "a.jsonl", TABLE[:16])
    parts = write(tmp_path / "b.jsonl", TABLE[16:])
    done = ingest(place, [parts, runs])
    assert (done.runs, done.components) == ({"A": 16}, 16)
    with pytest.raises(
        ImporterError, match=r"a.jsonl, line 1: case 'c0', trial 0 of arm 'A' was there before"
    ):
        ingest(place, [runs, runs])


def test_a_component_is_in_the_group_of_its_case(place: Place) -> None:
    lines = [alone("draft", "c0"), run("c0", group="g"), run("c1", group="g"), alone("draft", "c9")]
    (measurement,) = take(place, lines).measurements
    with open_store(place) as store:
        benchmark = store.benchmark_of(measurement)
        assert benchmark is not None
        assert {part.case: part.group for part in store.components(benchmark.id)} == {"c0": "g", "c9": "c9"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (run("c0"), "case 'c0', trial 0 of arm 'A' was there before"),
        (alone("draft", "c0"), "component 'draft', case 'c0', trial 0 was there before"),
        (run("c99", outcome="nope"), "`outcome` is 'nope'"),
    ],
)
def test_nothing_of_a_bad_table_is_taken_in(place: Place, line: dict[str, Any], said: str) -> None:
    before = [m.id for m in take(place, TABLE[:4], "first.jsonl").measurements]
    filler = [run(f"x{i}") for i in range(5000)]  # more than waits in one batch
    with pytest.raises(ImporterError, match=said) as refused:
        take(place, [*TABLE, *filler, line, run("later")])
    assert refused.value.line == len(TABLE) + len(filler) + 1
    assert kept(place) == before


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "is empty"), (json.dumps(alone("a", "c")).encode(), "holds no run")]
)
def test_a_file_without_runs_is_refused(place: Place, tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "runs.jsonl").write_bytes(content)
    with pytest.raises(ImporterError, match=said):
        ingest(place, [str(tmp_path / "runs.jsonl")])


def test_a_missing_file_is_the_callers(place: Place) -> None:
    with pytest.raises(UsageError, match=r"nowhere.jsonl: cannot be read \(No such file"):
        ingest(place, ["nowhere.jsonl"])


def test_standard_input_and_gzip_under_any_name(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = gzip.compress("".join(json.dumps(line) + "\n" for line in TABLE).encode())
    (tmp_path / "runs.txt").write_bytes(packed)
    first = ingest(place, [str(tmp_path / "runs.txt")])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(packed)))
    assert ingest(place, ["-"]).measurements[0].id == first.measurements[0].id


def test_labels_stand_above_what_the_table_says(place: Place) -> None:
    (measurement,) = take(place, TABLE).measurements
    with open_store(place) as store:
        shown = show(store, measurement, "c3", 0)
        assert not shown.kept
        assert [step for step, _, _ in shown.steps] == ["retrieve", "draft"]
        put(store, measurement, Label(case="c3", trial=0, correct=True))
        assert report_on(store, measurement).gap.outcomes["wrong"] == 1
        with pytest.raises(UsageError, match="no inputs and outputs"):
            promote(store, measurement, "c0", 0, Path(place.root) / "suite.yaml")


def test_what_is_private_is_not_kept(tmp_path: Path) -> None:
    settings = Settings(privacy=Privacy(redact=("ssn",)))
    private = Place(root=str(tmp_path), settings=settings, database=f"sqlite:///{tmp_path / 'p.db'}")
    lines = [run("c0", ssn="123-45", steps=[{"node": "a", "ssn": "678-90"}])]
    (measurement,) = take(private, lines).measurements
    with open_store(private) as store:
        (found,) = run_table(store, measurement)
    assert "123-45" not in str(found)
    assert "678-90" not in str(found)


def test_killed_at_any_moment_it_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    lines = [run(f"c{i}", trial) for i in range(12_000) for trial in range(2)]
    file = write(tmp_path / "runs.jsonl", lines)
    environment = {"GAPLESS_DATABASE_URL": f"sqlite:///{tmp_path / 'g.db'}", "PATH": ""}
    command = [sys.executable, "-m", "gapless", "ingest", file]
    began = time.monotonic()
    place = Place(root=str(tmp_path), settings=Settings(), database=environment["GAPLESS_DATABASE_URL"])
    with open_store(place):
        pass  # the schema is there
    subprocess.run(
        command,
        env=environment | {"GAPLESS_DATABASE_URL": f"sqlite:///{tmp_path / 'h.db'}"},
        check=True,
        capture_output=True,
    )
    took = time.monotonic() - began
    for at in (0.3, 0.5, 0.7, 0.8, 0.9):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(at * took)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        connection = sqlite3.connect(tmp_path / "g.db")
        counts = [
            connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("measurements", "trials")
        ]
        connection.close()
        assert counts in ([0, 0], [1, 24_000])
        if counts[0]:
            return


def test_a_full_disk_leaves_the_store_as_it_was(place: Place) -> None:
    before = [m.id for m in take(place, TABLE, "first.jsonl").measurements]
    size = max(file.stat().st_size for file in Path(place.root).iterdir())
    file = write(Path(place.root) / "runs.jsonl", [run(f"c{i}") for i in range(4000)])
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100_000, limit[1]))
    try:
        with pytest.raises(StoreError):
            ingest(place, [file])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert [m for m in kept(place) if m in before] == before
    assert len(kept(place)) == 2
    assert not ingest(place, [file]).known


def test_others_write_while_a_table_waits(place: Place, tmp_path: Path) -> None:
    """A long file blocks nobody: the store is locked only while the finished table moves in."""
    from gapless.stores.intake import Intake

    with Intake(place.database) as intake:
        intake.add_trials([("A", "c", 0, "correct", None, 0.0, b"")])
        take(place, TABLE)
    assert len(kept(place)) == 2


def test_export_of_what_was_ingested_is_what_was_exported(place: Place, tmp_path: Path) -> None:
    (measurement,) = take(place, TABLE).measurements
    first, second = tmp_path / "one.jsonl", tmp_path / "two.jsonl.gz"
    with open_store(place) as store:
        export(store, measurement, str(first))
    other = Place(root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path / 'other.db'}")
    (again,) = ingest(other, [str(first)]).measurements
    with open_store(other) as store:
        export(store, again, str(second))
    assert gzip.decompress(second.read_bytes()) == first.read_bytes()


def test_a_table_with_a_mended_layer_is_another_table(place: Place) -> None:
    rows = [run("c1"), run("c2", outcome="wrong")]
    first = take(place, rows)
    rows[0]["steps"][0]["layer"] = rows[1]["steps"][0]["layer"] = "tool"
    again = take(place, rows)
    assert not again.known
    layers = [done.measurements[0].shape.step("retrieve") for done in (first, again)]
    assert [step.layer for step in layers if step is not None] == ["context", "tool"]


def test_a_step_cannot_have_the_name_of_losses_at_no_step(place: Place) -> None:
    row = run("c1", outcome="wrong")
    row["steps"][0]["node"] = "(unobserved)"
    with pytest.raises(ImporterError, match=r"line 1: step '\(unobserved\)'"):
        take(place, [row])
