"""Whether the evidence is of one party, or of several whose names are alike."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.signals.base import at, items

_MOST_NAMES = 50
_LONGEST = 200


@dataclass(frozen=True, kw_only=True)
class Namesakes:
    """1 when all evidence carries the name asked for, or else the most frequent one; less for each piece that does not.

    A piece with another name takes off twice its share of the evidence, times how alike the two names are: a namesake
    among three pieces leaves little, a stranger much. 0 when no piece carries the name. Names are compared without
    regard to case and spaces; "Ltd" and "Limited" are two spellings, so point at ids where there are any.
    """

    name: ClassVar[str] = "namesakes"

    names: str
    """Path of the name of each piece of evidence: `retrieved.supplier`."""
    asked: str = ""
    """Path of the name that is asked for; "" where nobody knows it."""

    def __call__(self, crossing: Crossing) -> float | None:
        """The share; None where a piece carries no name, or it is not there what is asked for."""
        carried = [_plain(one) for one in items(at(crossing, self.names)) or []]
        counted = Counter(one for one in carried if one is not None)
        if not carried or None in carried:
            return None
        wanted = _plain(at(crossing, self.asked)) if self.asked else counted.most_common(1)[0][0]
        if wanted is None or wanted not in counted:
            return None if wanted is None else 0.0
        others = [(n, other) for other, n in counted.items() if other != wanted]
        strange = sum(n * _alike(wanted, other) for n, other in others[:_MOST_NAMES])
        strange += sum(n for n, _ in others[_MOST_NAMES:])  # so many names that none is told from another
        return max(0.0, 1 - 2 * strange / len(carried))


def _plain(name: Any) -> str | None:
    return " ".join(name[:_LONGEST].casefold().split()) or None if isinstance(name, str) else None


def _alike(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()
