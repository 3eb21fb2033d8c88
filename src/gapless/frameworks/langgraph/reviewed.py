"""Goes on with a paused run of a measured graph, as its reviewer decides."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from langgraph.types import Command

from gapless.boundary.ending import Ending
from gapless.boundary.reviewing import Pause
from gapless.frameworks.langgraph import private
from gapless.frameworks.langgraph.recording import record_graph


async def go_on(graph: Any, pause: Pause, ask: Callable[[Any], Awaitable[Any]]) -> Ending | None:
    """Asks about every interrupt that is pending, until the run ends or nobody answers.

    Args:
        graph: The graph as it was handed over, compiled with the checkpointer that holds the run.
        pause: What its gates asked, and in which thread.
        ask: The reviewer: given a gate's question, or the value of the graph's own interrupt; None is no answer.

    Returns:
        How the run ended; paused where an answer is missing or it waits for none. None where it does not wait at all.
    """
    if pause.thread is None or not graph.checkpointer:
        return None
    config: Any = {"configurable": {"thread_id": pause.thread}}
    recorded, ended = record_graph(graph), None
    while True:
        state = await _state(recorded, config)
        if not state.next and not state.interrupts:
            return ended
        answers: dict[str, Any] = {}
        for one in state.interrupts:
            answer = await ask(pause.questions.get(one.id, one.value))
            if answer is not None:
                answers[one.id] = answer
        if not answers or len(answers) < len(state.interrupts):
            return Ending(output=None, paused=True)
        ended = Ending(output=_output(await _resumed(recorded, Command(resume=answers), config)))


async def _state(graph: Any, config: Any) -> Any:
    try:
        return await graph.aget_state(config)
    except NotImplementedError:  # a checkpointer without an asynchronous side
        return await asyncio.to_thread(graph.get_state, config)


async def _resumed(graph: Any, given: Any, config: Any) -> Any:
    try:
        return await graph.ainvoke(given, config)
    except NotImplementedError:
        return await asyncio.to_thread(graph.invoke, given, config)


def _output(state: Any) -> Any:
    if not isinstance(state, dict):
        return state
    return {key: value for key, value in cast("dict[str, Any]", state).items() if key != private.INTERRUPT}
