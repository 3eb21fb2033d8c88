"""Reads the body of POST /v1/responses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from gapless.testing.fake_llm.asked import Asked, Turn
from gapless.testing.fake_llm.wire import fields
from gapless.testing.fake_llm.wire.choice import choice_of
from gapless.testing.fake_llm.wire.trouble import bad

_ROLES = ("developer", "system", "user", "assistant")
Recall = Callable[[str], list[Any] | None]


def read_responses(body: dict[str, Any], recall: Recall) -> Asked:
    """What a responses request asks.

    Args:
        body: The request.
        recall: The items of an earlier response with its input, by id; None when there is no such response.

    Raises:
        Trouble: Status 400, with what is wrong and where.
    """
    model = fields.text(body, "model")
    turns = _turns(all_items(body, recall))
    instructions = body.get("instructions")
    if isinstance(instructions, str) and instructions:
        turns = [Turn(role="system", text=instructions), *turns]
    fields.number(body, "temperature", 0, 2)
    tools = _tools(body)
    choice, named = choice_of(body.get("tool_choice"), tools)
    include = fields.texts(body.get("include"), "include")
    text = fields.table(body.get("text") or {}, "text")
    return Asked(
        endpoint="responses",
        model=model,
        turns=tuple(turns),
        tools=tools,
        choice=choice,
        named=named,
        parallel=fields.flag(body, "parallel_tool_calls", True),
        stream=fields.flag(body, "stream"),
        logprobs="message.output_text.logprobs" in include,
        top_logprobs=fields.whole(body, "top_logprobs", 0, 20) or 0,
        max_tokens=fields.whole(body, "max_output_tokens", 1, None),
        json_schema=fields.output_schema(
            fields.table(text.get("format") or {}, "text.format"), "text.format"
        ),
    )


def all_items(body: dict[str, Any], recall: Recall) -> list[dict[str, Any]]:
    """The whole conversation as items: what `previous_response_id` stands for, then the input.

    Raises:
        Trouble: Status 400: no input, an unknown earlier response, a tool result nobody asked for, or a call without result.
    """
    given = body.get("input")
    if given is None:
        raise bad("input", "Missing required parameter: 'input'.", "missing_required_parameter")
    if isinstance(given, str):
        given = [{"type": "message", "role": "user", "content": given}]
    items = [fields.table(item, f"input[{at}]") for at, item in enumerate(fields.items(given, "input"))]
    previous = body.get("previous_response_id")
    if previous is not None:
        before = recall(str(previous))
        if before is None:
            raise bad(
                "previous_response_id",
                f"Previous response with id '{previous}' not found.",
                "previous_response_not_found",
            )
        items = [*cast("list[dict[str, Any]]", before), *items]
    _answered(items)
    return items


def _turns(items: list[dict[str, Any]]) -> list[Turn]:
    """Messages from items; what the assistant put into several items in a row is one message of its own."""
    turns: list[Turn] = []
    for at, item in enumerate(items):
        turn = _turn(item, f"input[{at}]")
        if turn is None:
            continue
        last = turns[-1] if turns else None
        if turn.role == "assistant" and last is not None and last.role == "assistant":
            turns[-1] = Turn(role="assistant", text=last.text + turn.text, calls=last.calls + turn.calls)
        else:
            turns.append(turn)
    return turns


def _turn(item: dict[str, Any], at: str) -> Turn | None:
    kind = item.get("type", "message")
    if kind == "function_call":
        arguments = item.get("arguments")
        if not isinstance(arguments, str):
            raise fields.wrong_type(f"{at}.arguments", arguments, "a string")
        return Turn(role="assistant", calls=((fields.text(item, "name", f"{at}."), arguments),))
    if kind == "function_call_output":
        return Turn(role="tool", text=_content(item.get("output"), f"{at}.output"))
    if kind != "message":
        return None  # reasoning, hosted tools: nothing a script could match
    role = fields.text(item, "role", f"{at}.")
    if role not in _ROLES:
        raise bad(
            f"{at}.role",
            f"Invalid value: {role!r}. Supported values are: {', '.join(repr(name) for name in _ROLES)}.",
            "invalid_value",
        )
    text = _content(item.get("content"), f"{at}.content")
    if role == "assistant":
        return Turn(role="assistant", text=text)
    return Turn(role="user" if role == "user" else "system", text=text)


def _content(content: Any, at: str) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise fields.wrong_type(at, content, "a string or an array of parts")
    parts = [fields.table(part, f"{at}[{i}]") for i, part in enumerate(cast("list[Any]", content))]
    texts = [part.get("text", part.get("refusal")) for part in parts]
    return "\n".join(text for text in texts if isinstance(text, str))


def _tools(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    tools: dict[str, dict[str, Any]] = {}
    for at, tool in enumerate(fields.items(body.get("tools") or [], "tools")):
        table = fields.table(tool, f"tools[{at}]")
        if fields.text(table, "type", f"tools[{at}].") == "function":
            tools[fields.text(table, "name", f"tools[{at}].")] = fields.schema_of(table, f"tools[{at}]")
    return tools


def _answered(items: list[dict[str, Any]]) -> None:
    asked = [item.get("call_id") for item in items if item.get("type") == "function_call"]
    got = [item.get("call_id") for item in items if item.get("type") == "function_call_output"]
    for call_id in got:
        if call_id not in asked:
            raise bad("input", f"No tool call found for function call output with call_id {call_id}.")
    for call_id in asked:
        if call_id not in got:
            raise bad("input", f"No tool output found for function call {call_id}.")
