"""What is on record of the newest measurement: steps, payloads, verdicts, order in time, lost trials, faithful replays."""

from __future__ import annotations

from collections.abc import Iterable

from gapless.gap.clustered import clustered
from gapless.probes.base import Card, ProbeUnavailable, Records, Subject
from gapless.probes.commands import advised
from gapless.probes.judging import share_at_least, share_figure
from gapless.probes.orchestration.opened import need_opened
from gapless.records.finding import Figure, Finding
from gapless.records.trial import StepEvent, TrialRecord
from gapless.records.workflow import START

_SOURCE = "the six-layer checklist, layer 6"
STEPS = Card(
    probe="steps-recorded",
    layer="observability",
    title="steps and handoffs on record",
    target="every step seen in some trial, every handoff kept whole",
    source=_SOURCE,
)
VERDICTS = Card(
    probe="verdicts",
    layer="observability",
    title="step-level evals",
    target="a verdict at the end of every trial, and at each step at least once",
    source=_SOURCE,
)
ORDER = Card(
    probe="trace-order",
    layer="observability",
    title="traces hold together in time",
    target="no step before its trial or after it, none whose caller is missing",
    source="OpenTelemetry: parents and clocks",
)
LOST = Card(
    probe="lost-trials",
    layer="observability",
    title="failures are kept",
    target="every trial that began has ended on record",
    source=_SOURCE,
)
REPLAY = Card(
    probe="replay-fidelity",
    layer="observability",
    title="replay",
    target="at least 95 % of trials replayed unchanged end as recorded",
    source=_SOURCE,
)
_FAITHFUL, _SLACK_MS, _CALL_MS = 0.95, 5.0, 1.0


def on_record(subject: Subject) -> Records:
    """What is on record.

    Raises:
        Unusable: The workflow that was named could not be opened.
        ProbeUnavailable: Nothing is.
    """
    need_opened(subject, "observability")
    if subject.records is None:
        raise ProbeUnavailable("nothing is on record yet: gapless measure app.py:graph --cases inputs.jsonl")
    return subject.records


def steps_recorded(subject: Subject) -> Iterable[Finding]:
    """Steps that no trial shows, and handoffs that were not kept."""
    records = on_record(subject)
    expected = [step.name for step in records.measurement.shape.steps if not step.router and not step.review]
    seen = {outcome.step for run in records.runs for outcome in run.events}
    unseen = [name for name in expected if name not in seen]
    handed = [e for record in records.sample for e in record.events if e.status == "ok"]
    lost = [event for event in handed if event.output is None or event.output not in records.values]
    figures = (
        Figure(name="steps seen", value=len(expected) - len(unseen), unit=f"of {len(expected)}"),
        *_boundaries(records),
        Figure(name="handoffs kept whole", value=len(handed) - len(lost), unit=f"of {len(handed)}"),
    )
    if lost:
        where = ", ".join(dict.fromkeys(event.step for event in lost))
        said = f"{len(lost)} of {len(handed)} handoffs were not kept whole, at {where}"
        step = "Raise max_payload_bytes, or give the value a plain form (a dataclass, a pydantic model): a replay needs it."
        yield STEPS.finding("warn", said, figures=figures, next_step=step)
    elif unseen:
        said = f"no trial came to {', '.join(unseen)}"
        yield STEPS.finding(
            "warn", said, figures=figures, next_step="Add cases that need them: what never ran is unknown."
        )
    else:
        said = f"{len(expected)} of {len(expected)} steps, and {len(handed)} handoffs of {len(records.sample)} trials, are kept whole"
        yield STEPS.finding("ok", said, figures=figures)


def _boundaries(records: Records) -> Iterable[Figure]:
    """How many of the known boundaries some trial of the sample passed; nothing where none are known beforehand."""
    shape = records.measurement.shape
    routers = {step.name for step in shape.steps if step.router}
    known = {(e.source, e.target) for e in shape.edges if e.source != START and e.source not in routers}
    passed = {
        (event.step, target)
        for record in records.sample
        for event in record.events
        if event.status == "ok"
        for target in event.routed or shape.receivers(event.step)[:1]
    }
    if known:
        yield Figure(name="boundaries passed", value=len(known & passed), unit=f"of {len(known)}")


