"""Reads the body of POST /v1/chat/completions."""

from __future__ import annotations

from typing import Any

from gapless.testing.fake_llm.asked import Asked, Turn
from gapless.testing.fake_llm.wire import fields
from gapless.testing.fake_llm.wire.choice import choice_of
from gapless.testing.fake_llm.wire.trouble import bad

_ROLES = ("developer", "system", "user", "assistant", "tool", "function")


def read_chat(body: dict[str, Any]) -> Asked:
    """What a chat request asks.

    Raises:
        Trouble: Status 400, with what is wrong and where.
    """
    model = fields.text(body, "model")
    if "messages" not in body:
        raise bad("messages", "Missing required parameter: 'messages'.", "missing_required_parameter")
    messages = [
        fields.table(message, f"messages[{at}]")
        for at, message in enumerate(fields.items(body["messages"], "messages"))
    ]
    if not messages:
        raise bad("messages", "Invalid 'messages': empty array. Expected at least one message.")
    _answered(messages)
    stream = fields.flag(body, "stream")
    if body.get("stream_options") is not None and not stream:
        raise bad(
            "stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        )
    options = fields.table(body.get("stream_options") or {}, "stream_options")
    logprobs = fields.flag(body, "logprobs")
    if body.get("top_logprobs") is not None and not logprobs:
        raise bad("top_logprobs", "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.")
    fields.number(body, "temperature", 0, 2)
    fields.number(body, "top_p", 0, 1)
    tools = _tools(body)
    choice, named = choice_of(body.get("tool_choice"), tools)
    limit = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    return Asked(
        endpoint="chat",
        model=model,
        turns=tuple(_turn(message, f"messages[{at}]") for at, message in enumerate(messages)),
        tools=tools,
        choice=choice,
        named=named,
        parallel=fields.flag(body, "parallel_tool_calls", True),
        stream=stream,
        include_usage=fields.flag(options, "include_usage"),
        n=fields.whole(body, "n", 1, 128) or 1,
        logprobs=logprobs,
        top_logprobs=fields.whole(body, "top_logprobs", 0, 20) or 0,
        stop=fields.texts(body.get("stop"), "stop"),
        max_tokens=fields.whole(body, limit, 1, None),
        json_schema=fields.output_schema(
            fields.table(body.get("response_format") or {}, "response_format"), "response_format"
        ),
        seed=fields.whole(body, "seed", -(2**63), 2**63 - 1),
    )


def _turn(message: dict[str, Any], at: str) -> Turn:
    role = fields.text(message, "role", f"{at}.")
    if role not in _ROLES:
        raise bad(
            f"{at}.role",
            f"Invalid value: {role!r}. Supported values are: {', '.join(repr(name) for name in _ROLES)}.",
            "invalid_value",
        )
    if role == "assistant":
        return Turn(role="assistant", text=_content(message, at, optional=True), calls=_calls(message, at))
    if role in ("tool", "function"):
        return Turn(role="tool", text=_content(message, at))
    return Turn(role="user" if role == "user" else "system", text=_content(message, at))


def _content(message: dict[str, Any], at: str, *, optional: bool = False) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    if content is None and optional:
        refusal = message.get("refusal")
        return refusal if isinstance(refusal, str) else ""
    if not isinstance(content, list):
        raise fields.wrong_type(f"{at}.content", content, "a string or an array of parts")
    parts = [fields.table(part, f"{at}.content[{i}]") for i, part in enumerate(content)]
    for i, part in enumerate(parts):
        fields.text(part, "type", f"{at}.content[{i}].")
    return "\n".join(part["text"] for part in parts if isinstance(part.get("text"), str))


def _calls(message: dict[str, Any], at: str) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for i, call in enumerate(fields.items(message.get("tool_calls") or [], f"{at}.tool_calls")):
        where = f"{at}.tool_calls[{i}]"
        function = fields.table(fields.table(call, where).get("function"), f"{where}.function")
        arguments = function.get("arguments")
        if not isinstance(arguments, str):
            raise fields.wrong_type(f"{where}.function.arguments", arguments, "a string")
        found.append((fields.text(function, "name", f"{where}.function."), arguments))
    return tuple(found)


def _tools(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    tools: dict[str, dict[str, Any]] = {}
    for at, tool in enumerate(fields.items(body.get("tools") or [], "tools")):
        where = f"tools[{at}]"
        table = fields.table(tool, where)
        if fields.text(table, "type", f"{where}.") != "function":
            continue  # a custom or hosted tool has no arguments to script
        function = fields.table(table.get("function"), f"{where}.function")
        name = fields.text(function, "name", f"{where}.function.")
        tools[name] = fields.schema_of(function, f"{where}.function")
    return tools


def _answered(messages: list[dict[str, Any]]) -> None:
    """Every tool call is answered right after it, and nothing is answered that was not asked, as the real API demands."""
    waiting: list[str] = []
    for at, message in enumerate(messages):
        if message.get("role") == "tool":
            call_id = fields.text(message, "tool_call_id", f"messages[{at}].")
            if call_id not in waiting:
                raise bad(
                    f"messages[{at}].role",
                    f"Invalid parameter: message {at} with role 'tool' answers {call_id!r}, which no preceding message with 'tool_calls' asks.",
                )
            waiting.remove(call_id)
            continue
        _none_waiting(waiting, at)
        if message.get("role") == "assistant":
            calls = fields.items(message.get("tool_calls") or [], f"messages[{at}].tool_calls")
            waiting = [
                fields.text(
                    fields.table(call, f"messages[{at}].tool_calls[{i}]"),
                    "id",
                    f"messages[{at}].tool_calls[{i}].",
                )
                for i, call in enumerate(calls)
            ]
    _none_waiting(waiting, len(messages))


def _none_waiting(waiting: list[str], at: str | int) -> None:
    if waiting:
        raise bad(
            f"messages[{at}].role",
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. These have no response: {', '.join(waiting)}.",
        )
