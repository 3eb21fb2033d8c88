"""Folds golden updates into the state before a step, through the graph's own channels and reducers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from langgraph.channels.base import BaseChannel
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel

from gapless.errors import UnknownName
from gapless.frameworks.langgraph import private
from gapless.frameworks.langgraph.facade import unwrap
from gapless.frameworks.langgraph.handover import update_of
from gapless.records.workflow import START

ROOT = "__root__"


def input_for(graph: Any, value: Any) -> Any:
    """A case's input as the graph takes it: a text becomes a user message, or the only key its input has."""
    keys = _input_keys(graph)
    if isinstance(value, Mapping) or not keys or ROOT in keys:
        return cast("Any", value)
    if "messages" in keys:
        if isinstance(value, str):
            return {"messages": [("user", value)]}
        if isinstance(value, list):
            return {"messages": value}
    return {keys[0]: value} if len(keys) == 1 else value


def locate(graph: Any, step: str) -> tuple[Any, str]:
    """The graph and the node behind a step's address.

    Raises:
        UnknownName: There is none.
    """
    *outer, node = step.split("/")
    here = graph
    for name in outer:
        inner = unwrap(here.nodes[name].bound) if name in here.nodes else None
        if not isinstance(inner, Pregel):
            raise _unknown(graph, step)
        here = inner
    if node not in here.nodes or node == START:
        raise _unknown(graph, step)
    return here, node


def state_before(graph: Any, step: str, value: Any, golden: Mapping[str, Any]) -> Any:
    """The state a step is given when every step before it handed over its golden update."""
    locate(graph, step)
    return _before(graph, step.split("/"), input_for(graph, value), golden)


class Fold:
    """The channels of a graph, filled by hand."""

    def __init__(self, graph: Any, value: Any) -> None:
        self._graph = graph
        kept = set(graph.stream_channels_list)
        missing = private.MISSING
        self._channels: dict[str, BaseChannel[Any, Any, Any]] = {
            name: channel.from_checkpoint(missing)
            for name, channel in graph.channels.items()
            if isinstance(channel, BaseChannel) and name in kept
        }
        self.apply(value)

    def apply(self, update: Any) -> None:
        """Writes an update through the reducers; keys the graph does not know are dropped, as LangGraph does."""
        update = update_of(update)
        pairs = {ROOT: update} if ROOT in self._channels else _as_mapping(update)
        for name, value in pairs.items():
            if name in self._channels:
                self._channels[name].update([value])

    def read(self, names: Any = None) -> Any:
        """The values of some channels, or of all that have one."""
        wanted = names if names is not None else list(self._channels)
        if isinstance(wanted, str) or ROOT in self._channels:
            return self._channels[ROOT].get()
        available = (name for name in wanted if name in self._channels)
        return {name: self._channels[name].get() for name in available if self._channels[name].is_available()}


def _before(graph: Any, path: list[str], value: Any, golden: Mapping[str, Any]) -> Any:
    """The state before the step at `path`; the state at the end when `path` is empty."""
    fold = Fold(graph, value)
    inside: dict[str, dict[str, Any]] = {}
    for step, update in golden.items():
        node, _, rest = step.partition("/")
        if node not in graph.nodes:
            continue  # a router hands over no update
        if rest:
            inside.setdefault(node, {})[rest] = update
        _leave_subgraphs(graph, fold, inside, staying=node)
        if not rest:
            fold.apply(update)
    if len(path) <= 1:
        _leave_subgraphs(graph, fold, inside, staying=None)
        return fold.read()
    _leave_subgraphs(graph, fold, inside, staying=path[0])
    node = graph.nodes[path[0]]
    return _before(unwrap(node.bound), path[1:], fold.read(node.channels), inside.get(path[0], {}))


def _leave_subgraphs(graph: Any, fold: Fold, inside: dict[str, dict[str, Any]], staying: str | None) -> None:
    for name in [name for name in inside if name != staying]:
        sub = unwrap(graph.nodes[name].bound)
        end = _before(sub, [], fold.read(graph.nodes[name].channels), inside.pop(name))
        outputs = sub.output_channels
        fold.apply(end if isinstance(outputs, str) else {key: end[key] for key in outputs if key in end})


def _input_keys(graph: Any) -> list[str]:
    if not isinstance(graph, CompiledStateGraph):
        return []
    builder = graph.builder
    schema = builder.schemas[builder.input_schema]
    return [name for name, channel in schema.items() if isinstance(channel, BaseChannel)]


def _as_mapping(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return cast("Mapping[str, Any]", value)
    if hasattr(value, "model_dump"):
        return {
            name: getattr(value, name) for name in type(value).model_fields if name in value.model_fields_set
        }
    return cast("Mapping[str, Any]", getattr(value, "__dict__", {}))


def _unknown(graph: Any, step: str) -> UnknownName:
    names = ", ".join(name for name in graph.nodes if name != START)
    return UnknownName(f"no step {step!r} in this graph; it has {names}.")
