"""The shape of a workflow that nobody described: the steps its trials show, and what followed what."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from graphlib import CycleError, TopologicalSorter

from gapless.records.row import retell
from gapless.records.trial import Outcome, StepOutcome
from gapless.records.workflow import FINISH, START, Edge, Shape, Step

_ENDED: tuple[Outcome, ...] = ("correct", "wrong", "unjudged")


class Observed:
    """Counts histories while trials pass by; equal ones are looked at once."""

    def __init__(self) -> None:
        self._histories: dict[bytes, list[int]] = {}
        self._plans: dict[tuple[str, ...], int] = {}
        self._named: dict[str, None] = {}

    def add(self, history: bytes, outcome: Outcome, planned: tuple[str, ...] | None) -> None:
        """A trial that passed: what its steps did (see `records.row`), how it ended, what it had planned."""
        count = self._histories.setdefault(history, [0, 0])
        count[outcome in _ENDED] += 1
        if planned:
            self._plans[planned] = self._plans.get(planned, 0) + 1

    def name(self, step: str) -> None:
        """A step that is known without having been seen in a trial."""
        self._named.setdefault(step)

    def shape(self, describe: Callable[[str, bool], Step], known: Shape | None = None) -> Shape:
        """Steps in topological order of what followed what, else by where trials first reach them, ties by name.

        Args:
            describe: The step of a name, given whether it routes.
            known: A shape that is described already; only steps that it lacks are added.
        """
        routers: dict[str, bool] = {}
        places: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        followed: dict[tuple[str, str], None] = {}
        for history, (cut, ended) in self._histories.items():
            visits = _visits(retell(history), routers)
            _place(places, visits, cut + ended)
            followed |= dict.fromkeys(itertools.pairwise([START, *visits, *([FINISH] if ended else [])]))
        for plan, count in self._plans.items():
            _place(places, plan, count)
        for name in self._named:
            _place(places, [name], 0)
        if known is not None:
            listed = {step.name for step in known.steps}
            new = [describe(name, routers.get(name, False)) for name in sorted(places) if name not in listed]
            return Shape(steps=(*known.steps, *new), edges=known.edges)
        order = _order(places, followed)
        rank = {name: at for at, name in enumerate((START, *order, FINISH))}
        ways = Counter(source for source, _ in followed)
        edges = sorted(followed, key=lambda pair: (rank[pair[0]], rank[pair[1]]))
        return Shape(
            steps=tuple(describe(name, routers.get(name, False)) for name in order),
            edges=tuple(Edge(source=a, target=b, conditional=ways[a] > 1) for a, b in edges if a != b),
        )


def _visits(events: Iterable[StepOutcome], routers: dict[str, bool]) -> list[str]:
    """Steps in the order they were visited; parallel branches and retries of a visit count once."""
    visits: list[str] = []
    seen: set[tuple[str, int | None, int]] = set()
    for event in events:
        routers[event.step] = event.router
        here = (event.step, event.branch, event.visit)
        beside = event.branch is not None and visits[-1:] == [event.step]
        if here not in seen and not beside:
            visits.append(event.step)
        seen.add(here)
    return visits


def _place(places: dict[str, list[float]], visits: Sequence[str], count: int) -> None:
    for at, name in enumerate(dict.fromkeys(visits)):
        place = places[name]
        place[0] += at * count
        place[1] += count


def _order(places: dict[str, list[float]], followed: Iterable[tuple[str, str]]) -> list[str]:
    means = {name: total / count if count else float("inf") for name, (total, count) in places.items()}
    by_place = sorted(means, key=lambda name: (means[name], name))
    before: dict[str, set[str]] = {name: set() for name in by_place}
    for source, target in followed:
        if source in before and target in before and source != target:
            before[target].add(source)
    sorter = TopologicalSorter(before)
    try:
        sorter.prepare()
    except CycleError:
        return by_place
    order: list[str] = []
    rank = {name: at for at, name in enumerate(by_place)}
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=rank.__getitem__)
        order += ready
        sorter.done(*ready)
    return order
