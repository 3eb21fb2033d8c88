"""What a replay hands over is what was handed over then; where it cannot be, nothing is called."""

from __future__ import annotations

import asyncio
import operator
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from pydantic import BaseModel
from replayed import RAN, Recorded, told

from gapless import Contract, Retry, guard, step
from gapless.errors import ReplayMismatch, UsageError
from gapless.operations.attribute import AttributeAsk, attribute_into, attributed, attribution
from gapless.records.replay import Causes


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[Any], operator.add]
    sum: Annotated[int, operator.add]
    out: Any


def ran(name: str, update: Any) -> Any:
    RAN.append(name)
    return update


def line(*nodes: tuple[str, Any], state: Any = State, saver: Any = None) -> Any:
    graph, before = StateGraph(state), START
    for name, node in nodes:
        graph.add_node(name, node)
        graph.add_edge(before, name)
        before = name
    graph.add_edge(before, END)
    return graph.compile(checkpointer=saver)


def case(given: Any, path: str | None, value: Any, **golden: Any) -> list[dict[str, Any]]:
    check = {"exact": {"value": value} | ({"path": path} if path else {})}
    return [{"id": "c", "input": given, "golden": golden, "checks": {"end": [check]}}]


async def causes(recorded: Recorded, **asked: Any) -> Causes:
    ask = AttributeAsk(**asked)
    found = attribution(recorded.opened, ask)
    await attribute_into(recorded.opened, found, ask)
    made = attributed(recorded.opened, found, complete=True)
    assert made is not None
    return made


@step(effect=True)
def pay(amount: int) -> str:
    return ran("pay", f"paid {amount}")


@step
def settle(amount: int) -> str:
    RAN.append("settle")
    return pay(amount)


def shop(amount: int) -> str:
    return settle(amount)


async def test_an_effect_that_only_another_step_calls_does_not_act_again(tmp_path: Path) -> None:
    suite = case(3, None, "paid 4", settle="paid 4")
    async with Recorded(tmp_path, shop, suite) as recorded:
        diff = await recorded.replay(start="settle")
        assert (RAN, told(diff)["settle/pay#1"]) == (["settle"], "kept")
        with pytest.raises(UsageError, match="settle/pay changes the world"):
            await causes(recorded)
        await recorded.replay(start="settle", live_effects=True)
        assert RAN == ["settle", "pay"]


async def test_an_effect_inside_a_node_does_not_act_again(tmp_path: Path) -> None:
    graph = line(("find", lambda s: ran("find", {"n": 2})), ("book", lambda s: {"out": pay(s["n"])}))
    async with Recorded(tmp_path, graph, case({"n": 1}, "out", "paid 2")) as recorded:
        assert (await recorded.replay(start="book")).after == "correct"
        assert RAN == []
        with pytest.raises(ReplayMismatch, match="book/pay#1: it has an effect"):
            await recorded.replay(sets=("find.n=7",))
        assert RAN == []
        assert (await recorded.replay(sets=("book/pay=nothing",))).after == "wrong"
        assert RAN == []


@pytest.mark.parametrize(
    "output",
    [
        [Command(update={"sum": 1}), Command(update={"sum": 2})],
        [Command(update={"sum": 1}), {"sum": 2}],
        Command(update=[("sum", 1), ("sum", 2)]),
    ],
    ids=["commands", "a command and an update", "pairs"],
)
async def test_a_reducer_gets_every_update_of_one_output(tmp_path: Path, output: Any) -> None:
    graph = line(("add", lambda s: ran("add", output)), ("tell", lambda s: ran("tell", {"out": s["sum"]})))
    async with Recorded(tmp_path, graph, case({"n": 1}, "out", 3)) as recorded:
        assert (await recorded.replay(start="tell")).after == "correct"
        assert RAN == ["tell"]
        assert (await recorded.replay(sets=("add.sum=9",))).output[0].after == 9


class Model(BaseModel):
    n: int = 0
    note: str | None = None
    out: Any = None


async def test_a_field_that_a_model_never_set_overwrites_nothing(tmp_path: Path) -> None:
    graph = line(
        ("first", lambda s: Model(n=5, note="hello")),
        ("second", lambda s: Model(n=6)),
        ("tell", lambda s: {"out": f"{s.n} {s.note}"}),
        state=Model,
    )
    async with Recorded(tmp_path, graph, case({"n": 1}, "out", "6 hello")) as recorded:
        assert (await recorded.replay(start="tell")).after == "correct"