def verdicts(subject: Subject) -> Iterable[Finding]:
    """Share of trials with an end verdict, and steps that no check judges."""
    records = on_record(subject)
    settled = [run.labelled or run.outcome in ("escalated", "failed") for run in records.runs]
    judged = sum(settled)
    checked = {o.step for run in records.runs for o in run.events if o.ok is not None and o.status == "ok"}
    steps = [s.name for s in records.measurement.shape.steps if not s.router and not s.review]
    blind = [name for name in steps if name not in checked]
    figures = (
        share_figure("trials judged", clustered(settled, [run.group for run in records.runs])),
        Figure(name="steps with a check", value=len(steps) - len(blind), unit=f"of {len(steps)}"),
    )
    if judged < len(records.runs):
        said = f"{len(records.runs) - judged} of {len(records.runs)} trials ended without a verdict"
        step = "Add end checks to the suite, or label the trials the report names."
        status = "fail" if not judged else "warn"
        command = f"gapless report {records.measurement.id}" if subject.own_workflow else ""
        yield VERDICTS.finding(status, said, figures=figures, next_step=step, command=command)
    elif blind:
        said = f"every trial is judged; no check looks at {', '.join(blind)}"
        step = "Give these steps a golden output or a check: a loss there shows elsewhere, or nowhere."
        yield VERDICTS.finding("warn", said, figures=figures, next_step=step)
    else:
        yield VERDICTS.finding(
            "ok", f"{judged} of {judged} trials and all {len(steps)} steps are judged", figures=figures
        )


def trace_order(subject: Subject) -> Iterable[Finding]:
    """Events outside of their trial's time, and events whose caller is not on record."""
    records = on_record(subject)
    wrong = [what for record in records.sample for what in _out_of_order(record)]
    count = sum(len(record.events) for record in records.sample)
    figures = (Figure(name="events looked at", value=count), Figure(name="out of order", value=len(wrong)))
    if wrong:
        said = f"{len(wrong)} of {count} events do not fit their trial: {wrong[0]}"
        step = "Spans of several processes need one clock and a passed-on traceparent."
        yield ORDER.finding("fail", said, figures=figures, next_step=step)
    else:
        yield ORDER.finding(
            "ok", f"{count} events of {len(records.sample)} trials hold together", figures=figures
        )


def _out_of_order(record: TrialRecord) -> Iterable[str]:
    steps = {event.step for event in record.events}
    nested = {step for step in steps if any(other.startswith(f"{step}/") for other in steps)}
    for event in record.events:
        name = f"{record.case}#{record.trial} {event.step}"
        if event.started_ms < -_SLACK_MS:
            yield f"{name} began {-event.started_ms:.0f} ms before its trial"
        elif event.ms < 0:
            yield f"{name} ended {-event.ms:.0f} ms before it began"
        elif event.started_ms + event.ms > record.ms + _SLACK_MS and event.status != "abandoned":
            yield f"{name} ended after its trial had"
        elif nested and not _has_parent(event, record, nested):
            yield f"{name} ran outside of {event.step.rpartition('/')[0]}, which called it"


def _has_parent(event: StepEvent, record: TrialRecord, nested: set[str]) -> bool:
    outer = event.step.rpartition("/")[0]
    if outer not in nested:
        return True
    end = event.started_ms + event.ms
    return any(
        one.step == outer and one.started_ms <= event.started_ms and end <= one.started_ms + one.ms + _CALL_MS
        for one in record.events
    )


def lost_trials(subject: Subject) -> Iterable[Finding]:
    """Trials that began and are not on record."""
    records = on_record(subject)
    began = len(records.runs) + records.unfinished
    figures = (Figure(name="trials kept", value=len(records.runs), unit=f"of {began}"),)
    if records.unfinished:
        said = f"{records.unfinished} trials began and never ended on record"
        step = "A crash or a stop cut them off: the same command starts them again."
        yield LOST.finding("warn", said, figures=figures, **advised(subject, step, "measure"))
    else:
        failed = sum(run.outcome == "failed" for run in records.runs)
        said = f"{len(records.runs)} of {len(records.runs)} trials are on record, {failed} loud failures among them"
        yield LOST.finding("ok", said, figures=figures)


def replay_fidelity(subject: Subject) -> Iterable[Finding]:
    """How replays of a sample of trials came out."""
    records = on_record(subject)
    found = records.fidelity
    if found is None:
        why = "replaying runs the workflow: say --leave" if not subject.leave else records.no_replay
        raise ProbeUnavailable(why or "no trial could be replayed")
    rate = found.outcome
    figures = (
        share_figure("ended as recorded", rate),
        share_figure("the same at every crossing", found.handoffs),
    )
    ended = round((rate.point or 0) * rate.n_runs)
    said = f"{ended} of {rate.n_runs} trials replayed unchanged end as recorded"
    held = share_at_least("ended as recorded", rate, _FAITHFUL, missed="warn")
    if held.status == "ok":
        yield REPLAY.held(held, said, figures=figures)
        return
    why = f" ({found.reasons[0].reason})" if found.reasons else ""
    step = "A step that answers otherwise in the same state cannot be debugged by replay: fix its seed, or its temperature."
    command = f"gapless replay --all --measurement {records.measurement.id}" if subject.own_workflow else ""
    yield REPLAY.held(held, said + why, figures=figures, next_step=step, command=command)
