"""A golden in a loop: a list holds one value per visit, a single value holds for the last visit alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph

from gapless.operations.measure import Ask, measure_into
from gapless.operations.open import open_store
from gapless.records.trial import TrialRecord
from gapless.settings import Place, Settings


class State(TypedDict, total=False):
    text: str


def loop() -> Any:
    """Writes "a", "ab", "abc": three visits."""

    def write(state: State) -> State:
        text = state.get("text", "")
        return {"text": text + "abc"[len(text)]}

    graph = StateGraph(State)
    graph.add_node("write", write)
    graph.add_edge(START, "write")
    graph.add_conditional_edges(
        "write", lambda state: END if len(state["text"]) == 3 else "write", ["write", END]
    )
    return graph.compile()


async def record(folder: Path, **case: Any) -> TrialRecord:
    database = f"sqlite:///{folder / '.gapless' / 'gapless.db'}"
    place = Place(root=str(folder), settings=Settings(), database=database)
    with open_store(place) as store:
        suite = [{"id": "a", "input": {"text": ""}, **case}]
        measured = await measure_into(store, loop(), suite, Ask(), place=place)
        return store.record(measured.measurement.id, "a", 0)


@pytest.mark.parametrize(
    ("golden", "expected"),
    [
        ({"text": "abc"}, [None, None, True]),
        ({"text": "ab"}, [None, None, False]),
        ([{"text": "a"}, {"text": "ab"}, {"text": "abc"}], [True, True, True]),
        ([{"text": "a"}, {"text": "x"}], [True, False, None]),
        ([{"text": "abc"}], [False, None, None]),
    ],
)
async def test_a_golden_holds_for_its_visits(
    tmp_path: Path, golden: Any, expected: list[bool | None]
) -> None:
    found = await record(tmp_path, golden={"write": golden})
    visits = [event for event in found.events if event.step == "write"]
    assert [event.ok for event in visits] == expected
    assert [bool(event.verdicts) for event in visits] == [ok is not None for ok in expected]


async def test_a_check_of_its_own_still_judges_every_visit(tmp_path: Path) -> None:
    checks = {"write": ["golden", {"regex": {"path": "text", "pattern": "^ab?c?$"}}]}
    found = await record(tmp_path, golden={"write": {"text": "abc"}}, checks=checks)
    visits = [event for event in found.events if event.step == "write"]
    assert [[verdict.check for verdict in event.verdicts] for event in visits] == [
        ["regex"],
        ["regex"],
        ["golden", "regex"],
    ]
    assert all(event.ok for event in visits)
