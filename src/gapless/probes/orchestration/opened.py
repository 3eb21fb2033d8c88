"""Whether the workflow can be opened at all, and its shape for the other lines of this layer."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import structs

from gapless.probes.base import Card, ProbeUnavailable, Subject, Unusable, unusable_key
from gapless.records.finding import Figure, Finding
from gapless.records.wiring import StepWiring
from gapless.records.workflow import FINISH, Edge, Layer, Shape

CARD = Card(
    probe="workflow-opens",
    layer="orchestration",
    title="the workflow can be opened",
    target="it is imported, and its steps are known",
    source="gapless' own: what cannot be imported cannot be measured",
)
_MEND = "Mend the module, or name another: app.py:graph or package.module:name. The other layers are measured without it."
_NONE = "no workflow is named: `workflow` in gapless.toml, or gapless checkup --target app.py:graph"


def probe(subject: Subject) -> Iterable[Finding]:
    """Whether the workflow that was named could be imported."""
    if subject.no_workflow and subject.own_workflow:
        subject.memo[unusable_key(subject.no_workflow)] = CARD.probe  # the other lines point here
        yield CARD.finding("fail", subject.no_workflow, next_step=_MEND)
        return
    shape = shape_of(subject)
    steps = [step for step in shape.steps if not step.router]
    target = subject.workflow.target if subject.workflow is not None else ""
    figures = (Figure(name="steps", value=len(steps)), Figure(name="edges", value=len(shape.edges)))
    yield CARD.finding("ok", f"{target}: {len(steps)} steps", figures=figures)


def need_opened(subject: Subject, layer: Layer) -> None:
    """Nothing, where the workflow that was named could be opened, or none was named.

    Raises:
        Unusable: It could not: the first line that needs it fails, whatever its layer.
    """
    if subject.no_workflow and subject.own_workflow:
        raise Unusable(subject.no_workflow, layer, _MEND)


def shape_of(subject: Subject) -> Shape:
    """The workflow's shape.

    Raises:
        Unusable: The one that was named could not be opened.
        ProbeUnavailable: None is named.
    """
    need_opened(subject, "orchestration")
    if subject.workflow is None:
        raise ProbeUnavailable(subject.no_workflow or _NONE)
    return subject.workflow.shape


def seen_shape(subject: Subject) -> Shape:
    """The workflow's shape with the ways that steps' own code is seen to take, by a Command, besides those that edges declare.

    Raises:
        ProbeUnavailable: As `shape_of`.
    """
    shape = shape_of(subject)
    if subject.wiring is None:
        return shape
    names = [step.name for step in shape.steps if not step.router]
    ways = [
        Edge(source=source, target=target, conditional=True)
        for source in names
        for way in subject.wiring.steps.get(source, StepWiring()).goes
        for target in ([way] if way == FINISH else _steps_at(way, names))
    ]
    return structs.replace(shape, edges=tuple(dict.fromkeys([*shape.edges, *ways])))


def _steps_at(address: str, names: list[str]) -> list[str]:
    """A step, or the steps of the subgraph that a node holds."""
    return [name for name in names if name == address or name.startswith(f"{address}/")]
