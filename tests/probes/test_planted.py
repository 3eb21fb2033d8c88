"""Every line of the checklist finds the defect that was planted for it, and passes its healthy twin; the docs say so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from planted import PLANTED, Planted
from planted_model import PLANTED_MODEL, RUNNING

from gapless.probes.base import Subject
from gapless.probes.shelf import SHELF, TAKES_TARGET, card, probe

DOCS = Path(__file__).parents[2] / "docs" / "how-to" / "checkup.md"
MEASURED_ELSEWHERE = {
    "numa-remote": "needs two NUMA nodes",
    "gpu-copies": "needs a GPU, or a simulated one: see test_hardware",
}


AS_BUSY_AS_IT_IS = {"interference", "tool-latency"}
"""Whether the healthy twin's interval is narrow enough hangs on what else the machine does."""


@pytest.fixture(autouse=True)
def servers() -> Iterator[None]:
    yield
    while RUNNING:
        RUNNING.pop().stop()


class Listening(dict[str, float]):
    """Targets of the user's that note for which lines they are looked up."""

    asked: set[str]

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> float:
        self.asked.add(name)
        return super().__getitem__(name)


def listening(subject: Subject, asked: set[str]) -> Subject:
    targets = Listening(subject.targets)
    targets.asked = asked
    return replace(subject, targets=targets)


@pytest.mark.parametrize("planted", [*PLANTED, *PLANTED_MODEL], ids=lambda planted: planted.probe)
def test_the_planted_defect_is_found_and_its_healthy_twin_is_not(planted: Planted, tmp_path: Path) -> None:
    (tmp_path / "sick").mkdir()
    (tmp_path / "healthy").mkdir()
    asked: set[str] = set()
    (sick,) = probe(planted.probe)(listening(planted.sick(tmp_path / "sick"), asked))
    assert sick.status in ("warn", "fail")
    assert sick.next_step
    assert re.search(planted.says, sick.said), sick.said
    (healthy,) = probe(planted.probe)(listening(planted.healthy(tmp_path / "healthy"), asked))
    assert healthy.status == "ok", healthy.said
    assert not re.search(planted.says, healthy.said), healthy.said
    assert (planted.probe in asked) == (planted.probe in TAKES_TARGET), "the shelf's list says otherwise"
    shown = {"ok?" if healthy.undecided else "ok"}
    if planted.probe in AS_BUSY_AS_IT_IS:
        shown = {"ok", "ok?"}
    row = f"| {card(planted.probe).title} | {planted.defect} | {sick.status} |"
    said = [
        line.removeprefix(row).strip(" |") for line in DOCS.read_text().splitlines() if line.startswith(row)
    ]
    assert (len(said), {*said} <= shown) == (1, True), f"{row} {shown}"


def test_no_line_of_the_checklist_is_forgotten() -> None:
    assert {planted.probe for planted in (*PLANTED, *PLANTED_MODEL)} | set(MEASURED_ELSEWHERE) == set(SHELF)


@pytest.mark.parametrize("name", SHELF)
def test_a_probe_is_known_by_its_card(name: str) -> None:
    assert card(name).probe == name
    assert card(name).target
    assert card(name).source
