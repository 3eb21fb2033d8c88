"""The summary row of a trial: what of its record the arithmetic needs, and no payload."""

from __future__ import annotations

from gapless.records.brief import brief
from gapless.records.trial import Action, RulingCount, Run, StepEvent, StepOutcome, ToolCount, TrialRecord


def summary(record: TrialRecord) -> Run:
    """The summary row of a trial."""
    return Run(
        case=record.case,
        trial=record.trial,
        group=record.group,
        outcome=record.outcome,
        blame=record.blame,
        split=record.split,
        slice=record.slice,
        planned=record.planned,
        events=tuple(_outcome(event) for event in record.events),
        ms=record.ms,
        starts=record.starts,
        faults=record.faults,
        tokens_in=record.tokens_in,
        tokens_out=record.tokens_out,
        labelled=record.outcome in ("correct", "wrong"),
        why=brief(_why(record)),
        decided=_decided(record),
        tools=_tools(record),
        rulings=_rulings(record),
        signals=_heard(record),
        after_review=record.after_review,
    )


def _heard(record: TrialRecord) -> dict[str, float | None]:
    """What each gate saw; of several passages the least sure, for a trial is delivered only if every one passes."""
    found: dict[str, float | None] = {}
    for ruling in record.rulings:
        for key, said in ruling.heard.items() if ruling.guard == "gate" else ():
            before = found.get(key, said)
            found[key] = None if said is None or before is None else min(said, before)
    return found


def _rulings(record: TrialRecord) -> tuple[RulingCount, ...]:
    costs: dict[tuple[str, str, Action], list[float]] = {}
    for ruling in record.rulings:
        costs.setdefault((ruling.step, ruling.guard, ruling.action), []).append(ruling.ms)
    return tuple(
        RulingCount(step=s, guard=g, action=a, count=len(ms), ms=sum(ms)) for (s, g, a), ms in costs.items()
    )


def _tools(record: TrialRecord) -> tuple[ToolCount, ...]:
    found: dict[str, list[int]] = {}
    for event in record.events:
        for call in event.calls:
            if call.kind == "tool":
                count = found.setdefault(call.name, [0, 0])
                count[0] += 1
                count[1] += call.error is not None
    return tuple(ToolCount(tool=name, calls=n, errors=bad) for name, (n, bad) in found.items())


def _decided(record: TrialRecord) -> tuple[str, ...]:
    statuses = {verdict.status for verdict in record.verdicts}
    worst = next((status for status in ("fail", "unknown", "pass") if status in statuses), None)
    return tuple(dict.fromkeys(v.check for v in record.verdicts if v.status == worst))


def _why(record: TrialRecord) -> str:
    if record.outcome == "correct":
        return ""
    if record.error is not None:
        return f"{record.error.type}: {record.error.message}"
    at_blame = [
        verdict for event in record.events if event.step == record.blame for verdict in event.verdicts
    ]
    said = (*at_blame, *record.verdicts)
    worst = [verdict for verdict in said if verdict.status == "fail"]
    if record.outcome == "unjudged":
        worst += [verdict for verdict in record.verdicts if verdict.status == "unknown"]
    return f"{worst[0].check}: {worst[0].reason}" if worst else ""


def _outcome(event: StepEvent) -> StepOutcome:
    return StepOutcome(
        step=event.step,
        visit=event.visit,
        attempt=event.attempt,
        ok=event.ok,
        ms=event.ms,
        router=event.router,
        branch=event.branch,
        status=event.status,
        suspicions=tuple(dict.fromkeys(s.check for s in event.suspicions)),
    )
