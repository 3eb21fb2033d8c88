"""A graph with a checkpointer of its own, that can be killed around a checkpoint and resumed in another process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, NamedTuple, cast

from langgraph.types import Command

from gapless.boundary.guarding import Watch
from gapless.boundary.guards.gate import Review
from gapless.errors import MissingExtra
from gapless.frameworks.langgraph.guard import GuardedGraph
from gapless.frameworks.langgraph.guarded import WATCH_KEY
from gapless.frameworks.langgraph.recording import record_graph
from gapless.frameworks.langgraph.state import input_for

Around = Callable[[Literal["uncommitted", "committed"]], None]
"""Told right before anything is written of a step that has ended, and right after a checkpoint is."""


class Advanced(NamedTuple):
    """How far a thread got."""

    status: Literal["ended", "paused", "waiting"]
    """waiting: at a question that an approval answers, next time."""
    output: Any = None
    restarted: bool = False
    """Whether nothing was left of the thread, so that it began again."""


@asynccontextmanager
async def saver(where: str, around: Around) -> AsyncGenerator[Any]:
    """A checkpointer: a PostgreSQL URL, or the path of a SQLite file.

    Raises:
        MissingExtra: Its library is not installed.
    """
    made, extra = (_postgres, "postgres") if where.startswith("postgres") else (_sqlite, "demo")
    try:
        opened = made(where)
    except ImportError as error:
        raise MissingExtra(f"the checkpointer {where.partition(':')[0]}", extra) from error
    async with opened as found:
        if hasattr(found, "setup"):
            await found.setup()
        yield _watched(found, around)


def _sqlite(where: str) -> Any:
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    return AsyncSqliteSaver.from_conn_string(where)


def _postgres(where: str) -> Any:
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

    return AsyncPostgresSaver.from_conn_string(where)


def _watched(found: Any, around: Around) -> Any:
    kind: Any = type(found)

    async def aput(self: Any, *args: Any, **kwargs: Any) -> Any:
        around("uncommitted")
        written = await kind.aput(self, *args, **kwargs)
        around("committed")
        return written

    async def aput_writes(self: Any, *args: Any, **kwargs: Any) -> Any:
        around("uncommitted")
        return await kind.aput_writes(self, *args, **kwargs)

    found.__class__ = type(kind.__name__, (kind,), {"aput": aput, "aput_writes": aput_writes})
    return found


async def advance(
    graph: Any,
    checkpointer: Any,
    value: Any,
    thread: str,
    durability: str,
    *,
    durable: tuple[Any, Any] | None,
) -> Advanced:
    """Begins a thread, or goes on with it as far as it goes; a question of a gate is answered with an approval.

    Args:
        graph: The user's compiled graph, guarded or not.
        checkpointer: Takes the place of its own.
        value: The case's input.
        thread: Which thread.
        durability: LangGraph's durability mode.
        durable: (ledger, inbox) of its contracts; None where contracts only look.
    """
    app: Any = record_graph(graph.copy({"checkpointer": checkpointer}))
    configurable: dict[str, Any] = {"thread_id": thread}
    if durable is None:
        configurable[WATCH_KEY] = Watch(mode="baseline")
    elif isinstance(cast("object", app), GuardedGraph):
        app.gapless_ledger, app.gapless_inbox = durable
    config: Any = {"configurable": configurable}
    state = await app.aget_state(config)
    begun = state.created_at is not None
    waiting = _answers(state)
    if state.interrupts and waiting is None:
        return Advanced("paused")
    if begun and not state.tasks and not state.next:
        return Advanced("ended", state.values)
    given = input_for(graph, value) if not begun else waiting
    output = await app.ainvoke(given, config, durability=cast("Any", durability))
    after = await app.aget_state(config)
    if after.interrupts:
        return Advanced("waiting" if _answers(after) is not None else "paused", restarted=not begun)
    return Advanced("ended", output, restarted=not begun)


def _answers(state: Any) -> Any:
    """Approvals of every question of a gate; None where there is none, or one that is none of ours."""
    answers: dict[str, Any] = {}
    for asked in state.interrupts:
        if not (isinstance(asked.value, dict) and "subject" in asked.value):
            return None
        answers[str(asked.id)] = Review.approve(cast("dict[str, Any]", asked.value), note="gapless crash")
    return Command(resume=answers) if answers else None
