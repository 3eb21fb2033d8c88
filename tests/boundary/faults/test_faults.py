from __future__ import annotations

import copy
import dataclasses
import re
import time
from typing import Any

import msgspec
import pydantic
import pytest
from langgraph.types import Command

from gapless.boundary.crossing import Crossing
from gapless.boundary.faults.base import StepFault
from gapless.boundary.faults.handoff import change
from gapless.boundary.faults.namesake import Namesake
from gapless.boundary.faults.partial_answer import PartialAnswer
from gapless.boundary.faults.renamed_field import RenamedField
from gapless.boundary.faults.stale_evidence import StaleEvidence
from gapless.boundary.faults.timeout import Timeout
from gapless.boundary.faults.truncated_stream import TruncatedStream
from gapless.boundary.faults.wrong_figure import WrongFigure
from gapless.boundary.flow import adrive, compose, drive
from gapless.errors import InvalidSettings

DOCS = [
    {"id": "a", "version": 3},
    {"id": "b", "version": 1},
    {"id": "c", "version": 2},
    {"id": "d", "version": 1},
]


def older(item: dict[str, Any]) -> dict[str, Any] | None:
    return {**item, "version": item["version"] - 1} if item["version"] > 1 else None


def stranger(item: dict[str, Any]) -> dict[str, Any] | None:
    item["seen"] = True  # a careless function: it must not reach the workflow's own item
    return {"id": item["id"] + "-namesake"} if item["id"] != "a" else None


def cross(fault: Any, output: Any, **place: Any) -> tuple[Any, list[str]]:
    crossing = Crossing(**{"step": "retrieve", "state": {}, "seed": 7, **place})
    return drive(compose((fault,), crossing), lambda _: output), crossing.faults


FAULTS: list[tuple[StepFault, Any, Any]] = [
    (
        StaleEvidence(step="retrieve", field="docs", older=older),
        {"docs": DOCS},
        lambda out: [doc["version"] for doc in out["docs"]] == [2, 1, 1, 1],
    ),
    (
        Namesake(step="retrieve", field="docs", namesake=stranger),
        {"docs": DOCS},
        lambda out: sum("namesake" in doc["id"] for doc in out["docs"]) == 1 and len(out["docs"]) == 4,
    ),
    (PartialAnswer(step="retrieve", field="docs"), {"docs": DOCS}, lambda out: out["docs"] == DOCS[:2]),
    (
        PartialAnswer(step="retrieve", field="answer", keys=("currency",)),
        {"answer": {"total": 1, "currency": "EUR"}},
        lambda out: out["answer"] == {"total": 1},
    ),
    (
        RenamedField(step="retrieve", field="answer", old="total", new="amount"),
        {"answer": {"total": 1, "currency": "EUR"}},
        lambda out: list(out["answer"].items()) == [("amount", 1), ("currency", "EUR")],
    ),
    (
        RenamedField(step="retrieve", field="docs", old="id", new="key"),
        {"docs": DOCS},
        lambda out: [doc["key"] for doc in out["docs"]] == ["a", "b", "c", "d"],
    ),
    (
        TruncatedStream(step="retrieve", field="text"),
        {"text": "The cap on liability is five million euro, and it renews."},
        lambda out: 10 < len(out["text"]) < 50 and "The cap on liability".startswith(out["text"][:10]),
    ),
    (
        WrongFigure(step="retrieve", field="text"),
        {"text": "The cap is EUR 5,000,000 for HAT136."},
        lambda out: (
            re.fullmatch(r"The cap is EUR \d,\d{3},\d{3} for HAT136\.", out["text"])
            and "5,000,000" not in out["text"]
        ),
    ),
    (
        WrongFigure(step="retrieve", field=""),
        {"total": 1250.5, "ok": True},
        lambda out: out["total"] != 1250.5 and out["ok"] is True and isinstance(out["total"], float),
    ),
]


@pytest.mark.parametrize(("fault", "output", "expected"), FAULTS, ids=[case[0].name for case in FAULTS])
def test_a_fault_changes_a_copy_says_so_and_does_it_again_the_same(
    fault: StepFault, output: Any, expected: Any
) -> None:
    before = copy.deepcopy(output)
    changed, named = cross(fault, output)
    assert expected(changed)
    assert named == [fault.name]
    assert output == before, "the workflow's own value was written to"
    assert cross(fault, output) == (changed, named)


@pytest.mark.parametrize(("fault", "output", "expected"), FAULTS, ids=[case[0].name for case in FAULTS])
def test_a_fault_acts_only_at_its_step_and_a_transient_one_only_once(
    fault: StepFault, output: Any, expected: Any
) -> None:
    assert cross(fault, output, step="draft") == (output, [])
    assert cross(fault, output, attempt=2, visit=3)[1] == [fault.name], "a retry does not escape the weather"
    transient = dataclasses.replace(fault, transient=True)
    assert cross(transient, output, attempt=1)[1] == [fault.name]
    assert cross(transient, output, attempt=2) == (output, [])


