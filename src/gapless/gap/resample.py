"""P, P - S and the rest of the split when benchmark and trials share cases: whole groups resampled together (METHOD section 4).

MOVER takes components and trials for independent samples and the path for fixed. Where the same cases are in both, or
cases plan different paths, a hard case drawn twice lowers both sides at once, and only resampling shows it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gapless.gap.clustered import Units
from gapless.gap.codes import kinds_of
from gapless.gap.paths import Routes
from gapless.gap.table import Table
from gapless.records.estimate import Estimate
from gapless.records.gap import Compounding
from gapless.records.trial import ComponentRun

METHOD = "cluster bootstrap"
RESAMPLES = 2000
_SEED = 0
_FEWEST = 15  # below, the percentile interval of P - S held the truth in .90 of tables, MOVER's in .99
_CHUNK = 2_000_000
_NOTHING = 1e-9


@dataclass(frozen=True, slots=True)
class _Counts:
    """What each kind of group holds; equal groups are one kind, drawn as often as there are groups of it."""

    rows: NDArray[Any]
    """int array [kinds, columns]: trials and successes, trials per path, then runs and passes of each step."""
    groups: NDArray[Any]
    """int array [kinds]: groups of the kind."""
    paths: tuple[tuple[str, ...], ...]
    steps: tuple[str, ...]


def resampled(
    split: Compounding, table: Table, components: Sequence[ComponentRun], routes: Routes, units: Units
) -> tuple[Compounding, str | None]:
    """The split with intervals from resampled groups where they are due, and a note where they are due but impossible.

    Args:
        split: Points and MOVER intervals; the points stay.
        table: Run table of N trials.
        components: Isolated benchmark runs.
        routes: Planned path of each trial.
        units: Groups and weights of the trials.

    Returns:
        The split, and why MOVER's intervals were kept although cases are shared or paths differ (None otherwise).

    Source:
        Davison and Hinkley (1997), Bootstrap Methods and their Application, section 3.8, percentile limits.
    """
    if split.predicted.point is None or split.success.point is None:
        return split, None
    paths = sorted({path for path in routes.paths if path})
    wanted = tuple(dict.fromkeys(step for path in paths for step in path))
    mine = [run for run in components if run.step in wanted]
    why = _why(table, mine, paths)
    if why is None:
        return split, None
    obstacle = _obstacle(split, mine, wanted, units)
    if obstacle is not None:
        return (
            split,
            f"{why}, but {obstacle}: the intervals of P and P - S take them for independent (MOVER).",
        )
    draws = _draws(_count(table, mine, routes, wanted), units.weighting, split.best_step)
    level = split.predicted.level
    interaction = _limits(split.interaction_loss, draws["p"] - draws["s"], level)
    return (
        msgspec.structs.replace(
            split,
            predicted=_limits(split.predicted, draws["p"], level),
            interaction_loss=interaction,
            cases_for_interaction=_cases_needed(interaction, split.predicted.n_cases),
            article_gap=_limits(split.article_gap, draws["best"] - draws["s"], level),
            compounding_loss=_limits(split.compounding_loss, draws["best"] - draws["p"], level),
        ),
        None,
    )


def _cases_needed(interaction: Estimate, measured: int) -> int | None:
    """Cases, in benchmark and trials alike, at which I would be told from 0: its width shrinks with the root of the count."""
    i, low, high = interaction.point, interaction.low, interaction.high
    if i is None or low is None or high is None or low > 0 or high < 0 or abs(i) < _NOTHING:
        return None
    reach = i - low if i > 0 else high - i
    return math.ceil(measured * (reach / i) ** 2)


def _why(table: Table, components: Sequence[ComponentRun], paths: Sequence[tuple[str, ...]]) -> str | None:
    if not {run.group for run in components}.isdisjoint(table.groups):
        return "Benchmark and trials share cases"
    return "Cases plan different paths" if len({tuple(sorted(path)) for path in paths}) > 1 else None


def _obstacle(
    split: Compounding, components: Sequence[ComponentRun], wanted: Sequence[str], units: Units
) -> str | None:
    """Resampling shows no spread where nothing failed or nothing passed, and too little from a handful of groups."""
    passed: dict[str, list[bool]] = {step: [] for step in wanted}
    for run in components:
        passed[run.step].append(run.ok is True)
    flat = [step for step, seen in passed.items() if all(seen) or not any(seen)]
    if flat:
        every = "no failure" if all(passed[flat[0]]) else "no success"
        return f"step {flat[0]!r} has {every} in its benchmark"
    if split.success.point in (0.0, 1.0):
        return "the trials all ended alike"
    benchmarked = Counter(step for step, _ in {(run.step, run.group) for run in components})
    fewest = min(units.n_groups, *benchmarked.values())
    return f"{fewest} independent units are too few to resample" if fewest < _FEWEST else None


def _count(
    table: Table, components: Sequence[ComponentRun], routes: Routes, steps: tuple[str, ...]
) -> _Counts:
    alike = [tuple(sorted(path or ())) for path in routes.paths]
    known = tuple(sorted(set(alike)))
    column = {step: 2 + len(known) + 2 * index for index, step in enumerate(steps)}
    index = {group: i for i, group in enumerate(table.groups)}
    alone = [index.setdefault(part.group, len(index)) for part in components]
    counts = np.zeros((len(index), 2 + len(known) + 2 * len(steps)), dtype=np.int64)
    mine = len(table.groups)
    counts[:mine, 0] = np.bincount(table.group, minlength=mine)
    counts[:mine, 1] = np.bincount(table.group[table.is_("correct")], minlength=mine)
    place = np.array([known.index(same) for same in alike])[routes.code]
    for at in range(len(known)):
        counts[:mine, 2 + at] = np.bincount(table.group[place == at], minlength=mine)
    for group, part in zip(alone, components, strict=True):
        counts[group, column[part.step]] += 1
        counts[group, column[part.step] + 1] += part.ok is True
    rows, groups = kinds_of(counts)
    return _Counts(rows, groups, known, steps)


def _draws(counts: _Counts, weighting: str, best: str | None) -> Mapping[str, NDArray[Any]]:
    """S, P and the rate of the best step in each resample; which step is best is taken as known."""
    rows = counts.rows.astype(float)
    n_paths = len(counts.paths)
    sizes = rows[:, 0] if weighting == "cases" else np.ones(len(rows))
    trials = _shares(rows[:, : 2 + n_paths], sizes)
    parts = [trials]
    for index in range(len(counts.steps)):
        pair = rows[:, 2 + n_paths + 2 * index :][:, :2]
        seen = pair[pair[:, 0] > 0, 0]
        equal = bool(np.all(seen == seen[0]))
        parts.append(_shares(pair, np.ones(len(rows)) if equal else pair[:, 0]))
    sums = np.concatenate([chunk @ np.hstack(parts) for chunk in _multiplicities(counts.groups)])
    whole = np.hstack(parts).T @ counts.groups
    s = _ratio(sums[:, 1], sums[:, 0], whole[1] / whole[0])
    rate: dict[str, NDArray[Any]] = {}
    for index, step in enumerate(counts.steps):
        at = 2 + n_paths + 2 * index
        rate[step] = _ratio(sums[:, at + 1], sums[:, at], whole[at + 1] / whole[at])
    p = np.zeros(len(sums))
    for index, path in enumerate(counts.paths):
        share = _ratio(sums[:, 2 + index], sums[:, 0], whole[2 + index] / whole[0])
        product = np.ones(len(sums))
        for step in path:
            product = product * rate[step]
        p += share * product
    return {"s": s, "p": p, "best": rate.get(best or "", np.zeros(len(sums)))}


def _shares(columns: NDArray[Any], sizes: NDArray[Any]) -> NDArray[Any]:
    """Case-weighted, a group counts once, whatever it holds; a group without any run counts nothing."""
    return columns / np.where(sizes > 0, sizes, 1.0)[:, None]


def _multiplicities(groups: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """How often each kind of group is drawn, as many groups as there are, in slices that fit into memory."""
    rng = np.random.default_rng(_SEED)  # seeded: the same table always gives the same report
    total = int(groups.sum())
    step = max(1, _CHUNK // len(groups))
    for start in range(0, RESAMPLES, step):
        size = min(step, RESAMPLES - start)
        yield rng.multinomial(total, groups / total, size=size).astype(float)


def _ratio(above: NDArray[Any], below: NDArray[Any], otherwise: float) -> NDArray[Any]:
    """A resample that drew no group of the subject says nothing new about it."""
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), otherwise)


def _limits(estimate: Estimate, draws: NDArray[Any], level: float) -> Estimate:
    if estimate.point is None:
        return estimate
    tail = (1 - level) / 2
    low, high = (float(limit) for limit in np.quantile(draws, [tail, 1 - tail]))
    # A percentile interval of very few groups can miss its own point.
    return msgspec.structs.replace(
        estimate,
        low=min(low, estimate.point),
        high=max(high, estimate.point),
        method=METHOD,
        reason=None if estimate.method == "point only" else estimate.reason,
    )
