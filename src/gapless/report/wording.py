"""How numbers are said: always with interval and n, never "100 %", and words where there is no number."""

from __future__ import annotations

from collections.abc import Sequence

from gapless.records.estimate import Estimate
from gapless.records.gap import CRASH, ESCALATION, UNJUDGED, UNOBSERVED, BoundaryRow, Gap
from gapless.records.trial import Outcome
from gapless.records.workflow import FINISH, START

OUTCOMES: tuple[tuple[Outcome, str], ...] = (
    ("correct", "correct"),
    ("wrong", "silently wrong"),
    ("escalated", "escalated"),
    ("failed", "failed loudly"),
    ("unjudged", "not judged"),
)
"""Outcomes in the order they are drawn, in the words people read."""
PSEUDO_EXITS_MEAN: dict[str, str] = {
    UNOBSERVED: "wrong, and no step's check saw it: a gap in the checks",
    ESCALATION: "sent to a person without a failed check before it",
    CRASH: "failed loudly without a failed check before it",
    UNJUDGED: "no end verdict, and no failed check",
}
_LEAST_SHOWN = 0.0005
_NEVER_SURE = 0.9999
_NO_BOUND = "too few for a bound"
NO_WIDTH = 0.0005
"""A band of rates narrower than this is a single rate, and says nothing that P does not say."""


def percent(value: float, digits: int = 1) -> str:
    """A share as per cent; rounding never makes it nothing or everything.

    Example:
        >>> percent(0.8333), percent(0.99996), percent(0.0001), percent(0.003, 0)
        ('83.3 %', '>99.9 %', '<0.1 %', '<1 %')
    """
    least = 10.0**-digits
    if value > 0 and 100 * value < least / 2:
        return f"<{least:.{digits}f} %"
    if value < 1 and 100 * value >= 100 - least / 2:
        return f">{100 - least:.{digits}f} %"
    return f"{100 * value:.{digits}f} %"


def three_digits(value: float) -> str:
    """Three digits that count, and never an exponent for what people count in thousands.

    Example:
        >>> three_digits(24.51), three_digits(1334.2), three_digits(0.000123)
        ('24.5', '1,334', '0.000123')
    """
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.3g}"


def amount(value: float, unit: str) -> str:
    """A value with its unit; a share as per cent.

    Example:
        >>> amount(0.839, "share"), amount(24.51, "ms"), amount(3, "")
        ('83.9 %', '24.5 ms', '3')
    """
    if unit == "share":
        return percent(value)
    return f"{three_digits(value)}{' ' + unit if unit else ''}"


def rate(estimate: Estimate, *, n: bool = True) -> str:
    """A rate with its interval and n; all of them, or none of them, is a count and a bound.

    Example:
        >>> rate(Estimate(point=0.83, low=0.745, high=0.891, n_runs=100))
        '83.0 % (74.5-89.1, n=100)'
        >>> rate(Estimate(point=1.0, low=0.839, high=1.0, n_runs=20))
        '20 of 20; at least 83.9 %'
        >>> rate(Estimate(point=0.0, low=0.0, high=0.161, n_runs=20))
        '0 of 20; at most 16.1 %'
    """
    if estimate.point is None:
        return "never measured" if estimate.reason == "never measured" else "not estimable"
    if (bound := _bound(estimate)) is not None:
        return bound
    if estimate.low is None or estimate.high is None:
        return f"{percent(estimate.point)}{f' (n={estimate.n_runs})' if n else ''}"
    size = f", n={estimate.n_runs}" if n else ""
    return f"{percent(estimate.point)} ({100 * estimate.low:.1f}-{100 * estimate.high:.1f}{size})"


def _bound(estimate: Estimate) -> str | None:
    if full_house(estimate) and estimate.low is not None:
        said = f"at least {percent(estimate.low)}" if estimate.low >= _LEAST_SHOWN else _NO_BOUND
        return f"{estimate.n_runs} of {estimate.n_runs}; {said}"
    if nothing(estimate) and estimate.high is not None:
        said = f"at most {percent(estimate.high)}" if estimate.high <= 1 - _LEAST_SHOWN else _NO_BOUND
        return f"0 of {estimate.n_runs}; {said}"
    return None


def level(estimate: Estimate) -> str:
    """The confidence level of an interval.

    Example:
        >>> level(Estimate(level=0.95)), level(Estimate(level=0.999))
        ('95 %', '99.9 %')
    """
    return f"{100 * estimate.level:g} %"


