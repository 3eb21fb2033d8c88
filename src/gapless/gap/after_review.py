"""What reviewers made of escalated trials, and how right the system is with them (METHOD section 0: h is measured)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapless.gap.clustered import Units, clustered
from gapless.gap.codes import distinct
from gapless.gap.table import Table
from gapless.records.estimate import Estimate
from gapless.records.gap import AfterReview
from gapless.records.row import RunRow
from gapless.records.trial import OUTCOMES, Outcome, Run

NO_VERDICT = "no end verdict after review"


class Reviewed:
    """Notes, as the rows of a run table pass by, how escalated trials ended once a reviewer had decided."""

    def __init__(self) -> None:
        self._found: dict[int, Outcome] = {}

    def of(self, rows: Iterable[Run | RunRow]) -> Iterator[Run | RunRow]:
        """Hands on rows and looks at what became of them."""
        for place, row in enumerate(rows):
            if row.after_review is not None:
                self._found[place] = row.after_review
            yield row

    def told(self, table: Table, *, level: float = 0.95) -> AfterReview | None:
        """What the table of those rows says; None where no reviewer was asked.

        Example:
            Of 10 cases 6 end correct, 1 wrong and 3 are escalated, of which 2 end right after review: h = 2/3, and the
            system with reviewers is right in 0.6 + 2/3 * 0.3 = 0.8 of trials.
        """
        if not self._found:
            return None
        asked, right = np.zeros(len(table), dtype=bool), np.zeros(len(table), dtype=bool)
        asked[list(self._found)] = True
        right[[place for place, outcome in self._found.items() if outcome == "correct"]] = True
        outcomes = list(self._found.values())
        escalated, units = table.count("escalated"), table.units()
        judged = "correct" in outcomes or "wrong" in outcomes
        mine = units.part(asked, n_cases=distinct(table.case[asked]))
        return AfterReview(
            n_escalated=escalated,
            n_asked=len(outcomes),
            outcomes={name: outcomes.count(name) for name in OUTCOMES if name in outcomes},
            right=clustered(right[asked], mine, level=level) if judged else _unknown(NO_VERDICT, level),
            system=_system(table, units, right, escalated - len(outcomes), judged, level),
        )


def _system(
    table: Table, units: Units, right: NDArray[Any], unasked: int, judged: bool, level: float
) -> Estimate:
    """P(C) + h P(E). Where everybody escalated was asked, that is the share of trials that end right either way."""
    if unasked:
        of = table.count("escalated")
        return _unknown(f"{unasked} of {of} escalated trials never came before a reviewer", level)
    if not judged:
        return _unknown(NO_VERDICT, level)
    return clustered(table.is_("correct") | right, units, level=level)


def _unknown(reason: str, level: float) -> Estimate:
    return Estimate(level=level, method="none", reason=reason)
