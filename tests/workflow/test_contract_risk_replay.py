"""The reference agent replayed: every trial of it unchanged, and a planted culprit named although its own check is blind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from replayed import Recorded

from gapless import CheckSpec, Suite, Weather, guard
from gapless.boundary.faults.wrong_figure import WrongFigure
from gapless.errors import WeightsUnavailable
from gapless.operations.attribute import AttributeAsk, attribute_into, attributed, attribution
from gapless.operations.fidelity import fidelity_into
from gapless.operations.replay_plan import Wanted

SUPPLIERS, CASES = 60, 60
CULPRIT = "extract"


@pytest.fixture
def agent() -> Iterator[Any]:
    """The agent whose draft is what the finance tool found; its processes end with the test."""
    from contract_risk.background import BACKGROUND
    from contract_risk.corpus import SEED, generate
    from contract_risk.finance.desk import Desk
    from contract_risk.gate import WordForWord
    from contract_risk.library import Library
    from contract_risk.model.client import Model

    from gapless.retrievers import weights

    try:
        weights.fetch("minilm")
    except WeightsUnavailable as error:
        pytest.skip(str(error))
    yield WordForWord(library=Library(generate(SUPPLIERS, SEED)), finance=Desk(), model=Model())
    BACKGROUND.close()


def blind(suite: Suite) -> Suite:
    """The cases with a check of the culprit that sees nothing: any object will do."""
    nothing = (CheckSpec(name="json_schema", params={"schema": {"type": "object"}}),)
    cases = [structs.replace(case, checks={**case.checks, CULPRIT: nothing}) for case in suite.cases]
    return structs.replace(suite, cases=tuple(cases))


@pytest.mark.full
@pytest.mark.timeout(900)
async def test_the_culprit_is_named_although_its_own_check_is_blind(tmp_path: Path, agent: Any) -> None:
    from contract_risk.app import graph
    from contract_risk.corpus import SEED
    from contract_risk.suite import suite

    weather = Weather((WrongFigure(step=CULPRIT, rate=0.4, field="facts"),))
    cases: Any = blind(suite(CASES, SEED, SUPPLIERS))
    async with Recorded(tmp_path, graph(agent), cases, weather=weather, concurrency=4) as recorded:
        ask = AttributeAsk(live_effects=True, sample=None)
        found = attribution(recorded.opened, ask)
        assert await attribute_into(recorded.opened, found, ask)
        causes = attributed(recorded.opened, found, complete=True)
    assert causes is not None
    shares = {row.step: row.share.point or 0.0 for row in causes.rows}
    suspected = {row.step: row.suspected.point or 0.0 for row in causes.rows}
    assert max(shares, key=lambda step: shares[step]) == CULPRIT
    assert shares[CULPRIT] > 0.5
    assert suspected[CULPRIT] == 0.0
    assert max(suspected, key=lambda step: suspected[step]) == "assess"  # it is only handed what was spoilt


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("guarded", [False, True], ids=["bare", "under contracts"])
async def test_every_trial_replayed_unchanged_comes_out_the_same(
    tmp_path: Path, agent: Any, guarded: bool
) -> None:
    from contract_risk.app import graph
    from contract_risk.contracts import contracts
    from contract_risk.corpus import SEED
    from contract_risk.suite import suite
    from contract_risk.weather import weather

    workflow = guard(graph(agent), contracts(agent)) if guarded else graph(agent)
    cases: Any = suite(CASES, SEED, SUPPLIERS)
    ask = {"weather": weather(SUPPLIERS), "concurrency": 4}
    async with Recorded(tmp_path, workflow, cases, **ask) as recorded:
        found = await fidelity_into(recorded.opened, Wanted())
        assert found.replayed == CASES
        assert found.outcome.point is not None
        assert found.outcome.point >= 0.99, found.reasons
        assert found.handoffs.point is not None
        assert found.handoffs.point >= 0.99, found.reasons