def same_weight(gap: Gap) -> str:
    """What counts the same in every rate: a trial, a case, or a group of cases."""
    if gap.weighting == "runs":
        return "trial"
    return "case" if gap.n_groups == gap.n_cases else "group"


def weighted(gap: Gap) -> str | None:
    """Why a rate is not the plain count beside it; None where it is."""
    shares = [(rate_.point, gap.outcomes.get(name, 0)) for name, rate_ in gap.outcome_rates.items()]
    if not any(abs((point or 0.0) - times / gap.n_runs) >= _LEAST_SHOWN for point, times in shares):
        return None
    unit = same_weight(gap)
    return f"The counts are trials. In the rates each {unit} counts the same, however many trials it has, so they differ from the plain share."


def part(share: float | None) -> str:
    """A plain share that has no interval; all and none are words.

    Example:
        >>> part(1.0), part(0.25), part(None)
        ('all', '25.0 %', '')
    """
    return "" if share is None else "all" if share == 1 else "none" if share == 0 else percent(share)


def product(estimate: Estimate) -> str:
    """A product of rates, such as P: it has no count of its own.

    Example:
        >>> product(Estimate(point=1.0, low=0.883, high=1.0, n_runs=60))
        'at least 88.3 %'
    """
    if full_house(estimate) and estimate.low is not None:
        return f"at least {percent(estimate.low)}"
    if nothing(estimate) and estimate.high is not None:
        return f"at most {percent(estimate.high)}"
    return rate(estimate, n=False)


def full_house(estimate: Estimate) -> bool:
    """Whether every run was a success; weights leave the point a rounding error below 1."""
    return estimate.point is not None and estimate.point > 1 - 1e-9 and estimate.n_runs > 0


def nothing(estimate: Estimate) -> bool:
    """Whether none was."""
    return estimate.point is not None and abs(estimate.point) < 1e-9 and estimate.n_runs > 0


def known_so_far(gap: Gap) -> Estimate | None:
    """S where some trials have no verdict: all that is known is between which rates it lies; None where all have one."""
    if not gap.outcomes.get("unjudged") or gap.success_bounds is None:
        return None
    low, high = gap.success_bounds
    return Estimate(low=low, high=high, n_runs=gap.n_runs)


def either_way(bounds: Estimate) -> str:
    """Bounds that hold whatever the missing verdicts are.

    Example:
        >>> either_way(Estimate(low=0.317, high=0.883))
        'between 31.7 % and 88.3 %'
    """
    return f"between {percent(bounds.low or 0.0)} and {percent(1.0 if bounds.high is None else bounds.high)}"


def not_told_from_zero(estimate: Estimate) -> bool:
    """Whether an interval reaches zero, or comes so close that nobody should act on the difference."""
    return estimate.low is None or estimate.low < _LEAST_SHOWN * 10


def untold(gap: Gap) -> str:
    """Which losses may as well be nothing, and about how much more would tell; empty where there are none."""
    rows = [row for row in gap.boundaries if row.points.point and not_told_from_zero(row.points)]
    if not rows:
        return ""
    unit = "case" if gap.n_groups == gap.n_cases else "group"
    said = [
        shortened(row.exit, 32)
        + (f" (about {count(row.more_groups, f'more {unit}')} would tell)" if row.more_groups else "")
        for row in rows
    ]
    return f"Not distinguishable from zero: {listed(said)}."


def points(estimate: Estimate) -> str:
    """A difference between two rates, in points of a hundred.

    Example:
        >>> points(Estimate(point=0.05, low=0.022, high=0.112))
        '5.0 points (2.2 to 11.2)'
    """
    if estimate.point is None:
        return "not estimable"
    said = f"{_hundredfold(estimate.point)} points"
    if estimate.low is None or estimate.high is None:
        return said
    return f"{said} ({_hundredfold(estimate.low)} to {_hundredfold(estimate.high)})"


def lost(estimate: Estimate) -> str:
    """A share of all trials that is lost somewhere, in points; all of them, or none of them, is a bound.

    Example:
        >>> lost(Estimate(point=0.0, low=0.0, high=0.06, n_runs=60))
        'at most 6.0 points'
    """
    if full_house(estimate) and estimate.low is not None:
        return f"at least {_hundredfold(estimate.low)} points"
    if nothing(estimate) and estimate.high is not None:
        return f"at most {_hundredfold(estimate.high)} points"
    return points(estimate)


