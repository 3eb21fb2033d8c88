"""A partial answer: the tail of a list, or keys of an object, never arrive."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, cast

from gapless.boundary.faults.base import Detectable, FieldFault
from gapless.boundary.faults.handoff import UNCHANGED


@dataclass(frozen=True, kw_only=True)
class PartialAnswer(FieldFault):
    """Keeps the first part of a list or of an object's keys; something is always left, nothing is marked."""

    name: ClassVar[str] = "partial-answer"
    detectable: ClassVar[Detectable] = "detect"
    why: ClassVar[str] = (
        "A schema or a count guard sees missing keys and short lists, and a retry repairs it where the fault is "
        "transient; a list whose right length nobody knows goes undetected."
    )

    keep: float = 0.5
    """Share of the items (or keys) that arrive, 0 to 1; at least one does."""
    keys: tuple[str, ...] = ()
    """For an object: these keys never arrive, instead of the last ones."""

    def changed(self, value: Any, random: Random) -> Any:
        """The part that arrives."""
        if isinstance(value, (list, tuple)):
            kept = max(1, int(len(cast("list[Any]", value)) * self.keep))
            return value[:kept] if kept < len(cast("list[Any]", value)) else UNCHANGED
        if not isinstance(value, dict):
            return UNCHANGED
        held = cast("dict[str, Any]", value)
        names = list(held)
        lost = (
            set(self.keys) & held.keys() if self.keys else set(names[max(1, int(len(names) * self.keep)) :])
        )
        return {name: held[name] for name in names if name not in lost} if lost else UNCHANGED
