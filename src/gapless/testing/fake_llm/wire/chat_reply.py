"""Writes answers of /v1/chat/completions: whole, or as the chunks of a stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gapless.testing.fake_llm.answer import Answer, Call
from gapless.testing.fake_llm.asked import Asked, pieces
from gapless.testing.fake_llm.wire.events import DONE, Event, event

FINGERPRINT = "fp_gapless_fake"


def chat_completion(asked: Asked, answers: list[Answer], identity: str, created: int) -> dict[str, Any]:
    """A whole answer, one choice per entry of `answers`."""
    return {
        **_head(asked, identity, created, "chat.completion"),
        "choices": [
            {
                "index": index,
                "message": _message(answer),
                "logprobs": _logprobs(answer, asked),
                "finish_reason": answer.finish,
            }
            for index, answer in enumerate(answers)
        ],
        "usage": _usage(asked, answers),
    }


def chat_chunks(asked: Asked, answers: list[Answer], identity: str, created: int) -> Iterator[Event]:
    """The same answer as a stream: one event per piece, then the finish reason, usage where asked for, and the end mark."""
    head = _head(asked, identity, created, "chat.completion.chunk")
    if asked.include_usage:
        head["usage"] = None
    for index, answer in enumerate(answers):
        for delta, token in _deltas(answer):
            # pieces of a text carry their log probabilities; role and tool call deltas have none
            text = delta.get("content") or delta.get("refusal") if token else None
            key = "content" if delta.get("content") else "refusal"
            logprobs = _spelled({key: [text]}, answer, asked) if text else None
            yield event(_chunk(head, index, delta, logprobs, None), token=token)
        yield event(_chunk(head, index, {}, None, answer.finish))
    if asked.include_usage:
        yield event(head | {"choices": [], "usage": _usage(asked, answers)})
    yield Event(DONE)


def logprob_entry(token: str, logprob: float, top: int) -> dict[str, Any]:
    """One token's log probability; the token itself is the only alternative this model knows."""
    entry: dict[str, Any] = {"token": token, "logprob": logprob, "bytes": list(token.encode())}
    return entry | {"top_logprobs": [dict(entry)] if top else []}


def _head(asked: Asked, identity: str, created: int, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{identity}",
        "object": kind,
        "created": created,
        "model": asked.model,
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }


def _message(answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": answer.text,
        "refusal": answer.refusal,
        "annotations": [],
    }
    if answer.calls:
        message["tool_calls"] = [_tool_call(call, call.arguments) for call in answer.calls]
    return message


def _tool_call(call: Call, arguments: str) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _deltas(answer: Answer) -> Iterator[tuple[dict[str, Any], bool]]:
    """(delta, whether it carries a piece of the answer)."""
    opening = "" if answer.text is not None else None
    yield {"role": "assistant", "content": opening, "refusal": None}, False
    for piece in pieces(answer.text or ""):
        yield {"content": piece}, True
    for piece in pieces(answer.refusal or ""):
        yield {"refusal": piece}, True
    for index, call in enumerate(answer.calls):
        yield {"tool_calls": [{"index": index, **_tool_call(call, "")}]}, True
        for piece in pieces(call.arguments):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}, True


def _chunk(
    head: dict[str, Any], index: int, delta: dict[str, Any], logprobs: Any, finish: str | None
) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
    return head | {"choices": [choice]}


def _logprobs(answer: Answer, asked: Asked) -> dict[str, Any] | None:
    texts = {"content": pieces(answer.text or ""), "refusal": pieces(answer.refusal or "")}
    return _spelled({key: cut for key, cut in texts.items() if cut}, answer, asked)


def _spelled(texts: dict[str, list[str]], answer: Answer, asked: Asked) -> dict[str, Any] | None:
    if not asked.logprobs:
        return None
    entries: dict[str, Any] = {"content": None, "refusal": None}
    for key, cut in texts.items():
        entries[key] = [logprob_entry(piece, answer.logprob, asked.top_logprobs) for piece in cut]
    return entries


def _usage(asked: Asked, answers: list[Answer]) -> dict[str, Any]:
    spent = sum(answer.tokens for answer in answers)
    return {
        "prompt_tokens": asked.tokens,
        "completion_tokens": spent,
        "total_tokens": asked.tokens + spent,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
