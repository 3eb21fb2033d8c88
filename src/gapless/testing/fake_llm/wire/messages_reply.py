"""Writes answers of /v1/messages (Anthropic's API): whole, or as the events of a stream; and its errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from gapless.testing.fake_llm.answer import Answer, Call
from gapless.testing.fake_llm.asked import Asked, pieces
from gapless.testing.fake_llm.wire.events import Event, event
from gapless.testing.fake_llm.wire.trouble import Trouble

_STOP = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_Step = tuple[str, dict[str, Any], bool]


def message(asked: Asked, answer: Answer, identity: str) -> dict[str, Any]:
    """A whole answer. `input` is an object by the protocol: arguments that a fault broke leave it empty."""
    content = [{"type": "text", "text": text} for text in _spoken(answer)]
    content += [_tool_use(call, _object(call.arguments)) for call in answer.calls]
    return _head(asked, identity) | {
        "content": content,
        "stop_reason": _stop_reason(answer),
        "stop_sequence": answer.stopped_by,
        "usage": _usage(asked, answer.tokens),
    }


def message_events(asked: Asked, answer: Answer, identity: str) -> Iterator[Event]:
    """The same answer as a stream: the message, its blocks piece by piece, why it ended, and its end."""
    for kind, body, token in _steps(asked, answer, identity):
        yield event({"type": kind} | body, token=token, name=kind)


def _steps(asked: Asked, answer: Answer, identity: str) -> Iterator[_Step]:
    start = _head(asked, identity) | {
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(asked, 1),
    }
    yield "message_start", {"message": start}, False
    index = 0
    for text in _spoken(answer):
        yield "content_block_start", {"index": index, "content_block": {"type": "text", "text": ""}}, False
        yield "ping", {}, False
        for piece in pieces(text):
            yield _delta(index, {"type": "text_delta", "text": piece}, token=True)
        yield "content_block_stop", {"index": index}, False
        index += 1
    for index_, call in enumerate(answer.calls, start=index):
        yield from _call_steps(index_, call)
    ended = {"stop_reason": _stop_reason(answer), "stop_sequence": answer.stopped_by}
    yield "message_delta", {"delta": ended, "usage": {"output_tokens": answer.tokens}}, False
    yield "message_stop", {}, False


def _call_steps(index: int, call: Call) -> Iterator[_Step]:
    yield "content_block_start", {"index": index, "content_block": _tool_use(call, {})}, True
    yield _delta(index, {"type": "input_json_delta", "partial_json": ""}, token=False)
    for piece in pieces(call.arguments):
        yield _delta(index, {"type": "input_json_delta", "partial_json": piece}, token=True)
    yield "content_block_stop", {"index": index}, False


def _delta(index: int, delta: dict[str, Any], *, token: bool) -> _Step:
    return "content_block_delta", {"index": index, "delta": delta}, token


def error_body(trouble: Trouble, identity: str) -> dict[str, Any]:
    """An error's JSON body."""
    kind = _KINDS.get(trouble.status, "invalid_request_error" if trouble.status < 500 else "api_error")
    return {
        "type": "error",
        "error": {"type": kind, "message": str(trouble)},
        "request_id": f"req_{identity}",
    }


def models_body(names: tuple[str, ...]) -> dict[str, Any]:
    """The list of models."""
    return {
        "data": [model_body(name) for name in names],
        "has_more": False,
        "first_id": names[0],
        "last_id": names[-1],
    }


def model_body(name: str) -> dict[str, Any]:
    """One model."""
    return {"type": "model", "id": name, "display_name": name, "created_at": "2025-01-01T00:00:00Z"}


def _head(asked: Asked, identity: str) -> dict[str, Any]:
    return {"id": f"msg_{identity}", "type": "message", "role": "assistant", "model": asked.model}


def _spoken(answer: Answer) -> list[str]:
    """The text, if anything was said: an answer may consist of tool calls alone."""
    text = answer.text if answer.text is not None else answer.refusal
    return [text] if text else []


def _stop_reason(answer: Answer) -> str:
    if answer.text is None and answer.refusal is not None:
        return "refusal"
    if answer.stopped_by is not None and answer.finish == "stop":
        return "stop_sequence"
    return _STOP[answer.finish]


def _tool_use(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    identity = "toolu_" + call.id.removeprefix("call_")
    return {"type": "tool_use", "id": identity, "name": call.name, "input": given}


def _object(arguments: str) -> dict[str, Any]:
    try:
        value = json.loads(arguments)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _usage(asked: Asked, spent: int) -> dict[str, Any]:
    return {
        "input_tokens": asked.tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": spent,
        "service_tier": "standard",
    }
