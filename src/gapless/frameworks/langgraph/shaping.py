"""Reads the shape of a compiled graph: its steps, its subgraphs' steps in their place, and the edges between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel
from msgspec import structs

from gapless.frameworks.langgraph import private
from gapless.frameworks.langgraph.exits import ungated
from gapless.frameworks.langgraph.facade import contract_at, edges_at, unwrap
from gapless.frameworks.langgraph.recording import router_name
from gapless.frameworks.layers import describe_step, gates_of
from gapless.records.workflow import FINISH, START, Edge, Shape, Step
from gapless.settings import StepSettings

_Link = tuple[str, str, bool]
"""Source, target, whether it is conditional."""
_Port = tuple[str, bool]
"""A step at the rim of a graph, and whether it is entered or left conditionally."""


def shape_of(graph: Any, settings: Mapping[str, StepSettings]) -> Shape:
    """The shape of a compiled graph; a step that a node merely calls is not part of it."""
    part = _read(graph, "", settings)
    edges = [
        *(Edge(source=START, target=step, conditional=maybe) for step, maybe in part.entries),
        *part.edges,
        *(Edge(source=step, target=FINISH, conditional=maybe) for step, maybe in part.exits),
    ]
    return Shape(steps=_ordered(part.steps, edges), edges=tuple(dict.fromkeys(edges)))


@dataclass(slots=True)
class _Part:
    steps: list[Step] = field(default_factory=list[Step])
    edges: list[Edge] = field(default_factory=list[Edge])
    entries: list[_Port] = field(default_factory=list[_Port])
    exits: list[_Port] = field(default_factory=list[_Port])


def _read(graph: Any, prefix: str, settings: Mapping[str, StepSettings]) -> _Part:
    part = _Part()
    enter: dict[str, list[_Port]] = {}
    leave: dict[str, list[_Port]] = {}
    for name, node in graph.nodes.items():
        if name != START:
            inner = _read_node(name, node, prefix, settings)
            part.steps += inner.steps
            part.edges += inner.edges
            enter[name], leave[name] = inner.entries, inner.exits
        part.steps += _routers(name, node, prefix, settings)
    for source, target, maybe in _links(graph):
        sources = [(START, False)] if source == START else leave.get(source, [])
        targets = [(FINISH, False)] if target == FINISH else enter.get(target, [])
        _join(part, sources, targets, conditional=maybe)
    return part


def _read_node(name: str, node: Any, prefix: str, settings: Mapping[str, StepSettings]) -> _Part:
    bound = unwrap(node.bound)
    if isinstance(bound, Pregel):
        return _read(bound, f"{prefix}{name}/", settings)
    address = f"{prefix}{name}"
    step = describe_step(address, settings, node.metadata, contract=contract_at(node.bound))
    ways = edges_at(node.bound).items()
    step = structs.replace(
        step,
        guards=(*step.guards, *(f"->{end}: {guard}" for end, held in ways for guard in held.names)),
        gates=(*step.gates, *gates_of({f"{address}->{_at(prefix, end)}": held for end, held in ways})),
    )
    return _Part(steps=[step], entries=[(address, False)], exits=[(address, False)])


def _at(prefix: str, node: str) -> str:
    return node if node == FINISH else f"{prefix}{node}"


def _routers(name: str, node: Any, prefix: str, settings: Mapping[str, StepSettings]) -> Iterator[Step]:
    for writer in ungated(node.writers):
        branch = getattr(getattr(writer, "func", None), "__self__", None)
        if isinstance(branch, private.BranchSpec):
            label = router_name(name, unwrap(branch.path))
            yield describe_step(f"{prefix}{label}", settings, router=True)


def _join(part: _Part, sources: Iterable[_Port], targets: list[_Port], *, conditional: bool) -> None:
    for source, leaving in sources:
        for target, entering in targets:
            maybe = conditional or leaving or entering
            if source == START and target != FINISH:
                part.entries.append((target, maybe))
            elif target == FINISH and source != START:
                part.exits.append((source, maybe))
            elif source != START:
                part.edges.append(Edge(source=source, target=target, conditional=maybe))


def _links(graph: Any) -> list[_Link]:
    """The edges between nodes, in the order of declaration, whatever order LangGraph's sets have."""
    nodes = list(graph.nodes)
    if not isinstance(graph, CompiledStateGraph):  # an entrypoint: one node
        return [
            link for name in nodes if name != START for link in ((START, name, False), (name, FINISH, False))
        ]
    links = set(_declared(graph))
    leading = {source for source, _, _ in links}
    links.update((name, FINISH, False) for name in nodes if name not in leading and name != START)
    place = {name: index for index, name in enumerate([*nodes, FINISH])}
    known = (link for link in links if link[0] in place and link[1] in place)
    return sorted(known, key=lambda link: (place[link[0]], place[link[1]], link[2]))


def _declared(graph: CompiledStateGraph[Any, Any, Any, Any]) -> Iterator[_Link]:
    builder = graph.builder
    yield from ((source, target, False) for source, target in builder.edges)
    for sources, target in builder.waiting_edges:
        yield from ((source, target, False) for source in sources)
    for source, branches in builder.branches.items():
        for branch in branches.values():
            ends = branch.ends.values() if branch.ends is not None else _anywhere(graph, source)
            yield from ((source, end, True) for end in ends)
    for name, spec in builder.nodes.items():
        yield from ((name, end, True) for end in spec.ends or ())
        if spec.error_handler_node is not None:
            yield name, spec.error_handler_node, True


def _anywhere(graph: CompiledStateGraph[Any, Any, Any, Any], source: str) -> list[str]:
    """Where a conditional edge may lead that declares no targets: LangGraph itself assumes any node, or the end."""
    named = (name for name, node in graph.nodes.items() if not node.is_error_handler)
    return [*(name for name in named if name not in (START, source)), FINISH]


def receivers(graph: Any, node: str) -> list[str]:
    """Nodes beside it, and the end, to which the graph declares a way from this one, in the order of declaration."""
    return list(dict.fromkeys(target for source, target, _ in _links(graph) if source == node))


def _ordered(steps: list[Step], edges: list[Edge]) -> tuple[Step, ...]:
    """Topological order, ties in the order of declaration; that order alone when there is a loop."""
    waiting = {
        step.name: {e.source for e in edges if e.target == step.name and e.source != START} for step in steps
    }
    left = {step.name: step for step in steps if not step.router}
    ordered: list[Step] = []
    while left:
        free = next((name for name in left if not waiting[name] & left.keys()), None)
        if free is None:
            return tuple(steps)
        ordered.append(left.pop(free))
        ordered += [step for step in steps if step.router and step.name.startswith(f"{free}?")]
    first = [step for step in steps if step.router and step not in ordered]
    return (*first, *ordered)
