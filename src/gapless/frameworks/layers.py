"""Which layer a step belongs to: settings, then metadata, then the calls it was seen to make, then words in its name."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from gapless.boundary.contract import Contract
from gapless.records.trial import CallKind, StepEvent, TrialRecord
from gapless.records.workflow import FINISH, LAYERS, START, Edge, Layer, LayerSource, Shape, Step, StepGate
from gapless.settings import StepSettings

_WORDS: tuple[tuple[Layer, tuple[str, ...]], ...] = (
    ("context", ("retriev", "search", "rag", "context")),
    ("tool", ("tool", "api", "mcp", "fetch")),
    (
        "model",
        (
            "llm",
            "model",
            "agent",
            "chat",
            "draft",
            "generat",
            "summar",
            "synthes",
            "writ",
            "respond",
            "answer",
        ),
    ),
)
_OF_KIND: Mapping[CallKind, Layer] = {
    "model": "model",
    "retriever": "context",
    "tool": "tool",
    "http": "tool",
}
_TELLING: tuple[CallKind, ...] = ("model", "retriever", "tool")
_TOKEN = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def describe_step(
    name: str,
    settings: Mapping[str, StepSettings],
    metadata: Mapping[str, Any] | None = None,
    *,
    router: bool = False,
    contract: Contract | None = None,
) -> Step:
    """A step with its layer, as well as it is known before anything ran.

    Args:
        name: The step's address.
        settings: What the user says about steps, by address.
        metadata: The framework's metadata: `layer`, `effect`, `review`, also under `gapless.*`.
        router: Whether the step is a conditional edge.
        contract: The contract it is under; its layer counts like the framework's metadata.

    Raises:
        PolicyConflict: Its contract tries again what is declared here to have an effect.
    """
    said = settings.get(name, StepSettings())
    if contract is not None and contract.layer is not None:
        metadata = {"layer": contract.layer, **{k: v for k, v in (metadata or {}).items() if v is not None}}
    layer, source = _layer(name, said, metadata or {}, router=router)
    effect = said.effect
    if effect is None:
        effect = flagged(metadata, "effect") or (contract is not None and contract.effect)
    if effect and contract is not None:
        contract.check_effect(name)
    return Step(
        name=name,
        layer=layer,
        layer_source=source,
        effect=effect,
        review=said.review if said.review is not None else flagged(metadata, "review"),
        router=router,
        guards=contract.names if contract is not None else (),
        limit_s=contract.longest_s if contract is not None else None,
        gates=gates_of({name: contract} if contract is not None else {}),
    )


def gates_of(contracts: Mapping[str, Contract]) -> tuple[StepGate, ...]:
    """The confidence gates of contracts, by step or edge."""
    held = ((address, contract.gate) for address, contract in contracts.items())
    return tuple(
        StepGate(
            at=address,
            signals=tuple(sorted(gate.signals)),
            low=gate.scale[0],
            high=gate.scale[1],
            file=gate.calibrated,
            fingerprint=gate.bound.fingerprint if gate.bound is not None else None,
            certificate=gate.bound.certificate if gate.bound is not None else None,
            void=gate.bound.void if gate.bound is not None else None,
        )
        for address, gate in held
        if gate is not None
    )


def learn_shape(shape: Shape, trials: Iterable[TrialRecord]) -> Shape:
    """The shape with what executed trials showed: unseen steps, edges, real interrupts, and layers from nested calls.

    A step that paused for a person is a review step. A layer from settings or metadata stays. A model, retriever or
    tool call decides over words in the name; a plain HTTP request only over the default, because it says no more than
    that something outside was asked.
    """
    steps = {step.name: step for step in shape.steps}
    edges = list(shape.edges)
    calls: dict[str, Counter[CallKind]] = {}
    for trial in trials:
        _learn_steps(steps, trial.events)
        _learn_routes(edges, trial.events)
        if not shape.edges:  # a function's steps: only the order they ran in is known
            _learn_order(edges, trial)
        for event in trial.events:
            calls.setdefault(event.step, Counter()).update(call.kind for call in event.calls)
    learnt = tuple(_with_calls(step, calls.get(step.name, Counter())) for step in steps.values())
    return Shape(steps=learnt, edges=tuple(dict.fromkeys(edges)))


def _layer(
    name: str, said: StepSettings, metadata: Mapping[str, Any], *, router: bool
) -> tuple[Layer, LayerSource]:
    if said.layer is not None:
        return said.layer, "settings"
    declared = metadata.get("gapless.layer", metadata.get("layer"))
    if declared in LAYERS:
        return declared, "metadata"
    guessed = None if router else _from_words(name)
    return (guessed, "name") if guessed is not None else ("orchestration", "default")


def _from_words(name: str) -> Layer | None:
    words = [word.lower() for word in _TOKEN.findall(name.rpartition("/")[2])]
    for layer, stems in _WORDS:
        if any(word.startswith(stem) for word in words for stem in stems):
            return layer
    return None


def flagged(metadata: Mapping[str, Any] | None, key: str) -> bool:
    """Whether a framework's metadata says so of a step: `effect`, `review`, also under `gapless.*`."""
    found = metadata or {}
    return found.get(f"gapless.{key}", found.get(key)) is True


def _learn_steps(steps: dict[str, Step], events: Iterable[StepEvent]) -> None:
    for event in events:
        step = steps.get(event.step)
        if step is None:
            step = describe_step(event.step, {}, router=event.router)
        if event.status == "paused" and not step.review:
            step = msgspec.structs.replace(step, review=True)
        steps[event.step] = step


def _learn_routes(edges: list[Edge], events: tuple[StepEvent, ...]) -> None:
    """Adds hand-overs that were decided at run time and that no edge declares."""
    pairs = {(edge.source, edge.target) for edge in edges}
    for event in events:
        source = event.step.partition("?")[0] if event.router else event.step
        for target in event.routed:
            if (source, target) not in pairs:
                pairs.add((source, target))
                edges.append(Edge(source=source, target=target, conditional=True))


def _learn_order(edges: list[Edge], trial: TrialRecord) -> None:
    path = [START, *trial.path, FINISH]
    seen = {(edge.source, edge.target) for edge in edges}
    for source, target in itertools.pairwise(path):
        if (source, target) not in seen and source != target:
            seen.add((source, target))
            edges.append(Edge(source=source, target=target))


def _with_calls(step: Step, calls: Counter[CallKind]) -> Step:
    if step.layer_source in ("settings", "metadata") or step.router:
        return step
    telling: list[CallKind] = [kind for kind in _TELLING if calls[kind]]
    if not telling and not (calls["http"] and step.layer_source == "default"):
        return step
    kind = max(telling, key=lambda one: calls[one]) if telling else "http"
    return msgspec.structs.replace(step, layer=_OF_KIND[kind], layer_source="calls")
