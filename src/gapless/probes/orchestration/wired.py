"""What holds a graph's state: its type, where checkpoints go, what several branches write, whether every step is reached."""

from __future__ import annotations

from collections.abc import Iterable

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.orchestration.opened import shape_of
from gapless.probes.orchestration.reach import ends, forward, loops, reached, side_by_side
from gapless.records.finding import Figure, Finding
from gapless.records.trial import TrialRecord
from gapless.records.wiring import Wiring

_SOURCE = "the six-layer checklist, layer 5"
STATE = Card(
    probe="typed-state",
    layer="orchestration",
    title="explicit, typed state",
    target="every key of the state declared with its type",
    source=_SOURCE,
)
CHECKPOINTS = Card(
    probe="checkpoints",
    layer="orchestration",
    title="checkpoints that outlive the process",
    target="a checkpointer that lasts, where runs pause or act",
    source=_SOURCE,
)
REACH = Card(
    probe="reachable-steps",
    layer="orchestration",
    title="every step is reached and leads on",
    target="no step without a way to it, none without a way to the end",
    source="graph theory",
)
LOOPS = Card(
    probe="bounded-loops",
    layer="orchestration",
    title="loops have a bound",
    target="a recursion limit of the graph's own where it can loop",
    source=_SOURCE,
)
WRITES = Card(
    probe="parallel-writes",
    layer="orchestration",
    title="parallel branches write different keys",
    target="no key without a reducer written twice in one round",
    source="LangGraph, concurrent updates",
)


def _wiring(subject: Subject) -> Wiring:
    shape_of(subject)
    if subject.wiring is None:
        raise ProbeUnavailable(
            "the workflow is no LangGraph graph: its code carries its state, and nothing declares it"
        )
    return subject.wiring


def typed_state(subject: Subject) -> Iterable[Finding]:
    """Whether the state says which keys it has."""
    wiring = _wiring(subject)
    if wiring.typed:
        said = f"{wiring.state} declares {len(wiring.keys)} keys"
        yield STATE.finding("ok", said, figures=(Figure(name="declared keys", value=len(wiring.keys)),))
    else:
        yield STATE.finding(
            "fail",
            f"the state ({wiring.state}) declares no keys: a misspelt one is dropped or kept without a word",
            next_step="Declare it as a TypedDict, a dataclass or a pydantic model, and put contracts on the steps.",
        )


def checkpoints(subject: Subject) -> Iterable[Finding]:
    """Whether there is a checkpointer, and whether it outlives the process."""
    wiring, shape = _wiring(subject), shape_of(subject)
    acts = [step.name for step in shape.steps if step.effect]
    pauses = [step.name for step in shape.steps if step.review or step.gates] + list(wiring.interrupts)
    why = f"{', '.join(acts)} act{'s' if len(acts) == 1 else ''} on the world" if acts else ""
    why = why or (f"{', '.join(dict.fromkeys(pauses))} may wait for a person" if pauses else "")
    lasting = (
        'Compile it with a SqliteSaver or a PostgresSaver, and run it with durability="sync" where steps act.'
    )
    if wiring.lasting:
        said = f"{wiring.checkpointer} outlives the process"
        if acts:
            said += '; how soon it writes, whoever calls the graph says: durability="sync" where steps act'
        yield CHECKPOINTS.finding("ok", said)
    elif wiring.checkpointer is not None:
        said = f"{wiring.checkpointer} loses every run with its process" + (f", and {why}" if why else "")
        yield CHECKPOINTS.finding("fail" if why else "warn", said, next_step=lasting)
    else:
        said = "there is no checkpointer: a crash starts every run anew" + (f", and {why}" if why else "")
        yield CHECKPOINTS.finding("fail" if why else "warn", said, next_step=lasting)


def reachable(subject: Subject) -> Iterable[Finding]:
    """Steps that no way leads to, and steps from which no way leads to the end."""
    shape = shape_of(subject)
    if not shape.edges:
        raise ProbeUnavailable(
            "the workflow's own code decides its way: no edges are known before trials ran"
        )
    steps = [step.name for step in shape.steps if not step.router]
    lost = [name for name in steps if name not in reached(forward(shape))]
    stuck = [name for name in steps if name not in ends(shape) and name not in lost]
    if not lost and not stuck:
        figures = (Figure(name="steps", value=len(steps)),)
        yield REACH.finding("ok", f"all {len(steps)} steps are reached and lead to the end", figures=figures)
        return
    parts = [f"no way leads to {', '.join(lost)}"] if lost else []
    parts += [f"no way leads on from {', '.join(stuck)} to the end"] if stuck else []
    yield REACH.finding("fail", "; ".join(parts), next_step="Add the missing edge, or remove the step.")


