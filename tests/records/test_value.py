"""Plain data: every value a workflow can hand over has a plain form, canonical bytes and a digest."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import ToolMessage
from pydantic import BaseModel

from gapless.records.value import decode, digest, encode, is_unserialisable, to_plain

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: float


class Model(BaseModel):
    name: str
    tags: set[str]


class Hostile:
    @property
    def model_dump(self) -> object:
        raise RuntimeError("no")


@given(plain)
def test_plain_data_survives_a_round_trip(value: object) -> None:
    assert _same(decode(encode(to_plain(value))), value)


@given(st.dictionaries(st.text(), st.integers(0, 9), min_size=2))
def test_key_order_does_not_change_the_address(value: dict[str, int]) -> None:
    other = dict(reversed(value.items()))
    assert digest(encode(to_plain(value))) == digest(encode(to_plain(other)))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, 2), [1, 2]),
        ({3, 1, 2}, [1, 2, 3]),
        (Colour.RED, "red"),
        (Point(1, 2.5), {"x": 1, "y": 2.5}),
        (Model(name="n", tags={"b", "a"}), {"name": "n", "tags": ["a", "b"]}),
        (dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC), "2026-01-02T03:04:00+00:00"),
        (decimal.Decimal("1.10"), "1.10"),
        (np.float64(0.5), 0.5),
        (np.arange(3), [0, 1, 2]),
        (ValueError("bad"), {"error": "ValueError", "message": "bad"}),
        ({1: "a", None: "b"}, {"1": "a", "None": "b"}),
        (2**70, str(2**70)),
    ],
)
def test_values_keep_what_they_say(value: object, expected: object) -> None:
    assert to_plain(value) == expected


def test_messages_keep_type_status_and_content() -> None:
    found = to_plain(ToolMessage("503", tool_call_id="1", status="error"))
    assert (found["type"], found["status"], found["content"]) == ("tool", "error", "503")


@pytest.mark.parametrize("value", [object(), Hostile(), lambda: None, {"deep": [object()]}])
def test_what_has_no_plain_form_is_marked_and_never_raises(value: object) -> None:
    assert is_unserialisable(to_plain(value))
    encode(to_plain(value))


def test_a_cycle_ends() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert is_unserialisable(to_plain(loop))


def _same(a: object, b: object) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    return type(a) is type(b) and a == b


def test_a_branching_cycle_ends_soon() -> None:
    tree: dict[str, object] = {"name": "root"}
    tree["children"] = [{"parent": tree, "other": tree} for _ in range(20)]
    assert is_unserialisable(to_plain(tree))
    shared = [1]
    assert to_plain([shared, shared]) == [[1], [1]]
