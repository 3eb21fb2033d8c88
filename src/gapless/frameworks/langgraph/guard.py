"""Puts a compiled graph under contracts, after making sure that each of them can hold there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from langgraph.pregel import Pregel
from langgraph.types import Command

from gapless.boundary.contract import STEP_POLICIES, Contract, way_of
from gapless.boundary.guarding import Watch
from gapless.boundary.guards.certificate import bind
from gapless.boundary.guards.gate import Goto, Review
from gapless.boundary.ledger import Ledger
from gapless.boundary.review import Inbox
from gapless.boundary.session import measured
from gapless.errors import InvalidContract, PolicyConflict, UnknownName
from gapless.frameworks.langgraph import private
from gapless.frameworks.langgraph.guarded import WATCH_KEY
from gapless.frameworks.langgraph.identity import fingerprint_of
from gapless.frameworks.langgraph.recording import extend, record_graph
from gapless.frameworks.langgraph.shaping import receivers
from gapless.frameworks.langgraph.state import locate
from gapless.frameworks.layers import flagged
from gapless.records.ulid import new_ulid
from gapless.records.workflow import FINISH, START


def guard_graph(
    graph: Any,
    contracts: Mapping[str, Contract],
    ledger: Ledger | None = None,
    inbox: Inbox | None = None,
    home: str | None = None,
) -> Any:
    """A copy of a compiled graph whose steps keep to their contracts; the original stays as it was.

    Args:
        graph: A compiled graph, guarded before or not.
        contracts: Step address -> its contract; `a->b` -> the contract on that edge alone.
        ledger: Where actions are remembered; for the process alone when None.
        inbox: Where its questions to people are kept besides its checkpointer.
        home: Module the workflow belongs to: its package is the workflow's own code.

    Raises:
        InvalidContract: A contract names a step the graph has not.
        PolicyConflict: Two owners for one policy, or a gate that could not act where it stands.
    """
    for address, contract in contracts.items():
        _check(graph, address, contract)
    held = bind(dict(contracts), lambda: fingerprint_of(record_graph(graph, contracts), home))
    guarded = extend(record_graph(graph, held), GuardedGraph)
    guarded.gapless_ledger = ledger if ledger is not None else getattr(graph, "gapless_ledger", None)
    guarded.gapless_inbox = inbox if inbox is not None else getattr(graph, "gapless_inbox", None)
    return guarded


class GuardedGraph:
    """Mixed into the class of a guarded graph: each run has one watch, whatever its number of steps."""

    gapless_ledger: Ledger | None
    gapless_inbox: Inbox | None

    def copy(self, update: dict[str, Any] | None = None) -> Any:
        """A copy, as `with_config` makes one: it keeps to the same contracts."""
        made = extend(self, GuardedGraph)
        made.__dict__.update(update or {})
        return made

    def stream(self, input: Any, config: Any = None, **kwargs: Any) -> Iterator[Any]:  # noqa: A002
        """The graph's own stream."""
        whole, parent = _watched(config, self), cast("Any", super())
        noted = _accepting(self, input, whole)
        if noted is None:
            return parent.stream(input, whole, **kwargs)
        return _noted(noted, lambda: parent.stream(input, whole, **kwargs))

    def astream(self, input: Any, config: Any = None, **kwargs: Any) -> AsyncIterator[Any]:  # noqa: A002
        """The graph's own asynchronous stream."""
        whole, parent = _watched(config, self), cast("Any", super())
        noted = _accepting(self, input, whole)
        if noted is None:
            return parent.astream(input, whole, **kwargs)
        return _anoted(noted, lambda: parent.astream(input, whole, **kwargs))


