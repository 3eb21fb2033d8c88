"""Reads what a node hands over: its update before reducers, and the steps that receive it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from langgraph.types import Command, Send

from gapless.records.form import form_of, rebuild
from gapless.records.value import to_plain
from gapless.records.workflow import FINISH, START


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a graph's nodes stand: the address of each, and the graph around it."""

    prefix: str = ""
    """"sub/" inside the subgraph of node `sub`."""
    entries: Mapping[str, str] = field(default_factory=dict[str, str])
    """Nodes that are subgraphs -> the address of the step they begin with."""
    parent: Place | None = None
    """The graph around this one; None for the whole workflow."""

    def address(self, node: str) -> str:
        """The step's address."""
        return f"{self.prefix}{node}"

    def receiver(self, node: str) -> str | None:
        """The address that receives what is handed to `node`; None for the end of a subgraph, which hands on."""
        if node == FINISH:
            return FINISH if self.parent is None else None
        return self.entries.get(node, self.address(node))


def update_of(output: Any) -> Any:
    """The update in a node's output: a Command's update, Commands in a list merged; anything else as it is."""
    if type(output) is dict:
        return cast("Any", output)
    if isinstance(output, Command):
        return _command_update(cast("Command[Any]", output))
    if isinstance(output, (list, tuple)) and any(
        isinstance(item, Command) for item in cast("list[Any]", output)
    ):
        merged: dict[str, Any] = {}
        for item in cast("list[Any]", output):
            _merge(merged, update_of(item))
        return merged
    return plain_route(output)


def receivers_of(output: Any, place: Place) -> tuple[str, ...]:
    """The steps a node's output names by `Command(goto=)` or `Send`; empty when only edges decide."""
    if type(output) is dict:
        return ()
    named = (at.receiver(node) for node, at in _destinations(output, place))
    return tuple(dict.fromkeys(address for address in named if address is not None))


def plain_route(answer: Any) -> Any:
    """A conditional edge's answer for the record: a Send as `{"send": node, "arg": ...}`."""
    if isinstance(answer, Send):
        return {"send": answer.node, "arg": answer.arg}
    if isinstance(answer, (list, tuple)):
        return [plain_route(one) for one in cast("list[Any]", answer)]
    return answer


def route_again(answer: Any, _: Any = None) -> Any:
    """A conditional edge's answer, made of `plain_route`."""
    if isinstance(answer, list):
        return [route_again(one) for one in cast("list[Any]", answer)]
    if isinstance(answer, dict) and cast("dict[str, Any]", answer).keys() == {"send", "arg"}:
        return Send(answer["send"], answer["arg"])
    return cast("Any", answer)


def routing_of(output: Any) -> Any:
    """What of a node's output is in no single update: where it sends the run itself, and updates that a reducer takes one by one.

    `{"goto": [...], "graph": ..., "updates": [...]}`; None where edges alone decide and there is one update.
    """
    if type(output) is dict:
        return None
    goto = [one for one, _ in _named(output)]
    graph = next((one.graph for one in _commands(output) if one.graph is not None), None)
    updates = list(_updates(output))
    if not goto and graph is None and len(updates) < 2:
        return None
    plain = [plain_route(one) for one in goto]
    routing = {"goto": to_plain(plain), "form": form_of(plain), "graph": graph}
    if len(updates) > 1:
        routing |= {"updates": to_plain(updates), "updates_form": form_of(updates)}
    return routing


def output_again(update: Any, routing: Any) -> Any:
    """A node's output, made of its update and its routing."""
    if routing is None:
        return update
    goto = route_again(rebuild(routing["goto"], routing["form"]))
    if "updates" in routing:
        each = [Command(update=one) for one in rebuild(routing["updates"], routing["updates_form"])]
        if to_plain(update_of(each)) == to_plain(update):  # nobody has edited what they come to
            return [*each[:-1], Command(update=each[-1].update, goto=goto, graph=routing["graph"])]
    return Command(update=update, goto=goto, graph=routing["graph"])


def route_reader(ends: Mapping[Any, str] | None, place: Place) -> Callable[[Any], tuple[str, ...]]:
    """Reads a conditional edge's answer, translated through its path map."""

    def read(answer: Any) -> tuple[str, ...]:
        answers: list[Any] = (
            list(cast("list[Any]", answer)) if isinstance(answer, (list, tuple)) else [answer]
        )
        nodes = [one.node if isinstance(one, Send) else _end(one, ends) for one in answers]
        named = (place.receiver(node) for node in nodes if isinstance(node, str) and node != START)
        return tuple(dict.fromkeys(address for address in named if address is not None))

    return read


def _end(answer: Any, ends: Mapping[Any, str] | None) -> Any:
    try:
        return ends.get(answer) if ends else answer
    except TypeError:  # an unhashable answer: LangGraph raises for it after us
        return None


def _destinations(output: Any, place: Place) -> Iterator[tuple[str, Place]]:
    for one, command in _named(output):
        leaves = command is not None and command.graph == Command.PARENT
        yield (one.node if isinstance(one, Send) else str(one)), (place.parent or place if leaves else place)


def _named(output: Any) -> Iterator[tuple[Any, Command[Any] | None]]:
    """Every node or Send that an output names, and the command that does."""
    if isinstance(output, Send):
        yield output, None
    elif isinstance(output, Command):
        command = cast("Command[Any]", output)
        goto: Any = command.goto
        for one in cast("list[Any]", goto if isinstance(goto, (list, tuple)) else [goto]):
            yield one, command
    elif isinstance(output, (list, tuple)):
        for item in cast("list[Any]", output):
            if isinstance(item, (Send, Command)):
                yield from _named(item)


def _commands(output: Any) -> Iterator[Command[Any]]:
    if isinstance(output, Command):
        yield cast("Command[Any]", output)
    elif isinstance(output, (list, tuple)):
        yield from (one for one in cast("list[Any]", output) if isinstance(one, Command))


def _updates(output: Any) -> Iterator[Any]:
    """Every update in an output that has commands, as its reducers get them: one after the other."""
    if isinstance(output, Command):
        update: Any = cast("Command[Any]", output).update
        if _is_pairs(update):
            yield from ({key: value} for key, value in cast("list[tuple[str, Any]]", update))
        elif update is not None:
            yield update
    elif any(True for _ in _commands(output)):
        for item in cast("list[Any]", output):
            if isinstance(item, Command):
                yield from _updates(item)
            elif not isinstance(item, Send):
                yield item


def _is_pairs(update: Any) -> bool:
    if not isinstance(update, (list, tuple)):
        return False
    pairs = cast("list[Any]", update)
    return all(isinstance(pair, tuple) and len(cast("tuple[Any, ...]", pair)) == 2 for pair in pairs)


def _command_update(command: Command[Any]) -> Any:
    update: Any = command.update
    if update is None:
        return {}
    return dict(cast("list[tuple[str, Any]]", update)) if _is_pairs(update) else update


def _merge(merged: dict[str, Any], update: Any) -> None:
    """Adds one update to another as a reader sees them: lists under the same key join, else the later one holds."""
    if not isinstance(update, Mapping):
        return
    for key, value in cast("Mapping[str, Any]", update).items():
        if isinstance(value, list) and isinstance(merged.get(key), list):
            merged[key] = [*merged[key], *cast("list[Any]", value)]
        else:
            merged[key] = value
