"""OpenAI's chat completions, as hosted APIs, vLLM, llama.cpp, Ollama and gateways speak them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from gapless.probes.model.endpoints.base import Question, Reply
from gapless.probes.model.endpoints.http import HttpEndpoint, error_in, event_of
from gapless.probes.model.endpoints.wire import Exchange, events


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIEndpoint(HttpEndpoint):
    """Where chat completions are served."""

    limit: str = "max_tokens"
    """What the endpoint calls the longest answer."""

    async def settle(self, question: Question) -> tuple[Self, Reply]:
        """Asks; newer models call the longest answer otherwise, and some take no temperature."""
        endpoint, reply = self, await self.ask(question)
        if reply.status == 400 and "max_completion_tokens" in reply.said:
            endpoint = replace(endpoint, limit="max_completion_tokens")
            reply = await endpoint.ask(question)
        if reply.status == 400 and "temperature" in reply.said:
            endpoint = replace(endpoint, temperature=False)
            reply = await endpoint.ask(question)
        return endpoint, reply

    def written(self, question: Question) -> tuple[str, dict[str, str], dict[str, Any]]:
        """Path, headers and body."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": list(question.messages) or "none",
            self.limit: question.tokens,
        }
        if self.temperature:
            body["temperature"] = 0
        if question.stream:
            body["stream"] = True
        if question.seed is not None:
            body["seed"] = question.seed
        if question.tools:
            body["tools"] = [{"type": "function", "function": tool} for tool in question.tools]
            body["tool_choice"] = "required" if question.must_call else "auto"
        if question.schema is not None:
            named = {"name": "facts", "strict": True, "schema": question.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        key = {"authorization": f"Bearer {self.key}"} if self.key is not None else {}
        return "/chat/completions", key, body

    def read_stream(self, reply: Reply, exchange: Exchange) -> bool:
        """Reads the events; whether the stream said that it is over."""
        calls: dict[int, list[str]] = {}
        pieces: list[str] = []
        ended = False
        for at, data in events(exchange.parts):
            if data == b"[DONE]":
                ended = True
                continue
            event = event_of(reply, data)
            if event is None:
                return False
            if event.get("error"):
                reply.trouble, reply.said = "stream-error", error_in(data)
                return False
            reply.tokens_out = (event.get("usage") or {}).get("completion_tokens", reply.tokens_out)
            for choice in event.get("choices") or []:
                reply.finish = choice.get("finish_reason") or reply.finish
                if _add(choice.get("delta") or {}, pieces, calls):
                    reply.arrivals.append(at)
        reply.text = "".join(pieces)
        reply.calls = [(name, arguments) for _, (name, arguments) in sorted(calls.items())]
        return ended or reply.finish is not None

    def read_whole(self, reply: Reply, body: dict[str, Any]) -> bool:
        """Reads an answer that came in one piece."""
        if not body.get("choices"):
            return False
        choice = body["choices"][0]
        message = choice.get("message") or {}
        reply.text = message.get("content") or ""
        functions = [call.get("function") or {} for call in message.get("tool_calls") or []]
        reply.calls = [(f.get("name") or "", f.get("arguments") or "") for f in functions]
        reply.finish = choice.get("finish_reason")
        usage = body.get("usage") or {}
        reply.tokens_in, reply.tokens_out = usage.get("prompt_tokens"), usage.get("completion_tokens")
        return True


def _add(delta: dict[str, Any], pieces: list[str], calls: dict[int, list[str]]) -> bool:
    """Adds a piece of the answer; whether there was anything in it."""
    text = delta.get("content") or ""
    pieces.append(text)
    for call in delta.get("tool_calls") or []:
        made = calls.setdefault(int(call.get("index") or 0), ["", ""])
        function = call.get("function") or {}
        made[0] += function.get("name") or ""
        made[1] += function.get("arguments") or ""
    return bool(text or delta.get("tool_calls") or delta.get("reasoning_content") or delta.get("refusal"))
