"""`grounded_names`: every proper name of the answer occurs in what the workflow had read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from gapless.boundary.names import names, ungrounded_names
from gapless.evals.grounding import GroundingCheck


@dataclass(frozen=True, kw_only=True)
class GroundedNames(GroundingCheck):
    """Passes when every name of several words, and every company with its legal form, occurs in the evidence."""

    name: ClassVar[str] = "grounded_names"
    example: ClassVar[dict[str, Any]] = {"path": "answer", "allow": ["United States"]}
    shorthand: ClassVar[str | None] = "path"

    def claims(self, text: str) -> tuple[str, ...]:
        """The names in a text."""
        return tuple(name.text for name in names(text))

    def loose(self, text: str, evidence: list[str]) -> list[str]:
        """The names that the evidence does not have."""
        return [name.text for name in ungrounded_names(text, evidence)]
