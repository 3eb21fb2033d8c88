"""Addresses inside plain data."""

from __future__ import annotations

import math
from typing import Any

import pytest

from gapless.evals.pointer import Nowhere, nan_in, parse

DATA: dict[str, Any] = {"a": {"b": [{"c": 1}, {"c": 2}], "x.y": 3, "": 4}, "messages": [{"content": "hi"}]}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("", DATA),
        ("a.b[0].c", 1),
        ("a.b[-1].c", 2),
        ("a.b.-1.c", 2),
        ("a.b[*].c", [1, 2]),
        ('a["x.y"]', 3),
        ("messages[0].content", "hi"),
    ],
)
def test_values_that_are_there(path: str, value: Any) -> None:
    assert parse(path).read(DATA) == value


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("z", "no value at z: its keys are a, messages"),
        ("a.b[5]", "no value at a.b[5]: the list has 2 items"),
        ("a.b[*].d", "no value at a.b[0].d: its keys are c"),
        ("a.b.c", "no value at a.b.c: a.b is a list"),
        ("a[*]", "no value at a[*]: a is an object"),
        ("messages[0].content.text", "no value at messages[0].content.text: messages[0].content is a string"),
    ],
)
def test_values_that_are_not(path: str, words: str) -> None:
    found = parse(path).read(DATA)
    assert isinstance(found, Nowhere)
    assert str(found) == words


@pytest.mark.parametrize("path", ["a..b", ".a", "a.", "a[b]", "a[", "a]", "[1.5]"])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(ValueError, match="is no path"):
        parse(path)


def test_the_place_of_a_nan() -> None:
    assert nan_in({"a": [1, {"b": math.inf}]}) == "a[1].b"
    assert nan_in({"a": [1.0, "nan"]}) is None
