"""How much of what is asked occurs in what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.names import NameEvidence, names
from gapless.boundary.signals.base import at, text, words


@dataclass(frozen=True, kw_only=True)
class TermCoverage:
    """Share of the question's words that occur in the evidence; words of every question do not count.

    Words are compared as they are written, in small letters: "caps" is not "cap".
    """

    name: ClassVar[str] = "term-coverage"

    query: str
    evidence: str

    def __call__(self, crossing: Crossing) -> float | None:
        """The share; None where there is no question. Without evidence nothing is covered."""
        asked = text(at(crossing, self.query))
        wanted = set(words(asked)) if asked is not None else set[str]()
        if not wanted:
            return None
        return len(wanted & set(words(text(at(crossing, self.evidence)) or ""))) / len(wanted)


@dataclass(frozen=True, kw_only=True)
class EntityCoverage:
    """Share of the names in the question that occur in the evidence, whole: "Harlow Ltd" is not "Harlow Logistics Ltd"."""

    name: ClassVar[str] = "entity-coverage"

    query: str
    evidence: str

    def __call__(self, crossing: Crossing) -> float | None:
        """The share; None where the question names nobody."""
        asked = names(text(at(crossing, self.query)) or "")
        if not asked:
            return None
        known = NameEvidence([text(at(crossing, self.evidence)) or ""])
        return sum(known.holds(one) for one in asked) / len(asked)
