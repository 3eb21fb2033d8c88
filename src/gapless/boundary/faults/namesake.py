"""A namesake's document: evidence about another party of nearly the same name."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, cast

from gapless.boundary.faults.base import Detectable, FieldFault, Replace
from gapless.boundary.faults.handoff import UNCHANGED


@dataclass(frozen=True, kw_only=True)
class Namesake(FieldFault):
    """Replaces items of a list by their namesakes', chosen by the trial's seed."""

    name: ClassVar[str] = "namesake"
    detectable: ClassVar[Detectable] = "repair"
    why: ClassVar[str] = (
        "A guard that compares the party named in each item with the party asked for can drop the stranger; "
        "what the dropped item should have said stays missing."
    )

    namesake: Replace
    """The workflow's own: the namesake's item that would stand in an item's place, or None."""
    most: int = 1
    """At most so many items are replaced."""

    def changed(self, value: Any, random: Random) -> Any:
        """The list with namesakes in it."""
        if not isinstance(value, (list, tuple)):
            return UNCHANGED
        items = list(cast("list[Any]", value))
        others = [self.namesake(copy.deepcopy(item)) for item in items]
        places = [place for place, other in enumerate(others) if other is not None]
        if not places:
            return UNCHANGED
        for place in random.sample(places, min(self.most, len(places))):
            items[place] = others[place]
        return tuple(items) if isinstance(value, tuple) else items
