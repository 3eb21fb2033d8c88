"""The reference agent's contracts, with no gate: what they win back of what its weather costs, and that they cannot see it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from gapless.errors import WeightsUnavailable
from gapless.operations.compare import compare
from gapless.operations.measure import Ask, measure_into
from gapless.operations.open import open_store
from gapless.records.measurement import Measurement
from gapless.settings import Place, Settings

SUPPLIERS = 240


def test_no_contract_reads_the_weather() -> None:
    from contract_risk import contracts

    imported: set[str] = set()
    for node in ast.walk(ast.parse(Path(str(contracts.__file__)).read_text())):
        if isinstance(node, ast.ImportFrom):
            imported |= {node.module or "", *(f"{node.module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Import):
            imported |= {name.name for name in node.names}
    assert not [name for name in imported if "weather" in name.lower() or "faults" in name.lower()]


@pytest.mark.full
@pytest.mark.timeout(900)
async def test_contracts_alone_win_back_what_can_be_mended(tmp_path: Path) -> None:
    """More cases than the demo has, and drafts that are the findings word for word, so that they can be run."""
    from contract_risk.app import graph
    from contract_risk.background import BACKGROUND
    from contract_risk.contracts import contracts
    from contract_risk.corpus import SEED, generate
    from contract_risk.finance.desk import Desk
    from contract_risk.gate import WordForWord
    from contract_risk.library import Library
    from contract_risk.model.client import Model
    from contract_risk.suite import suite
    from contract_risk.weather import weather

    from gapless import guard
    from gapless.retrievers import weights

    try:
        weights.fetch("minilm")
    except WeightsUnavailable as error:
        pytest.skip(str(error))
    agent = WordForWord(library=Library(generate(SUPPLIERS, SEED)), finance=Desk(), model=Model())
    world, asked = weather(SUPPLIERS), suite(SUPPLIERS, SEED, SUPPLIERS)
    mendable = {fault.step for fault in world.faults if fault.detectable == "repair"}
    place = Place(root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path}/g.db")
    try:
        with open_store(place) as store:
            ids: list[Measurement] = []
            for workflow in (graph(agent), guard(graph(agent), contracts(agent))):
                done = await measure_into(store, workflow, asked, Ask(weather=world), place=place)
                assert done.complete
                ids.append(done.measurement)
            found = compare(store, *ids)
    finally:
        BACKGROUND.close()
    difference = found.success.difference
    assert difference.low is not None
    assert difference.low > 0
    before, after = (
        sum(getattr(row, when).point or 0.0 for row in found.boundaries if row.name in mendable)
        for when in ("before", "after")
    )
    assert before > 0.03
    assert after <= before / 2
