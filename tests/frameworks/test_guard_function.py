"""Guarded functions: the same contracts, reviews answered by a reviewer, and measurements that know them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import gapless
from gapless import Contract, Gate, Goto, Refuse, Retry, Review, Weather, guard
from gapless.boundary.faults.duplicate_delivery import DuplicateDelivery
from gapless.boundary.faults.wrong_figure import WrongFigure
from gapless.errors import InvalidContract, LowConfidence, PolicyConflict, SchemaBreach
from gapless.frameworks.target import adapt
from gapless.operations.measure import measure
from gapless.settings import Place, Settings

CALLS: list[str] = []
CASES = [{"id": f"c{n}", "input": n, "checks": {"end": [{"exact": {"value": n}}]}} for n in range(4)]


@gapless.step
def fetch(n: int) -> int:
    CALLS.append("fetch")
    if CALLS.count("fetch") % 2:
        raise ConnectionError("gone")
    return n


@gapless.step
async def write(n: int) -> int:
    CALLS.append("write")
    return n


def shop(n: int) -> int:
    return fetch(n)


async def report(n: int) -> int:
    return await write(fetch(n))


@pytest.fixture(autouse=True)
def fresh() -> None:
    CALLS.clear()


def doubt(below: Any) -> Contract:
    return Contract(gate=Gate(signal=lambda crossing: crossing.handoff / 10, at_least=0.5, below=below))


def test_a_function_keeps_to_its_contracts() -> None:
    with pytest.raises(ConnectionError):
        shop(1)
    assert guard(shop, {"fetch": Contract(retry=Retry(2, backoff_s=0.001))})(2) == 2


def test_a_function_without_steps_is_one_step() -> None:
    def whole(n: int) -> int:
        return n

    with pytest.raises(SchemaBreach):
        guard(whole, {"whole": Contract(output={"type": "string"})})(3)


@pytest.mark.parametrize("awaited", [False, True])
def test_a_reviewer_answers(awaited: bool) -> None:
    asked: list[Any] = []

    def reviewer(question: dict[str, Any]) -> Any:
        asked.append(question["handoff"])
        answer = Review.edit(question, 9) if question["handoff"] == 2 else Review.reject(question, "no")

        async def later() -> Any:
            return answer

        return later() if awaited else answer

    contracts = {"write": doubt(Review()), "fetch": Contract(retry=Retry(2, backoff_s=0.001))}
    careful = guard(report, contracts, reviewer=reviewer)
    assert asyncio.run(careful(2)) == 9
    with pytest.raises(LowConfidence, match="no"):
        asyncio.run(careful(3))
    assert asyncio.run(careful(7)) == 7
    assert asked == [2, 3]


def test_what_cannot_hold_in_a_function_is_refused() -> None:
    with pytest.raises(InvalidContract, match="nope"):
        guard(shop, {"nope": Contract()})
    with pytest.raises(PolicyConflict, match="Goto"):
        guard(shop, {"fetch": doubt(Goto("write"))})
    with pytest.raises(InvalidContract, match="cannot be guarded"):
        guard(7, {})  # type: ignore[type-var]


def test_refusal_carries_its_value() -> None:
    with pytest.raises(LowConfidence) as caught:
        asyncio.run(
            guard(
                report, {"write": doubt(Refuse("sorry")), "fetch": Contract(retry=Retry(2, backoff_s=0.001))}
            )(1)
        )
    assert caught.value.value == "sorry"


async def test_a_measurement_knows_what_its_contracts_did(tmp_path: Path) -> None:
    place = Place(root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path}/g.db")
    contracts = {"write": doubt(Review()), "fetch": Contract(layer="tool", retry=Retry(2, backoff_s=0.001))}
    careful = guard(report, contracts)
    found: dict[str, Any] = {}
    for condition in (None, "baseline", "shadow"):
        CALLS.clear()
        done = await measure(careful, CASES, condition=condition, place=place, concurrency=1)
        found[done.measurement.condition] = done.gap.outcomes
        step = done.measurement.shape.step("fetch")
        assert step is not None
        assert (step.layer, step.layer_guessed, step.guards) == ("tool", False, ("retry",))
    assert found["guarded"]["escalated"] == 4
    assert found["baseline"] == {"correct": 2, "wrong": 0, "escalated": 0, "failed": 2, "unjudged": 0}
    assert found["shadow"]["correct"] == 4
    with_rulings = _records(place)
    assert {(r.step, r.guard, r.action) for record in with_rulings["guarded"] for r in record.rulings} == {
        ("fetch", "retry", "retry"),
        ("write", "gate", "review"),
    }


def _records(place: Place) -> dict[str, list[Any]]:
    from gapless.operations.open import open_store

    with open_store(place) as store:
        return {m.condition: list(store.records(m.id)) for m in store.measurements()}


def test_another_contract_is_another_workflow() -> None:
    prints = {
        adapt(workflow).fingerprint
        for workflow in (
            report,
            guard(report, {"fetch": Contract(retry=Retry(2))}),
            guard(report, {"fetch": Contract(retry=Retry(3))}),
            guard(report, {"fetch": Contract(retry=Retry(3))}),
        )
    }
    assert len(prints) == 3


def test_contracts_may_stand_in_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from gapless.cli.main import cli

    (tmp_path / "contract_app.py").write_text("def answer(n):\n    return n if n else None\n")
    (tmp_path / "contract_terms.py").write_text(
        "from gapless import Contract\nanswer = Contract(output={'type': 'integer'})\nother = 7\n"
    )
    (tmp_path / "cases.jsonl").write_text('{"id": "a", "input": 1}\n{"id": "b", "input": 0}\n')
    settings = 'workflow = "contract_app.py:answer"\nsuite = "cases.jsonl"\n[steps.answer]\ncontract = "contract_terms.py:NAME"\n'
    (tmp_path / "gapless.toml").write_text(settings.replace("NAME", "answer"))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["measure", "--json", "--quiet"])
    assert done.exit_code == 0, done.output
    assert '"failed":1' in done.stdout.replace(" ", "")
    (tmp_path / "gapless.toml").write_text(settings.replace("NAME", "other"))
    refused = CliRunner().invoke(cli, ["measure", "--json", "--quiet"])
    assert refused.exit_code == 2 or "Name a gapless.Contract" in repr(refused.exception)


@pytest.mark.parametrize("fault", [WrongFigure(step="price", field=""), DuplicateDelivery(step="price")])
async def test_contracts_do_not_see_what_was_injected(fault: Any, tmp_path: Path) -> None:
    seen: list[Any] = []

    @gapless.step
    def price(item: str) -> dict[str, Any]:
        return {"text": "It costs USD 12,000."}

    def look(crossing: Any, *more: Any) -> Any:
        seen.append([*crossing.faults])

    contract = Contract(guards=(look,), gate=Gate(signal=look, below=Refuse()))
    place = Place(root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path}/g.db")
    await measure(
        guard(price, {"price": contract}),
        [{"id": "a", "input": "pen"}],
        weather=Weather((fault,)),
        place=place,
    )
    (record,) = _records(place)["guarded"]
    assert {name for event in record.events for name in event.faults} == {fault.name}
    assert len(seen) >= 2
    assert not any(seen)
