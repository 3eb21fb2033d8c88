"""Finds dates in English text and as ISO dates; it reads no clock times, no relative dates and no other languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)\b\.?"
)
_DAY = r"(?:3[01]|[12]\d|0?[1-9])"
_YEAR = r"(?:1[5-9]|20|21)\d\d"
_DATE = re.compile(
    rf"""(?<![\w/.-])(?:
      (?P<iso>{_YEAR}([-/])(?:0[1-9]|1[0-2])\2(?:0[1-9]|[12]\d|3[01]))(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{{1,9}})?)?(?:Z|[+-]\d\d:?\d\d)?)?(?![\w-])
    | (?P<iso_month>{_YEAR}-(?:0[1-9]|1[0-2]))(?![\w-])
    | (?P<day>{_DAY})(?:st|nd|rd|th)?[ -](?:of[ ])?(?P<month>{_MONTH})(?:,?[ -](?P<year>{_YEAR}))?(?!\w)
    | (?P<month_first>{_MONTH})[ ](?P<day_second>{_DAY})(?:st|nd|rd|th)?(?![\w:%]|[.,]\d)(?:,?[ ](?P<year_last>{_YEAR})(?!\w))?
    | (?P<month_only>{_MONTH}),?[ ](?P<month_year>{_YEAR})(?!\w)
    | (?P<one>\d\d?)(?P<mark>[/.])(?P<two>\d\d?)(?P=mark)(?P<three>{_YEAR}|\d\d)(?![\w/]|[.,]\d)
    )""",
    re.VERBOSE | re.IGNORECASE,
)


class FoundDate(NamedTuple):
    """A date in a text."""

    readings: tuple[int, ...]
    """As numbers: YYYYMMDD, YYYYMM without a day, MMDD without a year. Several where the order is ambiguous."""
    start: int
    end: int


def dates(text: str) -> Iterator[FoundDate]:
    """The dates in a text, in order.

    "03/04/2026" has two readings, the American first; "13/04/2026" and "13.04.2026" have one. Days are not checked
    against the length of the month.

    Example:
        >>> [found.readings for found in dates("2026-03-14, 14th of March 2026, March 2026, 3/4/2026")]
        [(20260314,), (20260314,), (202603,), (20260304, 20260403)]
    """
    for found in _DATE.finditer(text):
        readings = _readings(found)
        if readings:
            yield FoundDate(readings, found.start(), found.end())


def coarser(reading: int) -> tuple[int, ...]:
    """A full date with less said: its month (YYYYMM), its day without the year (MMDD); empty for the rest."""
    return (reading // 100, reading % 10_000) if reading > 10_000_000 else ()


def year_of(reading: int) -> int | None:
    """The year of a date's reading, if it names one."""
    if reading > 10_000_000:
        return reading // 10_000
    return reading // 100 if reading > 100_000 else None


def _readings(found: re.Match[str]) -> tuple[int, ...]:
    if iso := found["iso"] or found["iso_month"]:
        return (int(re.sub(r"\D", "", iso)),)
    if found["one"]:
        return _numeric(found)
    name = found["month"] or found["month_first"] or found["month_only"]
    if name[0].islower():  # "may" and "march" are words too
        return ()
    month = _MONTHS.index(name[:3].lower()) + 1
    year = found["year"] or found["year_last"] or found["month_year"]
    day = found["day"] or found["day_second"]
    if day is None:
        return (int(year) * 100 + month,)
    return ((int(year) * 10_000 if year else 0) + month * 100 + int(day),)


def _numeric(found: re.Match[str]) -> tuple[int, ...]:
    one, two, year = int(found["one"]), int(found["two"]), int(found["three"])
    if found["mark"] == "." and year < 100:  # "1.2.26" is a section or a version
        return ()
    year += 2000 if year < 70 else 1900 if year < 100 else 0
    orders = [(two, one)] if found["mark"] == "." else [(one, two), (two, one)]
    readings = [
        year * 10_000 + month * 100 + day for month, day in orders if 1 <= month <= 12 and 1 <= day <= 31
    ]
    return tuple(dict.fromkeys(readings))
