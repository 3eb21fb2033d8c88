"""A compiled graph as a workflow the harness can measure."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, cast

from langgraph.graph import StateGraph
from langgraph.pregel import Pregel

from gapless.boundary.ending import Ending
from gapless.frameworks.calls import recorded_calls
from gapless.frameworks.fingerprint import Identified
from gapless.frameworks.langgraph import private
from gapless.frameworks.langgraph.alone import run_alone
from gapless.frameworks.langgraph.declaring import declared_in
from gapless.frameworks.langgraph.identity import fingerprint_of
from gapless.frameworks.langgraph.recording import record_graph, uncached
from gapless.frameworks.langgraph.shaping import shape_of
from gapless.frameworks.langgraph.state import input_for, locate, state_before
from gapless.settings import StepSettings


class GraphWorkflow(Identified):
    """A LangGraph graph, recorded. The graph that was handed over is not changed."""

    def __init__(
        self, graph: Any, *, target: str, settings: Mapping[str, StepSettings], home: str | None = None
    ):
        self._graph = graph
        self._recorded = uncached(record_graph(graph))
        super().__init__(
            target=target, fingerprint=fingerprint_of(graph, home), shape=shape_of(graph, settings)
        )
        self._sync_only: bool | None = None

    @property
    def graph(self) -> Any:
        """The graph as it was handed over, under the contracts that the settings name."""
        return self._graph

    def declared(self) -> dict[str, dict[str, Any]]:
        """Step -> JSON Schema that the graph's state declares for its update."""
        return declared_in(self._graph)

    async def run(self, value: Any, *, trial: str) -> Ending:
        """Runs the graph on a case's input, in a thread of its own if it has a checkpointer."""
        given = input_for(self._graph, value)
        config = self._config(trial)
        with recorded_calls():
            if await self._has_sync_saver(config):
                return await asyncio.to_thread(self._run_sync, given, config)
            last = _Last()
            async for chunk in self._recorded.astream(given, config, stream_mode=["updates", "values"]):
                last.see(chunk)
            return last.ending()

    async def run_step(self, step: str, golden: Any) -> Any:
        """Runs one step alone on the state before it; a subgraph is one step.

        Raises:
            StepPaused: The step asked for a person.
        """
        graph, node = locate(self._recorded, step)
        with recorded_calls():
            return await run_alone(graph, node, golden)

    def state_before(self, step: str, value: Any, golden: dict[str, Any]) -> Any:
        """The state before a step, golden updates applied through the graph's reducers."""
        return state_before(self._graph, step, value, golden)

    def _config(self, trial: str) -> dict[str, Any]:
        if not self._graph.checkpointer:
            return {}
        # Unique to this start: a trial that is started again must not find what its first start left behind.
        return {"configurable": {"thread_id": f"{trial}-{uuid.uuid4().hex[:12]}"}}

    async def _has_sync_saver(self, config: dict[str, Any]) -> bool:
        """Whether the checkpointer has no asynchronous side (SqliteSaver): then the graph runs in a thread."""
        saver = self._graph.checkpointer
        if self._sync_only is None and saver and saver is not True:
            try:
                await saver.aget_tuple({"configurable": {**config["configurable"], "checkpoint_ns": ""}})
                self._sync_only = False
            except NotImplementedError:
                self._sync_only = True
        return bool(self._sync_only)

    def _run_sync(self, given: Any, config: dict[str, Any]) -> Ending:
        last = _Last()
        for chunk in self._recorded.stream(given, config, stream_mode=["updates", "values"]):
            last.see(chunk)
        return last.ending()


class _Last:
    """The last state of a run, and whether it stopped for a person: a breakpoint shows in the updates alone."""

    def __init__(self) -> None:
        self._state: Any = None
        self._paused = False

    def see(self, chunk: tuple[str, Any]) -> None:
        mode, payload = chunk
        if mode == "values":
            self._state = payload
        elif isinstance(payload, dict) and private.INTERRUPT in payload:
            self._paused = True

    def ending(self) -> Ending:
        state = self._state
        if isinstance(state, dict):
            state = {
                key: value for key, value in cast("dict[str, Any]", state).items() if key != private.INTERRUPT
            }
        return Ending(output=state, paused=self._paused)


def adopt(
    value: Any, *, target: str, settings: Mapping[str, StepSettings], home: str | None
) -> GraphWorkflow | None:
    """The workflow of a compiled graph, or of a graph that still has to be compiled; None for anything else."""
    if isinstance(value, StateGraph):
        value = cast("StateGraph[Any, Any, Any, Any]", value).compile()
    if not isinstance(value, Pregel):
        return None
    return GraphWorkflow(value, target=target, settings=settings, home=home)


def names_of(members: Iterable[tuple[str, Any]]) -> list[str]:
    """Which of a module's members are graphs, compiled ones alone if there are any."""
    found = [(name, value) for name, value in members if isinstance(value, (Pregel, StateGraph))]
    compiled = [name for name, value in found if isinstance(value, Pregel)]
    return compiled or [name for name, _ in found]
