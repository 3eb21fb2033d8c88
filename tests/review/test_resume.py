"""Runs that pause in one process and go on in another, through kills: decisions are taken in once, effects happen once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send

from gapless import Contract, Gate, Review, guard
from gapless.errors import LowConfidence, ReviewConflict, SchemaBreach, StoreError, UsageError
from gapless.operations.review import aresume, decision, resume
from gapless.review.inbox import Inbox

GRAPH = Path(__file__).parent / "reviewed_graph.py"


class Shop:
    """One folder in which a graph is started, reviewed, killed and taken further."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inbox = Inbox(f"sqlite:///{folder / '.gapless' / 'gapless.db'}")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(GRAPH), *words]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=120)

    def decide(self, choice: Any, **more: Any) -> None:
        (waiting,) = self.inbox.list()
        self.inbox.decide(waiting.id, decision(waiting, choice, **more), "ann")

    def ran(self) -> list[str]:
        return (self.folder / "ran.log").read_text().split()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.delenv("GAPLESS_DATABASE_URL", raising=False)
    return Shop(tmp_path)


@pytest.mark.parametrize(("start", "go_on"), [("start", "aresume"), ("astart", "resume")])
def test_a_run_paused_in_one_process_goes_on_in_another(shop: Shop, start: str, go_on: str) -> None:
    assert json.loads(shop.run(start, "t").stdout) is True
    shop.decide("edit", value={"price": 8.0, "sure": 1.0})
    assert json.loads(shop.run(go_on, "t").stdout) == {"price": 8.0, "sure": 1.0, "paid": 8.0}
    assert shop.ran() == ["price", "pay"]
    (review,) = shop.inbox.list(every=True)
    assert review.consumed_at is not None
    again = shop.run(go_on, "t")
    assert "has ended" in again.stderr
    assert shop.ran() == ["price", "pay"]


@pytest.mark.parametrize(
    ("go_on", "death"),
    [("resume", "before consuming"), ("resume", "after consuming"), ("aresume", "after consuming")],
)
def test_killed_while_a_decision_is_taken_in_it_is_taken_in_once(shop: Shop, go_on: str, death: str) -> None:
    shop.run("start", "t")
    shop.decide("approve")
    assert shop.run(go_on, "t", death).returncode == -signal.SIGKILL
    assert json.loads(shop.run(go_on, "t").stdout)["paid"] == 9.5
    assert shop.ran() == ["price", "pay"]
    (review,) = shop.inbox.list(every=True)
    assert review.consumed_at is not None


@pytest.mark.parametrize(
    ("death", "ran"), [("before the effect", ["price"]), ("after the effect", ["price", "pay"])]
)
def test_killed_around_an_effect_the_next_run_asks_and_does_not_repeat_it(
    shop: Shop, death: str, ran: list[str]
) -> None:
    shop.run("start", "t")
    shop.decide("approve")
    assert shop.run("resume", "t", death).returncode == -signal.SIGKILL
    assert (
        "DuplicateEffect" in shop.run("resume", "t").stderr
    )  # begun, and nobody knows whether it took place
    assert shop.ran() == ran