@pytest.mark.parametrize(("fault", "output", "expected"), FAULTS, ids=[case[0].name for case in FAULTS])
async def test_a_fault_is_the_same_when_the_step_is_awaited(
    fault: StepFault, output: Any, expected: Any
) -> None:
    async def step(_: Any) -> Any:
        return output

    crossing = Crossing(step="retrieve", state={}, seed=7)
    assert await adrive(compose((fault,), crossing), step) == cross(fault, output)[0]


@pytest.mark.parametrize("nothing", [None, {}, {"docs": []}, {"docs": "text"}, "plain", {"docs": [DOCS[1]]}])
def test_where_there_is_nothing_to_change_nothing_is_recorded(nothing: Any) -> None:
    for fault in (
        StaleEvidence(step="retrieve", field="docs", older=older),
        PartialAnswer(step="retrieve", field="docs"),
        RenamedField(step="retrieve", field="docs", old="nope", new="x"),
        WrongFigure(step="retrieve", field="answer"),
        TruncatedStream(step="retrieve", field="answer"),
    ):
        output, named = cross(fault, nothing)
        assert output is nothing
        assert named == []


def test_a_timeout_never_calls_the_step_and_waits_only_a_little() -> None:
    calls: list[Any] = []
    crossing = Crossing(step="retrieve", state={})
    started = time.perf_counter()
    with pytest.raises(TimeoutError, match="no answer after 8 s"):
        drive(compose((Timeout(step="retrieve", after_s=8, wait_s=0.01),), crossing), calls.append)
    assert calls == []
    assert crossing.faults == ["timeout"]
    assert time.perf_counter() - started < 2
    assert cross(Timeout(step="retrieve"), 5, step="other") == (5, [])


def test_different_trials_get_different_wrong_figures() -> None:
    fault = WrongFigure(step="retrieve", field="total")
    seen = {cross(fault, {"total": 1234567}, seed=seed)[0]["total"] for seed in range(40)}
    assert len(seen) > 15
    assert all(len(str(total)) == 7 and total != 1234567 for total in seen)


@pytest.mark.parametrize("seed", range(30))
def test_a_wrong_figure_keeps_its_format(seed: int) -> None:
    text = "Due 2024-02-29: 12.5 % of $1,200.00, see clause 7."
    changed = cross(WrongFigure(step="retrieve", field=""), text, seed=seed)[0]
    assert changed != text
    assert re.fullmatch(r"Due 2024-02-[0-2]\d: \d+\.\d % of \$\d,\d{3}\.\d\d, see clause \d\.", changed)
    day = re.search(r"2024-02-(\d\d)", changed)
    assert day is not None
    assert 1 <= int(day[1]) <= 29


class _Model(pydantic.BaseModel):
    docs: list[int]
    name: str = "n"


@dataclasses.dataclass(frozen=True)
class _Data:
    docs: list[int]
    size: int = dataclasses.field(init=False, default=0)


class _Struct(msgspec.Struct, frozen=True):
    docs: list[int]


@pytest.mark.parametrize(
    "output",
    [
        {"docs": [1, 2]},
        _Model(docs=[1, 2]),
        _Data(docs=[1, 2]),
        _Struct(docs=[1, 2]),
        Command(update={"docs": [1, 2]}, goto="draft"),
        Command(update=_Model(docs=[1, 2])),
    ],
    ids=["dict", "pydantic", "dataclass", "struct", "command", "command-model"],
)
def test_every_form_of_an_update_is_changed_on_a_copy(output: Any) -> None:
    before = copy.deepcopy(output)
    changed, named = cross(PartialAnswer(step="retrieve", field="docs"), output)
    update = changed.update if isinstance(changed, Command) else changed
    assert (update["docs"] if isinstance(update, dict) else update.docs) == [1]
    assert type(changed) is type(output)
    assert named == ["partial-answer"]
    assert output == before
    if isinstance(output, Command):
        assert changed.goto == output.goto


def test_a_path_reaches_into_lists_and_models() -> None:
    nested = {"messages": [{"content": "a"}, _Model(docs=[1], name="old")]}
    changed, found = change(nested, "messages.-1.name", str.upper)
    assert found
    assert changed["messages"][1].name == "OLD"
    assert nested["messages"][1].name == "old"
    assert changed["messages"][0] is nested["messages"][0], "what is off the path is not copied"
    for path in ("messages.7.name", "messages.x", "nope.a", "messages.0.content.deep"):
        assert change(nested, path, str.upper) == (nested, False)


def test_every_fault_says_what_a_contract_can_do() -> None:
    kinds: set[type[StepFault]] = {type(fault) for fault, _, _ in FAULTS} | {Timeout}
    assert len(kinds) == 7
    for kind in kinds:
        assert kind.detectable in ("detect", "repair", "neither")
        assert kind.why.endswith(".")
        assert len(kind.why) > 40


def test_a_rate_outside_zero_to_one_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="allowed is 0 to 1"):
        Timeout(step="tool", rate=4)
