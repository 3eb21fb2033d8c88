"""What a measurement says, in sentences that never claim more than its numbers carry."""

from __future__ import annotations

from gapless.records.estimate import Estimate
from gapless.records.gap import CRASH, ESCALATION, UNJUDGED, UNOBSERVED, BoundaryRow, Gap
from gapless.records.report import Report
from gapless.report import baseline, causal, judge
from gapless.report.wording import (
    NO_WIDTH,
    OUTCOMES,
    PSEUDO_EXITS_MEAN,
    boundary,
    count,
    fired,
    full_house,
    largest,
    level,
    listed,
    lost,
    not_told_from_zero,
    nothing,
    percent,
    points,
    rate,
    same_weight,
)

_SURE = 0.95
_PSEUDO_SAID = {
    UNOBSERVED: "unobserved: the answer was wrong and no step's check saw it",
    ESCALATION: "escalation: a person was asked, and no check had failed before",
    CRASH: "a loud failure with no failed check before it",
    UNJUDGED: "trials without an end verdict",
}


def sentences(gap: Gap) -> tuple[str, ...]:
    """The headline, and what should be read with it."""
    if gap.n_runs == 0:
        return ("Never measured: no trial has run yet.",)
    if gap.success.point is None:
        return (*_unlabelled(gap), *judge.sentences(gap))
    if gap.n_groups == 1:
        first, *rest = _one_case(gap)
        return (judge.qualified(gap, first), *judge.sentences(gap), *rest)
    said = [judge.qualified(gap, _ended(gap)), *judge.sentences(gap), *_lost(gap)]
    if gap.suspected and gap.outcomes.get("unjudged"):
        said.append(f"A silent failure is {_suspected(gap)}.")
    if gap.causes is not None and gap.causes.rows:
        said.append(next(causal.sentences(gap.causes)))
    said += [*_against_prediction(gap), *baseline.sentences(gap)]
    return tuple(said)


def opened(report: Report) -> tuple[str, str]:
    """The headline as a face shows it: what stands large, and what is read with it."""
    first = sentences(report.gap)[0]
    first = first if report.headline.startswith(first) else report.headline
    return first, report.headline.removeprefix(first).strip()


def largest_loss(gap: Gap) -> BoundaryRow | None:
    """The exit at which most is lost; trials that only lack a verdict are no loss anybody has seen."""
    return next(iter(_losses(gap)), None)


def _losses(gap: Gap) -> list[BoundaryRow]:
    return [row for row in gap.boundaries if (row.points.point or 0) > 0 and row.exit != UNJUDGED]


def _ended(gap: Gap) -> str:
    trials = count(gap.n_runs, "trial")
    correct = gap.outcomes.get("correct", 0)
    if full_house(gap.success):
        return f"{correct} of {trials} end correct: S is at least {percent(gap.success.low or 0.0)}."
    unknown = gap.outcomes.get("unjudged", 0)
    if unknown and gap.success_bounds is not None:
        low, high = gap.success_bounds
        so_far = f"{correct} of {trials} are known to end correct and {unknown} have no verdict"
        return f"{so_far}: S lies between {percent(low)} and {percent(high)}{_rest(gap)}."
    if nothing(gap.success):
        return f"None of {trials} ends correct: S is at most {percent(gap.success.high or 1.0)}{_rest(gap)}."
    if gap.weighting == "runs":
        return f"{correct} of {trials} end correct, S = {_with_interval(gap.success)}{_rest(gap)}."
    return f"S = {_with_interval(gap.success)} over {_units(gap)}, each{' group' if same_weight(gap) == 'group' else ''} counting the same; {correct} of {trials} end correct{_rest(gap)}."


def _with_interval(estimate: Estimate) -> str:
    said = percent(estimate.point or 0.0)
    if estimate.low is None or estimate.high is None:
        return said
    return f"{said} ({level(estimate)} interval {100 * estimate.low:.1f}-{100 * estimate.high:.1f})"


def _rest(gap: Gap) -> str:
    rest = [f"{gap.outcomes[name]} {words}" for name, words in OUTCOMES[1:4] if gap.outcomes.get(name)]
    return f"; {listed(rest)}" if rest else ""


def _units(gap: Gap) -> str:
    if gap.n_groups == gap.n_cases:
        return count(gap.n_cases, "case")
    return f"{count(gap.n_groups, 'group')} of {count(gap.n_cases, 'case')}"


def _one_case(gap: Gap) -> tuple[str, ...]:
    correct = gap.outcomes.get("correct", 0)
    unit = "case" if gap.n_cases == 1 else "group"
    first = f"{correct} of {count(gap.n_runs, 'trial')} of one {unit} ended correct{_rest(gap)}: one {unit} says nothing about others."
    row = largest_loss(gap)
    return (
        (first,)
        if row is None
        else (first, f"Most is lost at {boundary(row.exit, row.receivers)}: {_how_lost(row)}.")
    )


