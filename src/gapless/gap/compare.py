"""Everything two run tables say about each other."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from gapless.gap.clustered import clustered
from gapless.gap.multiplicity import holm
from gapless.gap.paired import Pairs, difference
from gapless.gap.power import groups_to_tell
from gapless.gap.table import Table
from gapless.records.comparison import Answer, Change
from gapless.records.trial import Outcome

_OUTCOMES: tuple[Outcome, ...] = ("wrong", "escalated", "failed", "unjudged")
_NOTHING = 1e-9


class Compared(NamedTuple):
    """What changed from one table to the other."""

    pairs: Pairs
    success: Change
    outcomes: tuple[Change, ...]
    boundaries: tuple[Change, ...]


def compare(before: Table, after: Table, *, level: float = 0.95) -> Compared:
    """The later table against the earlier one, on the cases that both have.

    Args:
        before: The earlier run table.
        after: The later one.
        level: Two-sided confidence level of every interval, each by itself.
    """
    pairs = Pairs.of(before, after)
    outcomes = [
        _change(name, pairs, pairs.before.is_(name), pairs.after.is_(name), level)
        for name in _OUTCOMES
        if pairs.before.count(name) or pairs.after.count(name)
    ]
    exits = dict.fromkeys([*pairs.before.exits, *pairs.after.exits])
    boundaries = [
        _change(exit_, pairs, _lost_at(pairs.before, exit_), _lost_at(pairs.after, exit_), level)
        for exit_ in exits
    ]
    boundaries.sort(key=lambda row: (-abs(round(row.difference.point or 0.0, 12)), row.name))
    return Compared(
        pairs=pairs,
        success=_change("success", pairs, pairs.before.is_("correct"), pairs.after.is_("correct"), level),
        outcomes=tuple(outcomes),
        boundaries=_adjusted(boundaries),
    )


def answer(success: Change, margin: float) -> Answer:
    """Whether S fell by more than a margin, by its interval: non-inferiority, for "no significant loss" is not "no loss"."""
    low, high = success.difference.low, success.difference.high
    if low is None or high is None:
        return "not excluded"
    if high < 0 and low < -margin:
        return "worse"
    if low < -margin:
        return "not excluded"
    return "better" if low > 0 else "no regression"


def _change(name: str, pairs: Pairs, before: NDArray[Any], after: NDArray[Any], level: float) -> Change:
    found, test = difference(pairs, before, after, level=level)
    return Change(
        name=name,
        before=clustered(before, pairs.before.units(), level=level),
        after=clustered(after, pairs.after.units(), level=level),
        difference=found,
        test=test.name,
        p=test.p,
        more_groups=_more(pairs, found.point, found.low, found.high, before, after),
    )


def _more(
    pairs: Pairs,
    point: float | None,
    low: float | None,
    high: float | None,
    before: NDArray[Any],
    after: NDArray[Any],
) -> int | None:
    if point is None or low is None or high is None or abs(point) < _NOTHING or low > 0 or high < 0:
        return None
    x = pairs.differences(before, after)
    if len(x) < 2 or float(np.ptp(x)) < _NOTHING:
        return None
    return max(1, groups_to_tell(point, float(x.var(ddof=1))) - len(x))


def _lost_at(table: Table, exit_: str) -> NDArray[Any]:
    if exit_ not in table.exits:
        return np.zeros(len(table), dtype=bool)
    return table.blame == table.exits.index(exit_)


def _adjusted(rows: list[Change]) -> tuple[Change, ...]:
    tested = [row for row in rows if row.p is not None]
    ps = dict(zip((row.name for row in tested), holm([row.p or 0.0 for row in tested]), strict=True))
    return tuple(msgspec.structs.replace(row, p_holm=ps.get(row.name)) for row in rows)
