"""Reads the facts out of contract passages, without a model: sentences that speak of a field, and amendments on top.

It trusts the evidence it is given: whose contract a passage belongs to is not asked here.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from contract_risk.corpus import FIELDS, TODAY

Item = dict[str, Any]
"""One piece of evidence, as `Passage.item` shows it."""

_MONTHS = "January February March April May June July August September October November December".split()
_SYMBOLS = {"$": "USD", "€": "EUR", "£": "GBP"}
_AMOUNT = re.compile(
    r"(?P<before>USD|EUR|GBP|[$€£])\s?(?P<number>\d[\d.,]*\d|\d)(?P<million>\smillion)?|(?P<first>\d[\d,]*\d)\s(?P<after>USD|EUR|GBP)\b"
)
_CENTS = re.compile(r"[.,]\d{1,2}$")
_DAYS = re.compile(r"(\d+)\)?\s(?:calendar\s)?days", re.IGNORECASE)
_DATE = re.compile(
    rf"(?P<iso>\d{{4}}-\d\d-\d\d)|(?P<dotted>\d\d\.\d\d\.\d{{4}})|(?P<day>\d{{1,2}}) (?P<month>{'|'.join(_MONTHS)}) (?P<year>\d{{4}})"
    rf"|(?P<month2>{'|'.join(_MONTHS)}) (?P<day2>\d{{1,2}}), (?P<year2>\d{{4}})"
)
_SENTENCE = re.compile(r"(?<=[A-Za-z)0-9%])\.\s+(?=[A-Z])")
_PERCENT = re.compile(r"(?:increased|raised) by (\d+) (?:%|per cent)")
_SWAP = re.compile(r'the words "(?P<old>[^"]+)" are replaced by "(?P<new>[^"]+)"')
_QUOTED = re.compile(r'"(?P<clause>[^"]+)"\s*$')
_SECTION = re.compile(r"\bSection (\d+) of the Agreement")
_FROM = re.compile(rf"[Ww]ith effect from ({_DATE.pattern})")


@dataclass(frozen=True)
class _Cue:
    """How a sentence that states a field is told from others."""

    says: re.Pattern[str]
    but_not: re.Pattern[str]
    read: Callable[[str], Any]


def amounts(text: str) -> list[tuple[int, str]]:
    """The amounts of money in a text, with their currencies.

    Example:
        >>> amounts("limited to USD 1.454 million, or €82,000")
        [(1454000, 'USD'), (82000, 'EUR')]
        >>> amounts("at least USD 1,250.00 a month")
        [(1250, 'USD')]
    """
    return [_amount(found) for found in _AMOUNT.finditer(text)]


def dates(text: str) -> list[dt.date]:
    """The dates in a text.

    Example:
        >>> dates("from 1 March 2027 to 31.12.2027")
        [datetime.date(2027, 3, 1), datetime.date(2027, 12, 31)]
    """
    days = (_date(found) for found in _DATE.finditer(text))
    return [day for day in days if day is not None]


def states(text: str, value: Any) -> bool:
    """Whether a passage states a value, or a change in per cent that may have led to it."""
    if _PERCENT.search(text):
        return True
    if isinstance(value, int):
        days = {int(found.group(1)) for found in _DAYS.finditer(text)}
        return value in days or value in {amount for amount, _ in amounts(text)}
    return value in {date.isoformat() for date in dates(text)}


def speaks_of(item: Item, name: str) -> bool:
    """Whether a sentence of an agreement's passage is about a field, whatever could be read there.

    Args:
        item: The passage.
        name: One of `FIELDS`.
    """
    cue = _CUES[name]
    return item["document"] == "agreement" and any(
        cue.says.search(sentence) and not cue.but_not.search(sentence)
        for sentence in _SENTENCE.split(_clause(item))
    )


def amends(item: Item, today: dt.date = TODAY) -> bool:
    """Whether a passage is an amendment that is in force."""
    return item["document"] != "agreement" and _in_force(item, today)


def extract(evidence: Sequence[Item], today: dt.date = TODAY) -> dict[str, Any]:
    """The facts that hold today.

    Args:
        evidence: Passages, best first.
        today: The day for which the facts are asked.

    Returns:
        `facts` (field -> value, and the currency), `sources` (field -> passage id), `missing` (fields nothing states).
    """
    facts: dict[str, Any] = {}
    sources: dict[str, str] = {}
    agreements = [item for item in evidence if item["document"] == "agreement"]
    for item in agreements:
        for name, value in _stated(_clause(item)).items():
            if name not in facts:
                facts[name], sources[name] = value, item["id"]
    sections = _sections(agreements, sources)  # before amendments become the sources
    amendments = [item for item in evidence if item["document"] != "agreement"]
    for item in sorted(amendments, key=lambda item: item["effective"]):
        changed = _changes(item, facts, sections) if _in_force(item, today) else {}
        facts |= changed
        sources |= dict.fromkeys(changed, item["id"])
    currency = _currency(evidence)
    if currency is not None:
        facts["currency"] = currency
    return {"facts": facts, "sources": sources, "missing": [name for name in FIELDS if name not in facts]}


def _stated(clause: str) -> dict[str, Any]:
    """Field -> value, for every field that a sentence of the clause states."""
    found: dict[str, Any] = {}
    for sentence in _SENTENCE.split(clause):
        for name, cue in _CUES.items():
            if name not in found and cue.says.search(sentence) and not cue.but_not.search(sentence):
                value = cue.read(sentence)
                if value is not None:
                    found[name] = value
    return found


def _changes(item: Item, facts: dict[str, Any], sections: dict[str, str]) -> dict[str, Any]:
    """What an amendment in force makes of the facts."""
    clause = _clause(item)
    section = _SECTION.search(clause)
    name = sections.get(section.group(1)) if section else None
    if (swap := _SWAP.search(clause)) is not None:
        value = _CUES[name].read(swap.group("new")) if name is not None else None
        return {} if name is None or value is None else {name: value}
    if (percent := _PERCENT.search(clause)) is not None:
        value = facts[name] if name is not None else None
        return {name: value * (100 + int(percent.group(1))) // 100} if name and isinstance(value, int) else {}
    quoted = _QUOTED.search(clause)
    return _stated(quoted.group("clause")) if quoted else {}


def _in_force(item: Item, today: dt.date) -> bool:
    later = _FROM.search(_clause(item))
    days = dates(later.group(1)) if later else []
    return (days[0] if days else dt.date.fromisoformat(item["effective"])) <= today


def _sections(agreements: Sequence[Item], sources: dict[str, str]) -> dict[str, str]:
    """Section number -> the field read there."""
    fields = {source: name for name, source in sources.items()}
    return {item["section"]: fields[item["id"]] for item in agreements if item["id"] in fields}


def _clause(item: Item) -> str:
    return item["text"].partition("\n")[2]


def _currency(evidence: Sequence[Item]) -> str | None:
    """The currency most amounts are in."""
    named = [currency for item in evidence for _, currency in amounts(_clause(item))]
    return max(sorted(set(named)), key=named.count) if named else None


def _amount(found: re.Match[str]) -> tuple[int, str]:
    if found["first"]:
        return int(found["first"].replace(",", "")), found["after"]
    currency = _SYMBOLS.get(found["before"], found["before"])
    if found["million"]:
        return round(float(found["number"].replace(",", "")) * 1_000_000), currency
    whole = _CENTS.sub("", found["number"])
    return int(whole.replace(",", "").replace(".", "")), currency


def _date(found: re.Match[str]) -> dt.date | None:
    """The day; None when the calendar has none, as for a figure that only looks like a date."""
    if found["iso"]:
        year, month, day = found["iso"].split("-")
    elif found["dotted"]:
        day, month, year = found["dotted"].split(".")
    else:
        year, day = found["year"] or found["year2"], found["day"] or found["day2"]
        month = _MONTHS.index(found["month"] or found["month2"]) + 1
    try:
        return dt.date(int(year), int(month), int(day))
    except ValueError:
        return None


def _first_amount(text: str) -> int | None:
    return next((amount for amount, _ in amounts(text)), None)


def _first_days(text: str) -> int | None:
    found = _DAYS.search(text)
    return int(found.group(1)) if found else None


def _first_date(text: str) -> str | None:
    return next((day.isoformat() for day in dates(text)), None)


def _cue(says: str, but_not: str, read: Callable[[str], Any]) -> _Cue:
    return _Cue(re.compile(says, re.IGNORECASE), re.compile(but_not, re.IGNORECASE), read)


_CUES = {
    "commitment": _cue(r"purchase|spend|commit", r"single order|forecast|penalt|liabilit", _first_amount),
    "penalty": _cue(r"delay|penalt|late", r"less than|liabilit|insurance", _first_amount),
    "cap": _cue(r"liabilit", r"insurance|loss of data|each event", _first_amount),
    "payment_days": _cue(
        r"\bpay(?:able|ment)?\b.*\bdays\b", r"discount|disputed within|interest", _first_days
    ),
    "notice_days": _cue(r"(?=.*notice)(?=.*(?:renew|term ends))", r"remedied", _first_days),
    "renewal": _cue(r"renews|term ends|extended on", r"into force", _first_date),
}
