from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import Any

import pytest

from gapless.boundary.faults.base import Fault
from gapless.boundary.faults.namesake import Namesake
from gapless.boundary.faults.partial_answer import PartialAnswer
from gapless.boundary.faults.stale_evidence import StaleEvidence
from gapless.boundary.faults.timeout import Timeout
from gapless.boundary.faults.weather import Weather
from gapless.boundary.faults.wrong_figure import WrongFigure
from gapless.errors import InvalidSettings


def older(item: Any) -> Any:
    return item


def _faults() -> tuple[Fault, ...]:
    return (
        StaleEvidence(step="retrieve", field="docs", older=older, rate=0.04),
        Namesake(step="retrieve", field="docs", namesake=partial(older, 3), rate=0.3),
        Timeout(step="assess", rate=0.5),
        Timeout(step="draft", rate=0.5),
    )


def test_the_table_lists_every_fault_at_its_step() -> None:
    assert Weather(_faults()).table() == {
        "stale-evidence@retrieve": 0.04,
        "namesake@retrieve": 0.3,
        "timeout@assess": 0.5,
        "timeout@draft": 0.5,
    }


def test_draws_follow_the_rates_and_are_independent() -> None:
    weather = Weather(_faults())
    drawn = [weather.draw(seed) for seed in range(4000)]
    assert drawn == [weather.draw(seed) for seed in range(4000)]
    for fault in weather.faults:
        share = sum(fault in met for met in drawn) / len(drawn)
        assert abs(share - fault.rate) < 0.03
    both = sum(weather.faults[2] in met and weather.faults[3] in met for met in drawn) / len(drawn)
    assert abs(both - 0.25) < 0.03, "the same fault at two steps strikes independently"


def test_another_fault_or_rate_moves_no_other_draw() -> None:
    few, more = Weather(_faults()), Weather((WrongFigure(step="draft", field="", rate=0.5), *_faults()[::-1]))
    for seed in range(300):
        met = {(fault.name, fault.step) for fault in more.draw(seed)}
        assert {(fault.name, fault.step) for fault in few.draw(seed)} == met - {("wrong-figure", "draft")}


def test_the_digest_tells_descriptions_apart_and_ignores_order() -> None:
    digests = {
        Weather(_faults()).digest(),
        Weather(_faults()[1:]).digest(),
        Weather(
            (*_faults()[1:], StaleEvidence(step="retrieve", field="docs", older=older, rate=0.05))
        ).digest(),
        Weather(
            (*_faults()[1:], StaleEvidence(step="retrieve", field="hits", older=older, rate=0.04))
        ).digest(),
        Weather(
            (*_faults()[1:], StaleEvidence(step="retrieve", field="docs", older=str.upper, rate=0.04))
        ).digest(),
    }
    assert len(digests) == 5
    assert Weather(_faults()).digest() == Weather(_faults()[::-1]).digest()


def test_the_digest_is_the_same_in_another_process() -> None:
    code = (
        "from gapless.boundary.faults.partial_answer import PartialAnswer\n"
        "from gapless.boundary.faults.weather import Weather\n"
        "from gapless.boundary.faults.stale_evidence import StaleEvidence\n"
        "import json\n"
        "print(Weather((PartialAnswer(step='tool', field='items', rate=.1, keys=('a', 'b')),"
        "StaleEvidence(step='r', field='d', older=json.dumps))).digest())"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1
    assert len(runs.pop().strip()) == 32


def test_a_fault_listed_twice_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="partial-answer@tool twice"):
        Weather((PartialAnswer(step="tool", field="a"), PartialAnswer(step="tool", field="b")))