def _lost(gap: Gap) -> list[str]:
    losses = _losses(gap)
    if not losses:
        known = not gap.outcomes.get("unjudged")
        return ["No loss was seen; that is a bound, not a promise."] if known else []
    first = losses[0]
    equal = [row for row in losses if abs((row.points.point or 0) - (first.points.point or 0)) < 1e-9]
    if len(equal) > 1:
        named = [boundary(row.exit, row.receivers) for row in equal[:3]]
        others = [count(len(equal) - 3, "other")] if len(equal) > 3 else []
        return [
            f"The largest losses are equal, {lost(first.points)} each, at {listed(named + others)}{_doubt(first)}."
        ]
    if first.exit not in PSEUDO_EXITS_MEAN:
        where = boundary(first.exit, first.receivers)
        return [
            f"The largest loss arises at {where}: {lost(first.points)}{_doubt(first)}, {_how_lost(first)}{_chance(first)}."
        ]
    said = [f"The largest loss, {lost(first.points)}, is {_PSEUDO_SAID[first.exit]}{_doubt(first)}."]
    at_step = next((row for row in losses if row.exit not in PSEUDO_EXITS_MEAN), None)
    if at_step is not None:
        where = boundary(at_step.exit, at_step.receivers)
        said.append(f"Of the steps, {where} loses most: {lost(at_step.points)}{_doubt(at_step)}.")
    return said


def _chance(row: BoundaryRow) -> str:
    """How sure it is that no other row is larger, where that is open."""
    open_ = row.p_largest is not None and row.p_largest < _SURE
    return f"; in {largest(row)} of resamples it is the largest" if open_ else ""


def _doubt(row: BoundaryRow) -> str:
    if not not_told_from_zero(row.points):
        return ""
    more = f" (about {count(row.more_groups, 'more group')} would tell)" if row.more_groups else ""
    return f", not distinguishable from zero{more}"


def _how_lost(row: BoundaryRow) -> str:
    how = (
        (row.wrong, "silent"),
        (row.escalated, "escalated"),
        (row.failed, "loud"),
        (row.unjudged, "not judged"),
    )
    return listed([f"{number} {words}" for number, words in how if number])


def _against_prediction(gap: Gap) -> list[str]:
    split = gap.compounding
    if split.predicted.point is None:
        if not split.predicted.reason:
            return []
        return [f"P, what the steps alone would predict, is not known ({split.predicted.reason})."]
    said = f"Length alone predicts {_said_p(split.predicted)}"
    if gap.outcomes.get("unjudged"):
        return [f"{said}; S is not yet known well enough to compare."]
    return [f"{said}; {_beside_p(gap)}."]


def _said_p(predicted: Estimate) -> str:
    if full_house(predicted) and predicted.low is not None:
        return f"P of at least {percent(predicted.low)} (no step failed alone)"
    return f"P = {percent(predicted.point or 0.0)}"


def _beside_p(gap: Gap) -> str:
    split = gap.compounding
    s, loss, least, most = gap.success, split.interaction_loss, split.frechet_low, split.frechet_high
    if s.point is None or least is None or most is None or loss.low is None or loss.high is None:
        return f"P - S = {points(loss)}"
    if loss.low > 0 and s.high is not None and s.high < least:  # the component rates are estimates too
        below = "that" if full_house(split.predicted) else f"an S below {percent(least)}"
        return f"no dependence between steps explains {below}: {points(loss)} are lost between them"
    band = "" if most - least < NO_WIDTH else f" ({_band(least, most)})"
    within = f"; S is within what dependence between steps could explain{band}" if s.point >= least else ""
    if loss.low <= 0 <= loss.high:
        tell = split.cases_for_interaction
        more = f" (about {tell} benchmark cases per step would tell)" if tell is not None else ""
        return f"P - S = {points(loss)} is not distinguishable from zero{more}{within if band else ''}"
    if loss.high < 0:
        return f"S is better by {points(_turned(loss))}: the workflow repairs, or its steps fail together"
    return f"{points(loss)} are lost beyond that{within or f'; only the upper end of the interval of S is within what dependence between steps could explain{band}'}"


def _turned(loss: Estimate) -> Estimate:
    low, high = loss.low, loss.high
    return Estimate(
        point=-(loss.point or 0.0), low=None if high is None else -high, high=None if low is None else -low
    )


def _band(low: float, high: float) -> str:
    return f"{100 * low:.1f}-{100 * high:.1f} %"


def _unlabelled(gap: Gap) -> tuple[str, ...]:
    known = [
        f"{gap.outcomes[name]} {words}"
        for name, words in OUTCOMES
        if name in ("failed", "escalated") and gap.outcomes.get(name)
    ]
    loud = (f"Of {count(gap.n_runs, 'trial')}, {listed(known)}.",) if known else ()
    if gap.suspected_any is None or not gap.suspected:
        first = f"No label yet: nothing is suspected in {count(gap.n_runs, 'trial')}."
        return (
            first,
            "The built-in step checks do not see everything; only labels say which answers were right.",
            *loud,
        )
    return (f"No label yet: a silent failure is {_suspected(gap)}.", *loud)


def _suspected(gap: Gap) -> str:
    row = gap.suspected[0]
    return f"suspected in {_how_many(gap)}, most at {boundary(row.exit, row.receivers)} ({fired(row.checks)})"


def _how_many(gap: Gap) -> str:
    any_ = gap.suspected_any
    if any_ is None or any_.point is None:
        return "some trials"
    if gap.weighting != "runs":  # a weighted share is no count
        return f"{rate(any_, n=False)} of {count(gap.n_runs, 'trial')}"
    trials = round(any_.point * gap.n_runs)
    if trials in (0, gap.n_runs):
        return f"{rate(any_, n=False)} trials"
    return f"{trials} of {count(gap.n_runs, 'trial')}, {_with_interval(any_)}"
