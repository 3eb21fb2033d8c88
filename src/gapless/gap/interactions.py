"""Shapley values over subsets of golden outputs: losses that need two bad inputs at once (METHOD section 9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from math import factorial, fsum

import numpy as np

from gapless.gap.clustered import units
from gapless.gap.replays import Trial
from gapless.records.estimate import Estimate
from gapless.records.replay import Interaction, ReplayRun

_Subset = frozenset[str]


def subset_values(runs: Sequence[ReplayRun], order: Sequence[str]) -> dict[Trial, dict[str, float]]:
    """Shapley value of each step's golden output in each trial whose reruns cover every subset of its steps.

    Args:
        runs: Reruns; those of the arm `subset` count, whose step names their golden steps, joined by "+".
        order: Every step's name; a name may hold a "+" itself.

    Returns:
        Trial -> step -> value in [-1, 1]; of a trial they add up to v(all) - v(none). Trials that lack a subset are left
        out: the values of an incomplete game mean nothing.

    Source:
        Shapley (1953), Contributions to the Theory of Games II.

    Example:
        >>> def rerun(golden, ok):
        ...     return ReplayRun(case="c", trial=0, group="c", step=golden, position=0, arm="subset", ok=ok)
        >>> both_needed = [rerun("", False), rerun("a", False), rerun("b", False), rerun("a+b", True)]
        >>> subset_values(both_needed, ("a", "b"))
        {('c', 0): {'a': 0.5, 'b': 0.5}}
    """
    games: dict[Trial, dict[_Subset, list[bool]]] = {}
    for run in runs:
        members = _members(run.step, order) if run.arm == "subset" else None
        if members is not None:
            settled = games.setdefault((run.case, run.trial), {}).setdefault(members, [])
            if run.ok is not None:
                settled.append(run.ok)
    found: dict[Trial, dict[str, float]] = {}
    for trial, game in sorted(games.items()):
        worth = {members: sum(passed) / len(passed) for members, passed in game.items() if passed}
        players = tuple(step for step in order if any(step in members for members in game))
        if len(worth) == 2 ** len(players):
            found[trial] = _shapley(worth, players)
    return found


def interactions(
    values: Mapping[Trial, Mapping[str, float]],
    groups: Mapping[Trial, str],
    order: Sequence[str],
    estimate: Callable[..., Estimate],
) -> tuple[Interaction, ...]:
    """Mean value of each step over the trials; a step that a trial does not visit gains nothing there.

    Args:
        values: What `subset_values` found.
        groups: The independent unit of each trial.
        order: Steps in path order.
        estimate: Mean of an array [N] over `Units`, with its interval.
    """
    trials = sorted(values)
    if not trials:
        return ()
    table = units(
        [groups[trial] for trial in trials], weighting="runs", n_cases=len({case for case, _ in trials})
    )
    steps = [step for step in order if any(step in values[trial] for trial in trials)]
    return tuple(
        Interaction(
            step=step,
            value=estimate(np.array([values[trial].get(step, 0.0) for trial in trials]), table),
        )
        for step in steps
    )


def _shapley(worth: Mapping[_Subset, float], players: Sequence[str]) -> dict[str, float]:
    n = len(players)
    found: dict[str, float] = {}
    for player in players:
        others = [other for other in players if other != player]
        found[player] = fsum(
            factorial(size)
            * factorial(n - size - 1)
            / factorial(n)
            * (worth[frozenset((*chosen, player))] - worth[frozenset(chosen)])
            for size in range(n)
            for chosen in combinations(others, size)
        )
    return found


def _members(said: str, names: Sequence[str]) -> _Subset | None:
    """The steps that a subset's name stands for; None where it names a step nobody knows."""
    if not said:
        return frozenset()
    for name in sorted(names, key=len, reverse=True):
        if said == name:
            return frozenset((name,))
        if said.startswith(f"{name}+"):
            rest = _members(said[len(name) + 1 :], names)
            if rest is not None and rest:
                return rest | {name}
    return None
