"""Reads English number words: "twenty-five", "three hundred and five thousand". It knows no fractions or ordinals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES = {word: value for value, word in enumerate(_SMALL)} | {
    word: 20 + 10 * place for place, word in enumerate(_TENS)
}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}

_GAP = r"[\s-]{1,3}"
_HUNDRED = rf"(?:{_GAP}hundred\b)"
_BELOW_100 = rf"(?:(?:{'|'.join(_TENS)})\b(?:{_GAP}(?:{'|'.join(_SMALL[1:10])})\b)?|(?:{'|'.join(_SMALL)})\b)"
_BELOW_1000 = rf"(?:(?:{'|'.join(_SMALL)})\b{_HUNDRED}(?:{_GAP}(?:and\s{{1,3}})?{_BELOW_100})?|{_BELOW_100})"
_PARTS = "".join(
    rf"(?:{_BELOW_1000}{_GAP}{scale}\b(?:{_GAP}(?:and\s{{1,3}})?(?={_BELOW_1000}))?)?"
    for scale in reversed(SCALES)
)
_NUMBER = re.compile(rf"\b(?={'|'.join(_VALUES)}){_PARTS}{_BELOW_1000}?", re.IGNORECASE)
_TOKEN = re.compile(r"[a-z]+")


class Spelled(NamedTuple):
    """A number written in words."""

    value: Decimal
    start: int
    end: int


def spelled(text: str) -> Iterator[Spelled]:
    """The numbers that a text writes in words, in order.

    Example:
        >>> [int(found.value) for found in spelled("one hundred and five of twenty-five thousand; six, seven")]
        [105, 25000, 6, 7]
    """
    for found in _NUMBER.finditer(text):
        if found.end() > found.start():
            yield Spelled(Decimal(_value(found.group())), found.start(), found.end())


def _value(words: str) -> int:
    total = group = 0
    for word in _TOKEN.findall(words.lower()):
        if word in SCALES:
            total += group * SCALES[word]
            group = 0
        elif word == "hundred":
            group *= 100
        else:
            group += _VALUES.get(word, 0)  # "and" adds nothing
    return total + group
