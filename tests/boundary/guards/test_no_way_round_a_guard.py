"""Handoffs that look harmless: broken further down, older than they say, or changed by whoever judges them."""

from __future__ import annotations

import time
from typing import Any, TypedDict

import pytest
from pydantic import BaseModel

from gapless.boundary.contract import Contract
from gapless.boundary.crossing import Crossing
from gapless.boundary.flow import compose, drive
from gapless.boundary.guarding import Guarding, Watch
from gapless.boundary.guards.complete import Complete
from gapless.boundary.guards.fresh import Fresh
from gapless.boundary.guards.gate import Gate, Refuse
from gapless.boundary.guards.retry import Retry
from gapless.boundary.guards.schema import SchemaGuard
from gapless.errors import DuplicateEffect, RetriesExhausted, SchemaBreach

HERE = Crossing(step="x", state={})


class Inner(TypedDict):
    a: int


class Outer(TypedDict):
    inner: Inner
    b: int


class Page(BaseModel):
    items: list[int] = []
    has_more: bool = True


@pytest.mark.parametrize("partial", [False, True])
def test_a_key_missing_further_down_is_a_breach(partial: bool) -> None:
    found = SchemaGuard(Outer, partial=partial).breach(HERE, {"inner": {}, "b": 1})
    assert found is not None
    assert "missing required field `a`" in found.reason


def test_a_key_missing_at_the_top_is_told_once_and_may_be_missing_in_a_part() -> None:
    whole = SchemaGuard(Outer).breach(HERE, {"inner": {"a": 1}})
    assert whole is not None
    assert whole.reason == "b is missing"
    assert SchemaGuard(Outer, partial=True).breach(HERE, {"inner": {"a": 1}}) is None


@pytest.mark.parametrize("handoff", [{}, {"r": None}, {"r": Page()}])
def test_pages_that_are_missing_or_objects_are_looked_at(handoff: dict[str, Any]) -> None:
    assert Complete(pages=("r",)).breach(HERE, handoff) is not None


@pytest.mark.parametrize("stamp", [1_500_000_000_000, float("inf"), "2999-01-01"])
def test_evidence_from_the_future_has_no_known_age(stamp: Any) -> None:
    found = Fresh(days=7).breach(HERE, [{"updated_at": stamp}])
    assert found is not None
    assert "future" in found.reason


def test_a_clock_a_little_ahead_is_forgiven() -> None:
    assert Fresh(days=7, clock=lambda: 1_000_000.0).breach(HERE, [{"updated_at": 1_003_600}]) is None


def test_undated_evidence_does_not_hide_among_dated() -> None:
    mixed = {"docs": [{"updated_at": time.time()}, {"text": "from 1999"}]}
    found = Fresh(days=7, evidence="docs").breach(HERE, mixed)
    assert found is not None
    assert "1 of 2 pieces" in found.reason


def cross(contract: Contract, watch: Watch, call: Any) -> Any:
    guarding = Guarding(contract, watch, lambda output: output, lambda _, update: update)
    crossing = Crossing(step="x", state={"k": 1})
    return drive(compose((guarding.around, guarding.within), crossing), call)


def test_a_fallback_is_no_effect_that_took_place() -> None:
    contract = Contract(effect=True, idempotency_key="k", fallback=lambda crossing, error: "instead")
    watch = Watch()

    def refused(state: Any) -> Any:
        raise ValueError("not today")

    assert cross(contract, watch, refused).output == "instead"
    assert cross(contract, watch, lambda state: "done").output == "done"
    assert cross(contract, watch, lambda state: "twice").output == "done"


def test_an_abandoned_attempt_leaves_the_action_open_whatever_the_next_one_says() -> None:
    contract = Contract(effect=True, idempotency_key="k", timeout_s=0.05, retry=Retry(2, backoff_s=0.001))
    watch, calls = Watch(), list[int]()

    def step(state: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            time.sleep(0.2)
            return "late"
        raise ConnectionError("gone")

    with pytest.raises(RetriesExhausted):
        cross(contract, watch, step)
    with pytest.raises(DuplicateEffect):
        cross(contract, watch, step)
    assert len(calls) == 2


def test_a_signal_that_changes_the_handoff_is_doubt() -> None:
    def changing(crossing: Crossing) -> float:
        crossing.handoff["amount"] = "a lot"
        return 0.99

    contract = Contract(gate=Gate(signal=changing, below=Refuse()))
    passed = cross(contract, Watch(), lambda state: {"amount": 3})
    assert passed.doubt is not None
    assert "changed the handoff" in passed.doubt


def test_an_effect_whose_answer_is_broken_took_place_all_the_same() -> None:
    contract = Contract(effect=True, idempotency_key="k", output={"type": "number"})
    watch, calls = Watch(), list[Any]()

    def step(state: Any) -> Any:
        calls.append(state)
        return "twelve"

    with pytest.raises(SchemaBreach):
        cross(contract, watch, step)
    with pytest.raises(DuplicateEffect):
        cross(contract, watch, step)
    assert len(calls) == 1
