"""Runs one step alone on its golden input: the component benchmark."""

from __future__ import annotations

import copy
import time
import traceback
from dataclasses import dataclass

from gapless.boundary.guarding import Watch
from gapless.boundary.session import Session, current_session
from gapless.evals.attempt import attempt, contain
from gapless.evals.judge import Judge
from gapless.evals.plan import PlannedComponent
from gapless.evals.trial import Conditions
from gapless.evals.workflow import StepPaused, Workflow
from gapless.records.seed import seed_of
from gapless.records.trial import ComponentRun
from gapless.records.value import to_plain
from gapless.trace.recorder import TrialRecorder, error_info


@dataclass(frozen=True, slots=True)
class FinishedComponent:
    """A finished benchmark run and the values it refers to."""

    run: ComponentRun
    payloads: dict[str, bytes]
    lacking: str | None = None
    """What its golden state does not hold and the step read: then the run says nothing about the step."""


async def run_component(
    workflow: Workflow, planned: PlannedComponent, conditions: Conditions, judge: Judge
) -> FinishedComponent:
    """Runs a step on the golden state before it and judges the update it returns.

    A step that raises is no success; one that interrupts for a person is unknown.
    """
    case = planned.case
    recorder = TrialRecorder(max_payload_bytes=conditions.max_payload_bytes)
    seed = seed_of(conditions.seed, case.id, planned.number, "component", planned.step)
    session = Session(
        recorder,
        case_input=case.input,
        seed=seed,
        middlewares=(contain,),
        watch=Watch(mode="shadow"),  # a step alone is judged by its checks, not by its own gate
    )
    token = current_session.set(session)
    started = time.perf_counter()
    ok: bool | None = None
    reason, output, error, lacking = "", None, None, None
    try:
        update = await _run(workflow, planned, conditions)
        elapsed = (time.perf_counter() - started) * 1e3
        output = recorder.keep(update)
        verdicts = await judge.judge_update(case, planned.step, to_plain(update), elapsed)
        ok = judge.overall(verdicts)
        reason = "; ".join(v.reason for v in verdicts if v.status != "pass")
    except StepPaused:
        elapsed = (time.perf_counter() - started) * 1e3
        reason = "it asked for a person"
    except Exception as raised:  # a step may raise anything: its run failed
        elapsed = (time.perf_counter() - started) * 1e3
        error = error_info(raised)
        ok, reason = False, f"raised {error.type}: {error.message}"
        lacking = _lacking(raised, workflow, planned)
    finally:
        current_session.reset(token)
    run = ComponentRun(
        step=planned.step,
        case=case.id,
        trial=planned.number,
        group=case.unit,
        ok=ok,
        reason=reason,
        ms=elapsed,
        attempts=max(1, len([event for event in recorder.close() if event.step == planned.step])),
        error=error,
        output=output,
    )
    payloads = dict(recorder.payloads)
    if conditions.redaction is not None:
        run, payloads = conditions.redaction.component(run, payloads, case)
    return FinishedComponent(run, payloads, lacking)


def _lacking(raised: Exception, workflow: Workflow, planned: PlannedComponent) -> str | None:
    """Whether a step failed for a key that nothing before it is said to hand over."""
    if not isinstance(raised, KeyError) or not raised.args or not isinstance(raised.args[0], str):
        return None
    state = golden_state(workflow, planned)
    frames = traceback.extract_tb(raised.__traceback__)
    line = (frames[-1].line or "") if frames else ""
    # A step's own failing lookup, `PRICES[item]`, is its failure: only a key that the code spells out is meant here.
    spelled = f'"{raised.args[0]}"' in line or f"'{raised.args[0]}'" in line
    if not spelled or not isinstance(state, dict) or raised.args[0] in state:
        return None
    before = f"the golden of {planned.before[-1]!r}" if planned.before else "the case's input"
    return (
        f"its golden state lacks {raised.args[0]!r}, which it reads; complete {before} or of a step before it"
    )


async def _run(workflow: Workflow, planned: PlannedComponent, conditions: Conditions) -> object:
    work = workflow.run_step(planned.step, golden_state(workflow, planned))
    return await attempt(work, limit_s=conditions.timeout_s, what=f"{planned.step} alone")


def golden_state(workflow: Workflow, planned: PlannedComponent) -> object:
    """The state a step is benchmarked on, made of copies.

    Raises:
        UsageError: The goldens before the step do not hold what it needs.
    """
    goldens = {step: _last_visit(planned.case.golden[step]) for step in planned.before}
    return workflow.state_before(planned.step, copy.deepcopy(planned.case.input), copy.deepcopy(goldens))


def _last_visit(golden: object) -> object:
    return golden[-1] if isinstance(golden, list) and golden else golden