def between(estimate: Estimate) -> str:
    """The interval of a share of all trials, in points, for a table cell.

    Example:
        >>> between(Estimate(point=0.05, low=0.022, high=0.112))
        '2.2-11.2'
        >>> between(Estimate(point=1.0, low=0.567, high=1.0, n_runs=12))
        'at least 56.7'
    """
    if estimate.low is None or estimate.high is None:
        return ""
    if full_house(estimate):
        return f"at least {_hundredfold(estimate.low)}"
    if nothing(estimate):
        return f"at most {_hundredfold(estimate.high)}"
    return f"{_hundredfold(estimate.low)}-{_hundredfold(estimate.high)}"


def number(estimate: Estimate) -> str:
    """Points of a share of all trials, without their interval, for a table cell."""
    if estimate.point is None:
        return ""
    return "all" if full_house(estimate) else "none" if nothing(estimate) else _hundredfold(estimate.point)


def _hundredfold(value: float) -> str:
    return f"{round(100 * value, 1) + 0.0:.1f}"  # adding zero turns -0.0 into 0.0


def duration(ms: float) -> str:
    """A duration in the unit people read.

    Example:
        >>> duration(0.42), duration(37.2), duration(2345.0), duration(192000.0)
        ('0.42 ms', '37 ms', '2.35 s', '3.2 min')
    """
    if ms < 10:
        return f"{ms:.2f} ms"
    if ms < 1000:
        return f"{ms:.0f} ms"
    return f"{ms / 1000:.2f} s" if ms < 120_000 else f"{ms / 60_000:.1f} min"


def latency(estimate: Estimate, *, interval: bool = True) -> str:
    """A latency quantile with its interval.

    Example:
        >>> latency(Estimate(point=120.0, low=98.0, high=140.0))
        '120 ms (98 to 140 ms)'
        >>> latency(Estimate(reason="p99 not estimable from 60 runs of 60 cases", n_runs=60))
        'not estimable from 60 trials'
    """
    if estimate.point is None:
        return f"not estimable from {count(estimate.n_runs, 'trial')}"
    if not interval or estimate.low is None or estimate.high is None:
        return duration(estimate.point)
    low, high = duration(estimate.low), duration(estimate.high)
    unit = high.partition(" ")[2]
    return f"{duration(estimate.point)} ({low.removesuffix(f' {unit}')} to {high})"


def passage(exit_: str, receivers: tuple[str, ...]) -> str:
    """A boundary: who hands over, and who takes it.

    Example:
        >>> passage("tools", ("agent", "__end__"))
        'tools -> agent | end'
    """
    return f"{exit_} -> {' | '.join(place(name) for name in receivers)}" if receivers else exit_


def boundary(exit_: str, receivers: tuple[str, ...], room: int = 32) -> str:
    """A boundary in a sentence: long names are cut, and of many receivers only the first are named."""
    names = tuple(shortened(place(name), room) for name in receivers[:3])
    return passage(shortened(exit_, room), names + (("...",) if len(receivers) > 3 else ()))


def shortened(text: str, room: int) -> str:
    """Text cut to a number of characters, with an ellipsis where it was cut.

    Example:
        >>> shortened("understand_the_question", 10)
        'understan…'
    """
    return text if len(text) <= room else text[: room - 1] + "…"


def place(name: str) -> str:
    """A step's name, or the word for an end of the workflow."""
    return {START: "start", FINISH: "end"}.get(name, name)


def layer(name: str | None, guessed: bool) -> str:
    """A layer, with "?" where it is a guess."""
    return "" if name is None else f"{name}?" if guessed else name


def fired(checks: dict[str, int]) -> str:
    """Which built-in checks fired, and how often."""
    return ", ".join(f"{name} {times}x" for name, times in checks.items())


def largest(row: BoundaryRow) -> str:
    """The chance that a row is the largest loss of all: a share of resamples."""
    return "" if row.p_largest is None else percent(min(row.p_largest, _NEVER_SURE), 0)


def rivals(rows: Sequence[BoundaryRow]) -> bool:
    """Whether there is a chance to tell: more than one row that could be the largest loss."""
    return sum((row.points.point or 0) > 0 and row.p_largest is not None for row in rows) > 1


def repaired(done: int, first_failures: int) -> str:
    """How many of the trials that first failed at a step ended correct all the same."""
    return f"{done} of {first_failures}" if done else ""


def count(number_: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    Example:
        >>> count(1, "trial"), count(3, "trial")
        ('1 trial', '3 trials')
    """
    return f"{number_} {one if number_ == 1 else many or one + 's'}"


def listed(parts: list[str]) -> str:
    """Parts as a sentence lists them.

    Example:
        >>> listed(["3 silent"]), listed(["3 silent", "2 escalated", "1 loud"])
        ('3 silent', '3 silent, 2 escalated and 1 loud')
    """
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
