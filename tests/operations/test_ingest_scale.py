"""A large table: what comes out of it is what went in, and neither time nor memory grow beyond what was promised."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from pathlib import Path

import pytest

from gapless.operations.ingest import ingest
from gapless.operations.open import open_store
from gapless.operations.report import report_on
from gapless.settings import Place, Settings

BENCH = Path(__file__).parents[2] / "bench" / "run_table.py"
_spec = importlib.util.spec_from_file_location("bench_run_table", BENCH)
assert _spec is not None
assert _spec.loader is not None
bench = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(bench)


def test_twenty_thousand_trials_are_counted_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    bench.write(file, 20_000, seed=3)
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    outcomes = Counter(line["outcome"] for line in lines if line["kind"] == "run")
    visits = Counter(step["node"] for line in lines if line["kind"] == "run" for step in line["steps"])
    place = Place(root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path / 'g.db'}")
    (measurement,) = ingest(place, [str(file)]).measurements
    with open_store(place) as store:
        gap = report_on(store, measurement).gap
    assert {name: count for name, count in gap.outcomes.items() if count} == outcomes
    assert (gap.n_cases, gap.n_runs) == (20_000 // bench.TRIALS, 20_000)
    assert {row.step: row.p50.n_runs for row in gap.latencies} == visits
    assert [step.name for step in measurement.shape.steps] == list(bench.STEPS)
    assert [part.rate.n_runs for part in gap.components] == [bench.BENCHMARKED] * len(bench.STEPS)
    assert gap.success.point is not None
    assert abs(sum(row.points.point or 0 for row in gap.boundaries) - (1 - gap.success.point)) < 1e-12


@pytest.mark.full
def test_a_million_trials_keep_to_the_promised_time_and_memory() -> None:
    found = {row["what"]: row["value"] for row in bench.run(1_000_000)}
    assert found["gapless ingest"] <= bench.INGEST_S
    assert found["gapless report --json, CPU"] <= bench.REPORT_S
    assert found["gapless report --json, peak memory"] <= bench.REPORT_GB
