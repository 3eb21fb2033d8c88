"""What is known of a model that gave end verdicts: how often it errs, and what that makes of S."""

from __future__ import annotations

from gapless.records.base import Record
from gapless.records.estimate import Estimate

JUDGES: tuple[str, ...] = ("llm_judge",)
"""Checks whose verdict is a model's opinion."""


class JudgeQuality(Record, frozen=True, kw_only=True):
    """A model's end verdicts beside people's (METHOD section 0). A judge without labels is not measured."""

    models: tuple[str, ...] = ()
    """Who judged, as the suite names them."""
    decided: int = 0
    """Trials whose end verdict rests on the judge: with another verdict of its, theirs would be another."""
    unknown: int = 0
    """Trials that have no end verdict because the judge gave none."""
    unknown_reasons: dict[str, int] = {}
    """Why it gave none, the most frequent first."""
    labelled: int = 0
    """Trials that have both the judge's verdict and a person's, those of other measurements by the same judge included."""
    labelled_elsewhere: int = 0
    """How many of them belong to other measurements."""
    chosen: int = 0
    """Labels of this measurement on trials that were not drawn at random: chosen ones bias both rates."""
    sensitivity: Estimate
    """Share of truly right answers that the judge passes."""
    specificity: Estimate
    """Share of truly wrong answers that the judge fails."""
    as_judged: Estimate
    """S by the judge's own verdicts, without any label."""
    corrected: Estimate
    """S corrected for the judge's errors, with the uncertainty of the trials and of the labels."""
    labels_useful: int = 0
    """About how many labels make the judge's errors as well known as the trials themselves."""
    draw: tuple[str, ...] = ()
    """The trials to label next, as "case#trial", drawn at random among those the judge decided."""

    @property
    def measured(self) -> bool:
        """Whether people's labels hold both kinds of answer."""
        return self.sensitivity.point is not None and self.specificity.point is not None