@step
def make(n: int) -> Model:
    return ran("make", Model(n=n))


@step
def read(made: Model) -> int:
    return ran("read", made.n)


def through(n: int) -> int:
    return read(make(n))


async def test_a_golden_output_without_every_field_is_a_model_all_the_same(tmp_path: Path) -> None:
    async with Recorded(tmp_path, through, case(3, None, 4, make={"n": 4})) as recorded:
        assert (await recorded.replay(golden=("make",))).after == "correct"
        assert (await causes(recorded)).rows[0].share.point == 1.0


async def test_a_golden_output_of_another_class_says_so(tmp_path: Path) -> None:
    async with Recorded(tmp_path, through, case(3, None, 4, make={"n": "four"})) as recorded:
        with pytest.raises(ReplayMismatch, match=r"cannot be made a .*Model|does not fit"):
            await recorded.replay(golden=("make",))


class Client:
    """Looks different in every process: its text is where it lies."""


@step
def fetch(client: Client, n: int) -> int:
    return ran("fetch", n + 1)


@step
def double(client: Client, n: int) -> int:
    return ran("double", n * 2)


HELD: list[Client] = []


def with_client(n: int) -> int:
    client = Client()
    HELD.append(client)  # the next one lies elsewhere
    return double(client, fetch(client, n))


async def test_an_object_that_lies_elsewhere_is_the_same_state(tmp_path: Path) -> None:
    async with Recorded(tmp_path, with_client, case(1, None, 4)) as recorded:
        assert (await recorded.replay(start="double")).after == "correct"
        assert RAN == ["double"]


def parallel() -> Any:
    graph = StateGraph(State)
    graph.add_node("b", lambda s: {"log": ["b"]})
    graph.add_node("a", lambda s: {"log": ["a"]})
    graph.add_node("join", lambda s: ran("join", {"out": "".join(sorted(s["log"]))}))
    graph.add_edge(START, "a")
    graph.add_edge(START, "b")
    graph.add_edge(["a", "b"], "join")
    graph.add_edge("join", END)
    return graph.compile()


async def test_golden_outputs_of_two_steps_side_by_side(tmp_path: Path) -> None:
    suite = case({"n": 1}, "out", "XY", a={"log": ["X"]}, b={"log": ["Y"]})
    async with Recorded(tmp_path, parallel(), suite) as recorded:
        for golden in (("a", "b"), ("b", "a")):
            assert (await recorded.replay(golden=golden)).after == "correct"
            assert RAN == ["join"]
        found = {row.step: row.share.point for row in (await causes(recorded)).rows}
        assert found["join"] is None
        assert [share for share in found.values() if share is not None] == [
            1.0
        ]  # only both together rescue it


async def test_a_step_that_asked_a_person_takes_a_golden_output(tmp_path: Path) -> None:
    graph = line(
        ("find", lambda s: ran("find", {"n": s["n"] + 1})),
        ("ask", lambda s: {"n": interrupt("how many?")}),
        ("tell", lambda s: ran("tell", {"out": s["n"]})),
        saver=InMemorySaver(),
    )
    suite = case({"n": 1}, "out", 5, ask={"n": 5}, find={"n": 2})
    async with Recorded(tmp_path, graph, suite) as recorded:
        diff = await recorded.replay(golden=("ask",))
        assert (diff.before, diff.after, RAN) == ("escalated", "correct", ["tell"])
        found = {row.step: row.share.point for row in (await causes(recorded)).rows}
        assert found["ask"] == 1.0


async def test_nobody_is_called_once_the_replay_has_left_the_tape(tmp_path: Path) -> None:
    def fallback(crossing: Any, error: Exception) -> Any:
        return ran("fallback", {"out": "nothing"})

    def book(state: Any) -> Any:
        try:
            return {"out": pay(state["n"])}
        except Exception:
            return ran("handler", {"out": "nothing"})

    graph = line(("find", lambda s: ran("find", {"n": 2})), ("book", book))
    guarded = guard(graph, {"book": Contract(retry=Retry(3, backoff_s=0.01), fallback=fallback)})
    async with Recorded(tmp_path, guarded, case({"n": 1}, "out", "paid 2")) as recorded:
        with pytest.raises(ReplayMismatch, match="book/pay#1: it has an effect"):
            await recorded.replay(sets=("find.n=7",))
        assert RAN == []


