"""How much of what a tool or a step should answer is there."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass
from typing import Any, ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.signals.base import at


@dataclass(frozen=True, kw_only=True)
class Completeness:
    """Share of declared fields that are there and not empty."""

    name: ClassVar[str] = "completeness"

    fields: tuple[str, ...]

    def __call__(self, crossing: Crossing) -> float | None:
        """The share; None where no field is declared."""
        if not self.fields:
            return None
        return sum(not _empty(at(crossing, path)) for path in self.fields) / len(self.fields)


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, Sized) and len(value) == 0)
