"""How causes and suspicions are said: never more than the interval carries, and never one for the other."""

from __future__ import annotations

from collections.abc import Iterator

from gapless.records.estimate import Estimate
from gapless.records.replay import Causes, StepCause
from gapless.report.wording import boundary, count, listed, not_told_from_zero, percent, rate, shortened

NONE_FAILED = "No step's check failed"
UNSEEN, REST, NOISE = "(no check failed)", "(after the last golden output)", "(verdict noise)"
_SURE, _NEVER_SURE = 0.95, 0.9999
_NOTHING = 1e-9
_NAME = 32


def headline(found: Causes) -> str:
    """What the replays say, in a few sentences that claim no more than their intervals carry."""
    return " ".join(sentences(found))


def sentences(found: Causes) -> Iterator[str]:
    """The finding; what it stands on; what the checks had said."""
    if not found.sampled:
        yield (
            "No trial was lost: there is nothing to replay."
            if not found.lost
            else "No lost trial was replayed yet."
        )
        return
    placed = [row for row in found.rows if row.share.point is not None]
    if not placed:
        yield f"Replay places no loss: {_why_nothing(found)}."
    else:
        yield _placed(found, placed)
    yield stands_on(found)
    if (said := _suspected(found)) is not None:
        yield said
    if not found.complete:
        yield "Not finished: some reruns are still to come."


def share(estimate: Estimate) -> str:
    """A share of the lost success with its interval; below 0, the step mended damage.

    Example:
        >>> share(Estimate(point=0.536, low=0.41, high=0.671))
        '53.6 % (41.0-67.1)'
        >>> share(Estimate(point=-0.02, low=-0.11, high=0.05))
        '-2.0 % (-11.0 to 5.0)'
        >>> share(Estimate(point=0.0, low=0.0, high=0.116))
        'none seen; at most 11.6 %'
    """
    point, low, high = estimate.point, estimate.low, estimate.high
    if point is None:
        return "not estimable"
    if low is None or high is None:
        return f"{_signed(point)} (no interval)"
    if abs(point) < _NOTHING and low >= 0:
        return f"none seen; at most {percent(high)}"
    if point > 1 - _NOTHING and high <= 1:
        return f"all seen; at least {percent(low)}"
    joined = f"{100 * low:.1f} to {100 * high:.1f}" if low < 0 else f"{100 * low:.1f}-{100 * high:.1f}"
    return f"{_signed(point)} ({joined})"


def effect(estimate: Estimate) -> str:
    """A difference of two pass shares, in points."""
    if estimate.point is None:
        return ""
    if estimate.low is None or estimate.high is None:
        return f"{100 * estimate.point + 0.0:.1f} points"
    return f"{100 * estimate.point + 0.0:.1f} points ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


def chance(row: StepCause) -> str:
    """The share of resamples in which a row is the largest."""
    return "" if row.first is None else percent(min(row.first, _NEVER_SURE), 0)


def rest(found: Causes) -> str:
    """What the complement of the shares is called: noise of the verdict alone only where every last step has a golden output."""
    return REST if found.rows and found.rows[-1].share.point is None else NOISE


def _placed(found: Causes, placed: list[StepCause]) -> str:
    most = max(placed, key=lambda row: row.share.point or 0.0)
    where = _where(most)
    if found.sampled_groups == 1:
        return (
            f"In one {'case' if found.sampled_cases == 1 else 'group'}, replay places {_signed(most.share.point or 0.0)} "
            f"of the lost success at {where}: it says nothing about others."
        )
    if not_told_from_zero(most.share):
        return (
            f"Replay does not tell where the success is lost: the largest share, {share(most.share)} at {where}, is not "
            "distinguishable from zero."
        )
    open_ = most.first is not None and most.first < _SURE
    doubt = f"; in {chance(most)} of resamples it is the largest" if open_ else ""
    return f"Replay places {share(most.share)} of the lost success at {where}{doubt}."


def _where(row: StepCause) -> str:
    where = boundary(row.step, row.receivers)
    if not row.together_with:
        return where
    return f"{where} or before it, at {listed([shortened(name, _NAME) for name in row.together_with])}"


def _why_nothing(found: Causes) -> str:
    reasons = dict.fromkeys(found.not_estimable.values())
    return listed(list(reasons)) if reasons else found.verdict_noise.reason or "no rerun has a verdict"


def stands_on(found: Causes) -> str:
    """How many reruns of how many trials, cases and groups."""
    of = f"{found.sampled} of " if found.lost > found.sampled else ""
    trials = count(max(found.lost, found.sampled), "lost trial")
    said = f"{count(found.replays, 'rerun')} of {of}{trials}, {_units(found)}"
    few = any("few cases" in (row.share.reason or "") for row in found.rows)
    return f"{said}: few, so that the intervals are wide." if few else f"{said}."


def _units(found: Causes) -> str:
    if found.sampled_groups == found.sampled_cases:
        return count(found.sampled_cases, "case")
    return f"{count(found.sampled_groups, 'group')} of {count(found.sampled_cases, 'case')}"


def _suspected(found: Causes) -> str | None:
    """Where the checks pointed in the same trials, or that they did not."""
    unseen = found.unseen.point
    if unseen is None:
        return None
    most = max((row.suspected.point or 0.0 for row in found.rows), default=0.0)
    if most == 0.0:
        return f"{NONE_FAILED}: {seen(found.unseen)} of these trials." if unseen else None
    named = [row for row in found.rows if (row.suspected.point or 0.0) > most - _NOTHING]
    names = [shortened(row.step, _NAME) for row in named[:3]]
    others = [count(len(named) - 3, "other")] if len(named) > 3 else []
    each = " each" if len(named) > 1 else ""
    said = f"Checks suspect {listed(names + others)} most often: {seen(named[0].suspected)} of these trials{each}"
    return f"{said}; in {percent(unseen)} of them no check failed." if unseen > most else f"{said}."


def seen(estimate: Estimate) -> str:
    """A share of the replayed trials, with its interval."""
    return "" if estimate.point is None else rate(estimate, n=False)


def _signed(point: float) -> str:
    exactly = abs(point - 1) < _NOTHING
    return "all" if exactly else f"{round(100 * point, 1) + 0.0:.1f} %"
