"""The trial that is running in this context: who records it, and which middleware stands at its boundaries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import msgspec

from gapless.boundary.crossing import Crossing
from gapless.boundary.faults.duplicate_delivery import DuplicateDelivery
from gapless.boundary.flow import Middleware, adrive, compose, drive
from gapless.boundary.guarding import Watch
from gapless.errors import BoundaryTimeout
from gapless.records.seed import seed_of
from gapless.trace.recorder import OpenStep, TrialRecorder, current_step


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """What a framework adapter knows about a step that is about to run."""

    step: str
    """The step's address."""
    task: str | None = None
    """Identifies the visit: the same task again is a retry, another is a new visit."""
    branch: int | None = None
    """Index among parallel visits of one superstep; None when not fanned out."""
    router: bool = False
    """Whether this is a conditional edge's decision."""
    checkpoint: str | None = None
    """The framework's checkpoint id before the step."""
    control: tuple[type[BaseException], ...] = ()
    """Exceptions that are the framework's control flow (an interrupt), never faults."""
    routed: Callable[[Any], tuple[str, ...]] | None = None
    """Reads from the step's output the steps it hands over to."""
    handoff: Callable[[Any], Any] | None = None
    """Reads from the step's output the update it hands over, where the two differ (a LangGraph Command)."""
    routing: Callable[[Any], Any] | None = None
    """Reads from the output where it sends the run, as plain data; None where edges alone decide."""
    rebuilt: Callable[[Any, Any], Any] | None = None
    """Makes an output of a handoff and a routing that were recorded, where it is more than the handoff."""
    effect: bool = False
    """Whether the step is declared to change the world."""
    superstep: int | None = None
    """Steps that run side by side, in the same round of the same graph, share it."""


