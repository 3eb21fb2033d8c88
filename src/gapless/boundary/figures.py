"""Finds the figures of a text and looks them up in evidence; shared by guards, checks and suspicions.

A figure is a number that says something: an amount, a percentage, a date, a count. What only numbers things (list
markers, citations, INV-7781, versions, phone numbers, clock times) is none. Numbers are read the English way
(1,200,000.50) and, where it cannot be mistaken, the continental one (1.200.000,50; 12,5); a spelling with two
readings ("1.250", "03/04/2026") has both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, cast

from gapless.boundary.dates import coarser, dates, year_of
from gapless.boundary.number_words import spelled
from gapless.boundary.numerals import DIGITS, amounts, readings, unit_after

Kind = Literal["money", "percent", "date", "plain"]
_COUNTED = 12  # "one of them", "two parties": a number word up to here is no figure unless it has a unit
_DOLLARS = frozenset({"$", "USD", "CAD", "AUD", "NZD", "SGD", "HKD"})
_YEN = frozenset({"¥", "JPY", "CNY"})
_HAS_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure in a text."""

    value: Decimal
    """The number; 12 for "12 %"; YYYYMMDD, YYYYMM or MMDD for a date."""
    kind: Kind
    text: str
    """As written, with its currency, scale and unit."""
    span: tuple[int, int]
    """Where in the text it is."""
    currency: str | None = None
    """ISO code; "$" and "¥" stand for any dollar, and for yen or yuan. None when none is written beside it."""
    also: tuple[Decimal, ...] = ()
    """Other readings of the same spelling."""


