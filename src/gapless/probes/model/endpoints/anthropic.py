"""Anthropic's Messages API, version 2023-06-01.

Source:
    The API's reference (Messages, Streaming Messages, Errors, Structured outputs); the event types of the SDK `anthropic`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, Self

from gapless.probes.model.endpoints.base import Question, Reply
from gapless.probes.model.endpoints.http import HttpEndpoint, error_in, event_of
from gapless.probes.model.endpoints.wire import Exchange, events

URL, VERSION = "https://api.anthropic.com/v1", "2023-06-01"
FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""stop_reason -> the word that the other endpoints use for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnthropicEndpoint(HttpEndpoint):
    """Where messages are served."""

    async def settle(self, question: Question) -> tuple[Self, Reply]:
        """Asks; some models take no temperature."""
        reply = await self.ask(question)
        if reply.status == 400 and "temperature" in reply.said:
            endpoint = replace(self, temperature=False)
            return endpoint, await endpoint.ask(question)
        return self, reply

    def written(self, question: Question) -> tuple[str, dict[str, str], dict[str, Any]]:
        """Path, headers and body; what the system says is a field of its own here."""
        system = [str(said["content"]) for said in question.messages if said["role"] == "system"]
        spoken = [said for said in question.messages if said["role"] != "system"]
        body: dict[str, Any] = {
            "model": self.model,
            "max_tokens": question.tokens,
            "messages": spoken or "none",
        }
        if system:
            body["system"] = "\n\n".join(system)
        if self.temperature:
            body["temperature"] = 0
        if question.stream:
            body["stream"] = True
        if question.tools:
            body["tools"] = [_tool(tool) for tool in question.tools]
            body["tool_choice"] = {"type": "any" if question.must_call else "auto"}
        if question.schema is not None:
            body["output_config"] = {"format": {"type": "json_schema", "schema": question.schema}}
        headers = {"anthropic-version": VERSION}
        if self.key is not None:
            headers["x-api-key"] = self.key
        return "/messages", headers, body

    def read_stream(self, reply: Reply, exchange: Exchange) -> bool:
        """Reads the events; whether message_stop came."""
        read = _Stream(reply)
        for at, data in events(exchange.parts):
            event = event_of(reply, data)
            if event is None:
                return False
            if event.get("type") == "error":
                reply.trouble, reply.said = "stream-error", error_in(data)
                return False
            read.take(at, event)
        return read.end()

    def read_whole(self, reply: Reply, body: dict[str, Any]) -> bool:
        """Reads an answer that came in one piece."""
        if body.get("type") != "message":
            return False
        blocks: list[dict[str, Any]] = body.get("content") or []
        reply.text = "".join(block.get("text") or "" for block in blocks if block.get("type") == "text")
        used = [block for block in blocks if block.get("type") == "tool_use"]
        reply.calls = [(block.get("name") or "", json.dumps(block.get("input"))) for block in used]
        reply.finish = _finish(body.get("stop_reason"))
        usage = body.get("usage") or {}
        reply.tokens_in, reply.tokens_out = _read_tokens(usage), usage.get("output_tokens")
        return True


@dataclass(slots=True)
class _Stream:
    """A message in the making: blocks by their index."""

    reply: Reply
    pieces: list[str] = field(default_factory=list[str])
    calls: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    """[name, arguments as they came with the block, arguments as they came in pieces], of blocks that call our tools."""
    stopped: bool = False

    def take(self, at: float, event: dict[str, Any]) -> None:
        """One event; kinds that are not known are passed over, as the reference asks."""
        kind = event.get("type")
        if kind == "message_start":
            self.reply.tokens_in = _read_tokens(event["message"].get("usage") or {})
        elif kind == "content_block_start":
            self._begin(at, event)
        elif kind == "content_block_delta":
            self._add(at, event)
        elif kind == "message_delta":
            self.reply.finish = _finish(event["delta"].get("stop_reason")) or self.reply.finish
            usage = event.get("usage") or {}
            self.reply.tokens_out = usage.get("output_tokens", self.reply.tokens_out)
            if usage.get("input_tokens") is not None:  # cumulative, where it is said again
                self.reply.tokens_in = _read_tokens(usage)
        elif kind == "message_stop":
            self.stopped = True

    def end(self) -> bool:
        """Puts the answer together; whether it is over."""
        self.reply.text = "".join(self.pieces)
        made = sorted(self.calls.items())
        self.reply.calls = [(name, pieces or whole) for _, (name, whole, pieces) in made]
        return self.stopped

    def _begin(self, at: float, event: dict[str, Any]) -> None:
        block = event["content_block"]
        if block.get("type") == "tool_use":
            whole = json.dumps(block.get("input") or {})
            self.calls[event["index"]] = [block.get("name") or "", whole, ""]
            self.reply.arrivals.append(at)
        elif block.get("type") == "text" and block.get("text"):
            self.pieces.append(block["text"])
            self.reply.arrivals.append(at)

    def _add(self, at: float, event: dict[str, Any]) -> None:
        delta, call = event["delta"], self.calls.get(event["index"])
        if delta.get("type") == "text_delta":
            self.pieces.append(delta["text"])
        elif delta.get("type") == "input_json_delta" and call is not None:  # else a tool of the server's own
            call[2] += delta["partial_json"]
        if delta.get("text") or delta.get("partial_json") or delta.get("thinking"):
            self.reply.arrivals.append(at)


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": tool["name"],
        "description": tool.get("description", ""),
        "input_schema": {"type": "object"} | tool["parameters"],
    }


def _finish(said: str | None) -> str | None:
    return FINISH.get(said, said) if said is not None else None


def _read_tokens(usage: dict[str, Any]) -> int | None:
    """All that was read, from the cache or not; `input_tokens` alone leaves out what was cached."""
    if usage.get("input_tokens") is None:
        return None
    cached = ("cache_creation_input_tokens", "cache_read_input_tokens")
    return usage["input_tokens"] + sum(usage.get(key) or 0 for key in cached)
