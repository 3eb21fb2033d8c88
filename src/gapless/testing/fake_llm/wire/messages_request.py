"""Reads the body of POST /v1/messages (Anthropic's API)."""

from __future__ import annotations

import json
from typing import Any, cast

from gapless.testing.fake_llm.asked import Asked, Turn
from gapless.testing.fake_llm.wire import fields
from gapless.testing.fake_llm.wire.trouble import bad

_ROLES = ("user", "assistant", "system")
_CHOICES = {"auto": "auto", "any": "required", "tool": "required", "none": "none"}


def read_messages(body: dict[str, Any], *, counted: bool = False) -> Asked:
    """What a messages request asks.

    Args:
        body: The request.
        counted: Whether only its tokens are to be counted: then no longest answer is demanded.

    Raises:
        Trouble: Status 400, with what is wrong and where.
    """
    model = fields.text(body, "model")
    if not counted and body.get("max_tokens") is None:
        raise bad("max_tokens", "max_tokens: Field required")
    messages = [
        fields.table(message, f"messages.{at}")
        for at, message in enumerate(fields.items(body.get("messages"), "messages"))
    ]
    if not messages:
        raise bad("messages", "messages: at least one message is required")
    _answered(messages)
    fields.number(body, "temperature", 0, 1)
    fields.number(body, "top_p", 0, 1)
    tools = _tools(body)
    choice, named, parallel = _choice(body, tools)
    system = _content(body.get("system") or "", "system")
    turns = [Turn(role="system", text=system)] if system else []
    for at, message in enumerate(messages):
        turns += _turns(message, f"messages.{at}")
    return Asked(
        endpoint="messages",
        model=model,
        turns=tuple(turns),
        tools=tools,
        choice=choice,
        named=named,
        parallel=parallel,
        stream=fields.flag(body, "stream"),
        stop=fields.texts(body.get("stop_sequences"), "stop_sequences"),
        max_tokens=fields.whole(body, "max_tokens", 1, None),
        json_schema=_schema(body),
    )


def _turns(message: dict[str, Any], at: str) -> list[Turn]:
    """A message as turns: results of tools are blocks in a user's message here."""
    role = fields.text(message, "role", f"{at}.")
    if role not in _ROLES:
        raise bad(f"{at}.role", f"{at}.role: Input should be 'user', 'assistant' or 'system'")
    blocks = _blocks(message.get("content"), f"{at}.content")
    text = _texts(blocks)
    if role == "assistant":
        used = [block for block in blocks if block["type"] == "tool_use"]
        calls = tuple((fields.text(b, "name", f"{at}."), json.dumps(b.get("input"))) for b in used)
        return [Turn(role="assistant", text=text, calls=calls)]
    results = [
        Turn(role="tool", text=_content(block.get("content") or "", f"{at}.content"))
        for block in blocks
        if block["type"] == "tool_result"
    ]
    said = [Turn(role=cast("Any", role), text=text)] if text or not results else []
    return [*results, *said]


def _blocks(content: Any, at: str) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    blocks = [fields.table(block, f"{at}.{i}") for i, block in enumerate(fields.items(content, at))]
    for i, block in enumerate(blocks):
        fields.text(block, "type", f"{at}.{i}.")
    return blocks


def _content(content: Any, at: str) -> str:
    return _texts(_blocks(content, at))


def _texts(blocks: list[dict[str, Any]]) -> str:
    return "\n".join(str(block["text"]) for block in blocks if block["type"] == "text" and "text" in block)


def _tools(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    tools: dict[str, dict[str, Any]] = {}
    for at, tool in enumerate(fields.items(body.get("tools") or [], "tools")):
        table = fields.table(tool, f"tools.{at}")
        if table.get("type") not in (None, "custom"):
            continue  # the vendor's own tools run on its side and have no arguments to script
        name = fields.text(table, "name", f"tools.{at}.")
        if table.get("input_schema") is None:
            raise bad(f"tools.{at}.custom.input_schema", f"tools.{at}.custom.input_schema: Field required")
        tools[name] = fields.table(table["input_schema"], f"tools.{at}.input_schema")
    return tools


def _choice(body: dict[str, Any], tools: dict[str, Any]) -> tuple[str, str | None, bool]:
    """("auto" | "none" | "required", the one tool that is demanded or None, whether several calls are allowed)."""
    if body.get("tool_choice") is None:
        return "auto", None, True
    said = fields.table(body["tool_choice"], "tool_choice")
    kind = fields.text(said, "type", "tool_choice.")
    if kind not in _CHOICES:
        raise bad("tool_choice", f"tool_choice.type: Input should be one of {', '.join(map(repr, _CHOICES))}")
    if not tools:
        raise bad("tool_choice", "tool_choice: may only be specified while providing tools")
    named = fields.text(said, "name", "tool_choice.") if kind == "tool" else None
    if named is not None and named not in tools:
        raise bad("tool_choice", f"tool_choice: tool '{named}' not found in provided tools")
    return _CHOICES[kind], named, not fields.flag(said, "disable_parallel_tool_use")


def _schema(body: dict[str, Any]) -> dict[str, Any] | None:
    wanted = fields.table(body.get("output_config") or {}, "output_config").get("format")
    if wanted is None:
        return None
    said = fields.table(wanted, "output_config.format")
    if said.get("type") != "json_schema":
        raise bad("output_config.format.type", "output_config.format.type: Input should be 'json_schema'")
    return fields.table(said.get("schema"), "output_config.format.schema")


def _answered(messages: list[dict[str, Any]]) -> None:
    """Every tool use has its result at the beginning of the next message, and no result is without its use."""
    waiting: list[str] = []
    for at, message in enumerate(messages):
        blocks = _blocks(message.get("content"), f"messages.{at}.content")
        got = [str(block.get("tool_use_id")) for block in blocks if block["type"] == "tool_result"]
        for one in got:
            if one not in waiting:
                raise bad(
                    f"messages.{at}",
                    f"messages.{at}.content: unexpected `tool_use_id` found in `tool_result` blocks: {one}. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.",
                )
        _none_left([one for one in waiting if one not in got], at - 1)
        waiting = [str(block.get("id")) for block in blocks if block["type"] == "tool_use"]
    _none_left(waiting, len(messages) - 1)


def _none_left(ids: list[str], at: int) -> None:
    if ids:
        raise bad(
            f"messages.{at}",
            f"messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(ids)}. Each `tool_use` block must have a corresponding `tool_result` block in the next message.",
        )
