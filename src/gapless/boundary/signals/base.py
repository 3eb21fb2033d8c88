"""What all signals share: where they read, and that they never raise on what they find there."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any, cast

from gapless.boundary.crossing import Crossing
from gapless.boundary.faults.handoff import UNCHANGED, read
from gapless.errors import InvalidContract
from gapless.records.value import to_plain

_WORD = re.compile(r"[^\W_]+")
_INDEX = re.compile(r"-?\d{1,9}")
_MOST_LISTS = 32
"""Lists within lists that a path goes through."""
_MOST_TEXT = 200_000
"""Characters looked at; a signal is asked while somebody waits."""


def at(crossing: Crossing, path: str) -> Any:
    """What stands at a dotted path in what is handed over, else in what the step was given, else in the case's input.

    Through a list, the path goes on in each of its items, or in the one at an index: `retrieved.score` is the scores of
    all that was retrieved, None for each item without one; `messages.-1.content` is the last message's text.

    Returns:
        None where nothing stands there. The first of the three that has the path's first key decides, even if it holds
        None or [] there: what a step found nothing of is not taken from an earlier one.
    """
    return _first((crossing.handoff, crossing.state, crossing.case_input), path)


def given(crossing: Crossing, path: str) -> Any:
    """As `at`, in what the step was given first: what it hands over is no evidence for itself where there is other.

    Returns:
        None where nothing stands there, or what does is empty; "" never takes in the handoff.
    """
    sources = (crossing.state, crossing.case_input, *((crossing.handoff,) if path else ()))
    found = (_first((source,), path) for source in sources)
    return next((one for one in found if not is_empty(one)), None)


def handed(crossing: Crossing, path: str) -> Any:
    """As `at`, in what is handed over alone."""
    return _first((crossing.handoff,), path)


def is_empty(value: Any) -> bool:
    """Whether a value is None, "", [] or {}."""
    return value is None or (isinstance(value, Sized) and len(value) == 0)


def items(value: Any) -> list[Any] | None:
    """A list; None for anything else."""
    return list(cast("Iterable[Any]", value)) if isinstance(value, (list, tuple)) else None


def numbers(value: Any) -> list[float] | None:
    """A list of numbers; None where one of its items is none, or there are none at all."""
    found = items(value)
    if not found:
        return None
    read_ = [number(item) for item in found]
    return None if None in read_ else cast("list[float]", read_)


def number(value: Any) -> float | None:
    """A number; None for anything else, and for what is not finite."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        real = float(value)
    except OverflowError:
        return None
    return real if math.isfinite(real) else None


def text(value: Any, *, figures: bool = False) -> str | None:
    """All texts in a value, line by line, with its numbers if `figures`; None where there are none."""
    joined = "\n".join(_texts(to_plain(value), figures))[:_MOST_TEXT]
    return joined if joined.strip() else None


def words(said: str) -> list[str]:
    """The words of a text, in small letters, without those that stand in every question."""
    return [word for word in _WORD.findall(said.casefold()) if word not in _EVERYWHERE and len(word) > 1]


def at_least(owner: object, setting: str, value: float, least: float) -> None:
    """Refuses a setting that is below its least value, or no number.

    Raises:
        InvalidContract: It is.
    """
    if not value >= least:
        raise InvalidContract(f"{type(owner).__name__}({setting}={value!r}): it is {least:g} or more.")


def above_0(owner: object, setting: str, value: float) -> None:
    """Refuses a setting that is not above 0 and finite.

    Raises:
        InvalidContract: It is not.
    """
    if not 0 < value < math.inf:
        raise InvalidContract(f"{type(owner).__name__}({setting}={value!r}): it is a number above 0.")


def within(value: float) -> float:
    """A number put between 0 and 1."""
    return min(1.0, max(0.0, value))


def _first(sources: Iterable[Any], path: str) -> Any:
    keys = path.split(".") if path else []
    for source in sources:
        known = _follow(source, keys[:1])
        if known is not UNCHANGED and (keys or known is not None):
            found = _follow(source, keys)
            return None if found is UNCHANGED else found
    return None


def _follow(value: Any, path: list[str], lists: int = 0) -> Any:
    for index, key in enumerate(path):
        if isinstance(value, (list, tuple)) and not _INDEX.fullmatch(key):
            return _fan_out(cast("list[Any]", value), path[index:], lists + 1)
        value = read(value, key)
        if value is UNCHANGED:
            return UNCHANGED
    return value


def _fan_out(held: list[Any], path: list[str], lists: int) -> Any:
    """One entry for each item: a piece without what is asked for must not go unnoticed among others."""
    if lists > _MOST_LISTS:
        return UNCHANGED
    found = [_follow(item, path, lists) for item in held]
    if found and all(item is UNCHANGED for item in found):
        return UNCHANGED
    return [None if item is UNCHANGED else item for item in found]


def _texts(plain: Any, figures: bool) -> Iterator[str]:
    if isinstance(plain, str):
        yield plain
    elif isinstance(plain, Mapping):
        for value in cast("Mapping[str, Any]", plain).values():
            yield from _texts(value, figures)
    elif isinstance(plain, (list, tuple)):
        for value in cast("list[Any]", plain):
            yield from _texts(value, figures)
    elif figures and number(plain) is not None:
        yield repr(plain)


_EVERYWHERE = frozenset(
    "a about all an and any are as at be been but by can could did do does for from had has have how i if in into is it its me"
    " may my no not of on or our please shall should so some tell than that the their them then there these they this those to"
    " us was we were what when where which who whom whose why will with would you your".split()
)
