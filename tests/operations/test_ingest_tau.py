"""Two hundred trajectories of a real agent: the reference figures that were computed from them independently."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gapless.operations.ingest import ingest
from gapless.operations.open import open_store
from gapless.operations.report import report_on
from gapless.report.json import render
from gapless.settings import Place, Settings

FILE = Path(__file__).parents[3] / "shared" / "data" / "tau_airline_gpt4o" / "trajectories.jsonl"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason="../shared/data/tau_airline_gpt4o is not here")


@pytest.fixture(scope="module")
def gap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("tau")
    place = Place(root=str(folder), settings=Settings(), database=f"sqlite:///{folder / 'g.db'}")
    (measurement,) = ingest(place, [str(FILE)]).measurements
    with open_store(place) as store:
        yield json.loads(render(report_on(store, measurement)))["gap"]


def test_episodes_and_outcomes(gap: dict[str, Any]) -> None:
    assert (gap["n_runs"], gap["n_cases"], gap["weighting"]) == (200, 50, "runs")
    assert (gap["outcomes"]["correct"], gap["outcomes"]["wrong"]) == (84, 116)
    assert round(gap["success"]["point"], 12) == 0.42


def test_where_failed_episodes_were_lost(gap: dict[str, Any]) -> None:
    assert {row["exit"]: row["wrong"] for row in gap["boundaries"]} == {
        "tool choice": 53,
        "tool arguments": 44,
        "(unobserved)": 19,
    }
    assert math.isclose(sum(row["points"]["point"] for row in gap["boundaries"]), 0.58, abs_tol=1e-12)


def test_tool_calls_errors_and_empty_results(gap: dict[str, Any]) -> None:
    every = gap["tools"][0]
    assert every["tool"] == "(all tools)"
    assert (every["n_calls"], every["n_errors"], every["n_error_trials"]) == (1164, 73, 36)
    assert every["n_empty"] == 120
    assert {row["tool"]: row["n_empty"] for row in gap["tools"]}["think"] == 92
    assert sum(row["n_calls"] for row in gap["tools"][1:]) == 1164


def test_how_alike_trials_of_one_task_are(gap: dict[str, Any]) -> None:
    assert round(gap["icc"], 4) == 0.4046


def test_repeated_trials_of_one_task(gap: dict[str, Any]) -> None:
    hat = [round(row["pass_hat_k"]["point"], 4) for row in gap["repeats"]]
    at = [round(row["pass_at_k"]["point"], 4) for row in gap["repeats"]]
    assert hat == [0.4200, 0.2733, 0.2200, 0.2000]
    assert at[1:] == [0.5667, 0.6600, 0.7200]


def test_standard_errors_and_the_design_effect(gap: dict[str, Any]) -> None:
    """The reference has no small-sample factor G / (G - 1); the interval of S does."""
    assert (round(gap["se_naive"], 4), round(gap["se_cr0"], 4)) == (0.0349, 0.0517)
    assert round(gap["design_effect_cr0"], 3) == 2.194
    assert math.isclose(gap["design_effect"], gap["design_effect_cr0"] * 50 / 49)
