"""The reference agent's calibrated gate keeps what it promises, on cases that were used for nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from contract_risk.library import documents

from gapless.errors import WeightsUnavailable
from gapless.operations.demo_gate import GateAct, gate_rows, gates
from gapless.operations.demo_stage import Stage
from gapless.operations.open import open_store
from gapless.operations.progress import Stop, silent
from gapless.retrievers.bm25 import Bm25
from gapless.settings import Place, Settings

SMALL = 120


def test_what_extraction_cannot_read_is_doubted() -> None:
    """Amounts in words alone and amendments that say "doubled" are not read: one of two signals says so each time."""
    from contract_risk.corpus import SEED, generate
    from contract_risk.extract import extract
    from contract_risk.gate import applied, read

    doubted = {True: [0, 0], False: [0, 0]}
    for supplier in (one for one in generate(240, SEED).suppliers if one.passages):
        evidence = [passage.item() for passage in supplier.passages]
        found = extract(evidence)
        crossing = SimpleNamespace(state={"retrieved": evidence, **found})
        stated = {name: value for name, value in found["facts"].items() if name != "currency"}
        sure = read(crossing) == applied(crossing) == 1
        doubted[stated == supplier.truth][not sure] += 1
    assert doubted[False][0] == 0
    assert doubted[False][1] >= 5
    assert doubted[True][1] <= 0.05 * doubted[True][0]


def test_a_second_search_for_amendments_alone() -> None:
    """What the topics did not find among many suppliers is found, or nothing is; a question without a supplier says nothing."""
    from contract_risk.corpus import generate
    from contract_risk.finance.desk import Desk
    from contract_risk.gate import WordForWord
    from contract_risk.library import Library
    from contract_risk.model.client import Model

    corpus = generate(30, 1)
    library = Library(corpus, Bm25(documents(corpus)), remember=True)
    agent = WordForWord(library=library, finance=Desk(), model=Model())
    amended = next(s for s in corpus.suppliers if any(p.document != "agreement" for p in s.passages))
    whole = [passage.item() for passage in amended.passages]
    agreement = [item for item in whole if item["document"] == "agreement"]

    def looked(evidence: list[dict[str, Any]], supplier: str | None = amended.id) -> float | None:
        state = {"supplier": supplier, "name": amended.name, "retrieved": evidence}
        return agent.looked(SimpleNamespace(state=state))

    assert looked(whole) == 1
    assert (looked(agreement) or 1) < 1
    assert looked(whole, None) is None


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
