"""A renamed field: a tool's new version calls the same value by another name."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, cast

from gapless.boundary.faults.base import Detectable, FieldFault
from gapless.boundary.faults.handoff import UNCHANGED


@dataclass(frozen=True, kw_only=True)
class RenamedField(FieldFault):
    """Gives a key of an object another name, in its old place; in a list of objects, in each of them."""

    name: ClassVar[str] = "renamed-field"
    detectable: ClassVar[Detectable] = "repair"
    why: ClassVar[str] = (
        "A schema guard sees the missing name, and a declared alias gives it back; without an alias it is "
        "detected, not repaired."
    )

    old: str
    """The name the workflow knows."""
    new: str
    """The name it gets instead."""

    def changed(self, value: Any, random: Random) -> Any:
        """The object with its key renamed."""
        if isinstance(value, list):
            items = [self._renamed(item) for item in cast("list[Any]", value)]
            if all(item is UNCHANGED for item in items):
                return UNCHANGED
            pairs = zip(cast("list[Any]", value), items, strict=True)
            return [old if new is UNCHANGED else new for old, new in pairs]
        return self._renamed(value)

    def _renamed(self, value: Any) -> Any:
        if not isinstance(value, dict) or self.old not in value:
            return UNCHANGED
        held = cast("dict[str, Any]", value)
        return {self.new if key == self.old else key: inner for key, inner in held.items()}
