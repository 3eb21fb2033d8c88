"""Calibrating on tables that others made, where a careless rule would promise too much: the right answer, or a clear refusal."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gapless.errors import ImporterError, UsageError
from gapless.operations.calibrate import CalibrateAsk, calibrate, pick_shadow
from gapless.operations.ingest import ingest
from gapless.operations.open import open_store
from gapless.records.calibration import Calibration
from gapless.report.calibration import render
from gapless.settings import Place, Settings

Row = dict[str, Any]
Signal = Callable[[bool, float], Any]


def table(n: int, signal: Signal, *, wrong: float = 0.17) -> list[Row]:
    """Trials whose signal is made of whether they are wrong, and of a number that knows something of it."""
    rng, rows = random.Random(0), list[Row]()
    for number in range(n):
        bad = rng.random() < wrong
        knows = 1 / (1 + math.exp(-rng.gauss(0.0 if bad else 1.5, 1)))
        row = {
            "kind": "run",
            "arm": "shadow",
            "case": f"c{number}",
            "trial": 0,
            "signals": {"x": signal(bad, knows)},
        }
        outcome = "wrong" if bad else "correct"
        rows.append({**row, "outcome": outcome, "steps": [{"node": "x", "ok": not bad, "ms": 1.0}]})
    return rows


class Folder:
    def __init__(self, root: Path) -> None:
        self.place = Place(root=str(root), settings=Settings(), database=f"sqlite:///{root}/g.db")
        self.file = root / "runs.jsonl"

    def calibrated(self, rows: list[Row], alpha: float = 0.05) -> tuple[Calibration, str]:
        self.file.write_text("\n".join(map(json.dumps, rows)))
        ingest(self.place, [str(self.file)])
        with open_store(self.place) as store:
            made, _ = calibrate(store, pick_shadow(store, None), CalibrateAsk(alpha=alpha), self.place)
        return made, render(made)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def knows(bad: bool, number: float) -> float:
    return number


def test_a_perfect_gate_delivers_exactly_what_is_right(folder: Folder) -> None:
    made, _ = folder.calibrated(table(600, lambda bad, number: float(not bad)))
    assert made.gates[0].threshold == 1.0
    assert made.calibrated.joint.point == 0.0


def test_an_always_sure_gate_is_certified_only_where_none_is_needed(folder: Folder) -> None:
    made, text = folder.calibrated(table(600, lambda bad, number: 1.0))
    assert not made.certified
    assert "a better signal will" in text
    assert (
        folder.calibrated(table(600, lambda bad, number: 1.0, wrong=0.01))[0].calibrated.coverage.point == 1.0
    )


def test_ties_everywhere_pass_together_or_not_at_all(folder: Folder) -> None:
    assert not folder.calibrated(table(600, lambda bad, number: 0.5))[0].certified
    assert folder.calibrated(table(600, lambda bad, number: 0.5, wrong=0.01))[0].gates[0].threshold == 0.5


def test_where_every_trial_is_wrong_no_threshold_is_of_use(folder: Folder) -> None:
    made, text = folder.calibrated(table(300, knows, wrong=1.1))
    assert not made.certified
    assert made.gates[0].threshold is None
    assert "nothing that would be delivered was right" in text
    assert folder.calibrated(table(300, knows, wrong=0.0))[0].calibrated.coverage.point == 1.0


def test_twenty_cases_are_too_few_and_it_is_said_how_many_it_takes(folder: Folder) -> None:
    made, text = folder.calibrated(table(20, knows, wrong=0.0))
    assert not made.certified
    assert "it takes 45 independent groups" in text


def test_a_signal_that_knows_nothing_owes_its_certificate_to_people_and_says_so(folder: Folder) -> None:
    noise = random.Random(1)
    made, text = folder.calibrated(table(600, lambda bad, number: noise.random()))
    reviews = made.calibrated.reviews_per_1000.point
    assert reviews is not None
    assert reviews > 700
    assert "not because anything is known of the rest" in text
    assert "0.5 is a coin" in text


def test_the_same_cases_under_other_names_are_noticed(folder: Folder) -> None:
    rows = table(200, knows)
    copies = [{**row, "case": f"{row['case']}-{copy}"} for copy in range(5) for row in rows]
    assert "800 trials said and ended" in folder.calibrated(copies)[1]
    grouped = [{**row, "group": row["case"].partition("-")[0]} for row in copies]
    made, text = folder.calibrated(grouped)
    assert (made.n_groups, made.n_runs) == (200, 1000)
    assert "said and ended" not in text
    assert "said and ended" not in folder.calibrated(table(600, lambda bad, number: round(number, 1)))[1]


def test_what_is_no_number_on_the_gate_s_scale_is_refused(folder: Folder) -> None:
    with pytest.raises(UsageError, match=r"scale=\(0, 100\)"):
        folder.calibrated(table(200, lambda bad, number: 100 * number))
    with pytest.raises(UsageError, match="never said anything"):
        folder.calibrated(table(201, lambda bad, number: None))
    with pytest.raises(ImporterError, match="JSON knows no NaN"):
        folder.calibrated(table(202, lambda bad, number: math.nan))
