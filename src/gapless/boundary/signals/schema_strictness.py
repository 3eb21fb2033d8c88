"""How well a handoff keeps to its declared type."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.guards.schema import SchemaGuard

_MOST = 20


@dataclass(frozen=True, kw_only=True)
class SchemaStrictness:
    """1 for a handoff that keeps to its type, 1/2 with one breach, 1/3 with two, and so on: wrong types, unknown keys, missing ones.

    A type that msgspec reads tells its first wrong type only; pydantic and JSON Schema tell all.
    """

    name: ClassVar[str] = "schema-strictness"

    output: Any
    """As in `Contract(output=...)`."""

    def __post_init__(self) -> None:
        SchemaGuard(self.output)  # a declaration that cannot be used is refused when it is made

    def __call__(self, crossing: Crossing) -> float | None:
        """The strictness; None where nothing is handed over, or what cannot be JSON is held against a JSON Schema."""
        if crossing.handoff is None:
            return None
        try:
            breaches = sum(1 for _ in islice(SchemaGuard(self.output).problems(crossing.handoff), _MOST))
        except ValueError:  # bytes, half a character
            return None
        return 1 / (1 + breaches)
