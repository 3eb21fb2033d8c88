"""Manners of a server beyond single answers: it holds back, stands still, has so many slots, and does not hear you leave."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from gapless.errors import InvalidSettings
from gapless.probes.model.endpoints.base import Question, Reply
from gapless.probes.model.endpoints.openai import OpenAIEndpoint
from gapless.testing.fake_llm import FakeLLM

STREAM = Question(messages=({"role": "user", "content": "hi"},), tokens=50, stream=True)


def script(faults: dict[str, float] | None = None, text: str = "one two three four", **latency: float) -> Any:
    return {"rules": [{"reply": {"text": text}}], "faults": faults or {}, "latency": latency}


async def asked(server: FakeLLM, **more: Any) -> Reply:
    return await OpenAIEndpoint(url=server.base_url, model="m").ask(STREAM, **more)


async def test_a_burst_comes_whole_and_as_late_as_its_last_token() -> None:
    with FakeLLM(script({"burst": 1.0}, ttft_ms=20, inter_token_ms=40)) as server:
        reply = await asked(server)
        assert len(server.served) == 1
    assert (reply.text, reply.finish) == ("one two three four", "stop")
    assert reply.ttft_ms is not None
    assert reply.ttft_ms >= 140
    assert sum(reply.gaps_ms) < 40


async def test_nobody_is_answered_during_a_pause() -> None:
    with FakeLLM(script(pause_every_s=1.0, pause_ms=500)) as server:
        began = time.monotonic()
        replies = []
        while time.monotonic() - began < 1.2:
            replies.append(await asked(server))
    longest = max(reply.total_ms for reply in replies)
    assert longest > 350
    assert all(reply.ok for reply in replies)


async def test_slots_make_others_wait() -> None:
    with FakeLLM(script(inter_token_ms=100, slots=1)) as server:
        both = await asyncio.gather(asked(server), asked(server))
    first, second = sorted(reply.total_ms for reply in both)
    assert second > first + 200


async def test_a_deaf_server_keeps_its_slot_for_who_has_left() -> None:
    waits: dict[str, float] = {}
    for name, faults in (("deaf", {"deaf": 1.0}), ("usual", None)):
        with FakeLLM(script(faults, "word " * 20, inter_token_ms=50, slots=1)) as server:
            await asked(server, cancel_after=2)
            reply = await asked(server)
            assert reply.ttft_ms is not None
            waits[name] = reply.ttft_ms
    assert waits["deaf"] > waits["usual"] + 500


async def test_a_call_that_is_left_out_is_prose_with_status_200() -> None:
    rules = [{"reply": {"tool_calls": [{"name": "look"}]}}]
    tool = {"name": "look", "parameters": {"type": "object", "properties": {}}}
    with FakeLLM({"rules": rules, "faults": {"no_call": 1.0}}) as server:
        question = replace(STREAM, tools=(tool,), must_call=True)
        reply = await OpenAIEndpoint(url=server.base_url, model="m").ask(question)
        assert [note.fault for note in server.requests] == ["no_call"]
    assert (reply.status, reply.calls, reply.finish) == (200, [], "stop")
    assert reply.text


@pytest.mark.parametrize(
    "latency", [{"pause_every_s": 1.0, "pause_ms": 1000}, {"pause_ms": -1}, {"slots": -1}]
)
def test_manners_that_cannot_be_are_refused(latency: dict[str, float]) -> None:
    with pytest.raises(InvalidSettings, match=r"latency|pause"):
        FakeLLM({"latency": latency})
