"""A model's end verdicts beside people's, and S corrected for its errors."""

from __future__ import annotations

from gapless.records.gap import Gap
from gapless.records.judge import JudgeQuality
from gapless.report.judge import told, whose
from gapless.report.sections.base import Section
from gapless.report.wording import count, rate


def judge(gap: Gap) -> Section | None:
    """The section; None where no model judged."""
    quality = gap.judge
    if quality is None:
        return None
    return Section(
        title="The judge",
        lead=f"End verdicts are {whose(quality)}'s. A judge errs like any measuring instrument, and is read beside people's labels.",
        heads=("Figure", "Value"),
        rows=tuple(_rows(quality)),
        under=_under(quality),
        ours=True,
    )


def _rows(quality: JudgeQuality) -> list[tuple[str, str]]:
    unknown = [("No verdict", count(quality.unknown, "trial"))] if quality.unknown else []
    if not quality.decided:
        return unknown
    return [
        ("S as judged", rate(quality.as_judged)),
        ("S corrected for its errors", told(quality.corrected)),
        ("Sensitivity: right answers it passes", rate(quality.sensitivity)),
        ("Specificity: wrong answers it fails", rate(quality.specificity)),
        ("Labelled, of the trials it decided", _labels(quality)),
        *unknown,
    ]


def _labels(quality: JudgeQuality) -> str:
    here = f"{quality.labelled - quality.labelled_elsewhere} of {quality.decided}"
    more = f", and {quality.labelled_elsewhere} in other measurements" if quality.labelled_elsewhere else ""
    return here + more


def _under(quality: JudgeQuality) -> str:
    said = (
        ["The corrected S holds the uncertainty of the trials and of the labels."] if quality.decided else []
    )
    if quality.unknown:
        said.append("A trial without a verdict counts as no success.")
    if quality.chosen:
        chosen = count(quality.chosen, "label is", "labels are")
        said.append(
            f"{chosen} on trials that were not drawn at random: if they were chosen by what the judge said, both rates are off."
        )
    return " ".join(said)
