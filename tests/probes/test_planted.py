"""Every line of the checklist finds the defect that was planted for it, and passes its healthy twin; the docs say so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from planted import PLANTED, Planted
from planted_model import PLANTED_MODEL, RUNNING

from gapless.probes.shelf import SHELF, card, probe

DOCS = Path(__file__).parents[2] / "docs" / "how-to" / "checkup.md"
MEASURED_ELSEWHERE = {
    "numa-remote": "needs two NUMA nodes",
    "gpu-copies": "needs a GPU, or a simulated one: see test_hardware",
}


@pytest.fixture(autouse=True)
def servers() -> Iterator[None]:
    yield
    while RUNNING:
        RUNNING.pop().stop()


@pytest.mark.parametrize("planted", [*PLANTED, *PLANTED_MODEL], ids=lambda planted: planted.probe)
def test_the_planted_defect_is_found_and_its_healthy_twin_is_not(planted: Planted, tmp_path: Path) -> None:
    (tmp_path / "sick").mkdir()
    (tmp_path / "healthy").mkdir()
    (sick,) = probe(planted.probe)(planted.sick(tmp_path / "sick"))
    assert sick.status in ("warn", "fail")
    assert sick.next_step
    (healthy,) = probe(planted.probe)(planted.healthy(tmp_path / "healthy"))
    assert healthy.status == "ok", healthy.said
    assert f"| {card(planted.probe).title} | {planted.defect} | {sick.status} | ok |" in DOCS.read_text()


def test_no_line_of_the_checklist_is_forgotten() -> None:
    assert {planted.probe for planted in (*PLANTED, *PLANTED_MODEL)} | set(MEASURED_ELSEWHERE) == set(SHELF)


@pytest.mark.parametrize("name", SHELF)
def test_a_probe_is_known_by_its_card(name: str) -> None:
    assert card(name).probe == name
    assert card(name).target
    assert card(name).source
