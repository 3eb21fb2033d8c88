"""Another case's answer: well formed, plausible, and about something else."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from random import Random
from typing import Any, ClassVar, cast

from gapless.boundary.faults.base import Detectable, FieldFault
from gapless.boundary.faults.handoff import UNCHANGED
from gapless.records.value import to_plain


@dataclass(frozen=True, kw_only=True)
class OtherAnswer(FieldFault):
    """Hands over what the step answered in another case, as a mixed-up cache or session would."""

    name: ClassVar[str] = "other-answer"
    detectable: ClassVar[Detectable] = "neither"
    why: ClassVar[str] = (
        "Its form is right, so only a guard that compares the answer with what was asked can see it: the party, the "
        "order number, the date. Where the answer does not say whom it is about, no contract can tell."
    )

    others: tuple[Any, ...] = field(repr=False)
    """What the step handed over in other cases, at `field`: plain values."""

    def changed(self, value: Any, random: Random) -> Any:
        """Another case's value; nothing changes where all of them are equal, or the value is no plain data."""
        if type(value) not in _PLAIN or to_plain(value) != value:
            return UNCHANGED
        fit = [other for other in self.others if type(other) is type(value) and other != value]
        return copy.deepcopy(random.choice(fit)) if fit else UNCHANGED


@dataclass(frozen=True, kw_only=True)
class OtherItems(OtherAnswer):
    """Replaces items of a list by those that another case got, as a search that confuses two namesakes would.

    Where the workflow knows its own namesakes, `Namesake` is the sharper fault; both have the same name.
    """

    name: ClassVar[str] = "namesake"
    detectable: ClassVar[Detectable] = "detect"
    why: ClassVar[str] = (
        "A guard that compares the party named in each item with the party asked for can drop the stranger; what the "
        "dropped item should have said stays missing."
    )

    def changed(self, value: Any, random: Random) -> Any:
        """The list with half of its items from another case."""
        other = super().changed(value, random)
        if other is UNCHANGED or not isinstance(value, list):
            return UNCHANGED
        items, strange = cast("list[Any]", value), cast("list[Any]", other)
        mixed = [
            strange[place] if place % 2 == 0 and place < len(strange) else item
            for place, item in enumerate(items)
        ]
        return UNCHANGED if mixed == items else mixed


_PLAIN = (dict, list, str, int, float)
