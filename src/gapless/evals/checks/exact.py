"""`exact`: the value is the expected one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from gapless.boundary.figures import text_of
from gapless.evals.checks.base import ComparingCheck
from gapless.evals.sameness import difference, shown
from gapless.records.trial import Verdict


@dataclass(frozen=True, kw_only=True)
class Exact(ComparingCheck):
    """Passes when the value equals the expected one; numbers as numbers, everything else to the letter."""

    name: ClassVar[str] = "exact"
    example: ClassVar[dict[str, Any]] = {"path": "answer", "value": "Acme Ltd", "ignore_case": True}
    shorthand: ClassVar[str | None] = "value"

    ignore_case: bool = False
    """Whether capitals matter in texts."""
    ignore_whitespace: bool = False
    """Whether runs of white space count as one space, and none at the ends."""
    as_text: bool = False
    """Compare what both look like as text: 12 is "12" (what a CSV file can say)."""

    def compare(self, found: Any, expected: Any) -> Verdict:
        """Compares the two after the permitted adjustments."""
        words = difference(self._adjusted(found), self._adjusted(expected), place=self.path)
        if words is None:
            return self.passed(f"is {shown(found)}")
        return self.failed(words)

    def _adjusted(self, value: Any) -> Any:
        if self.as_text:
            value = text_of(value)
        if isinstance(value, str) and self.ignore_case:
            value = value.casefold()
        return " ".join(value.split()) if isinstance(value, str) and self.ignore_whitespace else value
