"""What holds a graph together: its state's type, where checkpoints go, whether every step is reached and loops have a bound."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import structs

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.orchestration.opened import seen_shape, shape_of
from gapless.probes.orchestration.reach import ends, forward, loops, reached
from gapless.records.finding import Figure, Finding
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
_BOUND = 1000
"""More supersteps than that are no bound: an agent of LangChain's `create_agent` has 9,999."""
LOOPS = Card(
    probe="bounded-loops",
    layer="orchestration",
    title="loops have a bound",
    target="a count of the rounds that leaves the loop, or a recursion limit of the graph's own",
    source=_SOURCE,
)


def need_wiring(subject: Subject) -> Wiring:
    """How the graph is wired.

    Raises:
        ProbeUnavailable: The workflow is no graph, or there is none.
    """
    shape_of(subject)
    if subject.wiring is None:
        raise ProbeUnavailable(
            "the workflow is no LangGraph graph of this process: its code carries its state, and nothing declares it"
        )
    return subject.wiring


def typed_state(subject: Subject) -> Iterable[Finding]:
    """Whether the state says which keys it has."""
    wiring = need_wiring(subject)
    if not wiring.keys or wiring.state == "none":
        raise ProbeUnavailable(
            "it is a function under @entrypoint: its state is that function's own variables"
        )
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
    wiring, shape = need_wiring(subject), shape_of(subject)
    acts = [step.name for step in shape.steps if step.effect]
    pauses = [step.name for step in shape.steps if step.review or step.gates] + list(wiring.interrupts)
    pauses += [name for name, step in wiring.steps.items() if step.asks]
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
    shape = seen_shape(subject)
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
    wiring, shape = need_wiring(subject), seen_shape(subject)
    around = loops(shape)
    counted = {name: step.counts for name, step in wiring.steps.items() if step.counts}
    uncounted = structs.replace(shape, edges=tuple(e for e in shape.edges if e.source not in counted))
    limit = "the framework's own limit"
    if wiring.recursion_limit is not None:
        limit = f"a limit of {wiring.recursion_limit:,} supersteps"
    if not around:
        yield LOOPS.finding("ok", "the graph has no loop")
    elif wiring.recursion_limit is not None and wiring.recursion_limit <= _BOUND:
        yield LOOPS.finding(
            "ok", f"{', '.join(around)} can loop, at most {wiring.recursion_limit} supersteps"
        )
    elif not loops(uncounted):
        said = ", ".join(dict.fromkeys(one for name in around for one in counted.get(name, ())))
        yield LOOPS.finding(
            "ok",
            f"{', '.join(around)} can loop, and that seems to be bounded by {said}",
            undecided="code that decides compares the state with a whole number; that this grows with every round is not shown",
        )
    else:
        yield LOOPS.finding(
            "warn",
            f"{', '.join(around)} can loop, and only {limit} ends that",
            next_step="Count the rounds in the state and leave the loop, or bind a limit: graph.with_config(recursion_limit=25).",
        )
