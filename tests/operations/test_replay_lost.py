"""Tapes that hold less than was there: too large, lost, redacted, or changed behind the recorder's back."""

from __future__ import annotations

import operator
import sqlite3
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph
from replayed import RAN, Recorded

from gapless.errors import UsageError
from gapless.operations.attribute import AttributeAsk, attribute_into, attributed, attribution
from gapless.records.replay import Causes

LARGE = 9_000_000


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[Any], operator.add]
    out: Any


def chain(first: Any, second: Any) -> Any:
    graph = StateGraph(State)
    graph.add_node("first", first)
    graph.add_node("second", second)
    graph.add_edge(START, "first")
    graph.add_edge("first", "second")
    graph.add_edge("second", END)
    return graph.compile()


def ran(name: str, update: Any) -> Any:
    RAN.append(name)
    return update


def case(name: str, given: Any, value: Any, **golden: Any) -> dict[str, Any]:
    check = {"exact": {"path": "out", "value": value}}
    return {"id": name, "input": given, "golden": golden, "checks": {"end": [check]}}


async def causes(recorded: Recorded) -> Causes:
    found = attribution(recorded.opened, AttributeAsk())
    await attribute_into(recorded.opened, found, AttributeAsk())
    made = attributed(recorded.opened, found, complete=True)
    assert made is not None
    return made


def counting() -> Any:
    return chain(
        lambda s: ran("first", {"n": s["n"] + 1}),
        lambda s: ran("second", {"out": s["n"]}),
    )


def lose(folder: Path, *addresses: str | None) -> None:
    with sqlite3.connect(folder / "gapless.db") as connection:
        for address in addresses:
            assert connection.execute("DELETE FROM payloads WHERE digest = ?", (address,)).rowcount == 1


async def test_a_step_that_changes_its_state_in_place_is_found_out(tmp_path: Path) -> None:
    def sloppy(state: Any) -> Any:
        state["log"].append("by the way")
        return {"n": 2}

    graph = chain(sloppy, lambda s: ran("second", {"out": len(s["log"])}))
    suite = [case("c", {"n": 1, "log": ["x"]}, 3, first={"n": 2})]
    async with Recorded(tmp_path, graph, suite) as recorded:
        diff = await recorded.replay(start="second")
        assert "changes its state in place" in diff.warnings[0]
        assert (await recorded.replay()).warnings == ()
        found = await causes(recorded)
        assert "what is kept does not lead to the state it was recorded in" in next(iter(found.unsettled))


async def test_a_handoff_that_was_too_large_is_edited_whole_or_not_at_all(tmp_path: Path) -> None:
    graph = chain(
        lambda s: ran("first", {"n": 1, "out": "x" * LARGE}), lambda s: ran("second", {"out": len(s["out"])})
    )
    async with Recorded(tmp_path, graph, [case("c", {"n": 1}, LARGE)]) as recorded:
        with pytest.raises(UsageError, match=r"first#1 handed over was not kept as it was"):
            await recorded.replay(sets=("first.n=2",))
        assert RAN == []
        await recorded.replay(sets=('first={"n": 2, "out": "xy"}',))
        assert RAN == ["second"]


async def test_an_input_that_was_too_large_to_be_kept_twice_is_taken_from_the_suite(tmp_path: Path) -> None:
    graph = chain(lambda s: {"n": len(s["out"])}, lambda s: ran("second", {"out": s["n"]}))
    async with Recorded(tmp_path, graph, [case("c", {"out": "x" * LARGE}, LARGE)]) as recorded:
        assert (await recorded.replay()).after == "correct"


async def test_a_lost_value_that_was_replaced_is_not_missed(tmp_path: Path) -> None:
    async with Recorded(tmp_path, counting(), [case("c", {"n": 1}, 9, first={"n": 9})]) as recorded:
        record = recorded.store.record(recorded.measurement.id, "c", 0)
        lose(tmp_path, record.events[0].output, record.output)
        diff = await recorded.replay(golden=("first",))
        assert (diff.before, diff.after, RAN) == ("wrong", "correct", ["second"])
        assert "lost" in diff.output[0].before


async def test_one_trial_that_cannot_run_again_does_not_hide_the_causes_of_the_others(tmp_path: Path) -> None:
    suite = [case(f"c{n}", {"n": n}, 99, first={"n": 99}) for n in range(3)]
    async with Recorded(tmp_path, counting(), suite) as recorded:
        lose(tmp_path, recorded.store.record(recorded.measurement.id, "c2", 0).input)
        found = await causes(recorded)
        assert found.rows[0].share.point == 1.0
        assert any("Left out, for they cannot run again: c2#0" in note for note in found.notes)
