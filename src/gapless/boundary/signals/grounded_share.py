"""How much of a text the evidence bears out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.figures import Evidence, figures
from gapless.boundary.names import NameEvidence, names
from gapless.boundary.signals.base import at, given, text


@dataclass(frozen=True, kw_only=True)
class GroundedShare:
    """Share of the figures and names of a text that occur in the evidence, in any notation."""

    name: ClassVar[str] = "grounded-share"

    text: str
    evidence: tuple[str, ...]
    """Paths of the evidence, in what the step was given first, else in what it hands over; "" is all it was given."""
    names: bool = True

    def __call__(self, crossing: Crossing) -> float | None:
        """The share; None where the text makes no claim, or there is no evidence to hold it against."""
        said = text(at(crossing, self.text), figures=True) or ""
        found = (text(given(crossing, path), figures=True) for path in self.evidence)
        evidence = [one for one in found if one is not None]
        amounts, parties = figures(said), names(said) if self.names else ()
        if not evidence or not (amounts or parties):
            return None
        known, known_names = Evidence(evidence), NameEvidence(evidence if parties else ())
        held = sum(known.holds(one) for one in amounts) + sum(known_names.holds(one) for one in parties)
        return held / (len(amounts) + len(parties))
