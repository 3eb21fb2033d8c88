"""Who holds what against failure: effects named, time limited, retries owned once, doubt routed, people before effects."""

from __future__ import annotations

from collections.abc import Iterable

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.commands import advised
from gapless.probes.orchestration.opened import seen_shape, shape_of
from gapless.probes.orchestration.reach import avoidable, side_by_side
from gapless.records.baseline import BaselineVerdict, PromptBaseline
from gapless.records.finding import Figure, Finding
from gapless.records.wiring import StepWiring
from gapless.records.workflow import Shape, Step

_SOURCE = "the six-layer checklist, layer 5"
EFFECTS = Card(
    probe="effects-once",
    layer="orchestration",
    title="effects take place once",
    target="an idempotency key on every step with an effect",
    source="the six-layer checklist, layers 4 and 5",
)
LIMITS = Card(
    probe="time-limits",
    layer="orchestration",
    title="every step that asks something outside has a time limit",
    target="one timeout on each model, context and tool step, with one owner",
    source="the six-layer checklist, layers 2 and 4",
)
RETRIES = Card(
    probe="retry-owners",
    layer="orchestration",
    title="one owner per retry, and none on unnamed effects",
    target="no native retry beside a contract's, none on a step with an effect",
    source=_SOURCE,
)
DOUBT = Card(
    probe="doubt-has-a-way",
    layer="orchestration",
    title="doubtful steps do not lead on unconditionally",
    target="a gate or a conditional edge behind every context and model step",
    source="the six-layer checklist: conditional routing",
)
PEOPLE = Card(
    probe="person-before-effect",
    layer="orchestration",
    title="a person or a gate stands before every effect",
    target="no way from the start to an effect without a gate or a review",
    source="the six-layer checklist: human-in-the-loop gates",
)
NEEDED = Card(
    probe="orchestration-needed",
    layer="orchestration",
    title="does this need orchestration at all",
    target="measured against one plain prompt on the same cases",
    source="the six-layer checklist: when not to orchestrate",
)
_ASKING = frozenset({"model", "context", "tool"})
_DOUBTFUL = frozenset({"model", "context"})
_TIMED = frozenset({"timeout"})
_KEY = "Give each an idempotency key: Contract(effect=True, idempotency_key=...), with a durable ledger; then see what a kill leaves."
_GATE = "Put a confidence gate there, measure the workflow in shadow (--condition shadow), and let gapless calibrate find the threshold."
_PERSON = "Where the stakes are high, put a gate with Review() before it: only doubt then waits for a person."
_PLAIN = "Chains lose at every boundary: see whether one prompt does it."
_LIMIT_EACH = "Contract(timeout_s=...), and deadline_s= for the whole: the tail of one step must not use up the next one's time."


def _steps(subject: Subject) -> list[Step]:
    return [step for step in shape_of(subject).steps if not step.router and not step.review]


def _native(subject: Subject, step: str) -> StepWiring:
    return subject.wiring.steps.get(step, StepWiring()) if subject.wiring is not None else StepWiring()


def effects_once(subject: Subject) -> Iterable[Finding]:
    """Steps with an effect that nothing names."""
    acting = [step for step in _steps(subject) if step.effect]
    if not acting:
        raise ProbeUnavailable(
            "no step is declared to have an effect: `effect = true` under [steps.NAME] in gapless.toml"
        )
    bare = [step.name for step in acting if "idempotency" not in step.guards]
    cached = [step.name for step in acting if _native(subject, step.name).cached]
    figures = (Figure(name="steps with an effect", value=len(acting)),)
    if bare:
        yield EFFECTS.finding(
            "fail",
            f"{', '.join(bare)} would take place again after a crash or a retry: nothing names the action",
            figures=figures,
            **advised(subject, _KEY, "crash"),
        )
    elif cached:
        yield EFFECTS.finding(
            "fail",
            f"{', '.join(cached)} may not take place at all: the framework's cache answers in its place, whatever its key says",
            figures=figures,
            next_step="Take the cache policy away: the contract's key sees to it that nothing takes place twice.",
        )
    else:
        yield EFFECTS.finding("ok", f"{_named(acting)} named by an idempotency key", figures=figures)


