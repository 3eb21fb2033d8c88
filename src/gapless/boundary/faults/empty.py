"""An empty answer: the right kind of thing, with nothing in it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from gapless.boundary.faults.base import Detectable, FieldFault
from gapless.boundary.faults.handoff import UNCHANGED


@dataclass(frozen=True, kw_only=True)
class Empty(FieldFault):
    """Leaves an empty list, object or text where there was a full one."""

    name: ClassVar[str] = "empty"
    detectable: ClassVar[Detectable] = "detect"
    why: ClassVar[str] = (
        "A completeness guard (at least one item, no empty text) sees it, and a retry repairs it where it passes; where "
        "nothing is a right answer too, only the source of truth can tell."
    )

    def changed(self, value: Any, random: Random) -> Any:
        """The same kind of value, empty."""
        if isinstance(value, (list, tuple, dict, str)) and value:
            return type(value)() if type(value) in (list, tuple, dict, str) else UNCHANGED
        return UNCHANGED
