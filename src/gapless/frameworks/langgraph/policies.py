"""Reads from a compiled graph what its shape does not say: the state's type, the checkpointer, native policies, what code shows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

from langgraph.channels.base import BaseChannel
from langgraph.channels.last_value import LastValue, LastValueAfterFinish
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel
from msgspec import structs

from gapless.frameworks.langgraph.facade import unwrap
from gapless.frameworks.langgraph.rounds import rounds_of
from gapless.frameworks.langgraph.seen import Seen, seen_in
from gapless.frameworks.langgraph.state import ROOT
from gapless.records.wiring import StepWiring, Wiring
from gapless.records.workflow import FINISH, START

_IN_MEMORY = "langgraph.checkpoint.memory"
_ONE_WRITER = (LastValue, LastValueAfterFinish)


def wiring_of(graph: Any) -> Wiring:
    """How a compiled graph is wired, its subgraphs' steps under their own addresses."""
    schema: Any = graph.builder.state_schema if isinstance(graph, CompiledStateGraph) else None
    keys, saver, parts = _keys(graph), graph.checkpointer, list(_parts(graph, ""))
    before = [name for part in parts for name in part.stops(part.graph.interrupt_before_nodes)]
    after = [name for part in parts for name in part.stops(part.graph.interrupt_after_nodes)]
    return Wiring(
        state=getattr(schema, "__name__", "") or "none",
        typed=bool(keys) and schema is not None and ROOT not in keys,
        keys=keys,
        inside={part.prefix.rstrip("/"): _keys(part.graph) for part in parts if part.prefix},
        rounds=tuple(together for part in parts for together in part.rounds()),
        checkpointer=type(saver).__name__ if saver not in (None, False, True) else None,
        lasting=saver not in (None, False, True) and _lasts(saver),
        recursion_limit=(graph.config or {}).get("recursion_limit"),
        steps=_steps(parts),
        interrupts=tuple(dict.fromkeys([*before, *after])),
        interrupts_after=tuple(name for name in after if name not in before),
    )


def _keys(graph: Any) -> dict[str, bool]:
    """Key of a graph's state -> whether several steps may write it at once."""
    known = set(graph.stream_channels_list)
    return {
        name: not isinstance(channel, _ONE_WRITER)
        for name, channel in graph.channels.items()
        if isinstance(channel, BaseChannel) and name in known
    }


def _lasts(saver: Any) -> bool:
    """Whether checkpoints outlive the process: SQLite may keep them in memory, too."""
    if type(saver).__module__.startswith(_IN_MEMORY):
        return False
    connection: Any = getattr(saver, "conn", None)
    if type(connection).__module__ == "sqlite3":
        import sqlite3

        with contextlib.suppress(sqlite3.Error):  # of another thread, or closed
            return any(file for _, _, file in connection.execute("PRAGMA database_list"))
    return True


@dataclass(slots=True)
class _Part:
    """A graph, or a subgraph of it."""

    graph: Any
    prefix: str
    """Of its nodes' addresses: "" or "sub/"."""
    seen: dict[str, Seen] = field(default_factory=dict[str, Seen])
    """Node -> what its own code, and that of its conditional edges, shows."""

    def stops(self, nodes: Any) -> list[str]:
        """Addresses at which it stops for a person."""
        every = [name for name in self.graph.nodes if name != START]
        return [f"{self.prefix}{name}" for name in (every if nodes == "*" else nodes or ())]

    def rounds(self) -> tuple[tuple[str, ...], ...]:
        """Addresses that surely run side by side."""
        if not isinstance(self.graph, CompiledStateGraph):
            return ()
        builder: Any = self.graph.builder  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return tuple(tuple(f"{self.prefix}{name}" for name in together) for together in rounds_of(builder))


def _parts(graph: Any, prefix: str) -> Iterator[_Part]:
    part = _Part(graph, prefix)
    yield part
    for name, node in graph.nodes.items():
        bound = unwrap(node.bound)
        if name != START and isinstance(bound, Pregel):
            yield from _parts(bound, f"{prefix}{name}/")
        else:
            part.seen[name] = _seen_at(bound)


def _seen_at(bound: Any) -> Seen:
    """What a node's own code shows; of a node that calls tools, also where these send the run."""
    found = seen_in(getattr(bound, "func", None) or getattr(bound, "afunc", None))
    for tool in (getattr(bound, "tools_by_name", None) or {}).values():
        ways = seen_in(getattr(tool, "func", None) or getattr(tool, "coroutine", None))
        found = replace(
            found,
            goes=(*found.goes, *ways.goes),
            leaves_to=(*found.leaves_to, *ways.leaves_to),
            anywhere=found.anywhere or ways.anywhere,
        )
    return found


