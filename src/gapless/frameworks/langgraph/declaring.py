"""What a graph's own state schema declares about the updates its nodes hand over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from langgraph.channels import LastValue
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel

from gapless.boundary.schemas import DeclaredSchema
from gapless.frameworks.declared import object_schema
from gapless.frameworks.langgraph.facade import unwrap
from gapless.frameworks.langgraph.state import ROOT
from gapless.records.value import to_plain
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


def undeclared(graph: Any, update: Any) -> str | None:
    """What in an update a person wrote the graph's state does not know: a key it has not, or a value of another type.

    Nothing is said of keys with a reducer, whose updates may be of another type than their values.
    """
    if not isinstance(graph, CompiledStateGraph) or not isinstance(update, Mapping) or ROOT in graph.channels:
        return None
    builder: Any = graph.builder  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    known = list(builder.channels)
    strange = next((key for key in cast("Mapping[Any, Any]", update) if key not in known), None)
    if strange is not None:
        return f"the graph's state has no key {strange!r}; it has {', '.join(known)}"
    schema = object_schema(dict(_annotations(graph)))
    found = DeclaredSchema.of(schema).breaches(to_plain(update)) if schema is not None else ()
    return found[0] if found else None


def _annotations(graph: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(graph, CompiledStateGraph):
        return
    builder: Any = graph.builder  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    for name, channel in builder.channels.items():
        said = [schema[name] for schema in builder.schemas.values() if name in schema]
        same = all(type(one) is LastValue and one.typ == channel.typ for one in said)
        if type(channel) is LastValue and name != ROOT and same:
            yield name, channel.typ
