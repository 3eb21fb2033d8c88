"""`grounded_figures`: every figure of the answer occurs in what the workflow had read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from gapless.boundary.figures import figures, ungrounded
from gapless.evals.grounding import GroundingCheck


@dataclass(frozen=True, kw_only=True)
class GroundedFigures(GroundingCheck):
    """Passes when every amount, percentage, date and count of the text occurs in the evidence, in any notation."""

    name: ClassVar[str] = "grounded_figures"
    example: ClassVar[dict[str, Any]] = {"path": "answer", "evidence": ["input", "retrieve.docs[*].text"]}
    shorthand: ClassVar[str | None] = "path"

    rel: float = 0.0
    """Relative tolerance for rounded figures: 0.01 lets "about 1.2 million" stand for 1,204,000."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.rel < 1.0:
            raise ValueError(f"rel is {self.rel:g}, allowed is 0 to below 1")

    def claims(self, text: str) -> tuple[str, ...]:
        """The figures of a text."""
        return tuple(figure.text for figure in figures(text))

    def loose(self, text: str, evidence: list[str]) -> list[str]:
        """The figures that the evidence does not have."""
        return [figure.text for figure in ungrounded(text, evidence, rel=self.rel)]
