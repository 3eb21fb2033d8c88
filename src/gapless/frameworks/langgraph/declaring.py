"""What a graph's own state schema declares about the updates its nodes hand over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langgraph.channels import LastValue
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel

from gapless.frameworks.declared import object_schema
from gapless.frameworks.langgraph.facade import unwrap
from gapless.frameworks.langgraph.state import ROOT
from gapless.records.workflow import START


def declared_in(graph: Any, prefix: str = "") -> dict[str, dict[str, Any]]:
    """Step -> JSON Schema of its update; subgraphs' steps by their own state. Steps of which nothing is declared are left out.

    A key with a reducer is left out: its update may be of another type than its value.
    """
    schema = object_schema(dict(_annotations(graph)))
    found: dict[str, dict[str, Any]] = {}
    for name, node in graph.nodes.items():
        inner = unwrap(node.bound)
        if isinstance(inner, Pregel):
            found.update(declared_in(inner, f"{prefix}{name}/"))
        elif name != START and schema is not None:
            found[f"{prefix}{name}"] = schema
    return found


def _annotations(graph: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(graph, CompiledStateGraph):
        return
    builder: Any = graph.builder  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    for name, channel in builder.channels.items():
        said = [schema[name] for schema in builder.schemas.values() if name in schema]
        same = all(type(one) is LastValue and one.typ == channel.typ for one in said)
        if type(channel) is LastValue and name != ROOT and same:
            yield name, channel.typ