def bounded(subject: Subject) -> Iterable[Finding]:
    """Loops without a recursion limit of the graph's own."""
    wiring, around = _wiring(subject), loops(shape_of(subject))
    if not around:
        yield LOOPS.finding("ok", "the graph has no loop")
    elif wiring.recursion_limit is not None:
        yield LOOPS.finding(
            "ok", f"{', '.join(around)} can loop, at most {wiring.recursion_limit} supersteps"
        )
    else:
        yield LOOPS.finding(
            "warn",
            f"{', '.join(around)} can loop, and only the framework's own limit ends that",
            next_step="Count the rounds in the state and leave the loop, or bind a limit: graph.with_config(recursion_limit=25).",
        )


def parallel_writes(subject: Subject) -> Iterable[Finding]:
    """Keys without a reducer that two steps of one round write: by their code, and in recorded trials."""
    wiring, shape = _wiring(subject), shape_of(subject)
    sample = subject.records.sample if subject.records is not None else ()
    rounds = sum(1 for record in sample for _ in _rounds(record))
    forks = side_by_side(shape)
    clashes = {clash for record in sample for clash in _clashes(record, wiring, subject)}
    clashes |= {clash for steps in forks for clash in _shared(steps, wiring)}
    figures = (
        Figure(name="steps that lead on to several at once", value=len(forks)),
        Figure(name="rounds with several steps", value=rounds),
    )
    if clashes:
        yield WRITES.finding(
            "fail",
            f"written by several steps of one round, without a reducer: {', '.join(sorted(clashes))}",
            figures=figures,
            next_step="Give the key a reducer (Annotated[list, operator.add]), or let one step write it.",
        )
        return
    silent = [name for steps in forks for name in steps if not _writes(name, wiring)]
    if not sample and (silent or any(edge.conditional for edge in shape.edges)):
        raise ProbeUnavailable(
            "which keys steps write shows in recorded trials, and there are none: run gapless measure"
        )
    if silent and not rounds:
        raise ProbeUnavailable(
            f"which keys {', '.join(silent)} write their code does not show, and in none of {len(sample)} recorded trials did they run side by side"
        )
    said = f"no key clashed in {rounds} rounds with several steps"
    if not rounds:
        seen = f", and in {len(sample)} recorded trials none did" if sample else ""
        said = f"{_by_code(forks)}{seen}"
    yield WRITES.finding("ok", said, figures=figures)


def _by_code(forks: list[tuple[str, ...]]) -> str:
    if not forks:
        return "no step leads on to several at once"
    return f"{', '.join(forks[0])} run side by side, and write different keys by their code"


def _writes(step: str, wiring: Wiring) -> tuple[str, ...]:
    return wiring.steps[step].writes if step in wiring.steps else ()


def _shared(steps: tuple[str, ...], wiring: Wiring) -> Iterable[str]:
    """Keys that the code of several of these steps is seen to write."""
    writers: dict[str, list[str]] = {}
    for name in steps:
        for key in _writes(name, wiring):
            writers.setdefault(key, []).append(name)
    for key, names in writers.items():
        if len(names) > 1 and wiring.keys.get(key) is False:
            yield f"{key} ({', '.join(sorted(names))})"


def _rounds(record: TrialRecord) -> Iterable[list[tuple[str, str | None]]]:
    """Steps of one round with what each handed over, where there were several."""
    found: dict[tuple[str, int], list[tuple[str, str | None]]] = {}
    for event in record.events:
        if event.superstep is not None and not event.router and event.status == "ok":
            graph = event.step.rpartition("/")[0]
            found.setdefault((graph, event.superstep), []).append((event.step, event.output))
    return [steps for steps in found.values() if len({name for name, _ in steps}) > 1]


def _clashes(record: TrialRecord, wiring: Wiring, subject: Subject) -> Iterable[str]:
    values = subject.records.values if subject.records is not None else {}
    for steps in _rounds(record):
        writers: dict[str, set[str]] = {}
        for name, output in steps:
            value = values.get(output or "")
            for key in value if isinstance(value, dict) else ():
                writers.setdefault(str(key), set()).add(name)
        for key, names in writers.items():
            if len(names) > 1 and wiring.keys.get(key) is False:
                yield f"{key} ({', '.join(sorted(names))})"
