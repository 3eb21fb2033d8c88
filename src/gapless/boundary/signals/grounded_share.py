"""How much of a text the evidence bears out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.figures import figures, ungrounded
from gapless.boundary.names import names, ungrounded_names
from gapless.boundary.signals.base import at, text


@dataclass(frozen=True, kw_only=True)
class GroundedShare:
    """Share of the figures and names of a text that occur in the evidence, in any notation."""

    name: ClassVar[str] = "grounded-share"

    text: str
    evidence: tuple[str, ...]
    names: bool = True

    def __call__(self, crossing: Crossing) -> float | None:
        """The share; None where the text makes no claim."""
        said = text(at(crossing, self.text)) or ""
        evidence = [found for path in self.evidence if (found := text(at(crossing, path))) is not None]
        claims = len(figures(said)) + (len(names(said)) if self.names else 0)
        if not claims:
            return None
        loose = len(ungrounded(said, evidence)) + (len(ungrounded_names(said, evidence)) if self.names else 0)
        return max(0.0, 1 - loose / claims)
