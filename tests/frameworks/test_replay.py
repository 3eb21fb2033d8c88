"""Replay on real graphs and functions: what is kept does not run, what runs is given what was recorded."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import operator
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import CachePolicy, Command, Send
from pydantic import BaseModel
from replayed import RAN, Recorded, told

from gapless import Contract, Gate, Refuse, Retry, guard, step
from gapless.errors import ReplayMismatch, UnknownName
from gapless.operations.fidelity import fidelity_into
from gapless.operations.replay_plan import Wanted


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[str], operator.add]
    parts: Annotated[list[int], operator.add]
    out: str


def ran(name: str, update: dict[str, Any]) -> dict[str, Any]:
    RAN.append(name)
    return update


def looping(saver: Any = None) -> Any:
    """A subgraph that loops until n is 20 or more, between two plain nodes."""
    inner = StateGraph(State)
    inner.add_node("add", lambda s: ran("add", {"n": s["n"] + 1, "log": ["add"]}))
    inner.add_node("double", lambda s: ran("double", {"n": s["n"] * 2, "log": ["double"]}))
    inner.add_edge(START, "add")
    inner.add_edge("add", "double")
    inner.add_conditional_edges("double", lambda s: "add" if s["n"] < 20 else END, ["add", END])
    outer = StateGraph(State)
    outer.add_node("before", lambda s: ran("before", {"n": s["n"] + 1}))
    outer.add_node("sub", inner.compile())
    outer.add_node("after", lambda s: ran("after", {"out": str(s["n"])}))
    outer.add_edge(START, "before")
    outer.add_edge("before", "sub")
    outer.add_edge("sub", "after")
    outer.add_edge("after", END)
    return outer.compile(checkpointer=saver)


LOOP = [{"id": "c", "input": {"n": 1}, "checks": {"end": [{"exact": {"path": "out", "value": "30"}}]}}]


@pytest.mark.parametrize("saver", [None, InMemorySaver()], ids=["bare", "checkpointed"])
async def test_subgraphs_and_loops_are_kept_up_to_any_visit(tmp_path: Path, saver: Any) -> None:
    async with Recorded(tmp_path, looping(saver), LOOP) as recorded:
        whole = await recorded.replay()
        assert set(told(whole).values()) == {"same"}
        for start, expected in {
            "after": ["after"],
            "sub/double": ["double", "after"],  # the last of three visits
            "sub/double#2": ["double", "add", "double", "after"],
            "sub/add": ["add", "double", "after"],
            "before": ["before", "add", "double", "add", "double", "add", "double", "after"],
        }.items():
            diff = await recorded.replay(start=start)
            assert (diff.before, diff.after, RAN) == ("correct", "correct", expected), start
            assert all(status in ("kept", "same") for status in told(diff).values())


async def test_a_router_decides_again_on_an_edited_state(tmp_path: Path) -> None:
    async with Recorded(tmp_path, looping(), LOOP) as recorded:
        diff = await recorded.replay(start="sub/double?condition#1", sets=("n=40",))
        assert RAN == ["after"]  # 40 is enough: the loop ends at once
        assert told(diff)["sub/double#1"] == "edited"
        assert told(diff)["sub/add#2"] == "gone"
        assert diff.after == "wrong"


def fanning() -> Any:
    graph = StateGraph(State)
    graph.add_node("plan", lambda s: ran("plan", {"n": s["n"]}))
    graph.add_node("work", lambda s: ran(f"work{s['n']}", {"parts": [s["n"] * 10]}))
    graph.add_node(
        "join",
        lambda s: Command(update=ran("join", {"n": sum(s["parts"])}), goto="end"),
        destinations=("end",),
    )
    graph.add_node("end", lambda s: ran("end", {"out": str(s["n"])}))
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", lambda s: [Send("work", {"n": i}) for i in range(s["n"])], ["work"])
    graph.add_edge("work", "join")
    graph.add_edge("end", END)
    return graph.compile()


async def test_branches_of_a_fan_out_and_commands_are_kept(tmp_path: Path) -> None:
    suite = [{"id": "c", "input": {"n": 3}, "checks": {"end": [{"exact": {"path": "out", "value": "30"}}]}}]
    async with Recorded(tmp_path, fanning(), suite) as recorded:
        diff = await recorded.replay(start="end")
        assert RAN == ["end"]  # the Command of `join` leads there again
        assert diff.after == "correct"
        diff = await recorded.replay(start="work[1]")
        assert RAN == ["work1", "join", "end"]
        assert told(diff)["work[0]#1"] == told(diff)["work[2]#1"] == "kept"
        await recorded.replay(start="work")
        assert sorted(RAN) == ["end", "join", "work0", "work1", "work2"]
        diff = await recorded.replay(sets=("plan.n=2",))
        assert told(diff)["work[2]#1"] == "gone"
        assert diff.after == "wrong"


def agent() -> Any:
    """A model that asks a tool once and repeats what it says, in a loop of two nodes."""

    @tool
    def weather(city: str) -> str:
        """The weather of a city."""
        RAN.append("tool")
        return f"sunny in {city}"

    class Model(GenericFakeChatModel):
        def bind_tools(self, tools: Any, **_: Any) -> Any:
            return self

        def _generate(self, messages: Any, *_: Any, **__: Any) -> ChatResult:
            RAN.append("model")
            if isinstance(messages[-1], ToolMessage):
                answer = AIMessage(content=f"It is {messages[-1].content}")
            else:
                asked = {"name": "weather", "args": {"city": "Oslo"}, "id": "1"}
                answer = AIMessage(content="", tool_calls=[asked])
            return ChatResult(generations=[ChatGeneration(message=answer)])

    from langchain.agents import create_agent

    return create_agent(Model(messages=iter([])), [weather])


async def test_messages_come_back_as_messages(tmp_path: Path) -> None:
    check = {"end": [{"contains": {"path": "messages[-1].content", "all": ["sunny"]}}]}
    suite = [{"id": "c", "input": {"messages": [["user", "hi"]]}, "checks": check}]
    async with Recorded(tmp_path, agent(), suite) as recorded:
        assert (await recorded.replay(start="tools")).after == "correct"
        assert RAN == ["tool", "model"]
        assert (await recorded.replay(start="model")).after == "correct"
        assert RAN == ["model"]
        diff = await recorded.replay(sets=("tools.messages[0].content=rain",))
        assert (RAN, diff.after) == (["model"], "wrong")
        assert (await fidelity_into(recorded.opened, Wanted())).handoffs.point == 1.0


@dataclasses.dataclass(frozen=True)
class Page:
    text: str
    span: tuple[int, int]


class Found(BaseModel):
    pages: list[str]


@step
def fetch(question: str) -> Page:
    RAN.append("fetch")
    return Page(question, (0, len(question)))


@step
def shaky(page: Page) -> str:
    RAN.append("shaky")
    raise KeyError("nothing there")


@step
def clean(page: Page) -> Found:
    RAN.append("clean")
    return Found(pages=[page.text.upper()])


@step
def outer(page: Page) -> Found:
    RAN.append("outer")
    return clean(page)


@step
def answer(found: Found) -> str:
    RAN.append("answer")
    return found.pages[0]


def talk(question: str) -> str:
    page = fetch(question)
    with contextlib.suppress(KeyError):
        shaky(page)
    assert isinstance(page.span, tuple)
    outer(page)
    return answer(clean(page))


TALK = [{"id": "c", "input": "abc", "checks": {"end": [{"exact": {"value": "ABC"}}]}}]


async def test_functions_get_their_own_classes_and_exceptions_back(tmp_path: Path) -> None:
    async with Recorded(tmp_path, talk, TALK) as recorded:
        for start, expected in {
            "answer": ["answer"],
            "clean": ["clean", "answer"],
            "outer": ["outer", "clean", "clean", "answer"],
            "outer/clean": [
                "outer",
                "clean",
                "clean",
                "answer",
            ],  # its caller runs, what stands before it does not
            "shaky": ["shaky", "outer", "clean", "clean", "answer"],
        }.items():
            diff = await recorded.replay(start=start)
            assert (diff.after, RAN) == ("correct", expected), start
        diff = await recorded.replay(sets=('clean.pages=["other"]',))
        assert (RAN, diff.after) == (["answer"], "wrong")  # the edited pages are a Found again


async def side_by_side(question: str) -> str:
    async def one(number: int) -> Found:
        page = fetch(f"{question}{number}")
        await asyncio.sleep(0.01)
        return clean(page)

    found = await asyncio.gather(*(one(number) for number in range(3)))
    return answer(found[0])


async def test_steps_that_run_side_by_side_find_their_own_tape(tmp_path: Path) -> None:
    suite = [{"id": "c", "input": "q", "checks": {"end": [{"exact": {"value": "Q0"}}]}}]
    async with Recorded(tmp_path, side_by_side, suite) as recorded:
        assert (await recorded.replay(start="answer")).after == "correct"
        assert RAN == ["answer"]
        assert (await recorded.replay(start="clean#2")).after == "correct"
        assert RAN[-1] == "answer"
        assert RAN.count("fetch") == 0


@step(effect=True)
def pay(amount: int) -> str:
    RAN.append("pay")
    return f"paid {amount}"


@step
def price(item: str) -> int:
    RAN.append("price")
    return len(item)


def shop(item: str) -> str:
    return pay(price(item))


SHOP = [
    {"id": "c", "input": "abc", "golden": {"price": 4}, "checks": {"end": [{"exact": {"value": "paid 4"}}]}}
]


async def test_effects_come_from_the_tape_and_other_arguments_are_refused_before_the_call(
    tmp_path: Path,
) -> None:
    async with Recorded(tmp_path, shop, SHOP) as recorded:
        diff = await recorded.replay()
        assert (RAN, told(diff)["pay#1"]) == (["price"], "kept")
        await recorded.replay(start="pay")
        assert RAN == []
        with pytest.raises(
            ReplayMismatch, match=r"pay#1: it has an effect.*amount is 4, was 3.*--live-effects"
        ):
            await recorded.replay(golden=("price",))
        assert RAN == []
        diff = await recorded.replay(golden=("price",), live_effects=True)
        assert (RAN, diff.before, diff.after) == (["pay"], "wrong", "correct")


@step
def checkout(item: str) -> str:
    RAN.append("checkout")
    return pay(price(item))


@step
def thank(paid: str) -> str:
    RAN.append("thank")
    return paid


def nested_shop(item: str) -> str:
    return thank(checkout(item))


async def test_an_effect_inside_another_step_comes_from_the_tape_too(tmp_path: Path) -> None:
    suite = [{key: value for key, value in case.items() if key != "golden"} for case in SHOP]
    async with Recorded(tmp_path, nested_shop, suite) as recorded:
        diff = await recorded.replay()
        assert (RAN, told(diff)["checkout/pay#1"]) == (["checkout", "price", "thank"], "kept")
        with pytest.raises(ReplayMismatch, match="checkout/pay#1: it has an effect"):
            await recorded.replay(sets=("input=abcd",))
        assert "pay" not in RAN


async def test_what_was_refused_leaves_nothing_behind(tmp_path: Path) -> None:
    async with Recorded(tmp_path, shop, SHOP) as recorded:
        before = [m.id for m in recorded.store.measurements()]
        for wanted in ({"golden": ("price",)}, {"start": "nowhere"}, {"start": "price#9"}):
            with pytest.raises((ReplayMismatch, UnknownName)):
                await recorded.replay(**wanted)
        assert [m.id for m in recorded.store.measurements()] == before
        assert RAN == []


def gated(signal: Any) -> Any:
    graph = StateGraph(State)
    graph.add_node("find", lambda s: ran("find", {"n": s["n"] + 1}))
    graph.add_node("tell", lambda s: ran("tell", {"out": str(s["n"])}))
    graph.add_edge(START, "find")
    graph.add_edge("find", "tell")
    graph.add_edge("tell", END)
    contract = Contract(
        retry=Retry(2, backoff_s=0.01), gate=Gate(signal=signal, at_least=0.5, below=Refuse("no"))
    )
    return guard(graph.compile(), {"find": contract})


async def test_a_gate_says_of_a_kept_handoff_what_it_said_then(tmp_path: Path) -> None:
    asked: list[int] = []

    def signal(crossing: Any) -> float:
        asked.append(1)
        return 0.9 if len(asked) == 1 else 0.1  # whoever asks again is told otherwise

    suite = [{"id": "c", "input": {"n": 1}, "checks": {"end": [{"exact": {"path": "out", "value": "2"}}]}}]
    async with Recorded(tmp_path, gated(signal), suite) as recorded:
        diff = await recorded.replay(start="tell")
        assert (diff.after, RAN, len(asked)) == ("correct", ["tell"], 1)
        replay = recorded.store.record(diff.replay, "c", 0)
        assert [(r.step, r.guard, r.signal) for r in replay.rulings] == [("find", "gate", 0.9)]
        diff = await recorded.replay(start="find")
        assert (diff.after, len(asked)) == ("failed", 2)


async def test_a_fallback_answers_again_what_it_answered(tmp_path: Path) -> None:
    def instead(crossing: Any, error: Exception) -> dict[str, Any]:
        RAN.append("fallback")
        return {"n": 7}

    def broken(state: State) -> dict[str, Any]:
        RAN.append("find")
        raise ConnectionError("down")

    graph = StateGraph(State)
    graph.add_node("find", broken)
    graph.add_node("tell", lambda s: ran("tell", {"out": str(s["n"])}))
    graph.add_edge(START, "find")
    graph.add_edge("find", "tell")
    graph.add_edge("tell", END)
    workflow = guard(graph.compile(), {"find": Contract(retry=Retry(2, backoff_s=0.2), fallback=instead)})
    suite = [{"id": "c", "input": {"n": 1}, "checks": {"end": [{"exact": {"path": "out", "value": "7"}}]}}]
    async with Recorded(tmp_path, workflow, suite) as recorded:
        diff = await recorded.replay(start="tell")
        assert (diff.after, RAN) == ("correct", ["tell"])
        record = recorded.store.record(diff.replay, "c", 0)
        assert [(one.guard, one.action) for one in record.rulings] == [
            ("retry", "retry"),
            ("fallback", "fallback"),
        ]


async def test_a_cache_neither_answers_trials_nor_keeps_what_a_replay_handed_over(tmp_path: Path) -> None:
    graph = StateGraph(State)
    graph.add_node("find", lambda s: ran("find", {"n": s["n"] + 1}), cache_policy=CachePolicy())
    graph.add_edge(START, "find")
    graph.add_edge("find", END)
    workflow = graph.compile(cache=InMemoryCache())
    check = {"end": [{"exact": {"path": "n", "value": 9}}]}
    suite = [{"id": "c", "input": {"n": 1}, "golden": {"find": {"n": 9}}, "checks": check}]
    async with Recorded(tmp_path, workflow, suite, trials=2) as recorded:
        assert (await recorded.replay(golden=("find",))).after == "correct"
        diff = await recorded.replay()
        assert (diff.after, RAN) == ("wrong", ["find"])


async def test_a_replay_says_where_it_comes_from(tmp_path: Path) -> None:
    async with Recorded(tmp_path, looping(), LOOP) as recorded:
        diff = await recorded.replay(start="after", sets=("n=5",))
        kept = recorded.store.measurement(diff.replay)
        record = recorded.store.record(diff.replay, "c", 0)
        assert (kept.kind, kept.replay_of) == ("replay", recorded.measurement.id)
        assert record.origin is not None
        assert (record.origin.trial, record.origin.start) == (0, "after#1")
        (edited,) = record.origin.edits.values()
        assert recorded.store.payload(edited)["n"] == 5
        assert [event.step for event in record.events if not event.kept] == ["after"]
