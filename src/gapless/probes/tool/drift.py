"""Reviewed tools against the same tools now: what of it breaks callers, what does not, and what only reads otherwise.

A caller sends arguments and reads answers. Arguments that were right must stay right, so a narrower input breaks; answers
must stay within what was promised, so a wider output breaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from gapless.probes.tool.schema_drift import ABSENT, Turn, Turned, turns
from gapless.probes.tool.schemas import TEXT
from gapless.records.tools import CHANGE_KINDS, ChangeKind, Hints, Offer, ToolChange, ToolSchema

Side = Literal["input", "output"]
_KINDS: dict[Side, dict[Turn, ChangeKind]] = {
    "input": {
        "narrower": "breaking",
        "wider": "compatible",
        "text": "description",
        "other": "breaking",
        "field-added": "compatible",
        "field-removed": "breaking",
        "required": "breaking",
        "optional": "compatible",
        "default": "breaking",
    },
    "output": {
        "narrower": "compatible",
        "wider": "breaking",
        "text": "description",
        "other": "breaking",
        "field-added": "compatible",
        "field-removed": "breaking",
        "required": "compatible",
        "optional": "breaking",
        "default": "description",
    },
}
_SAFER: dict[str, bool] = {"read_only": True, "idempotent": True, "destructive": False, "open_world": False}
"""Hint -> the value that callers rely on; without it MCP's default is the other one."""


def drift(reviewed: Mapping[str, ToolSchema], offer: Offer) -> tuple[ToolChange, ...]:
    """Every change of one server's tools, the worst first."""
    now = {tool.name: tool for tool in offer.tools}
    found: list[ToolChange] = []
    for name in (*reviewed, *(name for name in now if name not in reviewed)):
        found += tool_drift(offer.name, reviewed.get(name), now.get(name))
    return tuple(sorted(found, key=lambda change: CHANGE_KINDS.index(change.kind)))


def tool_drift(server: str, before: ToolSchema | None, after: ToolSchema | None) -> Iterator[ToolChange]:
    """The changes of one tool; None where it is not there."""
    name = (after or before or ToolSchema(name="")).name
    if before is None or after is None:
        if after is None and before is not None:
            yield ToolChange(server=server, tool=name, kind="breaking", said="the tool is gone")
        elif after is not None:
            yield ToolChange(server=server, tool=name, kind="compatible", said="the tool is new")
        return
    for field in ("title", "description"):
        one, other = getattr(before, field), getattr(after, field)
        if one != other:
            yield ToolChange(
                server=server,
                tool=name,
                kind="description",
                said=f"{field} changed",
                where=field,
                before=one,
                after=other,
            )
    yield from _side(server, name, "input", before.input_schema, after.input_schema)
    yield from _output(server, name, before.output_schema, after.output_schema)
    yield from _hints(server, name, before.annotations, after.annotations)


def _output(server: str, tool: str, before: Any, after: Any) -> Iterable[ToolChange]:
    if before is None and after is None:
        return ()
    if before is None:
        said: tuple[ChangeKind, str] = ("compatible", "an output schema is declared now")
    elif after is None:
        said = ("breaking", "the output schema is gone")
    else:
        return _side(server, tool, "output", before, after)
    return (
        ToolChange(
            server=server, tool=tool, kind=said[0], said=said[1], where="output", before=before, after=after
        ),
    )


def _side(server: str, tool: str, side: Side, before: Any, after: Any) -> Iterator[ToolChange]:
    if side == "input" and _declares(before) != _declares(after):
        said = (
            f"arguments are {'declared now, where none were' if _declares(after) else 'no longer declared'}"
        )
        yield ToolChange(
            server=server, tool=tool, kind="breaking", said=said, where=side, before=before, after=after
        )
        return
    for turned in turns(before, after):
        yield ToolChange(
            server=server,
            tool=tool,
            kind=_kind(side, turned),
            said=turned.said,
            where=f"{side}{turned.where}",
            before=None if turned.before is ABSENT else turned.before,
            after=None if turned.after is ABSENT else turned.after,
        )


def _declares(schema: Any) -> bool:
    """Whether a schema says anything: servers do send empty ones, under which a model guesses the arguments."""
    return isinstance(schema, Mapping) and bool(set(schema) - TEXT)


def _kind(side: Side, turned: Turned) -> ChangeKind:
    if turned.turn == "default" and side == "input" and turned.before is ABSENT:
        return "compatible"  # what the server did for an argument left out is only said now
    return _KINDS[side][turned.turn]


def _hints(server: str, tool: str, before: Hints, after: Hints) -> Iterator[ToolChange]:
    for name, relied_on in _SAFER.items():
        one, other = getattr(before, name), getattr(after, name)
        if one == other:
            continue
        lost = one == relied_on
        kind: ChangeKind = "breaking" if lost else "compatible" if other == relied_on else "description"
        yield ToolChange(
            server=server,
            tool=tool,
            kind=kind,
            said=f"{name} {_word(one)} -> {_word(other)}",
            where="annotations",
            before=one,
            after=other,
        )


def _word(hint: bool | None) -> str:
    return "not said" if hint is None else "yes" if hint else "no"
