"""Reordered messages: everything arrives, in another order."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, cast

from gapless.boundary.faults.base import Detectable, FieldFault
from gapless.boundary.faults.handoff import UNCHANGED


@dataclass(frozen=True, kw_only=True)
class Reordered(FieldFault):
    """Gives the items of a list another order, as the trial's seed chooses."""

    name: ClassVar[str] = "reordered"
    detectable: ClassVar[Detectable] = "neither"
    why: ClassVar[str] = (
        "It shows only where items carry an order of their own (a number, a time, a rank) that a guard can hold them "
        "against; a step that needs no order does not mind."
    )

    def changed(self, value: Any, random: Random) -> Any:
        """The list in another order."""
        if not isinstance(value, (list, tuple)):
            return UNCHANGED
        items = list(cast("list[Any]", value))
        if len(items) < 2 or all(item == items[0] for item in items):
            return UNCHANGED
        mixed = random.sample(items, len(items))
        if mixed == items:
            mixed = items[::-1] if items[::-1] != items else [*items[1:], items[0]]
        if mixed == items:
            return UNCHANGED
        return tuple(mixed) if isinstance(value, tuple) else mixed