@pytest.mark.parametrize(
    ("path", "lands", "shown"),
    [
        ("log[0]", "input", [1, 7, 1, 2]),
        ("log[1]", "first#1", [1, 0, 7, 2]),
        ("log[-1]", "second#1", [1, 0, 1, 7]),
        ("n", "input", [7, 0, 1, 2]),
    ],
)
async def test_an_edited_state_is_the_one_that_the_step_is_given(
    tmp_path: Path, path: str, lands: str, shown: list[int]
) -> None:
    graph = line(
        ("first", lambda s: ran("first", {"log": [1]})),
        ("second", lambda s: ran("second", {"log": [2]})),
        ("tell", lambda s: ran("tell", {"out": [s["n"], *s["log"]]})),
    )
    async with Recorded(tmp_path, graph, case({"n": 1, "log": [0]}, "out", [1, 0, 1, 2])) as recorded:
        diff = await recorded.replay(start="tell", sets=(f"{path}=7",))
        record = recorded.store.record(diff.replay, "c", 0)
        assert (list(diff.origin.edits), RAN) == ([lands], ["tell"])
        assert recorded.store.payload(record.output)["out"] == shown
        for refused in ("log=[7]", "log[3]=7", "log[5].x=7", "nowhere=7"):
            with pytest.raises((ReplayMismatch, UsageError)):
                await recorded.replay(start="tell", sets=(refused,))
            assert RAN == []
        with pytest.raises(UsageError, match="the input has no 'out'"):
            await recorded.replay(sets=("out=[7]",))


@step
def failing(n: int) -> int:
    class InsideError(Exception):
        pass

    RAN.append("failing")
    raise InsideError("no")


@step
def missing(n: int) -> int:
    return {}["key"]


def catching(n: int) -> str:
    try:
        missing(n)
    except KeyError as error:
        n = len(error.args[0])
    try:
        failing(n)
    except Exception as error:
        return str(read_error(type(error).__name__, n))
    return ""


@step
def read_error(name: str, n: int) -> str:
    return ran("read_error", f"{name} {n}")


async def test_an_exception_whose_class_is_gone_ends_the_replay_where_somebody_caught_it(
    tmp_path: Path,
) -> None:
    async with Recorded(tmp_path, catching, case(1, None, "InsideError 3")) as recorded:
        with pytest.raises(ReplayMismatch, match="it ended with InsideError"):
            await recorded.replay(start="read_error")
        assert RAN == []
        assert (await recorded.replay(start="failing")).after == "correct"  # the KeyError names its key


@step
async def helper(n: int) -> int:
    await asyncio.sleep(0.02)
    return ran(f"helper{n}", n * 10)


async def work(state: Any) -> Any:
    return {"log": [await helper(state["n"])]}


def fanning() -> Any:
    graph = StateGraph(State)
    graph.add_node("plan", lambda s: {"n": s["n"]})
    graph.add_node("work", work)
    graph.add_node("join", lambda s: ran("join", {"out": sum(s["log"])}))
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", lambda s: [Send("work", {"n": i}) for i in range(s["n"])], ["work"])
    graph.add_edge("work", "join")
    graph.add_edge("join", END)
    return graph.compile()


async def test_what_parallel_branches_called_is_on_record_once(tmp_path: Path) -> None:
    async with Recorded(tmp_path, fanning(), case({"n": 3}, "out", 30)) as recorded:
        diff = await recorded.replay(start="join")
        events = recorded.store.record(diff.replay, "c", 0).events
        assert sorted((e.step, e.visit) for e in events if e.step == "work/helper") == [
            ("work/helper", visit) for visit in (1, 2, 3)
        ]


async def test_one_branch_is_edited_by_its_name(tmp_path: Path) -> None:
    async with Recorded(tmp_path, fanning(), case({"n": 3}, "out", 30)) as recorded:
        diff = await recorded.replay(sets=("work[0].log=[5]",))
        assert told(diff)["work[0]#1"] == "edited"
        assert diff.output[0].after == 5
        with pytest.raises(UsageError, match=r"names 3 visits; the trial has work\[0\]#1"):
            await recorded.replay(sets=("work.log=[5]",))
        with pytest.raises(ReplayMismatch, match="--set n does not reach it as asked: n is 1"):
            await recorded.replay(start="work[1]", sets=("n=7",))  # the branch was sent its number
