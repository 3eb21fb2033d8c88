"""A retyped field: the same value as another type, as a new version of a service sends it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, cast

from gapless.boundary.faults.base import Detectable, FieldFault
from gapless.boundary.faults.handoff import UNCHANGED


@dataclass(frozen=True, kw_only=True)
class RetypedField(FieldFault):
    """Numbers come as text, texts in a list of one, lists as objects, objects as lists of their values."""

    name: ClassVar[str] = "retyped-field"
    detectable: ClassVar[Detectable] = "detect"
    why: ClassVar[str] = (
        "A schema guard sees the wrong type; a repair that converts it back mends it, else a retry or a fallback has to."
    )

    def changed(self, value: Any, random: Random) -> Any:
        """The value as another type."""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, (int, float)):
            return f"{value:,}"
        if isinstance(value, str):
            return [value]
        if isinstance(value, list) and value:
            items = cast("list[Any]", value)
            return {str(index): item for index, item in enumerate(items)}
        if isinstance(value, dict) and value:
            return list(cast("dict[str, Any]", value).values())
        return UNCHANGED
