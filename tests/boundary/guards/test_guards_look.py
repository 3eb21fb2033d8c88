"""What each guard that looks at a handoff lets pass, and what it says of the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypedDict

import msgspec
import pytest
from pydantic import BaseModel

from gapless.boundary.crossing import Crossing
from gapless.boundary.guards.base import OutputGuard
from gapless.boundary.guards.complete import Complete
from gapless.boundary.guards.fresh import Fresh, seconds
from gapless.boundary.guards.gate import Gate, Review
from gapless.boundary.guards.grounded import Grounded
from gapless.boundary.guards.schema import SchemaGuard
from gapless.errors import InvalidContract, SchemaBreach

NOW = datetime(2026, 11, 23, tzinfo=UTC).timestamp()


class Typed(TypedDict):
    total: int
    currency: str


class Model(BaseModel):
    total: int
    currency: str


@dataclass
class Plain:
    total: int
    currency: str


class Struct(msgspec.Struct):
    total: int
    currency: str


SCHEMA = {
    "type": "object",
    "properties": {"total": {"type": "integer"}, "currency": {"type": "string"}},
    "required": ["total", "currency"],
    "additionalProperties": False,
}


def said(guard: OutputGuard, handoff: Any, **crossing: Any) -> str | None:
    breach = guard.breach(Crossing(**{"step": "tool", "state": {}, **crossing}), handoff)
    return breach.reason if breach is not None else None


@pytest.mark.parametrize("declared", [Typed, Model, Plain, Struct, SCHEMA], ids=str)
class TestSchema:
    def test_what_was_declared_passes(self, declared: Any) -> None:
        assert said(SchemaGuard(declared), {"total": 12, "currency": "EUR"}) is None

    @pytest.mark.parametrize(
        ("handoff", "named"),
        [
            ({"total": "12", "currency": "EUR"}, "total"),
            ({"total": 12}, "currency"),
            ({"total": 12, "currency": "EUR", "extra": 1}, "extra"),
            ({"total": True, "currency": "EUR"}, "total"),
            ("twelve", ""),
            (None, ""),
            ([], ""),
        ],
    )
    def test_anything_else_is_a_breach_that_names_the_place(
        self, declared: Any, handoff: Any, named: str
    ) -> None:
        breach = SchemaGuard(declared).breach(Crossing(step="tool", state={}), handoff)
        assert breach is not None
        assert named in breach.reason
        assert breach.kind is SchemaBreach


def test_an_instance_of_the_declared_class_passes() -> None:
    for instance in (Model(total=1, currency="EUR"), Plain(1, "EUR"), Struct(1, "EUR")):
        assert said(SchemaGuard(type(instance)), instance) is None


def test_a_part_of_a_state_may_be_declared_by_the_whole_state() -> None:
    guard = SchemaGuard(Typed, partial=True)
    assert said(guard, {"total": 3}) is None
    assert "total" in (said(guard, {"total": "3"}) or "")
    assert "nothing" in (said(guard, {"nothing": 3}) or "")


def test_a_schema_that_is_none_is_refused_when_it_is_declared() -> None:
    with pytest.raises(InvalidContract):
        SchemaGuard({"type": "no such type"})


@pytest.mark.parametrize(
    ("guard", "handoff", "named"),
    [
        (Complete(fields=("a.b",)), {"a": {"b": 0}}, None),
        (Complete(fields=("a.b",)), {"a": {"b": []}}, "a.b"),
        (Complete(fields=("a.b",)), {"a": {}}, "a.b is missing"),
        (Complete(fields=("a",)), {"a": ""}, "empty"),
        (Complete(at_least={"docs": 2}), {"docs": [1]}, "1 items"),
        (Complete(at_least={"docs": 2}), {"docs": "two"}, "0 items"),
        (Complete(at_least={"docs": 2}), {"docs": [1, 2]}, None),
        (Complete(pages=("page",)), {"page": {"items": [1], "next_cursor": "x"}}, "next_cursor"),
        (Complete(pages=("page",)), {"page": {"items": [1], "has_more": True}}, "has_more"),
        (Complete(pages=("page",)), {"page": {"items": [1], "total": 9}}, "total is 9"),
        (Complete(pages=("page",)), {"page": {"items": [1], "total": 1, "next": None}}, None),
    ],
)
def test_a_part_is_not_taken_for_the_whole(guard: Complete, handoff: Any, named: str | None) -> None:
    reason = said(guard, handoff)
    assert reason is None if named is None else named in str(reason)


@pytest.mark.parametrize(
    ("handoff", "named"),
    [
        ({"docs": [{"updated_at": "2026-11-20"}]}, None),
        ({"docs": [{"updated_at": "2026-11-20"}, {"updated_at": "2026-08-22"}]}, "93 days old"),
        ({"docs": [{"text": "no time at all"}]}, "unknown"),
        ({"docs": [{"updated_at": "yesterday"}]}, "no time"),
        ({"docs": [{"updated_at": math.nan}]}, "no time"),
        ({}, "unknown"),
        ({"docs": []}, None),
    ],
)
def test_old_evidence_is_not_current(handoff: Any, named: str | None) -> None:
    reason = said(Fresh(days=30, evidence="docs", clock=lambda: NOW), handoff)
    assert reason is None if named is None else named in str(reason)


def test_evidence_of_another_embedding_model_is_not_comparable() -> None:
    guard = Fresh(days=30, model=("model", "minilm"), clock=lambda: NOW)
    piece = {"updated_at": NOW, "model": "minilm"}
    assert said(guard, [piece]) is None
    assert "'other'" in str(said(guard, [{**piece, "model": "other"}]))


def test_times_are_read_as_people_write_them() -> None:
    assert seconds("2026-11-23") == seconds(NOW) == seconds("2026-11-23T01:00:00+01:00") == NOW
    assert seconds(True) is None
    assert seconds(object()) is None


def test_figures_and_names_must_come_from_the_evidence() -> None:
    guard = Grounded(text="answer", evidence=("docs",), names=True)
    state = {"docs": ["The cap is USD 1,200,000 for Harlow Metals Ltd."]}
    assert said(guard, {"answer": "Harlow Metals Ltd: the cap is $1.2 million."}, state=state) is None
    wrong = said(guard, {"answer": "The cap of Corvane Foods Ltd is $1.3 million."}, state=state)
    assert "1.3 million" in str(wrong)
    assert "Corvane" in str(wrong)
    asked = Crossing(step="draft", state={}, case_input={"amount": 77})
    assert Grounded().breach(asked, "It costs 77 EUR.") is None
    with pytest.raises(InvalidContract):
        Grounded(figures=False)


@pytest.mark.parametrize(
    ("said_by_signal", "doubt"),
    [
        (0.9, None),
        (0.6, None),
        (0.59, "below 0.6"),
        (None, "nothing"),
        (math.nan, "no number"),
        (math.inf, "no number"),
        (7.3, "outside 0 to 1"),
        (-0.1, "outside 0 to 1"),
        ("0.9", "no number"),
        (True, "no number"),
    ],
)
def test_a_gate_doubts_whatever_is_no_sure_number(said_by_signal: Any, doubt: str | None) -> None:
    reading = Gate(signal=lambda _: said_by_signal).read(Crossing(step="x", state={}))
    assert reading.doubt is None if doubt is None else doubt in str(reading.doubt)


def test_a_signal_that_raises_is_doubt() -> None:
    def broken(crossing: Crossing) -> float:
        raise ZeroDivisionError("no")

    reading = Gate(signal=broken, below=Review()).read(Crossing(step="x", state={}))
    assert "ZeroDivisionError" in str(reading.doubt)
    with pytest.raises(InvalidContract):
        Gate(signal=broken, at_least=1.5)
