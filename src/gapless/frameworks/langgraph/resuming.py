"""Takes a paused run further once people have decided, in whatever process: the judged step is not run again."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from langgraph.types import Command

from gapless.errors import ReviewConflict, UsageError
from gapless.records.review import ReviewRecord


class Resuming(Protocol):
    """What an inbox does for a run that goes on."""

    def resuming(self, thread: str) -> Any:
        """A context in which no other process resumes the thread; gives its reviews."""
        ...


def resume(graph: Any, thread: str, *, config: Any = None) -> Any:
    """Goes on with a paused thread of a graph that was guarded with `inbox=`, and returns what the graph returns.

    Safe to call again after a crash: a decision that was taken in is not taken in twice, and a run that died on the way
    goes on from its last checkpoint.

    Args:
        graph: The guarded graph, compiled with the checkpointer that holds the thread.
        thread: The thread's id.
        config: Further configuration for the run.

    Raises:
        ReviewConflict: The thread still waits for a decision; the message names the reviews.
        UsageError: There is nothing to go on with.
        StoreError: The inbox is gone, or another process resumes the same thread.
    """
    with _held(graph, thread) as reviews:
        whole = _configured(config, thread)
        given = _input(graph.get_state(whole), reviews, thread)
        return graph.invoke(given, whole)


async def aresume(graph: Any, thread: str, *, config: Any = None) -> Any:
    """`resume` for graphs with async steps or a checkpointer that is awaited."""
    with _held(graph, thread) as reviews:
        whole = _configured(config, thread)
        given = _input(await graph.aget_state(whole), reviews, thread)
        return await graph.ainvoke(given, whole)


@contextmanager
def _held(graph: Any, thread: str) -> Generator[list[ReviewRecord]]:
    inbox: Resuming | None = getattr(graph, "gapless_inbox", None)
    if inbox is None:
        raise UsageError("this graph has no inbox. Guard it with guard(graph, contracts, inbox=inbox).")
    with inbox.resuming(thread) as reviews:
        yield reviews


def _configured(config: Any, thread: str) -> dict[str, Any]:
    given: dict[str, Any] = dict(config or {})
    return {**given, "configurable": {**(given.get("configurable") or {}), "thread_id": thread}}


def _input(state: Any, reviews: Sequence[ReviewRecord], thread: str) -> Any:
    """What the graph is given: the decisions by the interrupts they answer; nothing, where it only has to go on."""
    pending = {str(asked.id) for asked in state.interrupts}
    latest = {review.interrupt: review for review in reviews if review.closed is None}
    here = [review for where, review in latest.items() if where in pending]
    answers = {str(review.interrupt): review.decision for review in here if review.decision is not None}
    if answers:
        return Command(resume=answers)
    if here:
        waiting = ", ".join(review.id for review in here)
        raise ReviewConflict(
            f"thread {thread!r} still waits for a person: {waiting}. Decide with `gapless review`, then resume."
        )
    if pending:
        raise UsageError(
            f"thread {thread!r} waits at an interrupt of its own, which no review answers. Resume it with Command(resume=...)."
        )
    if (
        not state.tasks
    ):  # `next` is empty too where a step's end was written and the checkpoint after it was not
        raise UsageError(f"thread {thread!r} has ended, or never began: there is nothing to go on with.")
    return None
