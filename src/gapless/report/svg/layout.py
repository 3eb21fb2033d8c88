"""Where the steps of a workflow stand: ranks from start to end, and few crossings between them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from gapless.records.workflow import FINISH, START, Edge, Shape

Place = tuple[float, float]
"""(rank along the way, middle across it), both counted in boxes."""
_LANE = 0.16
"""Width of the way of an edge past a rank, in boxes."""
_SWEEPS = 4


@dataclass(frozen=True, slots=True)
class Route:
    """One edge with the places it passes on its way; a way back has none."""

    edge: Edge
    via: tuple[Place, ...]
    back: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """Places of all steps and ways of all edges."""

    places: dict[str, Place]
    routes: tuple[Route, ...]
    ranks: int
    slots: float
    """Width of the widest rank, in boxes."""


def layout(shape: Shape) -> Layout:
    """Places every step on the rank of the longest way to it; a step skipped by an edge leaves that edge a slot."""
    names = [START, *(step.name for step in shape.steps if not step.router), FINISH]
    edges = _edges(shape, set(names))
    rank = _ranks(names, edges)
    order = {name: index for index, name in enumerate(names)}
    ways = {edge: order[edge.source] < order[edge.target] for edge in edges}
    lanes = _lanes(names, [edge for edge in edges if ways[edge]], rank)
    rows: dict[int, list[str]] = {}
    for name, at in lanes.rank.items():
        rows.setdefault(at, []).append(name)
    _untangle(rows, lanes.links)
    wide = {name: 1.0 if name in rank else _LANE for name in lanes.rank}
    slots = max(sum(wide[name] for name in row) for row in rows.values())
    spot: dict[str, Place] = {}
    for at, row in rows.items():
        left = (slots - sum(wide[name] for name in row)) / 2
        for name in row:
            spot[name] = (float(at), left + wide[name] / 2)
            left += wide[name]
    routes = tuple(
        Route(edge, tuple(spot[name] for name in lanes.via.get(edge, ())), back=not ways[edge])
        for edge in edges
    )
    return Layout({name: spot[name] for name in names}, routes, 1 + max(rank.values()), slots)


def _edges(shape: Shape, names: set[str]) -> list[Edge]:
    """Edges between steps; X -> router -> Y counts as X -> Y, decided at run time."""
    routers = {step.name for step in shape.steps if step.router}
    found: dict[tuple[str, str], Edge] = {}
    for edge in shape.edges:
        if edge.source not in names:
            continue
        waiting, seen = [(edge.target, edge.conditional)], {edge.target}
        while waiting:
            target, conditional = waiting.pop(0)
            if target in names:
                found.setdefault(
                    (edge.source, target), Edge(source=edge.source, target=target, conditional=conditional)
                )
            elif target in routers:
                onward = [name for name in shape.receivers(target) if name not in seen]
                seen.update(onward)
                waiting += [(name, True) for name in onward]
    return list(found.values())


def _ranks(names: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    order = {name: index for index, name in enumerate(names)}
    rank = dict.fromkeys(names, 0)
    rank |= dict.fromkeys(names[1:], 1)
    # Names stand in topological order where there is one; an edge against it is a way back.
    for name in names:
        for edge in edges:
            if edge.source == name and order[edge.target] > order[name]:
                rank[edge.target] = max(rank[edge.target], rank[name] + 1)
    rank[FINISH] = max([rank[FINISH], *(rank[name] + 1 for name in names if name != FINISH)])
    return rank


@dataclass(frozen=True, slots=True)
class _Lanes:
    rank: dict[str, int]
    links: list[tuple[str, str]]
    via: dict[Edge, tuple[str, ...]]


def _lanes(names: Sequence[str], edges: Sequence[Edge], rank: dict[str, int]) -> _Lanes:
    """Gives every edge that skips ranks a place of its own on each of them."""
    lanes = _Lanes({name: rank[name] for name in names}, [], {})
    for number, edge in enumerate(edges):
        between = range(rank[edge.source] + 1, rank[edge.target])
        stops = tuple(f"\0{number}.{at}" for at in between)
        lanes.rank.update(zip(stops, between, strict=True))
        lanes.via[edge] = stops
        chain = [edge.source, *stops, edge.target]
        lanes.links.extend(itertools.pairwise(chain))
    return lanes


def _untangle(rows: dict[int, list[str]], links: Sequence[tuple[str, str]]) -> None:
    """Orders each rank by the mean place of its neighbours, down and up in turn."""
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for source, target in links:
        above.setdefault(target, []).append(source)
        below.setdefault(source, []).append(target)
    for sweep in range(_SWEEPS):
        neighbours = above if sweep % 2 == 0 else below
        for at in sorted(rows, reverse=sweep % 2 == 1):
            place = {name: index - len(row) / 2 for row in rows.values() for index, name in enumerate(row)}
            rows[at].sort(key=lambda name: _mean(place, neighbours.get(name, [name])))


def _mean(place: dict[str, float], names: Sequence[str]) -> float:
    return sum(place[name] for name in names) / len(names)
