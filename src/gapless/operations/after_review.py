"""`gapless measure --reviewer`: what a reviewer makes of trials that stopped for a person. Their outcome stays escalated."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from gapless.boundary.reviewing import Pause, current_pause
from gapless.boundary.session import Session, current_session
from gapless.errors import UsageError
from gapless.evals.trial import Conditions, Finished, run_trial
from gapless.evals.workflow import Ending, Workflow
from gapless.records.trial import OUTCOMES, Outcome

if TYPE_CHECKING:
    from gapless.evals.judge import Judge
    from gapless.evals.plan import Planned
    from gapless.records.measurement import Measurement
    from gapless.stores.store import Store

Reviewer = Callable[[dict[str, Any]], Any]
"""As `guard(reviewer=...)` takes it: a question -> `Review.approve`, `Review.edit` or `Review.reject` of it; None is no answer."""


async def reviewed_trial(
    workflow: Workflow, planned: Planned, conditions: Conditions, judge: Judge, reviewer: Reviewer
) -> Finished:
    """Runs one trial; where it stops for a person, goes on as the reviewer decides and notes what that came to.

    The record is closed when the trial stops: nothing that follows is in its events, its time or its outcome.

    Raises:
        UsageError: The reviewer itself failed.
    """
    pause = Pause()
    token = current_pause.set(pause)
    try:
        finished = await run_trial(_Suspending(workflow, pause), planned, conditions, judge)
        if finished.record.outcome != "escalated":
            return finished
        after = await _after(workflow, planned, conditions, judge, _Asking(reviewer), pause)
    finally:
        current_pause.reset(token)
        pause.abandon()
    return Finished(msgspec.structs.replace(finished.record, after_review=after), finished.payloads)


def after_review(store: Store, measurement: Measurement) -> dict[str, int]:
    """What reviewers made of the escalated trials of a measurement, counted; nothing where nobody was asked."""
    counts = Counter(
        record.after_review for record in store.records(measurement.id) if record.after_review is not None
    )
    return {outcome: counts[outcome] for outcome in OUTCOMES if counts[outcome]}


async def _after(
    workflow: Workflow,
    planned: Planned,
    conditions: Conditions,
    judge: Judge,
    ask: _Asking,
    pause: Pause,
) -> Outcome | None:
    """How the trial ends as the reviewer decides; None where it does not wait for anybody."""
    from gapless.evals.attempt import attempt

    session = pause.session or _session(planned, conditions)
    token = current_session.set(session)
    try:
        ending = await attempt(
            _go_on(workflow, pause, ask), limit_s=conditions.timeout_s, what="what follows the review"
        )
    except _ReviewerFailed as failed:
        raise UsageError(str(failed)) from failed.__cause__
    except Exception:  # refused, or broken after the review: it ends loudly
        return "failed"
    finally:
        current_session.reset(token)
    if ending is None:
        return None
    if ending.paused:
        return "escalated"
    recorder = session.recorder
    output = recorder.keep(ending.output)
    _, verdicts = await judge.judge(
        planned.case,
        recorder.close(),
        recorder.payloads,
        output,
        elapsed_ms=recorder.now_ms(),
        error=None,
    )
    status = judge.overall(verdicts)
    return "unjudged" if status is None else "correct" if status else "wrong"


async def _go_on(workflow: Workflow, pause: Pause, ask: _Asking) -> Ending | None:
    if pause.going is not None:
        return await _function(pause, pause.going, ask)
    graph = getattr(workflow, "graph", None)
    if graph is None:
        return None
    from gapless.frameworks.langgraph.reviewed import go_on

    return await go_on(graph, pause, ask)


async def _function(pause: Pause, going: asyncio.Task[Ending], ask: _Asking) -> Ending:
    """Answers a function's questions as they come, until it ends or nobody answers."""
    while not going.done():
        asked = asyncio.ensure_future(pause.asked.get())
        await asyncio.wait({going, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not asked.done():
            asked.cancel()
            break
        answer = await ask(asked.result().question)
        if answer is None:
            return Ending(output=None, paused=True)
        asked.result().answer.set_result(answer)
    return await going


def _session(planned: Planned, conditions: Conditions) -> Session:
    """A session for what follows the pause of a graph: in the trial's own weather, and recorded for nobody."""
    from gapless.boundary.guarding import Watch
    from gapless.evals.attempt import contain
    from gapless.records.seed import seed_of
    from gapless.trace.recorder import TrialRecorder

    seed = seed_of(conditions.seed, planned.case.id, planned.number, "trial")
    faults = conditions.weather.draw(seed) if conditions.weather is not None else ()
    return Session(
        TrialRecorder(max_payload_bytes=conditions.max_payload_bytes),
        case_input=planned.case.input,
        seed=seed,
        middlewares=(contain, *conditions.middlewares, *faults),
        watch=Watch(mode=conditions.mode),
    )


class _ReviewerFailed(Exception):
    """The reviewer raised: that is no answer, and none of the workflow's doing."""


class _Asking:
    """The reviewer, awaited or not."""

    def __init__(self, reviewer: Reviewer) -> None:
        self._reviewer = reviewer

    async def __call__(self, question: Any) -> Any:
        """Its answer.

        Raises:
            _ReviewerFailed: It raised.
        """
        try:
            said = await asyncio.to_thread(self._reviewer, question)
            return await said if inspect.isawaitable(said) else said
        except Exception as error:  # the user's reviewer may raise anything
            name = getattr(self._reviewer, "__name__", "reviewer")
            raise _ReviewerFailed(f"the reviewer {name} failed: {type(error).__name__}: {error}.") from error


class _Suspending:
    """A workflow whose run ends as paused where a function in it waits; the function itself waits on."""

    def __init__(self, workflow: Workflow, pause: Pause) -> None:
        self._workflow, self._pause = workflow, pause
        self.target, self.fingerprint, self.shape = workflow.target, workflow.fingerprint, workflow.shape
        self.run_step, self.state_before = workflow.run_step, workflow.state_before

    async def run(self, value: Any, *, trial: str) -> Ending:
        """Runs the workflow until it ends, or until one of its functions asks."""
        running = asyncio.ensure_future(self._workflow.run(value, trial=trial))
        asked = asyncio.ensure_future(self._pause.asked.get())
        try:
            await asyncio.wait({running, asked}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            running.cancel()
            raise
        finally:
            if not asked.done():
                asked.cancel()
        if running.done():
            return running.result()
        self._pause.asked.put_nowait(asked.result())
        self._pause.going = running
        return Ending(output=None, paused=True)
