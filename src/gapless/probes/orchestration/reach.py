"""Ways through a workflow's shape: what is reached, what comes before, what runs side by side, where it loops."""

from __future__ import annotations

from collections.abc import Mapping

from gapless.records.workflow import FINISH, START, Shape

Ways = Mapping[str, frozenset[str]]


def forward(shape: Shape) -> Ways:
    """Step, or the start -> the steps an edge leads to; routers are no steps of it."""
    ways: dict[str, set[str]] = {}
    for edge in shape.edges:
        ways.setdefault(edge.source, set()).add(edge.target)
    return {name: frozenset(targets) for name, targets in ways.items()}


def side_by_side(shape: Shape) -> list[tuple[str, ...]]:
    """Steps that run in one round, because one step leads on to all of them whatever it finds."""
    always: dict[str, list[str]] = {}
    for edge in shape.edges:
        if not edge.conditional and edge.target != FINISH:
            always.setdefault(edge.source, []).append(edge.target)
    return [tuple(dict.fromkeys(targets)) for targets in always.values() if len(set(targets)) > 1]


def reached(ways: Ways, start: str = START) -> frozenset[str]:
    """Everything an edge leads to from a step, however far; the step itself only by a loop."""
    seen: set[str] = set()
    waiting = list(ways.get(start, ()))
    while waiting:
        here = waiting.pop()
        if here not in seen:
            seen.add(here)
            waiting += ways.get(here, ())
    return frozenset(seen)


def avoidable(shape: Shape, step: str, guards: frozenset[str]) -> bool:
    """Whether a way leads from the start to a step without passing any of some others.

    Example:
        >>> from gapless.records.workflow import Edge, Step
        >>> line = Shape(steps=(Step(name="a"), Step(name="b")), edges=(Edge(source=START, target="a"), Edge(source="a", target="b")))
        >>> avoidable(line, "b", frozenset({"a"})), avoidable(line, "b", frozenset())
        (False, True)
    """
    ways = {source: targets - guards for source, targets in forward(shape).items() if source not in guards}
    return step in reached(ways)


def loops(shape: Shape) -> tuple[str, ...]:
    """Steps from which a way leads back to themselves, in the workflow's order."""
    ways = forward(shape)
    return tuple(step.name for step in shape.steps if step.name in reached(ways, step.name))


def ends(shape: Shape) -> frozenset[str]:
    """Steps from which the end can be reached."""
    ways = forward(shape)
    return frozenset(step.name for step in shape.steps if FINISH in reached(ways, step.name))
