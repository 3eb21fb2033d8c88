"""From the arithmetic to what a reader needs: one sentence, and the one thing to do next. It computes no statistic."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from gapless.records.estimate import Estimate
from gapless.records.gap import PSEUDO_EXITS, UNOBSERVED, BoundaryRow, Gap
from gapless.records.measurement import Measurement
from gapless.records.report import NextStep, Report
from gapless.report.wording import count, full_house, passage, percent, points, rate

_WIDE = 0.2
_FEW = 30


def build(
    measurement: Measurement, gap: Gap, *, input_digest: str = "", trial_notes: Sequence[str] = ()
) -> Report:
    """The report of a measurement."""
    return Report(
        measurement=measurement,
        gap=gap,
        headline=headline(gap),
        next_steps=tuple(_next_steps(measurement, gap)),
        input_digest=input_digest,
        trial_notes=tuple(trial_notes),
    )


def headline(gap: Gap) -> str:
    """What the measurement says, in a sentence or two; never more than the numbers carry."""
    if gap.n_runs == 0:
        return "Nothing was measured yet."
    if gap.success.point is None:
        return _unlabelled(gap)
    parts = [_ended(gap)]
    worst = _worst(gap)
    if worst is not None:
        parts.append(_largest(worst))
    elif full_house(gap.success):
        parts.append("No loss was seen; that is a bound, not a promise.")
    if (said := _against_prediction(gap)) is not None:
        parts.append(said)
    return " ".join(parts)


def _ended(gap: Gap) -> str:
    counts = gap.outcomes
    others = [
        (counts["wrong"], "silently wrong"),
        (counts["failed"], "failed loudly"),
        (counts["escalated"], "sent to a person"),
        (counts["unjudged"], "not judged"),
    ]
    rest = ", ".join(f"{number} {words}" for number, words in others if number)
    between = f" (95 % interval {100 * (gap.success.low or 0):.1f}-{100 * (gap.success.high or 1):.1f})"
    if full_house(gap.success):
        return f"{counts['correct']} of {count(gap.n_runs, 'trial')} end correct: S is at least {percent(gap.success.low or 0)}."
    if gap.weighting == "runs":
        return f"{counts['correct']} of {count(gap.n_runs, 'trial')} end correct, S = {percent(gap.success.point or 0)}{between}; {rest}."
    return f"S = {percent(gap.success.point or 0)}{between} over {_weighed(gap)}, each counting the same; of {count(gap.n_runs, 'trial')}, {rest}."


def _weighed(gap: Gap) -> str:
    if gap.n_groups == gap.n_cases:
        return count(gap.n_cases, "case")
    return f"{count(gap.n_groups, 'group')} of {count(gap.n_cases, 'case')}"


def _worst(gap: Gap) -> BoundaryRow | None:
    lost = [row for row in gap.boundaries if (row.points.point or 0) > 0]
    at_steps = [row for row in lost if row.exit not in PSEUDO_EXITS]
    return (at_steps or lost or [None])[0]


def _largest(row: BoundaryRow) -> str:
    if row.exit == UNOBSERVED:
        return f"No step check saw where: {points(row.points)} are lost unobserved."
    if row.exit in PSEUDO_EXITS:
        return f"The largest loss, {points(row.points)}, is {row.exit}."
    told = f"The largest loss arises at {passage(row.exit, row.receivers)}: {points(row.points)}"
    if (row.points.low or 0) < 0.005:
        return f"{told}, which {count(row.points.n_groups, 'case')} do not tell from zero."
    return f"{told}."


def _against_prediction(gap: Gap) -> str | None:
    split = gap.compounding
    p, s = split.predicted.point, gap.success
    if p is None or s.point is None:
        return None
    said = f"The steps alone predict {_said_p(p, split.predicted)}"
    beyond = (split.interaction_loss.low or 0) > 0  # the component rates are estimates too
    if beyond and split.frechet_low is not None and s.high is not None and s.high < split.frechet_low:
        return f"{said}; S lies below anything that dependence between steps could explain ({percent(split.frechet_low)}): the rest is lost between them."
    low, high = split.interaction_loss.low, split.interaction_loss.high
    if low is not None and high is not None and low <= 0 <= high:
        return f"{said}; the difference to S is not distinguishable from zero."
    if (split.interaction_loss.point or 0) > 0:
        return f"{said}; {points(split.interaction_loss)} are lost beyond that."
    return f"{said}; the workflow does better than that: it repairs, or its steps fail together."


def _said_p(point: float, predicted: Estimate) -> str:
    if full_house(predicted) and predicted.low is not None:
        return f"P of at least {percent(predicted.low)} (no step failed alone)"
    return f"P = {percent(point)}"


def _unlabelled(gap: Gap) -> str:
    known = []
    if gap.outcomes["failed"]:
        known.append(f"{gap.outcomes['failed']} failed loudly")
    if gap.outcomes["escalated"]:
        known.append(f"{gap.outcomes['escalated']} were sent to a person")
    loud = f" {', '.join(known)}." if known else ""
    if gap.suspected_any is None or not gap.suspected:
        return (
            f"No label yet, so nothing says which of {count(gap.n_runs, 'answer')} were right.{loud} "
            "The built-in step checks suspect nothing; they do not see everything."
        )
    row = gap.suspected[0]
    trials = round((gap.suspected_any.point or 0) * gap.n_runs)
    checks = ", ".join(f"{name} {number}x" for name, number in row.checks.items())
    return (
        f"No label yet: a silent failure is suspected in {trials} of {count(gap.n_runs, 'trial')} "
        f"({rate(gap.suspected_any, n=False)}), most at {passage(row.exit, row.receivers)} ({checks}).{loud}"
    )


def _next_steps(measurement: Measurement, gap: Gap) -> list[NextStep]:
    steps: list[NextStep] = []
    if gap.n_runs == 0:
        return steps
    judged = gap.success.point is not None
    if not judged and gap.next_label is not None:
        label = gap.next_label
        trial = shlex.quote(f"{label.case}#{label.trial}")
        at = f"at {label.exit}" if label.exit not in PSEUDO_EXITS else "end to end"
        steps.append(
            NextStep(
                why=f"Look at the trial whose label narrows the answer most ({at}: expected width {100 * label.width:.0f} -> {100 * label.expected_width:.0f} points), then say --correct or --wrong.",
                command=f"gapless label {trial} --measurement {measurement.id}",
            )
        )
    named = ":" in measurement.target  # a live object has no name that a command could use
    if judged and named and gap.compounding.predicted.point is None and gap.boundaries:
        steps.append(
            NextStep(
                why="Benchmark each step alone on golden inputs: without it nothing says what length alone costs.",
                command=f"gapless benchmark --target {shlex.quote(measurement.target)}",
            )
        )
    if judged and named and (wanted := _more_trials(measurement, gap)) is not None:
        steps.append(wanted)
    worst = _worst(gap) if judged else None
    if worst is not None and worst.examples:
        where = passage(worst.exit, worst.receivers)
        steps.append(
            NextStep(
                why=f"See what happened in a trial that was lost at {where}.",
                command=f"gapless label {shlex.quote(worst.examples[0])} --measurement {measurement.id}",
            )
        )
    steps.append(
        NextStep(
            why="Forward this as one file.", command=f"gapless report {measurement.id} --html report.html"
        )
    )
    return steps


def _more_trials(measurement: Measurement, gap: Gap) -> NextStep | None:
    low, high = gap.success.low, gap.success.high
    if low is None or high is None or (high - low <= _WIDE and gap.n_groups >= _FEW):
        return None
    if gap.n_groups < _FEW:
        why = f"Add cases: {gap.n_groups} independent units leave S {100 * (high - low):.0f} points wide, and repeating them cannot mend that."
    else:
        why = f"S is {100 * (high - low):.0f} points wide: repeat each case."
    command = f"gapless measure {shlex.quote(measurement.target)} --condition {shlex.quote(measurement.condition)} --trials {measurement.trials + 2}"
    return NextStep(why=why, command=command)
