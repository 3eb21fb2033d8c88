"""How much of what a tool or a step should answer is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, cast

from gapless.boundary.crossing import Crossing
from gapless.boundary.signals.base import handed, is_empty


@dataclass(frozen=True, kw_only=True)
class Completeness:
    """Share of declared fields of what is handed over that are there and not empty.

    Empty are None, "", [] and {}, as for the guard `Complete`, and a list in which an item lacks the field.
    """

    name: ClassVar[str] = "completeness"

    fields: tuple[str, ...]

    def __call__(self, crossing: Crossing) -> float | None:
        """The share; None where no field is declared."""
        if not self.fields:
            return None
        return sum(not _empty(handed(crossing, path)) for path in self.fields) / len(self.fields)


def _empty(value: Any) -> bool:
    if isinstance(value, (list, tuple)) and any(item is None for item in cast("list[Any]", value)):
        return True
    return is_empty(value)
