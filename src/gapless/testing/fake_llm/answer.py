"""What the model says: a script's reply filled for one request, within the limits that the request sets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gapless.records.seed import seed_of
from gapless.testing.fake_llm.asked import Asked, pieces
from gapless.testing.fake_llm.sample import sample
from gapless.testing.fake_llm.script import Reply, ToolCall
from gapless.testing.fake_llm.template import fill

UNSCRIPTED_LOGPROB = -0.01
NO_CALL = "Sure, I can look that up for you."
"""What a model without tool support says in place of a call, with status 200."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One tool call."""

    id: str
    name: str
    arguments: str
    """JSON text, unless a fault broke it."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One choice of an answer."""

    text: str | None = None
    refusal: str | None = None
    calls: tuple[Call, ...] = ()
    finish: str = "stop"
    """stop, length, tool_calls or content_filter."""
    stopped_by: str | None = None
    """The stop text that ended it."""
    logprob: float = UNSCRIPTED_LOGPROB

    @property
    def tokens(self) -> int:
        """Size in our pieces."""
        texts = [self.text or "", self.refusal or "", *(call.name + call.arguments for call in self.calls)]
        return sum(len(pieces(text)) for text in texts)


def compose(reply: Reply, asked: Asked, known: Mapping[str, Any], identity: str) -> Answer:
    """The reply as this request gets it.

    Args:
        reply: As scripted.
        asked: The request; its stop texts and token limit cut the text.
        known: What templates may use.
        identity: Root of the ids of tool calls: same request, same ids.

    Raises:
        TemplateFailed: A template uses something that this request does not have.
    """
    called = reply.tool_calls if asked.parallel else reply.tool_calls[:1]
    text = fill(reply.text, known)
    if reply.json is not None:
        text = json.dumps(fill(reply.json, known), ensure_ascii=False)
    answer = Answer(
        text=text,
        refusal=fill(reply.refusal, known),
        calls=tuple(_call(call, known, f"{identity}/{i}") for i, call in enumerate(called)),
        finish="tool_calls" if called else "stop",
        logprob=UNSCRIPTED_LOGPROB if reply.logprob is None else reply.logprob,
    )
    answer = _within_limits(answer, asked)
    return answer if reply.finish_reason is None else replace(answer, finish=reply.finish_reason)


def echo(asked: Asked, identity: str) -> Answer:
    """The answer where no rule applies: says so, and still keeps to what the request demands."""
    if asked.choice == "required":
        name = asked.named or next(iter(asked.tools))
        arguments = json.dumps(sample(asked.tools[name]), ensure_ascii=False)
        call = Call(id=_call_id(identity), name=name, arguments=arguments)
        return Answer(calls=(call,), finish="tool_calls")
    said = f"[fake-llm] No rule of the script applies. The last user message was: {asked.user[:200]}"
    if asked.json_schema is not None:
        body = sample(asked.json_schema) if asked.json_schema else {"fake_llm": said}
        said = json.dumps(body, ensure_ascii=False)
    return _within_limits(Answer(text=said), asked)


def spoil(answer: Answer, fault: str | None, asked: Asked) -> Answer:
    """The answer after a fault of the model itself: empty, malformed_json, wrong_tool, no_call, or a truncated whole answer."""
    if fault == "empty":
        return replace(answer, text="", refusal=None, calls=(), finish="stop")
    if fault == "malformed_json":
        return replace(
            answer, calls=tuple(replace(call, arguments=call.arguments[:-1]) for call in answer.calls)
        )
    if fault == "wrong_tool":
        return replace(
            answer, calls=tuple(replace(call, name=_other_tool(call.name, asked)) for call in answer.calls)
        )
    if fault == "no_call":
        return replace(answer, text=NO_CALL, calls=(), finish="stop")
    if fault == "truncated_stream" and not asked.stream:
        return replace(
            answer,
            text=_half(answer.text),
            refusal=_half(answer.refusal),
            calls=tuple(replace(call, arguments=_half(call.arguments) or "") for call in answer.calls),
        )
    return answer


def _call(call: ToolCall, known: Mapping[str, Any], identity: str) -> Call:
    arguments = fill(call.arguments, known)
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return Call(id=_call_id(identity), name=call.name, arguments=text)


def _call_id(identity: str) -> str:
    return f"call_{seed_of(identity, 'call'):016x}"


def _within_limits(answer: Answer, asked: Asked) -> Answer:
    text = answer.text
    if text is None:
        return answer
    found = [(at, stop) for at, stop in ((text.find(stop), stop) for stop in asked.stop if stop) if at >= 0]
    end, stopped_by = min(found, default=(len(text), None))
    text = text[:end]
    cut = pieces(text)
    if asked.max_tokens is not None and len(cut) > asked.max_tokens:
        return replace(answer, text="".join(cut[: asked.max_tokens]), finish="length", calls=())
    return replace(answer, text=text, stopped_by=stopped_by)


def _other_tool(name: str, asked: Asked) -> str:
    others = sorted(other for other in asked.tools if other != name)
    return others[0] if others else f"{name}_v2"


def _half(text: str | None) -> str | None:
    if text is None:
        return None
    cut = pieces(text)
    return "".join(cut[: len(cut) // 2])
