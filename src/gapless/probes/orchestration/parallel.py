"""Keys that several steps of one round write: by their code, and in recorded trials."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.orchestration.opened import seen_shape
from gapless.probes.orchestration.wired import need_wiring
from gapless.records.finding import Figure, Finding
from gapless.records.trial import StepEvent, TrialRecord
from gapless.records.wiring import StepWiring, Wiring
from gapless.records.workflow import Edge
from gapless.report.wording import count

WRITES = Card(
    probe="parallel-writes",
    layer="orchestration",
    title="parallel branches write different keys",
    target="no key without a reducer written twice in one round",
    source="LangGraph, concurrent updates",
)


class _Entry(NamedTuple):
    """One time that a graph was entered: the subgraph's node, which of several Sends, and how often before."""

    graph: str
    branch: int | None
    before: int


def parallel_writes(subject: Subject) -> Iterable[Finding]:
    """Keys without a reducer that are written twice in one round: by the steps' code, and in recorded trials."""
    wiring, shape = need_wiring(subject), seen_shape(subject)
    sample = subject.records.sample if subject.records is not None else ()
    rounds = [together for record in sample for together in _rounds(record)]
    fanned = [name for name, step in wiring.steps.items() if step.fanned]
    values = subject.records.values if subject.records is not None else {}
    clashes = {clash for together in rounds for clash in _clashes(together, wiring, values)}
    clashes |= {clash for steps in wiring.rounds for clash in _by_code(steps, wiring)}
    clashes |= {f"{key} ({name}, several times at once)" for name in fanned for key in _writes(name, wiring)}
    figures = (
        Figure(name="sets of steps that start together", value=len(wiring.rounds)),
        Figure(name="steps that several Sends start at once", value=len(fanned)),
        Figure(name="rounds with several steps", value=len(rounds)),
    )
    if clashes:
        yield WRITES.finding(
            "fail",
            f"written several times in one round, without a reducer: {', '.join(sorted(clashes))}",
            figures=figures,
            next_step="Give the key a reducer (Annotated[list, operator.add]), or let one step write it.",
        )
        return
    beside = list(dict.fromkeys([*(name for steps in wiring.rounds for name in steps), *fanned]))
    silent = [name for name in beside if not _seen(name, wiring)]
    partly = [name for name in fanned if wiring.steps[name].partly]
    if not sample and (silent or partly or any(_open(edge, wiring) for edge in shape.edges)):
        raise ProbeUnavailable(
            "which keys steps write shows in recorded trials, and there are none: run gapless measure"
        )
    if silent and not rounds:
        raise ProbeUnavailable(
            f"which keys {', '.join(silent)} write their code does not show, and in none of {len(sample)} recorded trials did they run side by side"
        )
    said = f"no key clashed in {count(len(rounds), 'round')} with several steps"
    if not rounds:
        seen = f", and in {len(sample)} recorded trials none did" if sample else ""
        said = f"{_told(wiring, fanned)}{seen}"
    yield WRITES.finding("ok", said, figures=figures)


def _open(edge: Edge, wiring: Wiring) -> bool:
    """Whether code decides which steps an edge starts at once; not where it is seen to start one alone, by Sends."""
    return edge.conditional and wiring.steps.get(edge.source, StepWiring()).fans_to is None


def _told(wiring: Wiring, fanned: list[str]) -> str:
    if fanned and not wiring.rounds:
        is_ = "is" if len(fanned) == 1 else "are"
        return f"{', '.join(fanned)} {is_} started several times at once, and by the code each key written there has a reducer"
    if not wiring.rounds:
        return "no step leads on to several at once"
    return f"{', '.join(wiring.rounds[0])} run side by side, and write different keys by their code"


def _single(step: str, keys: Iterable[str], wiring: Wiring) -> Iterator[str]:
    """Those of some keys that one step alone may write in a round, in the state of the graph that the step is in."""
    graph = step.rpartition("/")[0]
    known = wiring.inside.get(graph, {}) if graph else wiring.keys
    yield from (key for key in keys if known.get(key) is False)


def _writes(step: str, wiring: Wiring) -> Iterator[str]:
    return _single(step, _seen(step, wiring), wiring)


def _seen(step: str, wiring: Wiring) -> tuple[str, ...]:
    return wiring.steps[step].writes if step in wiring.steps else ()


def _by_code(steps: tuple[str, ...], wiring: Wiring) -> Iterator[str]:
    """Keys that the code of several of these steps is seen to write."""
    return _shared((name, _writes(name, wiring)) for name in steps)


def _clashes(together: list[StepEvent], wiring: Wiring, values: Mapping[str, Any]) -> Iterator[str]:
    """Keys that several events of one round handed over."""
    handed = ((_label(event), event.step, values.get(event.output or "")) for event in together)
    return _shared(
        (label, _single(step, map(str, value), wiring))
        for label, step, value in handed
        if isinstance(value, dict)
    )


def _shared(written: Iterable[tuple[str, Iterable[str]]]) -> Iterator[str]:
    """Keys with several writers, each with who they are."""
    writers: dict[str, set[str]] = {}
    for name, keys in written:
        for key in keys:
            writers.setdefault(key, set()).add(name)
    for key, names in writers.items():
        if len(names) > 1:
            yield f"{key} ({', '.join(sorted(names))})"


def _label(event: StepEvent) -> str:
    return event.step if event.branch is None else f"{event.step}[{event.branch}]"


def _rounds(record: TrialRecord) -> Iterator[list[StepEvent]]:
    """Events of one round of one graph, where there were several steps, or several Sends to one."""
    found: dict[tuple[_Entry, int], list[StepEvent]] = {}
    for entry, events in _entries(record):
        for event in events:
            if event.status == "ok" and not event.router and event.superstep is not None:
                found.setdefault((entry, event.superstep), []).append(event)
    yield from (events for events in found.values() if len({_label(event) for event in events}) > 1)


def _entries(record: TrialRecord) -> Iterator[tuple[_Entry, list[StepEvent]]]:
    """The events of each time that a graph was entered: a subgraph counts its rounds anew each time."""
    inside: dict[tuple[str, int | None], list[StepEvent]] = {}
    for event in sorted(record.events, key=lambda one: one.started_ms):
        graph = event.step.rpartition("/")[0]
        inside.setdefault((graph, event.branch if graph else None), []).append(event)
    for (graph, branch), events in inside.items():
        around = [one.started_ms for one in record.events if one.step.rpartition("/")[0] != graph]
        entries: list[list[StepEvent]] = [events[:1]]
        for before, event in pairwise(events):
            if graph and _anew(before, event, around):
                entries.append([])
            entries[-1].append(event)
        yield from ((_Entry(graph, branch, number), one) for number, one in enumerate(entries))


def _anew(before: StepEvent, event: StepEvent, around: list[float]) -> bool:
    """Whether a subgraph was left and entered again between two of its events: its rounds begin anew, or others ran."""
    if before.superstep is None or event.superstep is None:
        return False
    left = any(before.started_ms + before.ms <= at <= event.started_ms for at in around)
    return event.superstep < before.superstep or (event.superstep == before.superstep and left)
