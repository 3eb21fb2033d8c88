"""What a summary claims, read sentence by sentence, and what is wrong with it.

That every figure of a text is in the evidence says little: "118,000 is within the cap of 75,000" passes. A claim is a
subject, a relation and an object, and is compared as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from contract_risk.finance.rules import STANDARD_DAYS

_SENTENCE = re.compile(r"(?<=[.!?;])\s+(?=[A-Z])|\n+")
_FIGURE = re.compile(
    r"(?P<money>(?:USD|EUR|GBP)\s?\d[\d,]*\d|\d[\d,]*\d\s(?:USD|EUR|GBP)|[$€£]\s?\d[\d,]*\d)|(?P<date>\d{4}-\d\d-\d\d)|(?P<days>\d+)[ -]days?"
)
_NUMBER = re.compile(r"\d[\d.,-]*")
_NOUNS = {
    "money": {"exposure": "exposure", "cap": "cap", "liability": "cap"},
    "days": {"payment": "payment", "standard": "standard", "notice": "notice"},
    "date": {"notice": "by", "due": "by"},
}
_PAIRS = (("exposure", "cap"), ("payment", "standard"), ("notice", "by"))
_OVER = re.compile(r"\b(?:exceed\w*|above|over|beyond|(?:longer|more|higher|greater|larger) than)\b")
_WITHIN = re.compile(r"\b(?:within|below|under|inside|(?:shorter|less|lower|smaller) than)\b")
_NOT = re.compile(r"\b(?:not|never|no)\b")


class Claim(NamedTuple):
    """One statement about two figures."""

    subject: str
    relation: str
    """`within`, "over", "due", or "unclear"."""
    left: str
    right: str

    def __str__(self) -> str:
        """As a person reads it."""
        return f"{self.subject} {self.left} {self.relation} {self.right}"


class _Mention(NamedTuple):
    what: str
    figure: str
    start: int
    end: int


def read(text: str) -> list[Claim]:
    """The claims a text makes about exposure, payment and notice.

    Example:
        >>> read("The exposure of USD 118,000 is within the liability cap of USD 75,000.")
        [Claim(subject='exposure', relation='within', left='118000', right='75000')]
    """
    found: list[Claim] = []
    for sentence in _SENTENCE.split(text):
        mentions = _mentions(sentence)
        for subject, other in _PAIRS:
            lefts = [mention for mention in mentions if mention.what == subject]
            rights = [mention for mention in mentions if mention.what == other]
            found += [_claim(sentence, left, right) for left, right in zip(lefts, rights, strict=False)]
    return found


def true_claims(figures: Mapping[str, Any]) -> set[Claim]:
    """What a complete and right summary claims."""
    over = figures["exposure"] > figures["cap"]
    longer = figures["payment_days"] > STANDARD_DAYS
    return {
        Claim("exposure", "over" if over else "within", str(figures["exposure"]), str(figures["cap"])),
        Claim("payment", "over" if longer else "within", str(figures["payment_days"]), str(STANDARD_DAYS)),
        Claim("notice", "due", str(figures["notice_days"]), figures["notice_by"]),
    }


def problems(text: str, name: str, figures: Mapping[str, Any]) -> list[str]:
    """What is wrong with a summary; nothing when it is complete, right and about that supplier.

    Args:
        text: The summary.
        name: The supplier's legal name.
        figures: The figures that are true.
    """
    claimed, right = set(read(text)), true_claims(figures)
    wrong = [f"claims {claim}" for claim in sorted(claimed - right)]
    lost = [f"does not say {claim}" for claim in sorted(right - claimed)]
    known = {part for claim in right for part in (claim.left, claim.right)}
    numbers = [number.rstrip(".,-").replace(",", "") for number in _NUMBER.findall(text)]
    strange = [f"names the figure {number}" for number in sorted({n for n in numbers if n not in known})]
    unnamed = [] if name in text else [f"does not name {name}"]
    return wrong + lost + strange + unnamed


def _mentions(sentence: str) -> list[_Mention]:
    """The sentence's figures, each with the noun before it that says what it is."""
    mentions: list[_Mention] = []
    for found in _FIGURE.finditer(sentence):
        kind = found.lastgroup or ""
        before = sentence[: found.start()].lower()
        places = {noun: before.rfind(noun) for noun in _NOUNS[kind]}
        noun = max(places, key=lambda one: places[one])
        if places[noun] >= 0:
            figure = found.group("days") or re.sub(r"[^\d-]", "", found.group())
            mentions.append(_Mention(_NOUNS[kind][noun], figure, found.start(), found.end()))
    return mentions


def _claim(sentence: str, left: _Mention, right: _Mention) -> Claim:
    if left.what == "notice":
        return Claim("notice", "due", left.figure, right.figure)
    first, last = sorted((left, right), key=lambda mention: mention.start)
    between = sentence[first.end : last.start].lower()
    over, within = _OVER.search(between) is not None, _WITHIN.search(between) is not None
    if over == within:
        relation = "unclear"
    else:
        turned = (_NOT.search(between) is not None) != (first is right)
        relation = "over" if over != turned else "within"
    return Claim(left.what, relation, left.figure, right.figure)