def test_the_command_line_decides_and_goes_on(shop: Shop) -> None:
    (shop.folder / "app.py").write_text(
        "import sqlite3\n"
        "from langgraph.checkpoint.sqlite import SqliteSaver\n"
        "import sys\n"
        f"sys.path.insert(0, {str(GRAPH.parent)!r})\n"
        "sys.argv[3:] = []\n"
        "from reviewed_graph import build\n"
        "graph = build(SqliteSaver(sqlite3.connect('threads.db', check_same_thread=False)))\n"
    )

    def gapless(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gapless", "review", *words]
        return subprocess.run(command, cwd=shop.folder, capture_output=True, text=True, timeout=120)

    shop.run("start", "t")
    waits = gapless("resume", "t", "--workflow", "app.py:graph")
    assert (waits.returncode, "still waits" in waits.stderr) == (2, True)
    (listed,) = json.loads(gapless("--json").stdout)
    assert gapless("edit", listed["id"], "--set", "price=7", "--as", "ann").returncode == 0
    late = gapless("approve", listed["id"], "--as", "bob")
    assert (late.returncode, "edit by ann" in late.stderr) == (2, True)
    done = gapless("resume", "t", "--workflow", "app.py:graph", "--json")
    assert json.loads(done.stdout)["output"]["paid"] == 7


# -- in one process -----------------------------------------------------------------------------------------------


class State(TypedDict, total=False):
    price: float
    sure: float
    done: bool


class Counted:
    """A graph price -> finish under review, and how often each step ran."""

    def __init__(self, inbox: Inbox, **contract: Any) -> None:
        self.ran: list[str] = []
        self.offer: dict[str, float] = {"price": 9.5, "sure": 0.1}
        gate = Gate(signal=lambda crossing: crossing.handoff["sure"], below=Review())
        graph = StateGraph(State).add_sequence([("price", self.price), ("finish", self.finish)])
        compiled = graph.add_edge(START, "price").compile(checkpointer=InMemorySaver())
        self.app = guard(compiled, {"price": Contract(gate=gate, **contract)}, inbox=inbox)

    def price(self, state: State) -> Any:
        self.ran.append("price")
        return self.offer

    def finish(self, state: State) -> Any:
        self.ran.append("finish")
        return {"done": True}


CONFIG: Any = {"configurable": {"thread_id": "t"}}
SCHEMA = {"type": "object", "properties": {"price": {"type": "number", "minimum": 0}}}


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(f"sqlite:///{tmp_path / 'inbox.db'}")


@pytest.mark.parametrize("awaited", [False, True])
async def test_an_edit_that_breaks_the_schema_is_refused_and_the_review_comes_back(
    inbox: Inbox, awaited: bool
) -> None:
    counted = Counted(inbox, output=SCHEMA)
    await counted.app.ainvoke({}, CONFIG)
    (waiting,) = inbox.list()
    inbox.decide(waiting.id, decision(waiting, "edit", value={"price": -1}), "ann")
    with pytest.raises(SchemaBreach):
        await aresume(counted.app, "t") if awaited else resume(counted.app, "t")
    (back,) = inbox.list()
    assert back.id == waiting.id
    assert "price" in (back.returned or "")
    with pytest.raises(ReviewConflict, match=waiting.id):
        resume(counted.app, "t")
    inbox.decide(back.id, decision(back, "edit", value={"price": 1}), "bob")
    done = await aresume(counted.app, "t") if awaited else resume(counted.app, "t")
    assert (done["price"], done["done"]) == (1, True)
    assert counted.ran == ["price", "finish"]


@pytest.mark.parametrize(
    ("value", "named"), [({"prise": 1.0}, "no key 'prise'"), ({"price": "much"}, "price")]
)
def test_an_edit_that_the_state_does_not_declare_is_refused_without_any_schema(
    inbox: Inbox, value: dict[str, Any], named: str
) -> None:
    counted = Counted(inbox)
    counted.app.invoke({}, CONFIG)
    (waiting,) = inbox.list()
    inbox.decide(waiting.id, decision(waiting, "edit", value=value), "ann")
    with pytest.raises(SchemaBreach, match=named):
        resume(counted.app, "t")
    assert named.strip("'") in str(inbox.list()[0].returned)
    assert counted.ran == ["price"]


def test_the_question_is_on_disk_before_the_run_is_seen_to_pause(inbox: Inbox) -> None:
    counted = Counted(inbox)
    seen = []
    for chunk in counted.app.stream({"sure": 0.2}, CONFIG, stream_mode="updates"):
        if "__interrupt__" in chunk:
            seen.append(len(inbox.list()))
    assert seen == [1]
    assert inbox.list()[0].question["given"] == {"sure": 0.2}


def test_an_inbox_that_is_gone_fails_the_run_which_asks_again_later(inbox: Inbox, tmp_path: Path) -> None:
    counted = Counted(inbox)
    away = tmp_path / "away"
    (tmp_path / "inbox.db").rename(away)
    with pytest.raises(StoreError):
        counted.app.invoke({}, CONFIG)
    away.rename(tmp_path / "inbox.db")
    assert counted.app.invoke(None, CONFIG)["__interrupt__"]
    (waiting,) = inbox.list()
    inbox.decide(waiting.id, decision(waiting, "approve"), "ann")
    (tmp_path / "inbox.db").rename(away)
    answer = Command(resume={waiting.interrupt: decision(waiting, "approve")})
    with pytest.raises(StoreError):
        counted.app.invoke(answer, CONFIG)
    assert "finish" not in counted.ran
    away.rename(tmp_path / "inbox.db")
    assert resume(counted.app, "t")["done"]
    assert counted.ran == ["price", "finish"]


def test_an_answer_that_contradicts_the_inbox_is_refused(inbox: Inbox) -> None:
    counted = Counted(inbox)
    asked = counted.app.invoke({}, CONFIG)["__interrupt__"][0]
    (waiting,) = inbox.list()
    inbox.decide(waiting.id, decision(waiting, "reject"), "ann")
    with pytest.raises(ReviewConflict, match="ann decided reject"):
        counted.app.invoke(Command(resume={asked.id: Review.approve(asked.value)}), CONFIG)
    with pytest.raises(LowConfidence):
        resume(counted.app, "t")
    assert counted.ran == ["price"]


def test_a_decision_does_not_count_for_a_value_that_changed(inbox: Inbox) -> None:
    counted = Counted(inbox)
    counted.app.invoke({}, CONFIG)
    (before,) = inbox.list()
    counted.offer = {"price": 1000.0, "sure": 0.1}
    counted.app.invoke({}, CONFIG)  # the run begins again
    (now,) = [review for review in inbox.list() if review.id != before.id]
    inbox.decide(before.id, decision(before, "approve"), "ann")
    with pytest.raises(ReviewConflict, match=now.id):
        resume(counted.app, "t")
    assert counted.ran == ["price", "price"]


def test_parallel_visits_are_reviews_of_their_own(inbox: Inbox) -> None:
    counted = Counted(inbox)

    class Many(TypedDict, total=False):
        prices: list[float]

    def one(state: Any) -> Any:
        return {"prices": [state["n"]]}

    graph = StateGraph(Many).add_node("one", one)
    graph.add_conditional_edges(START, lambda state: [Send("one", {"n": 1}), Send("one", {"n": 1})], ["one"])
    gate = Gate(signal=lambda crossing: 0.0, below=Review())
    app = guard(graph.compile(checkpointer=InMemorySaver()), {"one": Contract(gate=gate)}, inbox=inbox)
    app.invoke({}, CONFIG)
    first, second = inbox.list()
    assert first.subject == second.subject
    inbox.decide(first.id, decision(first, "approve"), "ann")
    assert resume(app, "t")["__interrupt__"]
    assert [review.id for review in inbox.list()] == [second.id]
    assert counted.ran == []


def test_a_graph_without_an_inbox_says_so() -> None:
    graph = StateGraph(State).add_node("price", lambda state: {"price": 1.0}).add_edge(START, "price")
    with pytest.raises(UsageError, match="inbox="):
        resume(graph.compile(checkpointer=InMemorySaver()), "t")


def test_a_program_that_is_only_recorded_keeps_its_inbox(inbox: Inbox) -> None:
    from gapless.frameworks.zero_code import Observed, install

    seen: list[Observed] = []
    with install(seen.append):
        counted = Counted(inbox)
        counted.app.invoke({}, CONFIG)
        (waiting,) = inbox.list()
        inbox.decide(waiting.id, decision(waiting, "approve"), "ann")
        assert resume(counted.app, "t")["done"]
    assert [one.paused for one in seen] == [True, False]


def test_a_thread_is_resumed_by_one_process_at_a_time(inbox: Inbox, tmp_path: Path) -> None:
    counted = Counted(inbox)
    counted.app.invoke({}, CONFIG)
    (waiting,) = inbox.list()
    inbox.decide(waiting.id, decision(waiting, "approve"), "ann")
    with inbox.resuming("t"), pytest.raises(StoreError, match="being resumed already"):
        resume(counted.app, "t")
    assert resume(counted.app, "t")["done"]
    assert counted.ran == ["price", "finish"]
    assert not list(tmp_path.glob("*.lock"))


@pytest.mark.parametrize("awaited", [False, True])
async def test_an_old_checkpoint_replayed_with_an_old_answer_is_refused(inbox: Inbox, awaited: bool) -> None:
    counted = Counted(inbox)
    counted.app.invoke({}, CONFIG)
    (waiting,) = inbox.list()
    inbox.decide(waiting.id, decision(waiting, "approve"), "ann")
    resume(counted.app, "t")
    (paused,) = [one for one in counted.app.get_state_history(CONFIG) if one.next == ("price",)]
    answer: Any = Command(resume={waiting.interrupt: decision(waiting, "approve")})
    with pytest.raises(ReviewConflict, match="does not count twice"):
        await counted.app.ainvoke(answer, paused.config) if awaited else counted.app.invoke(
            answer, paused.config
        )
    assert counted.ran == ["price", "finish"]
    assert counted.app.invoke(None, paused.config)["__interrupt__"]  # the step runs again, and asks again
    assert len(inbox.list()) == 1


def test_steps_of_a_subgraph_wait_and_go_on(inbox: Inbox) -> None:
    counted = Counted(inbox)
    inner = StateGraph(State).add_sequence([("price", counted.price), ("finish", counted.finish)])
    whole = StateGraph(State).add_node("sub", inner.add_edge(START, "price").compile()).add_edge(START, "sub")
    gate = Gate(signal=lambda crossing: crossing.handoff["sure"], below=Review())
    app = guard(whole.compile(checkpointer=InMemorySaver()), {"sub/price": Contract(gate=gate)}, inbox=inbox)
    app.invoke({}, CONFIG)
    (waiting,) = inbox.list()
    assert waiting.step == "sub/price"
    inbox.decide(waiting.id, decision(waiting, "approve"), "ann")
    assert resume(app, "t")["done"]
    assert counted.ran == ["price", "finish"]
