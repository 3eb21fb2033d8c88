"""Writes answers of /v1/responses: whole, or as the events of a stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gapless.testing.fake_llm.answer import Answer, Call
from gapless.testing.fake_llm.asked import Asked, pieces
from gapless.testing.fake_llm.wire.chat_reply import logprob_entry
from gapless.testing.fake_llm.wire.events import Event, event

_CUT_SHORT = {"length": "max_output_tokens", "content_filter": "content_filter"}
_ECHOED: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""Fields of the request that the answer repeats, with what stands there when the request is silent."""


def response_body(
    asked: Asked, answer: Answer, identity: str, created: int, body: dict[str, Any]
) -> dict[str, Any]:
    """A whole answer."""
    reason = _CUT_SHORT.get(answer.finish)
    status = "incomplete" if reason else "completed"
    done = _response(identity, created, body, asked.model, status)
    done["output"] = output_items(asked, answer, identity)
    done["incomplete_details"] = {"reason": reason} if reason else None
    done["completed_at"] = created
    done["usage"] = _usage(asked, answer)
    return done


def output_items(asked: Asked, answer: Answer, identity: str) -> list[dict[str, Any]]:
    """The message, if anything was said, then the tool calls."""
    items: list[dict[str, Any]] = []
    if answer.text is not None or answer.refusal is not None:
        items.append(_message(answer, identity, "completed", [_part(asked, answer)]))
    return items + [_function_call(call, call.arguments, "completed") for call in answer.calls]


def response_events(
    asked: Asked, answer: Answer, identity: str, created: int, body: dict[str, Any]
) -> Iterator[Event]:
    """The same answer as a stream of numbered events."""
    start = _response(identity, created, body, asked.model, "in_progress")
    whole = response_body(asked, answer, identity, created, body)
    for number, (kind, fields, token) in enumerate(_events(asked, answer, identity, start, whole)):
        yield event({"type": kind, "sequence_number": number, **fields}, token=token, name=kind)


_Step = tuple[str, dict[str, Any], bool]


def _events(
    asked: Asked, answer: Answer, identity: str, start: dict[str, Any], whole: dict[str, Any]
) -> Iterator[_Step]:
    yield "response.created", {"response": start}, False
    yield "response.in_progress", {"response": start}, False
    index = 0
    if answer.text is not None or answer.refusal is not None:
        yield from _message_events(asked, answer, identity)
        index = 1
    for at, call in enumerate(answer.calls, start=index):
        yield from _call_events(call, at)
    yield f"response.{whole['status']}", {"response": whole}, False


def _message_events(asked: Asked, answer: Answer, identity: str) -> Iterator[_Step]:
    spoken = answer.text if answer.text is not None else answer.refusal or ""
    refused = answer.text is None
    kind = "response.refusal" if refused else "response.output_text"
    at = {"item_id": f"msg_{identity}", "output_index": 0, "content_index": 0}
    empty: dict[str, Any] = (
        {"type": "refusal", "refusal": ""}
        if refused
        else {"type": "output_text", "text": "", "annotations": []}
    )
    yield (
        "response.output_item.added",
        {"output_index": 0, "item": _message(answer, identity, "in_progress", [])},
        False,
    )
    yield "response.content_part.added", {**at, "part": empty}, False
    for piece in pieces(spoken):
        extra = {} if refused else {"logprobs": _logprobs(asked, answer, [piece])}
        yield f"{kind}.delta", {**at, "delta": piece, **extra}, True
    whole = (
        {"refusal": spoken}
        if refused
        else {"text": spoken, "logprobs": _logprobs(asked, answer, pieces(spoken))}
    )
    yield f"{kind}.done", {**at, **whole}, False
    part = _part(asked, answer)
    yield "response.content_part.done", {**at, "part": part}, False
    item = _message(answer, identity, "completed", [part])
    yield "response.output_item.done", {"output_index": 0, "item": item}, False


def _call_events(call: Call, index: int) -> Iterator[_Step]:
    at = {"item_id": _item_id(call), "output_index": index}
    yield (
        "response.output_item.added",
        {"output_index": index, "item": _function_call(call, "", "in_progress")},
        True,
    )
    for piece in pieces(call.arguments):
        yield "response.function_call_arguments.delta", {**at, "delta": piece}, True
    done = {**at, "name": call.name, "arguments": call.arguments}
    yield "response.function_call_arguments.done", done, False
    item = _function_call(call, call.arguments, "completed")
    yield "response.output_item.done", {"output_index": index, "item": item}, False


def _response(identity: str, created: int, body: dict[str, Any], model: str, status: str) -> dict[str, Any]:
    echoed = {key: default if body.get(key) is None else body[key] for key, default in _ECHOED.items()}
    return {
        "id": f"resp_{identity}",
        "object": "response",
        "created_at": created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        "usage": None,
        "service_tier": "default",
        "store": body.get("store", True),
        "reasoning": {"effort": None, "summary": None},
        **echoed,
    }


def _message(answer: Answer, identity: str, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    if status == "completed" and answer.finish in _CUT_SHORT:
        status = "incomplete"
    return {
        "id": f"msg_{identity}",
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": content,
    }


def _part(asked: Asked, answer: Answer) -> dict[str, Any]:
    if answer.text is None:
        return {"type": "refusal", "refusal": answer.refusal or ""}
    part = {"type": "output_text", "text": answer.text, "annotations": []}
    return part | {"logprobs": _logprobs(asked, answer, pieces(answer.text))}


def _function_call(call: Call, arguments: str, status: str) -> dict[str, Any]:
    return {
        "id": _item_id(call),
        "type": "function_call",
        "status": status,
        "call_id": call.id,
        "name": call.name,
        "arguments": arguments,
    }


def _item_id(call: Call) -> str:
    return "fc_" + call.id.removeprefix("call_")


def _logprobs(asked: Asked, answer: Answer, cut: list[str]) -> list[dict[str, Any]]:
    if not asked.logprobs:
        return []
    return [logprob_entry(piece, answer.logprob, asked.top_logprobs) for piece in cut]


def _usage(asked: Asked, answer: Answer) -> dict[str, Any]:
    return {
        "input_tokens": asked.tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": answer.tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": asked.tokens + answer.tokens,
    }
