"""Stale evidence where nobody knows the older versions: the dates say that it is old."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, cast

from gapless.boundary.faults.base import Detectable, FieldFault
from gapless.boundary.faults.handoff import UNCHANGED

ISO_DATE = re.compile(r"(?<!\d)(\d{4})-(\d\d)-(\d\d)(?!\d)")


@dataclass(frozen=True, kw_only=True)
class OlderDates(FieldFault):
    """Moves every date that items of a list carry in a field of its own back by years; their contents stay.

    `StaleEvidence`, which also brings the older contents, is the truer fault where the workflow has them; both have the
    same name.
    """

    name: ClassVar[str] = "stale-evidence"
    detectable: ClassVar[Detectable] = "detect"
    why: ClassVar[str] = (
        "A freshness guard sees it where items carry a date; the current version is not at the boundary, so it cannot be "
        "repaired there, only refused, retried or reviewed."
    )

    years: int = 3

    def changed(self, value: Any, random: Random) -> Any:
        """The items with older dates."""
        if not isinstance(value, list):
            return UNCHANGED
        items = cast("list[Any]", value)
        older = [self._older(item) for item in items]
        return UNCHANGED if older == items else older

    def _older(self, item: Any) -> Any:
        if not isinstance(item, dict):
            return item
        return {key: self._back(inner) for key, inner in cast("dict[str, Any]", item).items()}

    def _back(self, value: Any) -> Any:
        found = ISO_DATE.match(value) if isinstance(value, str) else None
        if found is None:
            return value
        year, month, day = (int(part) for part in found.groups())
        # The 29th of February is no day of most years.
        moved = f"{year - self.years:04d}-{month:02d}-{min(day, 28) if month == 2 else day:02d}"
        return moved + value[found.end() :]


def dated(items: Any) -> bool:
    """Whether a list has items with a date in a field of its own."""
    if not isinstance(items, list):
        return False
    return any(
        isinstance(inner, str) and ISO_DATE.match(inner)
        for item in cast("list[Any]", items)
        if isinstance(item, dict)
        for inner in cast("dict[str, Any]", item).values()
    )
