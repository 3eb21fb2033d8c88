"""Tools as MCP writes them -> records; needs no library, for a `tools/list` answer may lie in a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from gapless.records.tools import Hints, ToolSchema

_HINTS = {
    "read_only": ("readOnlyHint", "read_only_hint"),
    "destructive": ("destructiveHint", "destructive_hint"),
    "idempotent": ("idempotentHint", "idempotent_hint"),
    "open_world": ("openWorldHint", "open_world_hint"),
}


def tools_of(answer: Any) -> tuple[ToolSchema, ...]:
    """The tools in a `tools/list` answer: its result, the whole JSON-RPC message, or the bare list.

    Example:
        >>> [tool.name for tool in tools_of({"tools": [{"name": "add", "inputSchema": {}}]})]
        ['add']

    Raises:
        ValueError: It is no such answer; the text says what it is instead.
    """
    if isinstance(answer, Mapping) and isinstance(answer.get("result"), Mapping):
        answer = cast("Mapping[str, Any]", answer["result"])
    listed = answer.get("tools") if isinstance(answer, Mapping) else answer
    if not isinstance(listed, list):
        if isinstance(answer, Mapping) and "tools" in answer:
            raise ValueError(f"its `tools` is {type(listed).__name__}, not a list")
        held = (
            f"an object with {', '.join(map(str, answer)) or 'nothing'}"
            if isinstance(answer, Mapping)
            else ""
        )
        raise ValueError(f"no `tools` in it, but {held or type(answer).__name__}")
    return tuple(_tool(one, number) for number, one in enumerate(cast("list[Any]", listed)))


def _tool(one: Any, number: int) -> ToolSchema:
    if not isinstance(one, Mapping):
        raise ValueError(f"tool {number} is {type(one).__name__}, not an object")
    said = one.get("annotations")
    said = cast("Mapping[str, Any]", said) if isinstance(said, Mapping) else {}
    hints = {ours: _flag(said, theirs) for ours, theirs in _HINTS.items()}
    title = one.get("title") or said.get("title") or ""
    return ToolSchema(
        name=str(one.get("name") or ""),
        title=str(title),
        description=str(one.get("description") or ""),
        input_schema=one.get("inputSchema", one.get("input_schema")),
        output_schema=one.get("outputSchema", one.get("output_schema")),
        annotations=Hints(**hints),
    )


def _flag(said: Mapping[str, Any], names: tuple[str, ...]) -> bool | None:
    found = next((said[name] for name in names if name in said), None)
    return found if isinstance(found, bool) else None
