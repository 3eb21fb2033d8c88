"""The reference agent's calibrated gate keeps what it promises, on cases that were used for nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gapless.errors import WeightsUnavailable
from gapless.operations.demo_gate import GateAct, gate_rows, gates
from gapless.operations.demo_stage import Stage
from gapless.operations.open import open_store
from gapless.operations.progress import Stop, silent
from gapless.settings import Place, Settings

SMALL = 120


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    place = Place(root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path}/g.db")
    with open_store(place) as store:
        yield Stage(store=store, place=place, tell=silent, say=lambda text: None, stop=Stop())


@pytest.mark.full
@pytest.mark.timeout(600)
async def test_alone_and_on_top_of_the_contracts(stage: Stage) -> None:
    from contract_risk.background import BACKGROUND
    from contract_risk.gate import Gated
    from contract_risk.model.client import Model

    from gapless.retrievers import weights

    try:
        weights.fetch("minilm")
    except WeightsUnavailable as error:
        pytest.skip(str(error))
    try:
        found, complete = await gates(Gated(SMALL, Model()), stage, full=False)
    finally:
        BACKGROUND.close()
    assert complete
    alone, contracts = found
    for act in found:
        made = act.calibration
        assert made.alpha == 0.1
        assert act.lower is None or act.lower <= made.alpha  # the promise, as far as these cases can tell
        assert made.tested is not None
        assert made.tested.coverage.n_groups == act.fresh.gap.coverage.n_groups
    assert contracts.before.point < alone.before.point
    assert _reviews(contracts) < _reviews(alone)
    assert all(len(cells) == 2 for _, cells in gate_rows(found))


def _reviews(act: GateAct) -> float:
    return act.fresh.gap.outcome_rates["escalated"].point or 0.0
