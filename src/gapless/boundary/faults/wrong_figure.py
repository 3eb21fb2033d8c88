"""A wrong figure that looks right: one digit differs, the format is kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, cast

from gapless.boundary.faults.base import Detectable, FieldFault
from gapless.boundary.faults.handoff import UNCHANGED, change

_DATE = re.compile(r"(?<!\d)\d{4}-\d\d-(\d\d)(?!\d)")
_FIGURE = re.compile(r"(?<![\w.,\-/:])\d+(?:[.,]\d+)*(?![\w/:]|-\d)")
_DAYS = 28  # every month has them: a changed date stays a date


@dataclass(frozen=True, kw_only=True)
class WrongFigure(FieldFault):
    """Changes one digit of one figure in a text or number, or in one of a container's, as the seed chooses.

    Figures inside names and ids ("HAT136", "v2") are left alone; of an ISO date the day changes.
    """

    name: ClassVar[str] = "wrong-figure"
    detectable: ClassVar[Detectable] = "detect"
    why: ClassVar[str] = (
        "A guard that looks for each figure in the evidence sees it downstream of that evidence; where the evidence "
        "itself is wrong, no contract can tell (neither)."
    )

    def changed(self, value: Any, random: Random) -> Any:
        """The value with one figure altered."""
        leaves = list(_leaves(value, ""))
        if not leaves:
            return UNCHANGED
        place = random.choice(leaves)
        return change(value, place, lambda leaf: _altered(leaf, random))[0]


def figures(value: Any) -> bool:
    """Whether there is a figure anywhere in a value."""
    return next(_leaves(value, ""), None) is not None


def _leaves(value: Any, path: str) -> Iterator[str]:
    """Paths of everything that holds a figure."""
    if isinstance(value, dict):
        for key, inner in cast("dict[str, Any]", value).items():
            if "." not in key:
                yield from _leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(cast("list[Any]", value)):
            yield from _leaves(inner, f"{path}.{index}" if path else str(index))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if any(char.isdigit() for char in repr(value)):
            yield path
    elif isinstance(value, str) and _spans(value):
        yield path


def _altered(leaf: Any, random: Random) -> Any:
    if isinstance(leaf, int):
        sign = -1 if leaf < 0 else 1
        return sign * int(_other_digit(str(abs(leaf)), random))
    if isinstance(leaf, float):
        head, mark, exponent = repr(leaf).partition("e")
        return float(_other_digit(head, random) + mark + exponent)
    text = cast("str", leaf)
    start, end, is_day = random.choice(_spans(text))
    new = _other_day(text[start:end], random) if is_day else _other_digit(text[start:end], random)
    return text[:start] + new + text[end:]


def _spans(text: str) -> list[tuple[int, int, bool]]:
    dates = [(found.start(1), found.end(1), True) for found in _DATE.finditer(text)]
    return dates + [(found.start(), found.end(), False) for found in _FIGURE.finditer(text)]


def _other_digit(figure: str, random: Random) -> str:
    """The figure with one digit changed; a leading digit does not become 0, and a lone 0 becomes another."""
    places = [place for place, char in enumerate(figure) if char.isdigit()]
    place = random.choice(places)
    leading = place == places[0] and len(places) > 1
    choices = [digit for digit in "0123456789" if digit != figure[place] and not (leading and digit == "0")]
    return figure[:place] + random.choice(choices) + figure[place + 1 :]


def _other_day(day: str, random: Random) -> str:
    return random.choice([f"{other:02d}" for other in range(1, _DAYS + 1) if f"{other:02d}" != day])
