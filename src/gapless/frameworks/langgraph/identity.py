"""Fingerprint of a compiled graph: the code its nodes and routers reach, its shape, and its policies."""

from __future__ import annotations

from typing import Any, cast

from langgraph.pregel import Pregel

from gapless.frameworks import langchain_parts
from gapless.frameworks.fingerprint import fingerprint_code
from gapless.frameworks.langchain_parts import stable_text
from gapless.frameworks.langgraph import private
from gapless.frameworks.langgraph.exits import ungated
from gapless.frameworks.langgraph.facade import contract_at, edges_at, unwrap
from gapless.frameworks.langgraph.shaping import shape_of


def fingerprint_of(graph: Any, home: str | None = None) -> str:
    """Digest of a compiled graph. Settings, checkpointer and layers are no part of it."""
    shape = shape_of(graph, {})
    edges = [[edge.source, edge.target, edge.conditional] for edge in shape.edges]
    steps = [step.name for step in shape.steps]
    return fingerprint_code([graph], home=home, extra=[steps, edges], hook=_parts_of)


def _parts_of(value: Any) -> list[Any] | None:
    value = unwrap(value)
    if isinstance(value, Pregel):
        return _graph_parts(value)
    if isinstance(value, private.RunnableSeq):
        return list(value.steps)
    if isinstance(value, private.RunnableCallable):
        tools: dict[str, Any] = getattr(value, "tools_by_name", None) or {}
        return [
            value.func if value.func is not None else value.afunc,
            *(tools[name] for name in sorted(tools)),
        ]
    return langchain_parts.parts_of(value)


def _graph_parts(graph: Any) -> list[Any]:
    parts: list[Any] = [stable_text([graph.interrupt_before_nodes, graph.interrupt_after_nodes])]
    for name, node in graph.nodes.items():
        parts += [f"node {name}", node.bound, stable_text([node.retry_policy, node.metadata])]
        contract = contract_at(node.bound)
        parts += [] if contract is None else [contract]
        parts += [part for way in edges_at(node.bound).items() for part in way]
        for writer in ungated(node.writers):
            branch = getattr(getattr(writer, "func", None), "__self__", None)
            if isinstance(branch, private.BranchSpec):
                parts += [branch.path, stable_text(branch.ends)]
    builder = cast("Any", getattr(graph, "builder", None))
    return [*parts, *([builder.state_schema] if builder is not None else [])]
