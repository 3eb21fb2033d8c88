"""What one trial leaves behind: step events in time order, verdicts, and the outcome."""

from __future__ import annotations

from typing import Any, Literal

from gapless.records.base import Record
from gapless.records.origin import Origin

Outcome = Literal["correct", "wrong", "escalated", "failed", "unjudged"]
OUTCOMES: tuple[Outcome, ...] = ("correct", "wrong", "escalated", "failed", "unjudged")
VerdictStatus = Literal["pass", "fail", "unknown"]
EventStatus = Literal["ok", "error", "paused", "abandoned"]
CallKind = Literal["model", "tool", "retriever", "http"]
Action = Literal["proceed", "repair", "retry", "fallback", "replay", "review", "goto", "refuse"]


class ErrorInfo(Record, frozen=True, kw_only=True):
    """An exception that became data."""

    type: str
    """Class name."""
    message: str
    """Its text, at most 2,000 characters."""
    where: str | None = None
    """File and line of the innermost frame, when known."""
    module: str | None = None
    """Where its class stands, so that a replay can raise it again; None for a builtin."""


class Verdict(Record, frozen=True, kw_only=True):
    """What one check said."""

    check: str
    """The check's name."""
    status: VerdictStatus
    reason: str = ""
    """In words, with the values that decided; always given for fail and unknown."""
    score: float | None = None
    """The number behind the status, if the check has one (recall@k, say); never NaN."""


class Suspicion(Record, frozen=True, kw_only=True):
    """A built-in step check fired. It is a suspicion, not a verdict: nobody has labelled it."""

    check: str
    """errors-ignored | empty-result | partial-result | schema-breach | ungrounded-figure | no-progress | retry-storm"""
    reason: str
    """In words, with the offending value."""


class Ruling(Record, frozen=True, kw_only=True, gc=False):
    """What a guard did at a crossing. Only what differs from letting pass is worth a ruling, and what a gate saw."""

    step: str
    """The step at whose exit it ruled."""
    visit: int = 1
    attempt: int = 1
    branch: int | None = None
    guard: str
    """schema | complete | fresh | grounded | timeout | retry | idempotency | gate, or a guard of the user's own."""
    action: Action
    reason: str = ""
    """In words, with the value that decided."""
    signal: float | None = None
    """What the gate's signal said; None where there is none or it said nothing."""
    signals: dict[str, float | None] = {}
    """What each of the gate's signals said, where it reads several."""
    ms: float = 0.0
    """What the ruling cost: time waited or spent again, in milliseconds."""
    handed: str | None = None
    """Payload digest of what was handed over in place of the step's own output, where that is on no event: a fallback's answer."""
    form: str | None = None
    """Payload digest of what plain data does not say of it."""

    @property
    def heard(self) -> dict[str, float | None]:
        """What a gate saw, by step and by `step#signal`."""
        parts = {f"{self.step}#{name}": said for name, said in self.signals.items()}
        return {self.step: self.signal} | parts


class Call(Record, frozen=True, kw_only=True):
    """A nested model, tool, retriever or HTTP call inside a step."""

    kind: CallKind
    name: str
    started_ms: float
    """Milliseconds since the trial began."""
    ms: float
    """Duration in milliseconds."""
    request: str | None = None
    """Payload digest of the request."""
    response: str | None = None
    """Payload digest of the response."""
    error: ErrorInfo | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    effect: bool = False
    """Whether the call changed the world (as far as it was declared)."""
    traced: bool | None = None
    """Whether an HTTP request carried a `traceparent`, so that the other process can join the trace; None for other calls."""
    ahead_s: float | None = None
    """By how many seconds the other side's clock was ahead, by the `date` of its answer, to the second: the truth is at most a
    second more. None where it does not say."""


class StepEvent(Record, frozen=True, kw_only=True, gc=False):
    """One attempt of one visit of one step, and what it handed over."""

    step: str
    """The step's address, without the branch index."""
    branch: int | None = None
    """Index among parallel visits of one superstep (`step[i]`); None when not fanned out."""
    visit: int = 1
    """Counts arrivals at the step: a loop that came back has visit 2."""
    attempt: int = 1
    """Counts calls inside the visit: a retry has attempt 2."""
    status: EventStatus = "ok"
    started_ms: float = 0.0
    """Milliseconds since the trial began."""
    ms: float = 0.0
    """Duration in milliseconds."""
    input: str | None = None
    """Payload digest of the state the step was given."""
    output: str | None = None
    """Payload digest of the update it handed over, before reducers."""
    routed: tuple[str, ...] = ()
    """The steps it handed over to, as decided at run time; empty when unknown (then the shape's edges hold)."""
    form: str | None = None
    """Payload digest of what plain data does not say of the output (`records.form`); None where it says all."""
    routing: str | None = None
    """Payload digest of where the output itself sends the run (a LangGraph Command); None where edges alone decide."""
    superstep: int | None = None
    """Steps that ran side by side, in the same round of the same graph, share it; None where there are no rounds."""
    effect: bool = False
    """Whether the step itself says that it changes the world; what settings and the shape say is not noted here."""
    kept: bool = False
    """Whether it did not run: a replay handed over what the tape, or somebody, says."""
    error: ErrorInfo | None = None
    calls: tuple[Call, ...] = ()
    faults: tuple[str, ...] = ()
    """Names of the faults injected at this event; contracts cannot read them."""
    checkpoint: str | None = None
    """The framework's checkpoint id before the step, for replay."""
    seed: int | None = None
    """Seed of the random numbers that were handed to this event."""
    router: bool = False
    """Whether the event is a conditional edge's decision."""
    ok: bool | None = None
    """The step's verdict over all of its checks: None is unknown or not judged."""
    verdicts: tuple[Verdict, ...] = ()
    suspicions: tuple[Suspicion, ...] = ()


