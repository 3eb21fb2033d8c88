"""A trial told again from its summary row, where that is all that is kept of it."""

from __future__ import annotations

from gapless.records.trial import Run, StepEvent, StepOutcome, Suspicion, TrialRecord, Verdict, VerdictStatus


def retold(run: Run) -> TrialRecord:
    """A whole record of a trial of which only the summary row is kept, as when it came from a run table."""
    blamed = [i for i, event in enumerate(run.events) if event.step == run.blame and event.ok is False]
    return TrialRecord(
        case=run.case,
        trial=run.trial,
        group=run.group,
        outcome=run.outcome,
        split=run.split,
        slice=run.slice,
        planned=run.planned,
        blame=run.blame,
        events=tuple(
            _retold(event, run.why if blamed[-1:] == [index] else "")
            for index, event in enumerate(run.events)
        ),
        ms=run.ms,
        faults=run.faults,
        starts=run.starts,
        tokens_in=run.tokens_in,
        tokens_out=run.tokens_out,
        after_review=run.after_review,
    )


def _retold(event: StepOutcome, why: str) -> StepEvent:
    status: dict[bool | None, VerdictStatus] = {True: "pass", False: "fail", None: "unknown"}
    verdict = Verdict(check="run table", status=status[event.ok], reason=why or "as the table says")
    return StepEvent(
        step=event.step,
        branch=event.branch,
        visit=event.visit,
        attempt=event.attempt,
        status=event.status,
        ms=event.ms,
        router=event.router,
        ok=event.ok,
        verdicts=() if event.ok is None else (verdict,),
        suspicions=tuple(Suspicion(check=name, reason="as the table says") for name in event.suspicions),
    )
