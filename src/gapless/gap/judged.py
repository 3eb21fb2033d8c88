"""How far a model's end verdicts can be trusted: its errors beside people's labels, and S corrected for them."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from gapless.gap.clustered import clustered, units
from gapless.gap.table import Table
from gapless.gap.verdict_error import corrected
from gapless.records.estimate import Estimate
from gapless.records.judge import JUDGES, JudgeQuality
from gapless.records.row import RunRow
from gapless.records.trial import Run

_USUAL_ERROR = 0.1
"""How often a judge errs that nobody has measured: only for saying how many labels are worth while."""
_LEAST_LABELS = 30
_NEXT = 5


@dataclass(frozen=True, slots=True)
class Judgement:
    """One trial whose end verdict rests on a model."""

    name: str
    """The trial, as "case#trial"."""
    group: str
    passed: bool
    """What the judge said."""
    right: bool | None
    """What a person said; None when nobody did."""


class Judged:
    """Notes, as the rows of a run table pass by, which checks decided them, and what a judge made of those it decided."""

    def __init__(self) -> None:
        self.sources: Counter[str] = Counter()
        self.judgements: list[Judgement] = []
        self.unknown: Counter[str] = Counter()
        self._rows: list[int] = []
        self._seen = 0

    def of(self, rows: Iterable[Run | RunRow]) -> Iterator[Run | RunRow]:
        """Hands on rows and looks at their verdicts."""
        for row in rows:
            if row.decided:
                self._look(row)
            self._seen += 1
            yield row

    def _look(self, run: Run | RunRow) -> None:
        outcome = run.judged or run.outcome
        if outcome not in ("correct", "wrong"):
            if outcome == "unjudged" and not set(run.decided).isdisjoint(JUDGES):
                self.unknown[run.why] += 1
            return
        self.sources.update(run.decided)
        if rests_on_judge(run):
            right = None if run.judged is None else run.outcome == "correct"
            name = f"{run.case}#{run.trial}"
            self.judgements.append(Judgement(name, run.group, outcome == "correct", right))
            self._rows.append(self._seen)

    def quality(
        self, table: Table, *, models: Sequence[str] = (), elsewhere: Sequence[Judgement] = ()
    ) -> JudgeQuality | None:
        """What is known of the judge; None where no verdict was a model's.

        Args:
            table: The run table whose rows passed by.
            models: Who judged.
            elsewhere: Trials of other measurements, judged by the same models and labelled by people.
        """
        if not self.judgements and not self.unknown:
            return None
        here = [one for one in self.judgements if one.right is not None]
        labelled = [*here, *(one for one in elsewhere if one.right is not None)]
        right = [one for one in labelled if one.right]
        wrong = [one for one in labelled if not one.right]
        missing = "among the labels there is no answer that people call" if labelled else ""
        sensitivity = _share([one.passed for one in right], right, missing and f"{missing} right")
        specificity = _share([not one.passed for one in wrong], wrong, missing and f"{missing} wrong")
        observed, judged, sure = self._observed(table)
        order = drawn(one.name for one in self.judgements)
        known = {one.name for one in here}
        return JudgeQuality(
            models=tuple(models),
            decided=len(self.judgements),
            unknown=self.unknown.total(),
            unknown_reasons=dict(self.unknown.most_common(_NEXT)),
            labelled=len(labelled),
            labelled_elsewhere=len(labelled) - len(here),
            chosen=len(known - set(order[: len(known)])),
            sensitivity=sensitivity,
            specificity=specificity,
            as_judged=observed,
            corrected=corrected(observed, sensitivity, specificity, judged=judged, sure=sure),
            labels_useful=labels_useful(observed.point or 0.0, len(self.judgements)),
            draw=tuple(name for name in order if name not in known)[:_NEXT],
        )

    def _observed(self, table: Table) -> tuple[Estimate, float, float]:
        """S by the judge's own verdicts; the share of trials it decided; the share that succeeded without it."""
        all_units = table.units()
        by_judge = np.zeros(len(table), dtype=bool)
        by_judge[self._rows] = True
        without = table.is_("correct") & ~by_judge
        success = without.copy()
        success[self._rows] = [one.passed for one in self.judgements]
        weights = all_units.weights
        return (
            clustered(success, all_units),
            float(np.dot(weights, by_judge)),
            float(np.dot(weights, without)),
        )


def rests_on_judge(run: Run | RunRow) -> bool:
    """Whether another verdict of the judge would have made another end verdict."""
    if (run.judged or run.outcome) == "correct":
        return not set(run.decided).isdisjoint(JUDGES)
    return bool(run.decided) and set(run.decided) <= set(JUDGES)


def drawn(names: Iterable[str]) -> list[str]:
    """Trials in an order that has nothing to do with what happened in them: its beginning is a random sample."""
    return sorted(names, key=lambda name: hashlib.blake2b(name.encode(), digest_size=8).digest())


def labels_useful(rate: float, judged: int) -> int:
    """About how many labels add no more to the variance than the trials themselves, for a judge that errs one time in ten.

    Args:
        rate: S by the judge's verdicts.
        judged: Trials the judge decided: more cannot be labelled.

    Example:
        >>> labels_useful(0.83, 200), labels_useful(0.83, 40), labels_useful(1.0, 20)
        (128, 30, 20)
    """
    spread = max(rate * (1 - rate), _USUAL_ERROR * (1 - _USUAL_ERROR))
    wanted = math.ceil(judged * _USUAL_ERROR * (1 - _USUAL_ERROR) / spread)
    return min(judged, max(_LEAST_LABELS, wanted))


def _share(agreed: Sequence[bool], sample: Sequence[Judgement], missing: str) -> Estimate:
    if not sample:
        return Estimate(low=0.0, high=1.0, method="none", reason=missing or "nobody has labelled a trial yet")
    share = clustered([float(yes) for yes in agreed], units([one.group for one in sample], weighting="runs"))
    return msgspec.structs.replace(share, n_cases=len({one.name.rpartition("#")[0] for one in sample}))