class Accepting(Protocol):
    """A ledger that notes whole runs."""

    def accept(self, scope: str, run: str) -> None:
        """Notes that a run was accepted."""
        ...

    def ended(self, scope: str) -> None:
        """Notes that its caller heard from it."""
        ...


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A run to be noted in the ledger; `fresh` where it begins, and does not go on."""

    ledger: Accepting
    thread: str
    fresh: bool

    def begin(self) -> None:
        if self.fresh:
            self.ledger.accept(self.thread, f"run {new_ulid()}")

    def end(self) -> None:
        self.ledger.ended(self.thread)


def _accepting(graph: GuardedGraph, given: Any, config: Any) -> _Accepted | None:
    """What to note of a run; None where no durable ledger is there to note it, or nobody could go on with it by name."""
    ledger: Any = graph.gapless_ledger
    configurable = (config or {}).get("configurable") or {}
    thread = configurable.get("thread_id")
    inner = bool(configurable.get("checkpoint_ns"))  # a graph inside of a run: the whole is noted
    if thread is None or inner or measured() is not None or not hasattr(ledger, "accept"):
        return None
    return _Accepted(ledger, str(thread), fresh=given is not None and not isinstance(given, Command))


def _noted(run: _Accepted, stream: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    run.begin()
    try:
        yield from stream()
    finally:
        run.end()


async def _anoted(run: _Accepted, stream: Callable[[], AsyncIterator[Any]]) -> AsyncIterator[Any]:
    await asyncio.to_thread(run.begin)
    try:
        async for chunk in stream():
            yield chunk
    finally:
        run.end()


def _watched(config: Any, graph: GuardedGraph) -> Any:
    configurable = (config or {}).get("configurable") or {}
    if WATCH_KEY in configurable or measured() is not None:
        return config
    watch = Watch(scope=str(configurable.get("thread_id") or ""), inbox=graph.gapless_inbox)
    if graph.gapless_ledger is not None:
        watch.ledger = graph.gapless_ledger
    return {**(config or {}), "configurable": {**configurable, WATCH_KEY: watch}}


def _check(graph: Any, address: str, contract: Contract) -> None:
    way = way_of(address)
    inside, name = locate(graph, address if way is None else way[0])
    node = inside.nodes[name]
    if isinstance(node.bound, Pregel):
        raise InvalidContract(
            f"{name!r} is a subgraph; put the contract on one of its steps: "
            + ", ".join(f"{name}/{inner}" for inner in node.bound.nodes if inner != START)
        )
    if way is not None:
        _check_edge(inside, address, way, contract)
    _check_owners(address, node, contract)
    if contract.gate is not None:
        if node.cache_policy is not None:
            raise PolicyConflict(
                f"{address}: a cached answer would pass its gate unseen. Drop cache_policy, or the gate."
            )
        for below in _destinations(contract):
            if isinstance(below, Goto):
                _check_goto(inside, address, node, below.step)
            elif not _can_pause(graph):
                raise PolicyConflict(
                    f"{address}: Review() pauses the run, and without a checkpointer nothing can go on from there. Compile "
                    "the graph with one, or use Goto(step) or Refuse()."
                )


def _check_edge(graph: Any, address: str, way: tuple[str, str], contract: Contract) -> None:
    """Refuses a contract that cannot hold on an edge, and one on an edge that the graph has not."""
    theirs = [name for name in contract.names if name in STEP_POLICIES]
    if theirs or contract.effect:
        raise InvalidContract(
            f"{address}: {', '.join(theirs or ['effect'])} concerns the step's own work: put it in the contract of {way[0]!r}. "
            "On an edge there is what looks at the handoff: output, complete, fresh, grounded, guards, repair, gate."
        )
    prefix, _, source = way[0].rpartition("/")
    target = way[1] if way[1] == FINISH else way[1].removeprefix(f"{prefix}/" if prefix else "")
    known = receivers(graph, source)
    if known and target not in known:
        raise InvalidContract(
            f"{address}: the graph declares no such way. From {way[0]!r} it leads to {', '.join(known)}. A way that a Command "
            f"names is declared with add_node(..., destinations=({target!r},)) or `-> Command[Literal[{target!r}]]`."
        )
    if target != FINISH and target not in graph.nodes:
        raise UnknownName(f"{address}: no step {way[1]!r} beside {way[0]!r}.")


def _check_owners(address: str, node: private.PregelNode, contract: Contract) -> None:
    if flagged(node.metadata, "effect"):
        contract.check_effect(address)
    if contract.retry is not None and node.retry_policy:
        raise PolicyConflict(
            f"{address}: both the node (retry_policy) and the contract (retry) try again. Keep one."
        )
    if contract.timeout_s is not None and node.timeout is not None:
        raise PolicyConflict(
            f"{address}: both the node (timeout) and the contract (timeout_s) limit its time. Keep one."
        )


def _destinations(contract: Contract) -> list[Any]:
    below = contract.gate.below if contract.gate is not None else None
    if isinstance(below, Review):
        return [below, *([below.rejected] if isinstance(below.rejected, Goto) else [])]
    return [below] if isinstance(below, Goto) else []


def _check_goto(graph: Any, address: str, node: private.PregelNode, target: str) -> None:
    if target != FINISH and (target not in graph.nodes or target == START):
        known = ", ".join(name for name in graph.nodes if name != START)
        raise PolicyConflict(
            f"{address}: Goto({target!r}) leads nowhere, and the run would end as if it were right. Steps beside it: {known}."
        )
    joins = [
        str(entry.channel)
        for writer in node.writers
        if isinstance(writer, private.ChannelWrite)
        for entry in writer.writes
        if isinstance(entry, private.ChannelWriteEntry) and entry.channel.startswith(private.JOIN)
    ]
    if joins:
        raise PolicyConflict(
            f"{address}: it is one of several steps that {joins[0].rpartition(':')[2]!r} waits for; sent elsewhere, that step "
            "would never run. Use Review()."
        )


def _can_pause(graph: Any) -> bool:
    return bool(graph.checkpointer)
