"""What a reviewer makes of trials that stopped for a person; the trials themselves are as they are without one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, TypedDict

import msgspec
import pytest
from click.testing import CliRunner
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

import gapless
from gapless import Contract, Gate, Review, Weather, guard
from gapless.boundary.faults.raises import Raises
from gapless.cli.main import cli
from gapless.errors import UsageError
from gapless.operations.after_review import after_review
from gapless.operations.measure import measure
from gapless.operations.open import open_store
from gapless.operations.report import report_on
from gapless.records.trial import TrialRecord
from gapless.settings import Place, Settings

RAN: list[str] = []
# Cases 0 and 1 are handed over as they should be, 2 and 3 are not; all of them are doubted, 4 is not.
CASES = [
    {"id": f"c{n}", "input": {"n": n}, "checks": {"end": [{"exact": {"path": "paid", "value": 10 * n}}]}}
    for n in range(5)
]


class State(TypedDict, total=False):
    n: int
    price: int
    paid: int


def price(state: State) -> State:
    RAN.append("price")
    n = state["n"]
    return {"price": 10 * n if n in (0, 1, 4) else -1}


def pay(state: State) -> State:
    RAN.append("pay")
    return {"paid": state["price"]}


DOUBT = Contract(gate=Gate(signal=lambda crossing: float(crossing.state["n"] == 4), below=Review()))


def graph(saver: Any = None) -> Any:
    built = StateGraph(State).add_sequence([price, pay]).add_edge(START, "price")
    return guard(built.compile(checkpointer=saver or InMemorySaver()), {"price": DOUBT})


@gapless.step(name="price")
def quoted(n: int) -> int:
    return price({"n": n})["price"]


@gapless.step(name="price")
async def aquoted(n: int) -> int:
    await asyncio.sleep(0)
    return price({"n": n})["price"]


@gapless.step(name="pay")
def paid(n: int) -> int:
    RAN.append("pay")
    return n


def shop(n: int) -> dict[str, int]:
    return {"paid": paid(quoted(n))}


async def ashop(n: int) -> dict[str, int]:
    return {"paid": paid(await aquoted(n))}


async def blocking(n: int) -> dict[str, int]:
    return {"paid": paid(quoted(n))}


def careful(function: Any) -> Any:
    return guard(function, {"price": DOUBT})


def reviewer(question: dict[str, Any]) -> Any:
    """Approves 0 and 2, puts 1 off, mends 3."""
    assert question["step"] == "price"
    assert question["input"] == {"n": question["given"]["n"]}
    n, right = question["given"]["n"], 10 * question["given"]["n"]
    if n == 1:
        return None
    if n == 3:
        whole = {"price": right} if isinstance(question["handoff"], dict) else right
        return Review.edit(question, whole)
    return Review.approve(question)


async def areviewer(question: dict[str, Any]) -> Any:
    await asyncio.sleep(0)
    return reviewer(question)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    RAN.clear()
    return Place(root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path}/g.db")


async def measured(
    workflow: Any, place: Place, decides: Any, cases: Any = CASES, **options: Any
) -> dict[str, TrialRecord]:
    report = await measure(workflow, cases, reviewer=decides, place=place, **options)
    with open_store(place) as store:
        found = {record.case: record for record in store.records(report.measurement.id)}
        told = after_review(store, report.measurement)
    shown = report.gap.after_review
    assert (shown.outcomes if shown is not None else {}) == told
    assert sum(told.values()) == sum(one.after_review is not None for one in found.values())
    return found


def without_times(record: TrialRecord) -> TrialRecord:
    events = tuple(msgspec.structs.replace(e, started_ms=0, ms=0, checkpoint=None) for e in record.events)
    rulings = tuple(msgspec.structs.replace(ruling, ms=0) for ruling in record.rulings)
    return msgspec.structs.replace(
        record, events=events, rulings=rulings, started_at=0, ms=0, after_review=None
    )


@pytest.mark.parametrize("decides", [reviewer, areviewer])
@pytest.mark.parametrize(
    "workflow", [graph, lambda: careful(shop), lambda: careful(ashop)], ids=["graph", "function", "async"]
)
async def test_only_what_came_of_it_is_added(workflow: Any, decides: Any, place: Place) -> None:
    alone = Place(root=place.root, settings=Settings(), database=f"{place.database}2")
    before = await measured(workflow(), alone, None)
    RAN.clear()
    after = await measured(workflow(), place, decides)
    outcomes = {case: record.outcome for case, record in after.items()}
    assert outcomes == {
        "c0": "escalated",
        "c1": "escalated",
        "c2": "escalated",
        "c3": "escalated",
        "c4": "correct",
    }
    assert {case: record.after_review for case, record in after.items()} == {
        "c0": "correct",
        "c1": "escalated",
        "c2": "wrong",
        "c3": "correct",
        "c4": None,
    }
    with open_store(place) as store:
        said = report_on(store, store.measurements()[0]).gap.after_review
    assert said is not None
    assert (said.n_asked, said.right.point) == (4, 0.5)
    assert said.system.point == pytest.approx(0.6)
    assert RAN.count("price") == 5  # the judged step is not run again
    assert RAN.count("pay") == 4
    for case, record in before.items():
        assert record.after_review is None
        assert without_times(after[case]) == without_times(record)


async def test_what_is_rejected_ends_loudly_and_so_does_what_breaks_afterwards(place: Place) -> None:
    rejecting = await measured(graph(), place, Review.reject, CASES[:1])
    assert rejecting["c0"].after_review == "failed"
    weather = Weather((Raises(step="pay", rate=1.0),))
    broken = await measured(graph(), place, Review.approve, CASES[:1], weather=weather)
    assert (broken["c0"].outcome, broken["c0"].after_review) == ("escalated", "failed")


async def test_a_checkpointer_without_an_asynchronous_side(place: Place, tmp_path: Path) -> None:
    with SqliteSaver.from_conn_string(str(tmp_path / "c.db")) as saver:
        found = await measured(graph(saver), place, Review.approve, CASES[:1])
    assert found["c0"].after_review == "correct"


async def test_interrupts_of_the_graphs_own_are_answered_too(place: Place) -> None:
    built = StateGraph(State).add_node("pay", lambda state: {"paid": interrupt("how much?")})
    app = built.add_edge(START, "pay").compile(checkpointer=InMemorySaver())
    found = await measured(app, place, lambda question: 10 if question == "how much?" else None, CASES[:2])
    assert {case: record.after_review for case, record in found.items()} == {"c0": "wrong", "c1": "correct"}


async def test_a_step_that_blocks_the_event_loop_waits_for_nobody(place: Place) -> None:
    found = await measured(careful(blocking), place, reviewer, CASES[:1])
    assert (found["c0"].outcome, found["c0"].after_review) == ("escalated", None)


async def test_a_reviewer_that_fails_is_no_answer(place: Place) -> None:
    def broken(question: Any) -> Any:
        raise KeyError("oops")

    with pytest.raises(UsageError, match="the reviewer broken failed: KeyError"):
        await measured(graph(), place, broken)


async def test_what_follows_may_take_as_long_as_a_trial(place: Place) -> None:
    def slow(question: Any) -> Any:
        return asyncio.sleep(60)

    found = await measured(graph(), place, slow, CASES[:1], timeout_s=0.5)
    assert found["c0"].after_review == "failed"


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop_app.py").write_text(
        "import gapless\n"
        "from gapless import Contract, Gate, Review, guard\n"
        "@gapless.step\n"
        "def price(n: int) -> int:\n    return n\n"
        "def shop(n: int) -> int:\n    return price(n)\n"
        "careful = guard(shop, {'price': Contract(gate=Gate(signal=lambda crossing: 0.0, below=Review()))})\n"
        "def decide(question):\n    return Review.approve(question)\n"
    )
    cases = [
        {"id": str(n), "input": n, "checks": {"end": [{"exact": {"value": min(n, 2)}}]}} for n in range(4)
    ]
    (tmp_path / "cases.jsonl").write_text("\n".join(map(json.dumps, cases)))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAPLESS_DATABASE_URL", f"sqlite:///{tmp_path}/g.db")

    def run(*words: str) -> Any:
        asked = ["measure", "shop_app.py:careful", "--cases", "cases.jsonl", "--quiet", *words]
        return CliRunner().invoke(cli, asked)

    done = run("--reviewer", "shop_app:decide")
    assert done.exit_code == 0, done.output
    assert "of the escalated trials: 3 ended right, 1 ended wrong." in done.stdout
    again = run("--reviewer", "shop_app.py:decide", "--json")
    assert json.loads(again.stdout)["gap"]["outcomes"]["escalated"] == 4
    assert "3 ended right" in again.stderr
    (tmp_path / "none.py").write_text("decide = 7\n")
    refused = run("--reviewer", "none:decide")
    assert "Name a function of one question" in str(refused.exception)
