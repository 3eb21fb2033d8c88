"""From the arithmetic to what a reader needs: one sentence, and the one thing to do next. It computes no statistic."""

from __future__ import annotations

from collections.abc import Sequence

from gapless.records.gap import Gap
from gapless.records.measurement import Measurement
from gapless.records.report import Report
from gapless.report.headline import sentences
from gapless.report.next_steps import next_steps


def build(
    measurement: Measurement,
    gap: Gap,
    *,
    target_hint: str | None = None,
    input_digest: str = "",
    trial_notes: Sequence[str] = (),
) -> Report:
    """The report of a measurement.

    Args:
        measurement: What was measured.
        gap: What the arithmetic says about it.
        target_hint: What a command calls the workflow ("app.py:graph"), where the measured target was a live object.
        input_digest: Digest of the run table that `gap` was computed from.
        trial_notes: Facts about the run itself.
    """
    return Report(
        measurement=measurement,
        gap=gap,
        headline=headline(gap),
        next_steps=tuple(next_steps(measurement, gap, target_hint)),
        input_digest=input_digest,
        trial_notes=tuple(trial_notes),
    )


def headline(gap: Gap) -> str:
    """What the measurement says, in a few sentences; never more than the numbers carry."""
    return " ".join(sentences(gap))
