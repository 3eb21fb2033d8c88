"""Completeness guard: an empty or partial answer is not taken for a whole one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

from gapless.boundary.crossing import Crossing
from gapless.boundary.faults.handoff import UNCHANGED, read
from gapless.boundary.guards.base import Breach
from gapless.errors import IncompleteResult, InvalidContract
from gapless.records.value import to_plain

_MORE = ("next", "next_cursor", "next_page", "next_page_token", "nextCursor", "nextPageToken")
_CUT = ("truncated", "partial", "incomplete", "has_more", "hasMore", "isTruncated", "is_truncated")
_TOTALS = ("total", "total_count", "totalCount", "count")


@dataclass(frozen=True, kw_only=True)
class Complete:
    """What a whole answer has.

    A field is a dotted path into the handoff. Whatever is declared must be there and must not be empty: None, "",
    [] and {} are empty, 0 and False are answers.
    """

    name: ClassVar[str] = "complete"

    fields: tuple[str, ...] = ()
    """Places that must hold something."""
    at_least: Mapping[str, int] = field(default_factory=dict[str, int])
    """Place of a list -> how many items it must have."""
    pages: tuple[str, ...] = ()
    """Places of results that come in pages: a cursor to a next page, a mark that more was cut off, or a total larger
    than the items beside it say that this is not all."""

    def __post_init__(self) -> None:
        for place, count in self.at_least.items():
            if count < 1:
                raise InvalidContract(f"Complete(at_least={{{place!r}: {count}}}): a minimum is 1 or more.")

    def breach(self, crossing: Crossing, handoff: Any) -> Breach | None:
        """The first place that is empty, too short or only the beginning."""
        for place in self.fields:
            value = find(handoff, place)
            if _empty(value):
                what = "missing" if value is UNCHANGED else f"empty ({value!r})"
                return Breach(self.name, f"{place} is {what}, and the contract declares it", IncompleteResult)
        for place, least in self.at_least.items():
            value = find(handoff, place)
            count = len(value) if isinstance(value, Sized) and not isinstance(value, str) else 0
            if count < least:
                return Breach(
                    self.name,
                    f"{place} has {count} items, the contract asks for at least {least}",
                    IncompleteResult,
                )
        for place in self.pages:
            page = find(handoff, place)
            if page is UNCHANGED or page is None:
                what = "missing" if page is UNCHANGED else "empty (None)"
                return Breach(self.name, f"{place} is {what}, and the contract declares it", IncompleteResult)
            partial = _partial(page if isinstance(page, Mapping) else to_plain(page))
            if partial is not None:
                return Breach(
                    self.name, f"{place or 'the answer'} is only a part: {partial}", IncompleteResult
                )
        return None


def find(value: Any, place: str) -> Any:
    """What a handoff holds at a dotted path; UNCHANGED when it holds no such thing."""
    for key in place.split(".") if place else ():
        value = read(value, key)
        if value is UNCHANGED:
            return UNCHANGED
    return value


def _empty(value: Any) -> bool:
    return value is UNCHANGED or value is None or (isinstance(value, Sized) and len(value) == 0)


def _partial(value: Any) -> str | None:
    if not isinstance(value, Mapping):
        return None
    page = cast("Mapping[Any, Any]", value)
    for key in _MORE:
        if page.get(key):
            return f"{key} is {str(page[key])[:60]!r}"
    for key in _CUT:
        if page.get(key) is True:
            return f"{key} is true"
    items = [len(cast("Sequence[Any]", item)) for item in page.values() if isinstance(item, (list, tuple))]
    for key in _TOTALS:
        total = page.get(key)
        if isinstance(total, int) and not isinstance(total, bool) and items and total > max(items):
            return f"{key} is {total}, and {max(items)} items are here"
    return None