class Evidence:
    """The figures of many texts, read once, to look others up in."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._known: dict[Decimal, set[tuple[Kind, str | None]]] = {}
        for text in texts:
            self._read(text)

    def holds(self, figure: Figure, *, rel: float = 0.0) -> bool:
        """Whether the evidence has the figure, in any notation.

        Signs are ignored, since prose puts them into words. Amounts in two different currencies are two figures; an
        amount beside which no currency is written may be in any. 12 % is also 12 and 0.12.

        Args:
            figure: What to look for.
            rel: Relative tolerance, for rounded figures; 0.01 is one per cent. Never applied to dates.
        """
        return any(self._has(value.copy_abs(), figure, rel) for value in (figure.value, *figure.also))

    def _has(self, size: Decimal, figure: Figure, rel: float) -> bool:
        if any(_alike(figure, *entry) for entry in self._near(size, figure.kind, rel)):
            return True
        if figure.kind == "percent":
            return ("plain", None) in self._near(size.scaleb(-2), "plain", rel)
        return figure.kind == "plain" and ("percent", None) in self._near(size.scaleb(2), "percent", rel)

    def _near(self, size: Decimal, kind: Kind, rel: float) -> set[tuple[Kind, str | None]]:
        if not rel or kind == "date":
            return self._known.get(size, set())
        slack = size * Decimal(str(rel))
        close = [found for known, found in self._known.items() if abs(known - size) <= slack]
        return {entry for found in close for entry in found}

    def _read(self, text: str) -> None:
        found, rest = _scan(text, least=-1)
        for figure in found:
            for value in (figure.value, *figure.also):
                self._add(value, figure.kind, figure.currency)
                if figure.kind == "date":
                    self._add_date(int(value))
        for run in DIGITS.finditer(rest):  # what is no figure (an id, a marker) may be where one comes from
            for value in readings(run.group()):
                self._add(value, "plain")

    def _add_date(self, reading: int) -> None:
        for less in coarser(reading):
            self._add(Decimal(less), "date")
        if (year := year_of(reading)) is not None:
            self._add(Decimal(year), "plain")

    def _add(self, value: Decimal, kind: Kind, currency: str | None = None) -> None:
        self._known.setdefault(value.copy_abs(), set()).add((kind, currency))


def figures(text: str) -> tuple[Figure, ...]:
    """The figures of a text, in order.

    Example:
        >>> [(str(f.value), f.kind, f.text) for f in figures("USD 1.2 million, 12 % by 14 March 2026 (INV-7781)")]
        [('1200000.0', 'money', 'USD 1.2 million'), ('12', 'percent', '12 %'), ('20260314', 'date', '14 March 2026')]
    """
    return tuple(sorted(_scan(text, least=_COUNTED)[0], key=lambda figure: figure.span))


def grounded(figure: Figure, evidence: Evidence | Iterable[str], *, rel: float = 0.0) -> bool:
    """Whether a figure occurs in evidence, in any notation. Read the texts into `Evidence` to look up several."""
    known = evidence if isinstance(evidence, Evidence) else Evidence(evidence)
    return known.holds(figure, rel=rel)


def ungrounded(text: str, evidence: Evidence | Iterable[str], *, rel: float = 0.0) -> tuple[Figure, ...]:
    """The figures of a text that occur nowhere in the evidence."""
    known = evidence if isinstance(evidence, Evidence) else Evidence(evidence)
    return tuple(figure for figure in figures(text) if not known.holds(figure, rel=rel))


def text_of(plain: Any) -> str:
    """Plain data as text: strings as they are, objects as "key: value" lines, lists one item a line.

    Example:
        >>> text_of({"total": 1200000, "notes": ["a", None, True]})
        'total: 1200000\\nnotes: a\\ntrue'
    """
    if isinstance(plain, str):
        return plain
    if isinstance(plain, dict):
        pairs = ((key, text_of(value)) for key, value in cast("dict[str, Any]", plain).items())
        return "\n".join(f"{key}: {text}" for key, text in pairs if text)
    if isinstance(plain, list):
        return "\n".join(text for text in map(text_of, cast("list[Any]", plain)) if text)
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, bytes):
        return plain.decode("utf-8", "replace")
    return "" if plain is None else str(plain)


def _scan(text: str, *, least: int) -> tuple[list[Figure], str]:
    """The figures, and the text without those written in digits. Number words up to `least` count only with a unit."""
    found = list(_words(text, least))
    if _HAS_DIGIT.search(text) is None:
        return found, ""
    days: list[Figure] = []
    for date in dates(text):
        value, *also = map(Decimal, date.readings)
        span = (date.start, date.end)
        days.append(Figure(value, "date", text[date.start : date.end], span, None, tuple(also)))
    rest = _without(text, days)
    sums: list[Figure] = []
    for amount in amounts(rest):
        kind: Kind = "percent" if amount.percent else "money" if amount.currency else "plain"
        written = text[amount.start : amount.end]
        span = (amount.start, amount.end)
        sums.append(Figure(amount.value, kind, written, span, amount.currency, amount.also))
    return [*found, *days, *sums], _without(rest, sums)


def _without(text: str, found: list[Figure]) -> str:
    """A text of the same length from which figures are taken out."""
    pieces, position = list[str](), 0
    for figure in found:
        start, end = figure.span
        pieces += [text[position:start], "\0" * (end - start)]
        position = end
    return "".join(pieces) + text[position:]


def _words(text: str, least: int) -> Iterator[Figure]:
    for number in spelled(text):
        unit = unit_after(text, number.end)
        kind: Kind = "percent" if unit.percent else "money" if unit.currency else "plain"
        if kind != "plain" or number.value > least:
            written = text[number.start : unit.end]
            value = number.value * unit.factor
            yield Figure(value, kind, written, (number.start, unit.end), unit.currency)


def _alike(figure: Figure, kind: Kind, currency: str | None) -> bool:
    """Whether the same number is the same figure."""
    if figure.kind == kind == "money":
        return _same_currency(figure.currency, currency)
    return figure.kind == kind or ("plain" in (figure.kind, kind) and "date" not in (figure.kind, kind))


def _same_currency(one: str | None, other: str | None) -> bool:
    either = {one, other}
    return one == other or ("$" in either and either <= _DOLLARS) or ("¥" in either and either <= _YEN)
