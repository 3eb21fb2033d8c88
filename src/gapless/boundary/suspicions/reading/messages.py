"""Reads chat messages in plain data, in LangChain's form and in OpenAI's: who spoke, which tool, which arguments."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import msgspec

_ROLES = {
    "human": "user",
    "user": "user",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
    "ToolMessageChunk": "tool",
    "system": "system",
    "developer": "system",
}
_CUT_REASONS = frozenset(("length", "max_tokens", "MAX_TOKENS"))
_COMMAND_KEYS = frozenset(("graph", "update", "resume", "goto"))


class ToolCall(NamedTuple):
    """A call that a model asked for."""

    name: str
    arguments: Any


def role_of(value: Any) -> str | None:
    """user, assistant, tool or system for a message; None for anything else."""
    if not isinstance(value, dict) or "content" not in value:
        return None
    message = cast("dict[str, Any]", value)
    kind = message.get("role") or message.get("type")
    return _ROLES.get(kind) if isinstance(kind, str) else None


def split_messages(value: Any) -> tuple[list[dict[str, Any]], Any]:
    """The messages in a state or update, and what else it holds (None when there is nothing else)."""
    if role_of(value):
        return [value], None
    if _all_messages(value):
        return value, None
    if not isinstance(value, dict):
        return [], value
    messages: list[dict[str, Any]] = []
    rest: dict[str, Any] = {}
    for key, inner in cast("dict[str, Any]", value).items():
        if role_of(inner):
            messages.append(inner)
        elif _all_messages(inner):
            messages.extend(inner)
        elif not (key == "messages" and inner == []):
            rest[key] = inner
    return messages, rest or (None if messages else value)


def updates_in(output: Any) -> list[Any]:
    """The updates in what a step returned: a LangGraph Command is unwrapped, a list of them too; routing alone is none."""
    if isinstance(output, dict) and output.keys() == _COMMAND_KEYS:
        update = cast("dict[str, Any]", output)["update"]
        return [] if update is None else [_pairs_as_dict(update)]
    if isinstance(output, list) and any(_is_update(item) for item in cast("list[Any]", output)):
        return [update for item in cast("list[Any]", output) for update in updates_in(item)]
    return [output]


def fresh(messages: list[dict[str, Any]], before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages that a step added: some steps return the whole conversation, some only what is new."""
    if before and len(messages) >= len(before) and messages[: len(before)] == before:
        return messages[len(before) :]
    known = {message["id"] for message in before if isinstance(message.get("id"), str)}
    return [message for message in messages if str(message.get("id")) not in known]


def text_of(message: dict[str, Any]) -> str:
    """The words of a message; content blocks that are no text are left out."""
    content = message["content"]
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    blocks = cast("list[Any]", content)
    parts = [block if isinstance(block, str) else _block_text(block) for block in blocks]
    return "\n".join(part for part in parts if part)


def tool_calls(message: dict[str, Any]) -> dict[str, ToolCall]:
    """The calls that a model asked for in a message, by call id."""
    calls: dict[str, ToolCall] = {}
    asked = message.get("tool_calls")
    for place, call in enumerate(cast("list[Any]", asked) if isinstance(asked, list) else ()):
        if isinstance(call, dict):
            found = cast("dict[str, Any]", call)
            calls[str(found.get("id") or place)] = _tool_call(found)
    return calls


def is_cut(message: dict[str, Any]) -> bool:
    """Whether the model stopped because it ran out of tokens."""
    about = message.get("response_metadata")
    if not isinstance(about, dict):
        return False
    reasons = cast("dict[str, Any]", about)
    return any(str(reasons.get(key)) in _CUT_REASONS for key in ("finish_reason", "stop_reason"))


def _tool_call(call: dict[str, Any]) -> ToolCall:
    function = call.get("function")
    if not isinstance(function, dict):
        return ToolCall(str(call.get("name")), call.get("args"))
    inner = cast("dict[str, Any]", function)
    arguments = inner.get("arguments")
    try:
        return ToolCall(str(inner.get("name")), msgspec.json.decode(arguments or "{}"))
    except (msgspec.DecodeError, TypeError):
        return ToolCall(str(inner.get("name")), arguments)


def _all_messages(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(role_of(item) is not None for item in cast("list[Any]", value))
    )


def _is_update(item: Any) -> bool:
    return isinstance(item, dict) and item.keys() == _COMMAND_KEYS


def _pairs_as_dict(update: Any) -> Any:
    # Command(update=[("key", value), ...]) is the other form that LangGraph takes
    if isinstance(update, list) and update and all(_is_pair(item) for item in cast("list[Any]", update)):
        return dict(cast("list[Any]", update))
    return update


def _is_pair(item: Any) -> bool:
    return isinstance(item, list) and len(cast("list[Any]", item)) == 2 and isinstance(item[0], str)


def _block_text(block: Any) -> str:
    if not isinstance(block, dict):
        return ""
    text = cast("dict[str, Any]", block).get("text")
    return text if isinstance(text, str) else ""
