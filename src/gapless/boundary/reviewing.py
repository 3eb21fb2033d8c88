"""A measured trial that waits for a person, and what has to be known to go on with it once its record is closed."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from gapless.boundary.ending import StepPaused
from gapless.boundary.session import Session


@dataclass(frozen=True, slots=True)
class Waiting:
    """A question of a function's step, which waits where it is."""

    question: dict[str, Any]
    answer: Future[Any] = field(default_factory=Future[Any])


class Pause:
    """One trial that may wait for a person. Made on the event loop; told by whatever thread a step runs in."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._open: list[Waiting] = []
        self.asked: asyncio.Queue[Waiting] = asyncio.Queue()
        """What a function's steps wait for."""
        self.going: asyncio.Task[Any] | None = None
        """The function that waits within, once its trial has ended as paused."""
        self.session: Session | None = None
        """The session that function runs in."""
        self.thread: str | None = None
        """A graph's thread, by which its checkpointer knows the paused run."""
        self.questions: dict[str, dict[str, Any]] = {}
        """Interrupt of a graph -> the question of the gate behind it, with its evidence."""

    def wait(self, question: dict[str, Any], session: Session) -> Any:
        """The answer to a question of a step that blocks its thread.

        Raises:
            StepPaused: It blocks the event loop itself: then nobody could answer.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._ask(question, session).result()
        raise StepPaused(f"{question['step']} waits for a person: {question['reason']}")

    async def awaited(self, question: dict[str, Any], session: Session) -> Any:
        """The answer to a question of a step that is awaited."""
        return await asyncio.wrap_future(self._ask(question, session))

    def abandon(self) -> None:
        """Lets go of everything that still waits."""
        for waiting in self._open:
            if not waiting.answer.done():
                waiting.answer.set_exception(StepPaused("nobody answers any more"))
        if self.going is not None:
            self.going.cancel()

    def _ask(self, question: dict[str, Any], session: Session) -> Future[Any]:
        waiting = Waiting(question)
        self.session = session
        self._open.append(waiting)
        self._loop.call_soon_threadsafe(self.asked.put_nowait, waiting)
        return waiting.answer


current_pause: ContextVar[Pause | None] = ContextVar("gapless_pause", default=None)
"""Where the trial in progress notes that it waits; None where nobody will ask what a reviewer makes of it."""
