"""fastmcp's tools and results -> our records and back, nothing lost on the way."""

from __future__ import annotations

from typing import Any

from gapless.boundary.tool_calls.answers import Answer
from gapless.frameworks.mcp.reading import tools_of
from gapless.records.tools import Hints, ToolSchema


def tool_of(tool: Any) -> ToolSchema:
    """A tool as the server behind describes it: fastmcp would add a title where there is none."""
    hints = tool.annotations.model_dump(by_alias=True, exclude_none=True) if tool.annotations else {}
    (read,) = tools_of(
        [
            {
                "name": tool.name,
                "title": tool.title,
                "description": tool.description,
                "inputSchema": tool.parameters,
                "outputSchema": tool.output_schema,
                "annotations": hints,
            }
        ]
    )
    return read


def as_reviewed(tool: Any, reviewed: ToolSchema) -> Any:
    """The tool under the words and schemas that were reviewed, and with nothing that the lock does not hold."""
    return tool.model_copy(
        update={
            "title": reviewed.title or None,
            "description": reviewed.description,
            "parameters": reviewed.input_schema,
            "output_schema": reviewed.output_schema,
            "annotations": _hints(reviewed.annotations),
            "meta": None,
            "icons": None,
            "tags": set[str](),
        }
    )


def _hints(hints: Hints) -> Any:
    from mcp.types import ToolAnnotations

    found: dict[str, Any] = {
        "read_only_hint": hints.read_only,
        "destructive_hint": hints.destructive,
        "idempotent_hint": hints.idempotent,
        "open_world_hint": hints.open_world,
    }
    return ToolAnnotations(**found) if any(hint is not None for hint in found.values()) else None


def answer_of(result: Any) -> Answer:
    """A result as plain data, by MCP's names."""
    from fastmcp.tools.base import RawStructuredToolResult

    answer: Answer = {
        "content": [part.model_dump(by_alias=True, exclude_none=True, mode="json") for part in result.content]
    }
    if result.structured_content is not None or isinstance(result, RawStructuredToolResult):
        answer["structuredContent"] = result.structured_content
    if result.is_error:
        answer["isError"] = True
    if result.meta:
        answer["_meta"] = result.meta
    return answer


def result_of(answer: Answer, output_schema: Any = None) -> Any:
    """The result again. What is no object, or is not declared as one, is wrapped for older clients by fastmcp."""
    from fastmcp.tools.base import RawStructuredToolResult, ToolResult
    from fastmcp.utilities.json_schema import is_object_schema
    from mcp.types import CallToolResult

    has, structured = "structuredContent" in answer, answer.get("structuredContent")
    other = output_schema is not None and not is_object_schema(output_schema)
    kind = RawStructuredToolResult if has and (other or not isinstance(structured, dict)) else ToolResult
    return kind(
        content=CallToolResult.model_validate({"content": answer.get("content", [])}).content,
        structured_content=structured,
        meta=answer.get("_meta"),
        is_error=answer.get("isError") is True,
    )


def refusal(text: str, answer: Answer | None = None) -> Any:
    """A result that says why there is none; what the server did answer stands after it, but for its structured part."""
    beside = answer.get("content", []) if answer is not None else []
    return result_of({"content": [{"type": "text", "text": text}, *beside], "isError": True})
