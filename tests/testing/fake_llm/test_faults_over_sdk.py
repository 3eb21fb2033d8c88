"""Every fault as a real client meets it, and draws that do not depend on the order of requests."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from typing import Any

import httpx
import openai
import pytest

from gapless.testing.fake_llm import FakeLLM

TEXT = "one two three four five six"
TOOLS: Any = [{"type": "function", "function": {"name": name}} for name in ("weather", "zeta")]


def script(fault: str, **setting: Any) -> dict[str, Any]:
    return {
        "rules": [
            {"when": {"user": "call"}, "reply": {"tool_calls": [{"name": "weather", "arguments": {"a": 1}}]}},
            {"reply": TEXT},
        ],
        "faults": {fault: {"rate": 1, **setting}},
    }


def ask(server: FakeLLM, user: str = "go", **extra: Any) -> Any:
    with openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0, timeout=10) as client:
        messages: Any = [{"role": "user", "content": user}]
        done = client.chat.completions.create(model="m", messages=messages, **extra)
        return list(done) if extra.get("stream") else done


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("429", openai.RateLimitError),
        ("500", openai.InternalServerError),
        ("503", openai.InternalServerError),
    ],
)
def test_http_errors(fault: str, kind: type[openai.APIStatusError]) -> None:
    with FakeLLM(script(fault, retry_after_s=7)) as server:
        with pytest.raises(kind) as caught:
            ask(server)
        assert caught.value.status_code == int(fault)
        assert caught.value.response.headers.get("retry-after") == ("7" if fault == "429" else None)
        assert "x-gapless-fault" not in caught.value.response.headers
        assert isinstance(caught.value.body, dict)
        assert set(caught.value.body) == {"message", "type", "param", "code"}
        note = server.requests[0]
        assert (note.fault, note.status, note.rule) == (fault, int(fault), None)
        with (
            pytest.raises(kind),
            openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client,
        ):
            client.embeddings.create(model="m", input="x")


def test_a_hang_ends_with_the_clients_patience_or_the_servers() -> None:
    with FakeLLM(script("timeout")) as server:
        with (
            openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0, timeout=0.2) as client,
            pytest.raises(openai.APITimeoutError),
        ):
            client.responses.create(model="m", input="x")
        assert server.requests[0].status is None
    with FakeLLM(script("timeout", ms=50)) as server, pytest.raises(openai.APIConnectionError) as caught:
        ask(server)
    assert not isinstance(caught.value, openai.APITimeoutError)


def test_stopping_does_not_wait_for_a_hang() -> None:
    async def hang(url: str) -> None:
        async with httpx.AsyncClient(timeout=30) as client:
            await client.post(url, json={"model": "m", "messages": [{"role": "user", "content": "x"}]})

    async def run() -> float:
        server = FakeLLM(script("timeout")).start()
        asking = asyncio.create_task(hang(f"{server.base_url}/chat/completions"))
        while not server.requests:  # noqa: ASYNC110  # the server's thread has no event of this loop to set
            await asyncio.sleep(0.01)
        began = time.monotonic()
        await asyncio.to_thread(server.stop)
        with pytest.raises(httpx.RemoteProtocolError):
            await asking
        return time.monotonic() - began

    assert asyncio.run(run()) < 3


def test_disconnect() -> None:
    with FakeLLM(script("disconnect")) as server:
        with pytest.raises(openai.APIConnectionError):
            ask(server)
        with (
            openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client,
            client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "x"}], stream=True
            ) as stream,
        ):
            told = ""
            with pytest.raises(openai.APIConnectionError):  # noqa: PT012  # what came before the end counts too
                for chunk in stream:
                    told += chunk.choices[0].delta.content or ""
        assert told == TEXT[: len(told)]
        assert 0 < len(told) < len(TEXT)


def test_truncated_stream_ends_without_a_sign() -> None:
    with FakeLLM(script("truncated_stream")) as server:
        chunks = ask(server, stream=True)
        told = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert told
        assert told != TEXT
        assert TEXT.startswith(told)
        assert {chunk.choices[0].finish_reason for chunk in chunks} == {None}
        whole = ask(server).choices[0]
        assert TEXT.startswith(whole.message.content)
        assert whole.message.content != TEXT
        with (
            openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client,
            client.responses.stream(model="m", input="x") as stream,
            pytest.raises(RuntimeError, match=r"response\.completed"),
        ):
            stream.get_final_response()


def test_faults_of_the_model_itself() -> None:
    with FakeLLM(script("empty"), label_faults=True) as server:
        assert ask(server).choices[0].message.content == ""
        assert [chunk.choices[0].delta.content for chunk in ask(server, stream=True)] == ["", None]
    with FakeLLM(script("malformed_json")) as server:
        arguments = ask(server, "call", tools=TOOLS).choices[0].message.tool_calls[0].function.arguments
        with pytest.raises(json.JSONDecodeError):
            json.loads(arguments)
        assert ask(server, tools=TOOLS).choices[0].message.content == TEXT
        assert [note.fault for note in server.requests] == ["malformed_json", None]
    with FakeLLM(script("wrong_tool")) as server:
        assert ask(server, "call", tools=TOOLS).choices[0].message.tool_calls[0].function.name == "zeta"
        assert (
            ask(server, "call", tools=TOOLS[:1]).choices[0].message.tool_calls[0].function.name
            == "weather_v2"
        )


def test_slow_and_latency() -> None:
    with FakeLLM(script("slow", ms=150)) as server:
        began = time.monotonic()
        assert ask(server).choices[0].message.content == TEXT
        assert time.monotonic() - began >= 0.15
    timed = {"rules": [{"reply": TEXT}], "latency": {"ttft_ms": 60, "inter_token_ms": {"uniform": [10, 12]}}}
    with FakeLLM(timed) as server:
        began = time.monotonic()
        chunks = ask(server, stream=True)
        tokens = sum(bool(chunk.choices[0].delta.content) for chunk in chunks)
        assert time.monotonic() - began >= 0.06 + 0.01 * (tokens - 1)
        began = time.monotonic()
        ask(server)
        assert time.monotonic() - began >= 0.06 + 0.01 * (tokens - 1)


def test_labels_only_when_asked_for() -> None:
    def header(labelled: bool, fault: str) -> str | None:
        with FakeLLM(script(fault, ms=0), label_faults=labelled) as server:
            body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
            return httpx.post(f"{server.base_url}/chat/completions", json=body).headers.get("x-gapless-fault")

    assert header(True, "503") == "503"
    assert header(True, "slow") == "slow"
    assert header(False, "503") is None
    assert header(False, "slow") is None


def test_a_scripted_fault_then_recovery_through_the_sdks_own_retry() -> None:
    rules = [{"when": {"seen": 0}, "fault": 429}, {"reply": "at last"}]
    setting = {"429": {"rate": 0, "retry_after_s": 0.01}}
    with (
        FakeLLM({"rules": rules, "faults": setting}) as server,
        openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=1) as client,
    ):
        done = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
        assert done.choices[0].message.content == "at last"
        assert [note.status for note in server.requests] == [429, 200]


WEATHER = {"503": 0.15, "429": 0.15, "empty": 0.2, "disconnect": 0.1}


async def _storm(seed: int, order: list[int], at_once: int) -> dict[str, list[str | None]]:
    """Fault per question and per time it was seen, of 60 questions asked twice."""
    with FakeLLM({"rules": [{"reply": TEXT}], "faults": WEATHER}, seed=seed) as server:
        limit = asyncio.Semaphore(at_once)
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client:

            async def one(number: int) -> None:
                async with limit:
                    with contextlib.suppress(openai.APIError):
                        await client.chat.completions.create(
                            model="m", messages=[{"role": "user", "content": f"question {number}"}]
                        )

            await asyncio.gather(*(one(number) for number in order))
        drawn: dict[str, list[str | None]] = {}
        for note in sorted(server.requests, key=lambda note: note.seen):
            drawn.setdefault(note.body["messages"][0]["content"], []).append(note.fault)
        return drawn


async def test_draws_do_not_depend_on_order_or_concurrency() -> None:
    forth = [*range(60), *range(60)]
    one_by_one = await _storm(5, forth, 1)
    at_once = await _storm(5, forth[::-1], 24)
    assert one_by_one == at_once
    assert await _storm(6, forth, 24) != one_by_one
    counts = Counter(fault for faults in one_by_one.values() for fault in faults)
    assert set(counts) == {*WEATHER, None}
    assert 30 <= counts[None] <= 66, "0.4 of 120, within four standard deviations"