class TrialRecord(Record, frozen=True, kw_only=True):
    """One independent execution of a case. Written once, whole, or not at all."""

    case: str
    trial: int
    """Counts from 0 within the case."""
    group: str
    """The independent unit."""
    outcome: Outcome
    split: str | None = None
    slice: dict[str, str] = {}
    planned: tuple[str, ...] | None = None
    """The case's declared planned path, if it has one."""
    blame: str | None = None
    """The exit the loss is placed at (METHOD section 5); None for a correct trial."""
    events: tuple[StepEvent, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    """Verdicts on the whole trial."""
    input: str | None = None
    """Payload digest of the case's input."""
    output: str | None = None
    """Payload digest of the final output."""
    error: ErrorInfo | None = None
    """Why it failed loudly."""
    started_at: float = 0.0
    """Unix time in seconds."""
    ms: float = 0.0
    """Wall time in milliseconds."""
    seed: int = 0
    faults: tuple[str, ...] = ()
    """The weather this trial was given, whether or not each fault found its step."""
    starts: int = 1
    """How often it was started: more than 1 after a crash."""
    tokens_in: int | None = None
    tokens_out: int | None = None
    after_review: Outcome | None = None
    """What a reviewer made of an escalated trial; never changes the outcome."""
    omitted: int = 0
    """Values that could not be kept: unserialisable or too large."""
    rulings: tuple[Ruling, ...] = ()
    """What the guards of its contracts did."""
    origin: Origin | None = None
    """The recorded trial that this one replays; None for a trial of its own."""

    @property
    def path(self) -> tuple[str, ...]:
        """Executed steps, one entry per visit, in time order; routers left out."""
        seen: dict[tuple[str, int | None, int], None] = {}
        for event in self.events:
            if not event.router:
                seen.setdefault((event.step, event.branch, event.visit))
        return tuple(step for step, _, _ in seen)


class StepOutcome(Record, frozen=True, kw_only=True, array_like=True, gc=False):
    """The part of a step event that the arithmetic needs."""

    step: str
    visit: int
    attempt: int
    ok: bool | None
    ms: float
    """Duration in milliseconds; NaN where nobody took it."""
    router: bool = False
    branch: int | None = None
    status: EventStatus = "ok"
    suspicions: tuple[str, ...] = ()
    """Names of the built-in checks that fired."""


class ToolCount(Record, frozen=True, kw_only=True, array_like=True):
    """How a trial used one tool."""

    tool: str
    calls: int
    errors: int = 0
    """Calls whose result was an error."""
    empty: int | None = None
    """Calls that returned nothing; None where results were not looked at."""


class RulingCount(Record, frozen=True, kw_only=True, array_like=True):
    """How often a guard ruled one way at one step of a trial."""

    step: str
    guard: str
    action: Action
    count: int = 1
    ms: float = 0.0
    """What that cost: time waited or spent again, in milliseconds."""


class Run(Record, frozen=True, kw_only=True):
    """The per-trial summary row: reports are computed from these and never load payloads."""

    case: str
    trial: int
    group: str
    outcome: Outcome
    blame: str | None = None
    split: str | None = None
    slice: dict[str, str] = {}
    planned: tuple[str, ...] | None = None
    events: tuple[StepOutcome, ...] = ()
    ms: float = 0.0
    """Wall time in milliseconds; NaN where nobody took it."""
    starts: int = 1
    faults: tuple[str, ...] = ()
    tokens_in: int | None = None
    tokens_out: int | None = None
    labelled: bool = False
    """Whether an end verdict exists."""
    why: str = ""
    """What was wrong, in the words of the exception or of the check that failed first; at most 160 characters."""
    decided: tuple[str, ...] = ()
    """The checks that decided the end verdict: all that passed, or those that failed, or those that were unknown."""
    judged: Outcome | None = None
    """What the checks alone had made of it, where a person's label stands in `outcome`."""
    tools: tuple[ToolCount, ...] = ()
    """Calls of tools, by tool."""
    signals: dict[str, float | None] = {}
    """Step -> what its confidence gate saw."""
    shadow_correct: bool | None = None
    """The verdict the trial would have had without gates, where that is known."""
    rulings: tuple[RulingCount, ...] = ()
    """What the guards of its contracts did."""
    after_review: Outcome | None = None
    """How an escalated trial ended once a reviewer had decided; None where nobody was asked."""
    metadata: dict[str, Any] = {}
    """What a run table said of the trial beyond gapless' own words."""
    step_metadata: dict[int, dict[str, Any]] = {}
    """Position of a step event -> what a run table said of it beyond gapless' own words."""


class ComponentRun(Record, frozen=True, kw_only=True):
    """One run of one step alone on its golden input."""

    step: str
    case: str
    trial: int
    group: str
    ok: bool | None
    """None: unknown; not a success, and its share is printed."""
    reason: str = ""
    ms: float = 0.0
    attempts: int = 1
    error: ErrorInfo | None = None
    output: str | None = None
    """Payload digest of what the step handed over."""
    metadata: dict[str, Any] = {}
    """What a run table said of it beyond gapless' own words."""
