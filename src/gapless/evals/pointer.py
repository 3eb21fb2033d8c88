"""Addresses a value inside plain data: `answer.total`, `messages[-1].content`, `items[*].id`, `a["key.with.dots"]`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

_PART = re.compile(
    r"""\[(?P<index>-?\d+|\*)\]|\[(?P<quote>["'])(?P<quoted>.*?)(?P=quote)\]|(?:^|(?<=.)\.)(?P<key>[^.\[\]]+)"""
)
_INDEX = re.compile(r"-?\d+")


class _Every:
    """`[*]`: every item of a list."""


_EVERY = _Every()
Part = str | int | _Every


@dataclass(frozen=True, slots=True)
class Nowhere:
    """There is no value at an address."""

    place: str
    """The address as far as it leads, and its next part."""
    found: str
    """What is there instead."""

    def __str__(self) -> str:
        return f"no value at {self.place}: {self.found}"


@dataclass(frozen=True, slots=True)
class Pointer:
    """An address; the empty one is the whole value."""

    parts: tuple[Part, ...]
    """Keys, indices, and a mark for every item."""

    def read(self, value: Any) -> Any:
        """The value there, a list after `[*]`; `Nowhere` when there is none."""
        return _read(value, self.parts, "")

    def put(self, value: Any, new: Any) -> Any:
        """A copy of the value with another one there; a key that is missing at the end is added. `Nowhere` if it leads nowhere."""
        return _put(value, self.parts, new, "")


@lru_cache(maxsize=4096)
def parse(text: str) -> Pointer:
    """Reads an address.

    Raises:
        ValueError: It is no address.

    Example:
        >>> parse("items[*].id").read({"items": [{"id": 1}, {"id": 2}]})
        [1, 2]
    """
    parts: list[Part] = []
    position = 0
    while position < len(text):
        found = _PART.match(text, position)
        if found is None:
            raise ValueError(
                f"{text!r} is no path (at {text[position:]!r}). Write keys and indices: answer.total, "
                'messages[-1].content, items[*].id, a["key.with.dots"]'
            )
        position = found.end()
        parts.append(_part(found))
    return Pointer(tuple(parts))


def nan_in(value: Any, place: str = "") -> str | None:
    """The address of the first number in plain data that is NaN or infinite; None when there is none."""
    if isinstance(value, float):
        return None if math.isfinite(value) else place or "the value"
    if isinstance(value, dict):
        items = [(_at(place, key), inner) for key, inner in cast("dict[str, Any]", value).items()]
    elif isinstance(value, (list, tuple)):
        items = [(_at(place, index), inner) for index, inner in enumerate(cast("list[Any]", value))]
    else:
        return None
    return next((found for at, inner in items if (found := nan_in(inner, at)) is not None), None)


def half_letter_in(value: Any, place: str = "") -> str | None:
    """The address of the first text (or key) in plain data that holds half a surrogate pair; None when there is none."""
    if isinstance(value, str):
        return place or "the value" if is_half(value) else None
    items: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        for key, inner in cast("dict[str, Any]", value).items():
            if is_half(key):
                return f"a key of {place or 'the value'}"
            items.append((_at(place, key), inner))
    elif isinstance(value, (list, tuple)):
        items = [(_at(place, index), inner) for index, inner in enumerate(cast("list[Any]", value))]
    return next((found for at, inner in items if (found := half_letter_in(inner, at)) is not None), None)


def is_half(text: str) -> bool:
    """Whether a text holds half a surrogate pair, which no file can hold.

    Example:
        >>> is_half("\\ud83d"), is_half("\N{GRINNING FACE}")
        (True, False)
    """
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _part(found: re.Match[str]) -> Part:
    if found["index"] is not None:
        return _EVERY if found["index"] == "*" else int(found["index"])
    return found["quoted"] if found["quote"] else found["key"]


def _read(value: Any, parts: tuple[Part, ...], place: str) -> Any:
    for position, part in enumerate(parts):
        if isinstance(part, _Every):
            return _every(value, parts[position + 1 :], place)
        here = _at(place, part)
        if isinstance(part, str) and isinstance(value, dict):
            if part not in value:
                return Nowhere(here, _keys(cast("dict[str, Any]", value)))
            value = value[part]
        elif isinstance(value, list) and (isinstance(part, int) or _INDEX.fullmatch(part)):
            items, index = cast("list[Any]", value), int(part)
            if not -len(items) <= index < len(items):
                return Nowhere(here, f"the list has {len(items)} items")
            value = items[index]
        else:
            return Nowhere(here, f"{place or 'the value'} is {kind(value)}")
        place = here
    return value


def _put(value: Any, parts: tuple[Part, ...], new: Any, place: str) -> Any:
    if not parts:
        return new
    part, rest = parts[0], parts[1:]
    if isinstance(part, _Every):
        return Nowhere(f"{place}[*]", "a value is set at one place, not at every one")
    if not rest and isinstance(part, str) and isinstance(value, dict):
        return {**cast("dict[str, Any]", value), part: new}
    held = _read(value, (part,), place)
    inner = held if isinstance(held, Nowhere) else _put(held, rest, new, _at(place, part))
    if isinstance(inner, Nowhere):
        return inner
    if isinstance(value, dict):
        return {**cast("dict[str, Any]", value), str(part): inner}
    items = list(cast("list[Any]", value))
    items[int(part)] = inner
    return items


def _every(value: Any, parts: tuple[Part, ...], place: str) -> Any:
    if not isinstance(value, list):
        return Nowhere(f"{place}[*]", f"{place or 'the value'} is {kind(value)}")
    found = [_read(item, parts, _at(place, index)) for index, item in enumerate(cast("list[Any]", value))]
    return next((item for item in found if isinstance(item, Nowhere)), found)


def _at(place: str, part: str | int) -> str:
    if isinstance(part, int):
        return f"{place}[{part}]"
    if not part or any(mark in part for mark in ".[]"):
        return f'{place}["{part}"]'
    return f"{place}.{part}" if place else part


def _keys(value: dict[str, Any]) -> str:
    shown = ", ".join(list(value)[:8]) + (", ..." if len(value) > 8 else "")
    return f"its keys are {shown}" if value else "the object is empty"


def kind(value: Any) -> str:
    """What plain data is, in words: "a string", "an object", "nothing"."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    names = ((str, "a string"), ((int, float), "a number"), (dict, "an object"), (list, "a list"))
    return next((name for kinds, name in names if isinstance(value, kinds)), "bytes")
