"""Reads from a compiled graph what its shape does not say: the state's type, the checkpointer, native policies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from langgraph.channels.base import BaseChannel
from langgraph.channels.last_value import LastValue, LastValueAfterFinish
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel

from gapless.frameworks.langgraph.facade import unwrap
from gapless.frameworks.langgraph.state import ROOT
from gapless.frameworks.langgraph.writes import written_by
from gapless.records.wiring import StepWiring, Wiring
from gapless.records.workflow import START

_IN_MEMORY = "langgraph.checkpoint.memory"
_ONE_WRITER = (LastValue, LastValueAfterFinish)


def wiring_of(graph: Any) -> Wiring:
    """How a compiled graph is wired, its subgraphs' steps under their own addresses."""
    schema: Any = graph.builder.state_schema if isinstance(graph, CompiledStateGraph) else None
    channels = {
        name: not isinstance(channel, _ONE_WRITER)
        for name, channel in graph.channels.items()
        if isinstance(channel, BaseChannel) and name in set(graph.stream_channels_list)
    }
    saver = graph.checkpointer
    before, after = (
        _named(nodes, graph) for nodes in (graph.interrupt_before_nodes, graph.interrupt_after_nodes)
    )
    return Wiring(
        state=getattr(schema, "__name__", "") or "none",
        typed=bool(channels) and ROOT not in channels,
        keys=channels,
        checkpointer=type(saver).__name__ if saver not in (None, False, True) else None,
        lasting=saver not in (None, False, True) and not type(saver).__module__.startswith(_IN_MEMORY),
        recursion_limit=(graph.config or {}).get("recursion_limit"),
        steps=dict(_steps(graph, "")),
        interrupts=tuple(dict.fromkeys([*before, *after])),
        interrupts_after=tuple(name for name in after if name not in before),
    )


def _named(nodes: Any, graph: Any) -> list[str]:
    every = [name for name in graph.nodes if name != START]
    return every if nodes == "*" else list(cast("list[str]", nodes or ()))


def _steps(graph: Any, prefix: str) -> Iterator[tuple[str, StepWiring]]:
    for name, node in graph.nodes.items():
        if name == START:
            continue
        bound = unwrap(node.bound)
        if isinstance(bound, Pregel):
            yield from _steps(bound, f"{prefix}{name}/")
            continue
        policies = node.retry_policy or graph.retry_policy or ()
        policies = policies if isinstance(policies, (list, tuple)) else (policies,)
        attempts = [policy.max_attempts for policy in cast("list[Any]", policies)]
        yield (
            f"{prefix}{name}",
            StepWiring(
                attempts=max(attempts, default=None),
                timeout=node.timeout is not None,
                cached=node.cache_policy is not None or graph.cache_policy is not None,
                writes=written_by(getattr(bound, "func", None) or getattr(bound, "afunc", None)),
                error_handler=node.error_handler_node is not None,
            ),
        )
