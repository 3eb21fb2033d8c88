"""Which nodes of a graph run side by side for certain: unconditional edges alone are followed, round by round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gapless.records.workflow import FINISH, START


def rounds_of(builder: Any) -> tuple[tuple[str, ...], ...]:
    """Sets of several nodes that start together whenever a certain node runs, each in the order of declaration.

    Args:
        builder: The `StateGraph` that was compiled.
    """
    found: dict[tuple[str, ...], None] = {}
    for root in (START, *builder.nodes):
        for together in _rounds(builder, root):
            if len(together) > 1:
                found.setdefault(together)
    return tuple(found)


def _rounds(builder: Any, root: str) -> Iterable[tuple[str, ...]]:
    """The rounds that surely follow when a node runs alone, until they repeat."""
    order = {name: place for place, name in enumerate(builder.nodes)}
    ways = _ways(builder)
    joins: dict[tuple[tuple[str, ...], str], set[str]] = {join: set() for join in builder.waiting_edges}
    active, late, seen = {root}, set[str](), set[frozenset[str]]()
    while active and frozenset(active) not in seen and len(seen) <= 2 * len(order):
        seen.add(frozenset(active))
        following = {target for name in active for target in ways.get(name, ())}
        for (sources, target), arrived in joins.items():
            arrived |= active & set(sources)
            if arrived == set(sources):
                arrived.clear()
                following.add(target)
        late |= {name for name in following if name in order and builder.nodes[name].defer}
        active = {name for name in following if name in order} - late
        if not active:
            active, late = late, set()  # deferred nodes wait until nothing else runs
        yield tuple(sorted(active, key=order.__getitem__))


def _ways(builder: Any) -> Mapping[str, set[str]]:
    ways: dict[str, set[str]] = {}
    for source, target in builder.edges:
        if target != FINISH:
            ways.setdefault(source, set()).add(target)
    return ways
