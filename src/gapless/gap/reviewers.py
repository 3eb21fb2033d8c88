"""How often reviewers are right, from handoffs with known answers (METHOD section 0: h is measured, never assumed)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import msgspec

from gapless.gap.clustered import clustered, units
from gapless.gap.latency import quantile
from gapless.gap.rate import proportion
from gapless.records.estimate import Estimate
from gapless.records.review import ReviewerAccuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One reviewer's first decision about one handoff with a known answer."""

    reviewer: str
    group: str
    """The independent unit: the case, or its group."""
    source: str
    """Equal sources are the same handoff."""
    right: bool
    """Whether the handoff was right."""
    well: bool
    """Whether a right one was approved, or a wrong one stopped."""
    passed: bool
    """Whether it was approved."""
    unclear: bool = False
    seconds: float | None = None
    """From taking it on lease to the decision."""


def accuracy_of(
    judged: Sequence[Judged], reviewer: str | None, seeded: Callable[[bool], bool]
) -> ReviewerAccuracy:
    """The two rates of one reviewer, or of all of them, and the time they took.

    Args:
        judged: Decisions of that reviewer, or all.
        reviewer: Whose they are; None for all.
        seeded: Whether a handoff of that kind (right or not) was ever put in.
    """
    return ReviewerAccuracy(
        reviewer=reviewer,
        right=_rate([one for one in judged if one.right], _missing("right", seeded(True))),
        wrong=_rate([one for one in judged if not one.right], _missing("wrong", seeded(False))),
        seconds=_median(judged),
        unclear=sum(one.unclear for one in judged),
    )


def agreement(judged: Iterable[Judged]) -> Estimate:
    """Share of pairs of reviewers who judged the same handoff and both let it pass, or both stopped it."""
    by_source: dict[str, list[Judged]] = {}
    for one in judged:
        by_source.setdefault(one.source, []).append(one)
    pairs = [pair for same in by_source.values() for pair in combinations(same, 2)]
    agreed = [one.passed == other.passed for one, other in pairs]
    return _share(agreed, [one.group for one, _ in pairs], "no handoff was judged by two reviewers")


def _missing(kind: str, seeded: bool) -> str:
    return f"no {kind} one was decided yet" if seeded else f"never seeded with a {kind} one"


def _rate(judged: Sequence[Judged], missing: str) -> Estimate:
    return _share([one.well for one in judged], [one.group for one in judged], missing)


def _share(yes: Sequence[bool], groups: Sequence[str], missing: str) -> Estimate:
    """A rate: exact where each case counts once, clustered by case where one counts more often."""
    if not yes:
        return Estimate(low=0.0, high=1.0, method="none", reason=missing)
    if len(set(groups)) == len(groups):
        return proportion(sum(yes), len(yes), method="clopper-pearson")
    return clustered([float(one) for one in yes], units(groups, weighting="runs"), method="korn-graubard")


def _median(judged: Sequence[Judged]) -> Estimate:
    timed = [one for one in judged if one.seconds is not None]
    if not timed:
        return Estimate(method="none", reason="none was taken on lease (`gapless review next`)")
    seconds = [one.seconds or 0.0 for one in timed]
    middle = quantile(seconds, 0.5, groups=[one.group for one in timed])
    if middle.point is None:
        few = f"not estimable from {len(timed)} timed decisions: its limits need at least 6, on several cases"
        return msgspec.structs.replace(middle, method="none", reason=few)
    return msgspec.structs.replace(middle, n_cases=len({one.group for one in timed}))