def _steps(parts: list[_Part]) -> dict[str, StepWiring]:
    steps = {
        f"{part.prefix}{name}": _step(part, name)
        for part in parts
        for name in part.graph.nodes
        if name != START
    }
    for part in reversed(parts):  # the innermost first
        if part.prefix:
            holder = part.prefix.rstrip("/")
            steps[holder] = structs.replace(steps[holder], writes=_handed_out(part, steps))
        for name in _fanned(part):
            if (address := f"{part.prefix}{name}") in steps:
                steps[address] = structs.replace(steps[address], fanned=True)
    return steps


def _step(part: _Part, name: str) -> StepWiring:
    graph, node = part.graph, part.graph.nodes[name]
    policies = node.retry_policy or graph.retry_policy or ()
    policies = policies if isinstance(policies, (list, tuple)) else (policies,)
    attempts = [policy.max_attempts for policy in cast("list[Any]", policies)]
    seen = part.seen.get(name, Seen())
    return StepWiring(
        attempts=max(attempts, default=None),
        timeout=node.timeout is not None or graph.step_timeout is not None,
        cached=graph.cache is not None and (node.cache_policy or graph.cache_policy) is not None,
        writes=seen.writes,
        goes=tuple(dict.fromkeys(_ways(part, name, seen))),
        partly=seen.partly,
        fans_to=_fans_to(part, name, seen),
        counts=_counts(part, name, seen),
        tools=tuple(getattr(unwrap(node.bound), "tools_by_name", None) or ()),
        asks=seen.asks,
        error_handler=f"{part.prefix}{node.error_handler_node}"
        if node.error_handler_node is not None
        else None,
    )


def _deciding(part: _Part, name: str) -> list[tuple[str, Seen]]:
    """What the code of a node's conditional edges shows, each with its function's name."""
    if not isinstance(part.graph, CompiledStateGraph):
        return []
    builder: Any = part.graph.builder  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    paths = [unwrap(branch.path) for branch in builder.branches.get(name, {}).values()]
    functions = [getattr(path, "func", None) or getattr(path, "afunc", None) for path in paths]
    return [(getattr(function, "__name__", "a function"), seen_in(function)) for function in functions]


def _fans_to(part: _Part, name: str, seen: Seen) -> str | None:
    """Where its one conditional edge only ever starts one step, and neither its own code nor another edge leads on."""
    deciding = _deciding(part, name)
    if len(deciding) != 1 or seen.goes or seen.anywhere or seen.leaves_to:
        return None
    builder: Any = part.graph.builder
    beside = [source for source, _ in builder.edges] + [s for many, _ in builder.waiting_edges for s in many]
    only = deciding[0][1].only_to
    return f"{part.prefix}{only}" if only is not None and name not in beside else None


def _counts(part: _Part, name: str, seen: Seen) -> tuple[str, ...]:
    """Comparisons with whole numbers in the code that decides where a node leads: of its edges, and its own Commands."""
    own = [(name, seen)] if seen.goes or seen.anywhere else []
    known = [*_deciding(part, name), *own]
    return tuple(
        f"{count} in {'a lambda' if function == '<lambda>' else function}"
        for function, one in known
        for count in one.counts
    )


def _ways(part: _Part, name: str, seen: Seen) -> Iterator[str]:
    """Where a step's code sends the run; to every node, where it computes that."""
    every = [*(one for one in part.graph.nodes if one != START), FINISH] if seen.anywhere else ()
    yield from (way if way == FINISH else f"{part.prefix}{way}" for way in (*seen.goes, *every))
    # Of an edge that declares no targets LangGraph assumes every node but its own; the code may name that, too.
    yield from (f"{part.prefix}{name}" for _, edge in _deciding(part, name) if name in edge.leads)
    around = part.prefix.rstrip("/").rpartition("/")[0]
    yield from (way if way == FINISH else f"{around}/{way}".lstrip("/") for way in seen.leaves_to)


def _handed_out(part: _Part, steps: dict[str, StepWiring]) -> tuple[str, ...]:
    """Keys that a subgraph hands to the graph around: those that its steps are seen to write, and that it puts out."""
    written = (steps[f"{part.prefix}{name}"].writes for name in part.graph.nodes if name != START)
    out = part.graph.output_channels
    return tuple(
        dict.fromkeys(
            key for keys in written for key in keys if key in ([out] if isinstance(out, str) else out)
        )
    )


def _fanned(part: _Part) -> Iterator[str]:
    """Nodes to which code of the graph makes several Sends at once."""
    for seen in part.seen.values():
        yield from seen.fans
    if isinstance(part.graph, CompiledStateGraph):
        builder: Any = part.graph.builder  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        for branches in builder.branches.values():
            for branch in branches.values():
                path = unwrap(branch.path)
                yield from seen_in(getattr(path, "func", None) or getattr(path, "afunc", None)).fans
