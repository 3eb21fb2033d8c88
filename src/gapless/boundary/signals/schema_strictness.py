"""How well a handoff keeps to its declared type."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any, ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.guards.schema import Problems, SchemaGuard

_MOST = 20


@dataclass(frozen=True, kw_only=True)
class SchemaStrictness:
    """1 for a handoff that keeps to its type, 1/2 with one breach, 1/3 with two, and so on."""

    name: ClassVar[str] = "schema-strictness"

    output: Any = field()
    """As in `Contract(output=...)`."""

    @cached_property
    def _problems(self) -> Problems:
        held = self.output if isinstance(self.output, SchemaGuard) else SchemaGuard(self.output)
        return held.problems

    def __call__(self, crossing: Crossing) -> float | None:
        """The strictness."""
        return 1 / (1 + sum(1 for _ in islice(iter(self._problems(crossing.handoff)), _MOST)))
