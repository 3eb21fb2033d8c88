"""Runs one node alone: its own callable, retries and timeout, on a given state, without edges and without checkpointer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.channels import BinaryOperatorAggregate
from langgraph.pregel import Pregel
from langgraph.types import Overwrite

from gapless.boundary.ending import StepPaused
from gapless.frameworks.langgraph import private
from gapless.frameworks.langgraph.handover import update_of
from gapless.frameworks.langgraph.state import ROOT
from gapless.records.workflow import START


async def run_alone(graph: Any, node: str, state: Any) -> Any:
    """The update a node hands over on that state.

    Raises:
        StepPaused: It asked for a person.
    """
    kept = Kept(graph.nodes[node].bound)
    await _only(graph, node, kept).ainvoke(state)
    if not kept.outputs:
        raise StepPaused(f"step {node!r} alone asked for a person")
    return update_of(kept.outputs[-1])


class Kept(Runnable[Any, Any]):
    """A node's callable; keeps what it returned."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.outputs: list[Any] = []

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Runs it in this thread."""
        self.outputs.append(self.inner.invoke(input, config, **kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Awaits it."""
        self.outputs.append(await self.inner.ainvoke(input, config, **kwargs))


def _only(graph: Any, node: str, kept: Kept) -> Any:
    # a writer that writes nothing: with none at all, LangGraph would not run the node in its own context
    alone = {
        "bound": kept,
        "writers": [private.ChannelWrite([])],
        "error_handler_node": None,
        "cache_policy": None,
    }
    start = private.ChannelWrite([private.ChannelWriteTupleEntry(mapper=partial(_writes, graph, node))])
    return Pregel(
        nodes={
            START: private.PregelNode(channels=START, triggers=[START], writers=[start]),
            node: graph.nodes[node].copy(alone),
        },
        channels=dict(graph.channels),
        input_channels=START,
        output_channels=graph.output_channels,
        stream_channels=graph.stream_channels,
        store=graph.store,
        context_schema=graph.context_schema,
        config=graph.config,
        retry_policy=graph.retry_policy,
    )


def _writes(graph: Any, node: str, state: Any) -> list[tuple[str, Any]]:
    """The state as it is, past the reducers: they have been applied already."""
    given = {ROOT: state} if ROOT in graph.channels else dict(cast("Mapping[str, Any]", state))
    writes = [
        (name, _exact(graph.channels[name], value)) for name, value in given.items() if name in graph.channels
    ]
    return [*writes, (private.BRANCH_TO.format(node), None)]


def _exact(channel: Any, value: Any) -> Any:
    return Overwrite(value) if isinstance(channel, BinaryOperatorAggregate) else value