def time_limits(subject: Subject) -> Iterable[Finding]:
    """Steps that ask a model, a retriever or a tool without any limit."""
    asking = [step for step in _steps(subject) if step.layer in _ASKING]
    if not asking:
        raise ProbeUnavailable("no step belongs to the layers model, context or tool")
    bare = [
        s.name
        for s in asking
        if s.limit_s is None and not _TIMED & set(s.guards) and not _native(subject, s.name).timeout
    ]
    figures = (
        Figure(name="steps that ask outside", value=len(asking)),
        Figure(name="without a limit", value=len(bare)),
    )
    doubled = [s.name for s in asking if _native(subject, s.name).timeout and _TIMED & set(s.guards)]
    if bare or doubled:
        unseen = f"no limit that gapless can see ends a call of {', '.join(bare)} that hangs (a client's own timeout it cannot see)"
        said = [unseen] if bare else []
        steps = [_LIMIT_EACH] if bare else []
        if doubled:
            said.append(
                f"{', '.join(doubled)} {'has' if len(doubled) == 1 else 'have'} a time limit of the framework's beside the contract's: the shorter one wins, and nobody is told which"
            )
            steps.append("Take the native one away, and let the contract own it: Contract(timeout_s=...).")
        yield LIMITS.finding("warn", "; ".join(said), figures=figures, next_step=" ".join(steps))
    else:
        yield LIMITS.finding("ok", f"{_named(asking)} limited", figures=figures)


def retry_owners(subject: Subject) -> Iterable[Finding]:
    """Native retries on steps with an effect, or beside a contract's own."""
    wrong: list[str] = []
    for step in _steps(subject):
        native = _native(subject, step.name).attempts or 1
        if native > 1 and step.effect and "idempotency" not in step.guards:
            wrong.append(f"{step.name} is called up to {native} times, and has an effect")
        elif native > 1 and "retry" in step.guards:
            wrong.append(
                f"{step.name} is tried again by the framework and by its contract: up to {native} times as often"
            )
    tried = [
        s.name for s in _steps(subject) if (_native(subject, s.name).attempts or 1) > 1 or "retry" in s.guards
    ]
    if wrong:
        yield RETRIES.finding(
            "fail",
            "; ".join(wrong),
            next_step="Take the native policy away, and let the contract own it: Contract(retry=Retry(3)).",
        )
    elif tried:
        yield RETRIES.finding("ok", f"{', '.join(tried)}: one owner each")
    else:
        yield RETRIES.finding(
            "warn",
            "gapless sees no step that is tried again: what is gone the next second ends the run, unless a client tries "
            "again by itself, as chat models of LangChain do",
            target="every step that reads from outside is tried again, by one owner that is known",
            next_step="Contract(retry=Retry(3)) on steps that only read, and max_retries=0 at a client that tries again itself.",
        )


def doubt(subject: Subject) -> Iterable[Finding]:
    """Context and model steps whose output goes on whatever it is worth."""
    shape = seen_shape(subject)
    if not shape.edges:
        raise ProbeUnavailable(
            "the workflow's own code decides its way: no edges are known before trials ran"
        )
    doubtful = [step for step in _steps(subject) if step.layer in _DOUBTFUL]
    if not doubtful:
        raise ProbeUnavailable("no step belongs to the layers context or model")
    loose = [step.name for step in doubtful if not _has_a_way(shape, step, _native(subject, step.name))]
    figures = (
        Figure(name="doubtful steps", value=len(doubtful)),
        Figure(name="without a gate", value=len(loose)),
    )
    if loose:
        yield DOUBT.finding(
            "warn",
            f"what {', '.join(loose)} hand{'s' if len(loose) == 1 else ''} over goes on however doubtful it is",
            figures=figures,
            **_gate(subject, _GATE),
        )
    else:
        yield DOUBT.finding("ok", f"{_named(doubtful)} behind a gate or a decision", figures=figures)


def _has_a_way(shape: Shape, step: Step, native: StepWiring) -> bool:
    """Whether something decides where its output goes; who takes its exceptions sees no output."""
    if step.gates or native.fans_to is not None:  # an edge that only ever starts one step decides nothing
        return bool(step.gates)
    leaving = [e for e in shape.edges if e.source == step.name and e.target != native.error_handler]
    # Beside its edges a step's own code may lead on, or not.
    ways = {edge.target for edge in leaving if edge.conditional or native.goes}
    return len(ways) > 1


