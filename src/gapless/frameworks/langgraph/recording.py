"""Copies a compiled graph so that every node and every conditional edge passes through the session; nothing else changes."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any, cast

from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel

from gapless.boundary.contract import Contract, way_of
from gapless.boundary.session import current_session
from gapless.frameworks.langgraph import private
from gapless.frameworks.langgraph.declaring import undeclared
from gapless.frameworks.langgraph.door import BRANCH_KEY, Door, branch_of
from gapless.frameworks.langgraph.exits import gated, ungated
from gapless.frameworks.langgraph.facade import contract_at, edges_at, facade, unwrap
from gapless.frameworks.langgraph.guarded import GuardedDoor
from gapless.frameworks.langgraph.handover import Place, receivers_of, route_reader
from gapless.records.workflow import FINISH, START


def record_graph(graph: Any, contracts: Mapping[str, Contract] | None = None) -> Any:
    """A copy of a compiled graph whose steps are recorded while a session is in progress; the original stays as it was.

    Recording a recorded graph again gives the same as recording the original; contracts it is under stay. A subgraph
    that a node's function calls by itself is out of reach: it counts as part of that node.

    Args:
        graph: The compiled graph.
        contracts: Step address -> its contract, for steps that get one.
    """
    return _record(graph, Place(entries=_entries(graph, "")), contracts or {})


def uncached(recorded: Any) -> Any:
    """A recorded graph whose nodes run each time: trials are independent, and a replay leaves nothing behind for others.

    The graph is changed in place; `record_graph` made it.
    """
    recorded.cache = None
    for name, node in recorded.nodes.items():
        if isinstance(node.bound, Pregel):
            uncached(node.bound)
        if node.cache_policy is not None:
            recorded.nodes[name] = node.copy({"cache_policy": None})
    return recorded


class RecordedGraph:
    """Mixed into the class of a recorded graph: a subgraph started by Send remembers which of its visits it is."""

    def stream(self, input: Any, config: Any = None, **kwargs: Any) -> Iterator[Any]:  # noqa: A002
        """The graph's own stream."""
        return cast("Any", super()).stream(input, _with_branch(config), **kwargs)

    def astream(self, input: Any, config: Any = None, **kwargs: Any) -> AsyncIterator[Any]:  # noqa: A002
        """The graph's own asynchronous stream."""
        return cast("Any", super()).astream(input, _with_branch(config), **kwargs)


def extend(graph: Any, mixin: type[Any]) -> Any:
    """A shallow copy of a graph, its class extended by `mixin` under the same name."""
    # Not graph.copy(): that one loses what compile() sets after construction, the output mappers among it.
    kind = type(graph) if isinstance(graph, mixin) else _extended(type(graph), mixin)
    extended = object.__new__(kind)
    extended.__dict__.update(graph.__dict__)
    return extended


@lru_cache(maxsize=64)
def _extended(kind: type[Any], mixin: type[Any]) -> type[Any]:
    return type(
        kind.__name__, (mixin, kind), {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    )


def _record(graph: Any, place: Place, contracts: Mapping[str, Contract]) -> Any:
    recorded = extend(graph, RecordedGraph)
    known = partial(undeclared, graph)
    recorded.nodes = {
        name: _record_node(name, node, place, contracts, known) for name, node in graph.nodes.items()
    }
    return recorded


def _record_node(
    name: str,
    node: private.PregelNode,
    place: Place,
    contracts: Mapping[str, Contract],
    known: Callable[[Any], str | None],
) -> private.PregelNode:
    address = place.address(name)
    edges = {**edges_at(node.bound), **_edges(contracts, address, place)}
    contract = contracts.get(address) or contract_at(node.bound) or (Contract() if edges else None)
    writers = [_record_writer(writer, name, place) for writer in ungated(node.writers)]
    if edges or (contract is not None and contract.gate is not None):
        addresses = {n: n if n == FINISH else place.address(n) for n in edges}
        writers = gated(writers, address, edges, addresses, known)
    changes: dict[str, Any] = {"writers": writers, "subgraphs": node.subgraphs}
    if node.bound is not private.DEFAULT_BOUND:
        bound = unwrap(node.bound)
        if isinstance(bound, Pregel):
            inside = f"{address}/"
            below = Place(prefix=inside, entries=_entries(bound, inside), parent=place)
            changes["bound"] = _record(bound, below, contracts)
            changes["subgraphs"] = [changes["bound"] if sub is node.bound else sub for sub in node.subgraphs]
        else:
            door = Door(address=address, node=name, receivers=partial(_receivers, place), undeclared=known)
            changes["bound"] = facade(
                bound, door if contract is None else GuardedDoor(door=door, contract=contract, edges=edges)
            )
    return node.copy(changes)


def _edges(contracts: Mapping[str, Contract], address: str, place: Place) -> dict[str, Contract]:
    """Node, or the end -> the contract on the way to it from the step at this address."""
    ways = ((way_of(key), contract) for key, contract in contracts.items())
    return {
        way[1].removeprefix(place.prefix): contract
        for way, contract in ways
        if way is not None and way[0] == address
    }


def _receivers(place: Place, output: Any) -> tuple[str, ...]:
    return receivers_of(output, place)


def _record_writer(writer: Any, name: str, place: Place) -> Any:
    branch = getattr(getattr(writer, "func", None), "__self__", None)
    if not isinstance(branch, private.BranchSpec):
        return writer
    path = unwrap(branch.path)
    label = router_name(name, path)
    door = Door(
        address=place.address(label), node=label, receivers=route_reader(branch.ends, place), router=True
    )
    routed = branch._replace(path=facade(path, door))
    recorded = copy.copy(writer)  # keeps the writes it declares for drawings
    recorded.func, recorded.afunc = private.routes_of(routed)
    return recorded


def router_name(node: str, path: Any) -> str:
    """A conditional edge's name in its graph: `agent?should_continue`, unique because LangGraph demands it."""
    return f"{node}?{getattr(path, 'name', None) or 'condition'}"


def _entries(graph: Any, prefix: str) -> dict[str, str]:
    """Nodes that are subgraphs -> the step they begin with, where there is only one."""
    found: dict[str, str] = {}
    for name, node in graph.nodes.items():
        bound = unwrap(node.bound)
        if isinstance(bound, Pregel):
            found[name] = _entry(bound, f"{prefix}{name}")
    return found


def _entry(graph: Any, address: str) -> str:
    if not isinstance(graph, CompiledStateGraph):
        return address
    firsts = [target for source, target in graph.builder.edges if source == START]
    if graph.builder.branches.get(START) or len(firsts) != 1 or firsts[0] == FINISH:
        return address
    first = unwrap(graph.nodes[firsts[0]].bound)
    inside = f"{address}/{firsts[0]}"
    return _entry(first, inside) if isinstance(first, Pregel) else inside


def _with_branch(config: Any) -> Any:
    if current_session.get() is None or not config:
        return config
    configurable = config.get("configurable") or {}
    if private.CONFIG_KEY_TASK_ID not in configurable:
        return config
    node = (config.get("metadata") or {}).get("langgraph_node", "")
    branch = branch_of(config, node)
    if branch is None or configurable.get(BRANCH_KEY) == branch:
        return config
    return {**config, "configurable": {**configurable, BRANCH_KEY: branch}}