class Session:
    """One trial in progress. Framework adapters call `cross` or `across` round every step, and nothing else."""

    def __init__(
        self,
        recorder: TrialRecorder,
        *,
        case_input: Any = None,
        seed: int = 0,
        middlewares: tuple[Middleware, ...] = (),
        watch: Watch | None = None,
        live: bool = False,
        behind_s: float = 0.0,
    ) -> None:
        self.recorder = recorder
        self.behind_s = behind_s
        """Seconds by which the trial's time is behind the clock: a replay takes place when its recording did."""
        self.live = live
        """Whether somebody's own program is only recorded: its guards keep their own ledger, inbox and reviewer."""
        self.watch = watch if watch is not None else Watch()
        self.case_input = case_input
        self.seed = seed
        self.middlewares = middlewares
        self.deliveries: tuple[Middleware, ...] = tuple(
            one.deliver for one in middlewares if isinstance(one, DuplicateDelivery)
        )
        """What happens to a delivery before the step's contract sees it."""

    def cross(
        self,
        passage: Passage,
        state: Any,
        call: Callable[[Any], Any],
        within: tuple[Middleware, ...] = (),
    ) -> Any:
        """Runs a step in this thread, recorded and through the middleware; `call` runs it on a state.

        `within` are this passage's own middlewares: they stand outside the session's, which are the world.
        """
        if self.deliveries and not within:
            outer = self._outer(passage, state)
            return drive(compose(self.deliveries, outer), lambda given: self._cross(passage, given, call))
        return self._cross(passage, state, call, within)

    def _cross(
        self,
        passage: Passage,
        state: Any,
        call: Callable[[Any], Any],
        within: tuple[Middleware, ...] = (),
    ) -> Any:
        crossing, opened = self._open(passage, state)
        token = current_step.set(opened)
        try:
            output = drive(compose((*within, *self.middlewares), crossing), call)
        except BaseException as error:  # a step may end in any way: all are on record
            self._failed(passage, opened, error)
            raise
        finally:
            current_step.reset(token)
        self._ended(passage, opened, output)
        return output

    def across(
        self,
        passage: Passage,
        state: Any,
        call: Callable[[Any], Awaitable[Any]],
        within: tuple[Middleware, ...] = (),
    ) -> Coroutine[Any, Any, Any]:
        """`cross` for a step that is awaited."""
        if self.deliveries and not within:
            outer = self._outer(passage, state)
            return adrive(compose(self.deliveries, outer), lambda given: self._across(passage, given, call))
        return self._across(passage, state, call, within)

    async def _across(
        self,
        passage: Passage,
        state: Any,
        call: Callable[[Any], Awaitable[Any]],
        within: tuple[Middleware, ...] = (),
    ) -> Any:
        crossing, opened = self._open(passage, state)
        token = current_step.set(opened)
        try:
            output = await adrive(compose((*within, *self.middlewares), crossing), call)
        except BaseException as error:  # a step may end in any way: all are on record
            self._failed(passage, opened, error)
            raise
        finally:
            current_step.reset(token)
        self._ended(passage, opened, output)
        return output

    def _outer(self, passage: Passage, state: Any) -> Crossing:
        return Crossing(
            step=passage.step,
            state=state,
            branch=passage.branch,
            router=passage.router,
            case_input=self.case_input,
            seed=self.seed,
            behind_s=self.behind_s,
        )

    def _open(self, passage: Passage, state: Any) -> tuple[Crossing, OpenStep]:
        opened = self.recorder.begin(passage.step, state, task=passage.task, branch=passage.branch)
        opened.router = passage.router
        opened.checkpoint = passage.checkpoint
        opened.superstep = passage.superstep
        opened.effect = passage.effect
        opened.seed = seed_of(self.seed, passage.step, passage.branch or 0, opened.visit, opened.attempt)
        crossing = Crossing(
            step=passage.step,
            state=state,
            visit=opened.visit,
            attempt=opened.attempt,
            branch=passage.branch,
            router=passage.router,
            case_input=self.case_input,
            seed=opened.seed,
            behind_s=self.behind_s,
            effect=passage.effect,
        )
        if passage.rebuilt is not None:
            crossing.rebuilt = passage.rebuilt
        opened.faults = crossing.faults  # the same list: a step that never ends is labelled as well
        return crossing, opened

    def _failed(self, passage: Passage, opened: OpenStep, error: BaseException) -> None:
        if isinstance(error, passage.control):
            self.recorder.end(opened, status="paused")
        elif isinstance(error, asyncio.CancelledError):  # the trial ran out of time and gave the step up
            self.recorder.end(opened, status="abandoned")
        elif isinstance(error, BoundaryTimeout):  # its contract gave it up
            self.recorder.end(opened, status="abandoned", error=error)
        else:
            self.recorder.end(opened, status="error", error=error)

    def _ended(self, passage: Passage, opened: OpenStep, output: Any) -> None:
        routed = passage.routed(output) if passage.routed is not None else ()
        handed = passage.handoff(output) if passage.handoff is not None else output
        routing = passage.routing(output) if passage.routing is not None else None
        self.recorder.end(opened, output=handed, routed=routed, routing=routing)


current_session: ContextVar[Session | None] = ContextVar("gapless_session", default=None)
"""The trial in progress; None outside of a measurement, and then a recorded workflow behaves exactly as before."""


def crossing_here(step: str, state: Any, *, branch: int | None = None, visit: int = 1) -> Crossing:
    """A crossing as guards see it from outside, in the trial that is in progress here if there is one."""
    session = current_session.get()
    if session is None:
        return Crossing(step=step, state=state, branch=branch, visit=visit)
    return Crossing(
        step=step,
        state=state,
        branch=branch,
        visit=visit,
        case_input=session.case_input,
        seed=session.seed,
        behind_s=session.behind_s,
    )


def measured() -> Session | None:
    """The trial of a measurement that is in progress here; None outside of one, recorded or not."""
    session = current_session.get()
    return None if session is None or session.live else session


def deliveries() -> tuple[Middleware, ...]:
    """What happens here to a delivery before the step's contract sees it; nothing outside of a session."""
    session = current_session.get()
    return () if session is None else session.deliveries