def _gate(subject: Subject, step: str) -> dict[str, str]:
    """What to do in code; a gate that is not there yet has nothing to calibrate."""
    if subject.own_workflow:
        return {"next_step": step}
    return {
        "next_step": f"{step} `gapless demo` shows it with the reference agent.",
        "command": "gapless demo",
    }


def people(subject: Subject) -> Iterable[Finding]:
    """Effects that a run can reach without passing a gate, a review or an interrupt."""
    shape = seen_shape(subject)
    acting = [step.name for step in _steps(subject) if step.effect]
    if not acting:
        raise ProbeUnavailable(
            "no step is declared to have an effect: `effect = true` under [steps.NAME] in gapless.toml"
        )
    if not shape.edges:
        raise ProbeUnavailable(
            "the workflow's own code decides its way: no edges are known before trials ran"
        )
    stops, too_late = _stops(subject)
    guards = frozenset(step.name for step in shape.steps if step.review or step.gates) | stops
    open_ = [
        name
        for name in acting
        if (name not in stops or name in too_late) and avoidable(shape, name, guards - {name})
    ]
    if open_:
        yield PEOPLE.finding(
            "warn",
            f"a run can come to {', '.join(open_)} without anybody having looked",
            **_gate(subject, _PERSON),
        )
    else:
        yield PEOPLE.finding("ok", f"before {', '.join(acting)} stands a gate or a person")


def _stops(subject: Subject) -> tuple[frozenset[str], frozenset[str]]:
    """Steps at which a run waits for a person, and those of them that have run by then."""
    if subject.wiring is None:
        return frozenset(), frozenset()
    wiring, names = subject.wiring, [step.name for step in shape_of(subject).steps]
    held = {*wiring.interrupts, *(name for name, step in wiring.steps.items() if step.asks)}
    return _with_inside(held, names), _with_inside(wiring.interrupts_after, names)


def _with_inside(nodes: Iterable[str], names: list[str]) -> frozenset[str]:
    """Steps among these nodes, and those of the subgraphs that they hold."""
    return frozenset(name for name in names for node in nodes if name == node or name.startswith(f"{node}/"))


def needed(subject: Subject) -> Iterable[Finding]:
    """Whether the workflow was ever held against one plain prompt, and what came of it."""
    shape = shape_of(subject)
    length = len([step for step in shape.steps if not step.router])
    figures = (Figure(name="steps", value=length),)
    if subject.records is not None and subject.records.baseline is not None:
        yield _held_against(subject, subject.records.baseline, figures)
        return
    longest = max(map(len, side_by_side(shape)), default=0)
    yield NEEDED.finding(
        "warn",
        f"{length} steps{', up to ' + str(longest) + ' side by side' if longest > 1 else ''}, and nobody has asked one plain prompt yet",
        figures=figures,
        **advised(subject, _PLAIN, "measure", "--baseline prompt", agents="gapless demo"),
    )


_ADVICE: dict[BaselineVerdict, str] = {
    "ship the prompt": "Ship the prompt, or show on more cases that the steps earn what they cost.",
    "undecided": "Measure more cases, both ways: until then nobody knows.",
    "no evidence": "Hold it against a model that is strong enough to do without the steps: [prompt] in gapless.toml.",
}


def _held_against(subject: Subject, found: PromptBaseline, figures: tuple[Figure, ...]) -> Finding:
    """The verdict on record, with the rates that decided."""
    rates = (("workflow", found.workflow), ("one prompt", found.prompt), ("difference", found.difference))
    figures += tuple(
        Figure(
            name=name,
            value=rate.point,
            unit="share",
            low=rate.low,
            high=rate.high,
            spread=f"95 % interval, n={found.cases} cases",
        )
        for name, rate in rates
        if rate.point is not None
    )
    said = f"{found.verdict}: {found.reason}"
    if found.verdict == "keep the workflow":
        return NEEDED.finding("ok", said, figures=figures)
    step = _ADVICE[found.verdict]
    return NEEDED.finding(
        "warn",
        said,
        figures=figures,
        **advised(subject, step, "measure", "--baseline prompt", agents="gapless demo"),
    )


def _named(steps: list[Step]) -> str:
    names = ", ".join(step.name for step in steps)
    return f"{names} {'is' if len(steps) == 1 else 'are'}"
