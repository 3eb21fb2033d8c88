"""A missing field: a key that was always there is not."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, cast

from gapless.boundary.faults.base import Detectable, FieldFault
from gapless.boundary.faults.handoff import UNCHANGED


@dataclass(frozen=True, kw_only=True)
class MissingField(FieldFault):
    """Takes a key out of an object; in a list of objects, out of each of them."""

    name: ClassVar[str] = "missing-field"
    detectable: ClassVar[Detectable] = "detect"
    why: ClassVar[str] = (
        "A schema guard sees the missing name; what it held is not at the boundary, so a retry or a fallback has to "
        "bring it."
    )

    key: str
    """The key that does not arrive."""

    def changed(self, value: Any, random: Random) -> Any:
        """The object without its key."""
        if isinstance(value, list):
            items = cast("list[Any]", value)
            kept = [self._without(item) for item in items]
            if all(item is UNCHANGED for item in kept):
                return UNCHANGED
            return [old if new is UNCHANGED else new for old, new in zip(items, kept, strict=True)]
        return self._without(value)

    def _without(self, value: Any) -> Any:
        if not isinstance(value, dict) or self.key not in value:
            return UNCHANGED
        return {key: inner for key, inner in cast("dict[str, Any]", value).items() if key != self.key}
