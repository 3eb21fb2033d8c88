"""Tells whether a number follows from others by one step of school arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import combinations_with_replacement
from math import isfinite
from typing import Any, cast

MAX_TERMS = 40
"""With more numbers than this nearly every figure is the sum of some two: arithmetic is no excuse any more."""
_CENT = Decimal("0.005")


def follows(value: Decimal, terms: Iterable[Decimal]) -> bool:
    """Whether a number is sum, difference, product or percentage of two of the terms, to the cent.

    Example:
        >>> follows(Decimal(625000), [Decimal("12.5"), Decimal(5000000)]), follows(Decimal(7), [Decimal(2)])
        (True, False)
    """
    known = set(terms)
    if len(known) > MAX_TERMS:
        return False
    pairs = combinations_with_replacement(sorted(known), 2)
    return any(abs(made - value) < _CENT for low, high in pairs for made in _made(low, high))


def is_running_total(value: Decimal, before: Sequence[Decimal]) -> bool:
    """Whether a number is the sum of the last few that stand before it.

    Example:
        >>> is_running_total(Decimal(1000), [Decimal(7), Decimal(500), Decimal(250), Decimal(250)])
        True
    """
    total = Decimal(0)
    for number in reversed(before[-MAX_TERMS:]):
        total += number
        if total == value:
            return True
    return False


def column_sums(items: list[Any]) -> Iterator[Decimal]:
    """Sums of the numbers in a list, and of each numeric key over a list of objects."""
    columns: dict[str, list[Decimal]] = {}
    for item in items:
        pairs = cast("dict[str, Any]", item).items() if isinstance(item, dict) else [("", item)]
        for key, value in pairs:
            if isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value):
                columns.setdefault(key, []).append(Decimal(repr(value)))
    return (sum(numbers, Decimal(0)) for numbers in columns.values() if len(numbers) > 1)


def _made(low: Decimal, high: Decimal) -> Iterator[Decimal]:
    product = low * high
    yield from (low + high, high - low, product, product / 100)
    if high:
        yield from (low / high, low / high * 100)
