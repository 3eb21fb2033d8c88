"""Compares plain data: numbers with a tolerance, messages by what they say, everything else exactly."""

from __future__ import annotations

import math
import reprlib
from typing import Any, cast

from gapless.evals.pointer import kind
from gapless.records.changes import said

_shortened = reprlib.Repr()
_shortened.maxstring = _shortened.maxother = 120
_shortened.maxdict = _shortened.maxlist = 6
_shortened.maxlevel = 3


def shown(value: Any) -> str:
    """A value for a reason: what it is, at most a line of it."""
    return _shortened.repr(value)


def close(one: float, other: float, *, tol: float = 0.0, rel: float = 1e-9) -> bool:
    """Whether two numbers are the same within an absolute or a relative tolerance; NaN is like nothing."""
    return one == other or math.isclose(one, other, rel_tol=rel, abs_tol=tol)


def difference(value: Any, expected: Any, *, tol: float = 0.0, place: str = "") -> str | None:
    """The first difference between two values in words; None when they are the same.

    Args:
        value: What there is.
        expected: What should be.
        tol: Absolute tolerance of numbers, beside a relative one of 1e-9.
        place: Address of the value, for the words.

    Example:
        >>> difference({"total": 12, "by": ["a"]}, {"total": 12.0, "by": ["b"]})
        "by[0] is 'a', expected 'b'"
    """
    if isinstance(value, dict) and isinstance(expected, dict):
        return _in_objects(
            said(cast("dict[str, Any]", value)), said(cast("dict[str, Any]", expected)), tol, place
        )
    if isinstance(value, list) and isinstance(expected, list):
        return _in_lists(cast("list[Any]", value), cast("list[Any]", expected), tol, place)
    if _is_number(value) and _is_number(expected):
        same = close(cast("float", value), cast("float", expected), tol=tol)
    else:
        same = isinstance(value, bool) == isinstance(expected, bool) and value == expected
    return None if same else f"{place or 'the value'} is {shown(value)}, expected {shown(expected)}"


def key_of(value: Any) -> Any:
    """What stands for a plain value in a set: equal values have equal keys, 1 and 1.0 included, 1 and true not."""
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return ("object", tuple(sorted((key, key_of(inner)) for key, inner in items)))
    if isinstance(value, list):
        return ("list", tuple(key_of(inner) for inner in cast("list[Any]", value)))
    return (kind(value) if not isinstance(value, bool) else "bool", value)


def _in_objects(value: dict[str, Any], expected: dict[str, Any], tol: float, place: str) -> str | None:
    where = f"{place}." if place else ""
    for key, wanted in expected.items():
        if key not in value:
            return f"{where}{key} is missing, expected {shown(wanted)}"
        found = difference(value[key], wanted, tol=tol, place=f"{where}{key}")
        if found is not None:
            return found
    extra = next((key for key in value if key not in expected), None)
    return f"{where}{extra} is {shown(value[extra])}, expected nothing there" if extra is not None else None


def _in_lists(value: list[Any], expected: list[Any], tol: float, place: str) -> str | None:
    if len(value) != len(expected):
        return f"{place or 'the list'} has {len(value)} items, expected {len(expected)}"
    pairs = enumerate(zip(value, expected, strict=True))
    found = (difference(one, other, tol=tol, place=f"{place}[{index}]") for index, (one, other) in pairs)
    return next((words for words in found if words is not None), None)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
