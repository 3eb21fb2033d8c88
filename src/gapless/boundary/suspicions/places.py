"""Walks the places of a value (the whole, its fields, the fields of its items) and counts them for one trial."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from gapless.boundary.schemas import is_data_key, joined
from gapless.boundary.suspicions.normal import Place
from gapless.boundary.suspicions.reading.symptoms import is_complete, is_empty, is_prose, looks_like_cut_json

MAX_PLACES = 200
_MAX_DEPTH = 3
_MAX_ITEMS = 30
_MAX_LENGTH = 1000


def places_in(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every place in a value with what is there; keys that are data, and what lies deeper than three levels, are left out.

    Example:
        >>> list(places_in({"hits": [{"id": 1}]}))
        [('', {'hits': [{'id': 1}]}), ('hits', [{'id': 1}]), ('hits[]', {'id': 1}), ('hits[].id', 1)]
    """
    yield path, value
    if depth >= _MAX_DEPTH:
        return
    if isinstance(value, dict):
        for key, inner in cast("dict[str, Any]", value).items():
            if not is_data_key(key):
                yield from places_in(inner, joined(path, key), depth + 1)
    elif isinstance(value, list):
        for item in cast("list[Any]", value)[:_MAX_ITEMS]:
            if isinstance(item, dict):
                yield from places_in(item, f"{path}[]", depth)


def parent_of(path: str) -> str | None:
    """The place of the object that holds a key; None for the whole and for items, which no key names.

    Example:
        >>> parent_of("hits[].id"), parent_of("total"), parent_of("hits[]")
        ('hits[]', '', None)
    """
    if not path or path.endswith("[]"):
        return None
    return path.rpartition(".")[0]


@dataclass(slots=True)
class _Here:
    """One place in one trial."""

    count: int = 0
    objects: int = 0
    empty: bool = False
    shortest: int | None = None
    prose: bool = False
    cut: bool = False
    data: bool = False
    broken: bool = False


class TrialPlaces:
    """The places of all results of one source in one trial."""

    def __init__(self) -> None:
        self._here: dict[str, _Here] = {}

    def observe(self, value: Any) -> None:
        """Counts the places of one result."""
        for path, inner in places_in(value):
            here = self._here.get(path)
            if here is None:
                if len(self._here) >= MAX_PLACES:
                    continue
                here = self._here[path] = _Here()
            _count(here, inner)

    def fold_into(self, places: dict[str, Place]) -> None:
        """Adds this trial to what is normal."""
        for path, here in self._here.items():
            place = places.get(path)
            if place is None:
                if len(places) >= 2 * MAX_PLACES:
                    continue
                place = places[path] = Place()
            parent = parent_of(path)
            full = parent is None or here.count >= self._objects(parent)
            _fold(place, here, full=full)

    def _objects(self, path: str) -> int:
        here = self._here.get(path)
        return here.objects if here is not None else 0


def _count(here: _Here, value: Any) -> None:
    here.count += 1
    here.empty = here.empty or is_empty(value)
    if isinstance(value, dict):
        here.objects += 1
        here.data = True
    elif isinstance(value, list):
        length = min(len(cast("list[Any]", value)), _MAX_LENGTH)
        here.shortest = length if here.shortest is None else min(length, here.shortest)
        here.data = True
    elif isinstance(value, str):
        _count_text(here, value)


def _count_text(here: _Here, text: str) -> None:
    if looks_like_cut_json(text):
        here.data = here.broken = True
    elif is_prose(text):
        here.prose = True
        here.cut = here.cut or not is_complete(text)


def _fold(place: Place, here: _Here, *, full: bool) -> None:
    place.trials += 1
    place.full += full
    place.objects += here.objects > 0
    place.empty += here.empty
    place.prose += here.prose
    place.complete += here.prose and not here.cut
    place.data += here.data
    place.whole += here.data and not here.broken
    if here.shortest is not None and (here.shortest in place.lengths or len(place.lengths) < 64):
        place.lengths[here.shortest] = place.lengths.get(here.shortest, 0) + 1
