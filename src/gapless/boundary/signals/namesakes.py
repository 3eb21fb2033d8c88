"""Whether the evidence is of one party, or of several whose names are alike."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.signals.base import at, items


@dataclass(frozen=True, kw_only=True)
class Namesakes:
    """Share of the evidence that carries the name asked for, or the most frequent one; others count less the more alike they are."""

    name: ClassVar[str] = "namesakes"

    names: str
    """Path of the name of each piece of evidence: `retrieved.supplier`."""
    asked: str = ""
    """Path of the name that is asked for; "" where nobody knows it."""

    def __call__(self, crossing: Crossing) -> float | None:
        """The share; None where no piece carries a name."""
        found = at(crossing, self.names)
        carried = [one for one in items(found) or [] if isinstance(one, str)]
        if not carried:
            return None
        counted = Counter(carried)
        asked = at(crossing, self.asked) if self.asked else None
        wanted = asked if isinstance(asked, str) else counted.most_common(1)[0][0]
        strange = sum(
            n * SequenceMatcher(None, wanted[:200], other[:200], autojunk=False).ratio()
            for other, n in counted.items()
            if other != wanted
        )
        return max(0.0, 1 - 2 * strange / len(carried)) if wanted in counted else 0.0
