"""Runs one trial: the workflow on a case's input, recorded, and judged when it has ended."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from gapless.boundary.flow import Middleware
from gapless.boundary.guarding import Mode, Watch
from gapless.boundary.player import Player
from gapless.boundary.session import Session, current_session
from gapless.evals.attempt import attempt, contain
from gapless.evals.judge import Judge
from gapless.evals.plan import Planned
from gapless.evals.workflow import Workflow
from gapless.gap.blame import blame
from gapless.records.origin import Origin
from gapless.records.seed import seed_of
from gapless.records.suite import Case
from gapless.records.summary import summary
from gapless.records.trial import Outcome, StepEvent, TrialRecord, Verdict
from gapless.trace.recorder import TrialRecorder, error_info
from gapless.trace.redaction import Redaction


class WeatherLike(Protocol):
    """A seeded mixture of faults."""

    def draw(self, seed: int) -> tuple[Any, ...]:
        """The faults one trial meets: each a middleware with a `name`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What all trials of a measurement have in common."""

    seed: int = 0
    """The suite's seed."""
    timeout_s: float = 120.0
    max_payload_bytes: int = 8 * 1024 * 1024
    weather: WeatherLike | None = None
    middlewares: tuple[Middleware, ...] = ()
    name: str = ""
    """Prefix of every trial's thread id: the measurement's id."""
    starts: Mapping[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])
    """How often each trial was started before, in processes that died."""
    mode: Mode = "guarded"
    """What the contracts of a guarded workflow do."""
    redaction: Redaction | None = None
    """What must not be kept of a trial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What makes a trial a replay of a recorded one."""

    player: Player
    """Hands over what is kept of it."""
    origin: Origin
    seed: int | None = None
    """Root of its random numbers; the recorded trial's own when None."""
    recorded_at: float = 0.0
    """When that took place, in Unix seconds."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished trial and the values it refers to."""

    record: TrialRecord
    payloads: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class _End:
    output: Any = None
    paused: bool = False
    error: BaseException | None = None


async def run_trial(
    workflow: Workflow,
    planned: Planned,
    conditions: Conditions,
    judge: Judge,
    replayed: Replayed | None = None,
) -> Finished:
    """Runs and judges one trial. Whatever the workflow does becomes data; only cancellation passes through.

    Args:
        workflow: What runs.
        planned: The case, and which of its trials this is.
        conditions: What all trials of the measurement have in common.
        judge: The suite's checks.
        replayed: The recorded trial that this one replays.

    Raises:
        ReplayMismatch: The replay and its tape do not agree.
    """
    case = planned.case
    seed = _seed(planned, conditions, replayed)
    faults = conditions.weather.draw(seed) if conditions.weather is not None else ()
    recorder = TrialRecorder(max_payload_bytes=conditions.max_payload_bytes)
    session = _session(recorder, case, seed, (*conditions.middlewares, *faults), conditions, replayed)
    given = recorder.keep(case.input)
    end = await _execute(workflow, planned, conditions, session)
    ms = recorder.now_ms()
    events = recorder.close()
    player = replayed.player if replayed is not None else None
    if player is not None and player.mismatch is not None:  # whatever the workflow made of it
        raise player.mismatch
    output = recorder.keep(end.output) if end.error is None else None
    events, verdicts = await judge.judge(
        case,
        events,
        recorder.payloads,
        output,
        elapsed_ms=ms + (player.saved_ms if player is not None else 0.0),
        error=end.error,
    )
    record = TrialRecord(
        case=case.id,
        trial=planned.number,
        group=case.unit,
        outcome=_outcome(end, events, verdicts, judge),
        split=case.split,
        slice=case.slice,
        planned=case.path,
        events=events,
        verdicts=verdicts,
        input=given,
        output=output,
        error=error_info(end.error) if end.error is not None else None,
        started_at=recorder.started_at,
        ms=ms,
        seed=seed,
        faults=tuple(fault.name for fault in faults),
        starts=conditions.starts.get((case.id, planned.number), 0) + 1,
        tokens_in=_tokens(events, "tokens_in"),
        tokens_out=_tokens(events, "tokens_out"),
        omitted=recorder.omitted,
        rulings=player.rulings(session.watch.rulings) if player is not None else tuple(session.watch.rulings),
        origin=replayed.origin if replayed is not None else None,
    )
    # A step that was abandoned may still record; what it adds now belongs to nothing and must not disturb the writing.
    record, payloads = _blamed(record), dict(recorder.payloads)
    if conditions.redaction is not None:
        record, payloads = conditions.redaction.trial(record, payloads, case)
    return Finished(record, payloads)


def _seed(planned: Planned, conditions: Conditions, replayed: Replayed | None) -> int:
    if replayed is not None and replayed.seed is not None:
        return replayed.seed
    return seed_of(conditions.seed, planned.case.id, planned.number, "trial")


def _session(
    recorder: TrialRecorder,
    case: Case,
    seed: int,
    world: tuple[Middleware, ...],
    conditions: Conditions,
    replayed: Replayed | None,
) -> Session:
    """The trial in progress; `world` is what happens to its steps, and never to one that is kept."""
    # Its ledger is its own: trials are repeated on purpose.
    watch = Watch(mode=conditions.mode, keep=recorder.keep_whole)
    if replayed is None:
        middlewares, behind_s = (contain, *world), 0.0
    else:
        replayed.player.recorder, watch.recorded = recorder, replayed.player
        middlewares = (contain, replayed.player, *world)
        behind_s = recorder.started_at - replayed.recorded_at
    return Session(
        recorder,
        case_input=case.input,
        seed=seed,
        middlewares=middlewares,
        watch=watch,
        behind_s=behind_s,
    )


async def _execute(workflow: Workflow, planned: Planned, conditions: Conditions, session: Session) -> _End:
    token = current_session.set(session)
    name = f"{conditions.name}-{planned.case.id}-{planned.number}"
    try:
        work = workflow.run(copy.deepcopy(planned.case.input), trial=name)
        ending = await attempt(work, limit_s=conditions.timeout_s, what="the trial")
    except Exception as error:  # an exception inside a trial is data
        return _End(error=error)
    finally:
        current_session.reset(token)
    return _End(ending.output, ending.paused)


def _outcome(
    end: _End, events: tuple[StepEvent, ...], verdicts: tuple[Verdict, ...], judge: Judge
) -> Outcome:
    if end.paused or any(event.step in judge.review_steps for event in events):
        return "escalated"
    if end.error is not None:
        return "failed"
    status = judge.overall(verdicts)
    return "unjudged" if status is None else "correct" if status else "wrong"


def _tokens(events: tuple[StepEvent, ...], field_name: str) -> int | None:
    known = [getattr(call, field_name) for event in events if event.calls for call in event.calls]
    known = [count for count in known if count is not None]
    return sum(known) if known else None


def _blamed(record: TrialRecord) -> TrialRecord:
    if record.outcome == "correct":
        return record  # nothing was lost: there is no exit to place it at
    exit_ = blame(summary(record).events, record.outcome)
    return msgspec.structs.replace(record, blame=exit_)
