"""Chat completions through the real OpenAI SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from gapless.testing.fake_llm import FakeLLM

TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
    for name in ("weather", "time")
]
SCRIPT = {
    "rules": [
        {
            "name": "both",
            "when": {"user_regex": r"compare (\w+) and (\w+)"},
            "reply": {
                "text": "Let me look.",
                "tool_calls": [
                    {"name": "weather", "arguments": {"city": "{{ groups[1] }}"}},
                    {"name": "weather", "arguments": '{"city": {{ groups[2] | tojson }}}'},
                ],
            },
        },
        {"when": {"user": "be sure"}, "reply": {"text": "Yes, indeed.", "logprob": -0.25}},
        {"when": {"user": "vary"}, "reply": "choice {{ choice }}"},
        {"when": {"user": "as json"}, "reply": {"json": {"city": "{{ user }}", "n": [1, None]}}},
        {"when": {"user": "no way"}, "reply": {"refusal": "I will not."}},
        {"when": {"model": "gpt-4*", "turn": 1}, "reply": "second turn of {{ model }}"},
        {"when": {"system": "be brief", "user": "hello"}, "reply": "Hi."},
        {"when": {"user": "hello"}, "reply": "Hello to you: {{ user }}"},
    ]
}


def say(text: str) -> Any:
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def server() -> Iterator[FakeLLM]:
    with FakeLLM(SCRIPT) as server:
        yield server


@pytest.fixture
def client(server: FakeLLM) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.base_url, api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
async def aclient(server: FakeLLM) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key="any", max_retries=0) as client:
        yield client


def test_a_whole_answer(client: openai.OpenAI) -> None:
    done = client.chat.completions.create(model="gpt-4o", messages=say("Hello { there }"))
    choice = done.choices[0]
    assert choice.message.content == "Hello to you: Hello { there }"
    assert choice.finish_reason == "stop"
    assert choice.logprobs is None
    assert done.usage is not None
    assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens > 0
    assert done._request_id is not None


async def test_async_and_system_message(aclient: openai.AsyncOpenAI) -> None:
    done = await aclient.chat.completions.create(
        model="m", messages=[{"role": "system", "content": "Be BRIEF."}, *say("hello")]
    )
    assert done.choices[0].message.content == "Hi."


def test_a_stream_with_usage_says_the_same(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="m", messages=say("hello you"))
    chunks = list(
        client.chat.completions.create(
            model="m", messages=say("hello you"), stream=True, stream_options={"include_usage": True}
        )
    )
    told = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert told == whole.choices[0].message.content
    assert len(chunks) > 5
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]].count("stop") == 1
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert chunks[0].choices[0].delta.role == "assistant"


async def test_async_stream_without_usage(aclient: openai.AsyncOpenAI) -> None:
    stream = await aclient.chat.completions.create(model="m", messages=say("hello"), stream=True)
    chunks = [chunk async for chunk in stream]
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert "usage" not in chunks[-1].model_fields_set


def test_parallel_tool_calls_whole_and_streamed(client: openai.OpenAI) -> None:
    asked: Any = {"model": "m", "messages": say("compare Rome and Oslo"), "tools": TOOLS}
    whole = client.chat.completions.create(**asked).choices[0]
    with client.chat.completions.stream(**asked) as stream:
        streamed = stream.get_final_completion().choices[0]
    for choice in (whole, streamed):
        assert choice.finish_reason == "tool_calls"
        assert choice.message.content == "Let me look."
        calls = choice.message.tool_calls
        assert [call.function.arguments for call in calls] == ['{"city": "Rome"}', '{"city": "Oslo"}']
        assert len({call.id for call in calls}) == 2
    one = client.chat.completions.create(**asked, parallel_tool_calls=False).choices[0]
    assert len(one.message.tool_calls or []) == 1


def test_tool_choice_is_kept(client: openai.OpenAI, server: FakeLLM) -> None:
    ask = client.chat.completions.create
    none = ask(model="m", messages=say("compare A and B"), tools=TOOLS, tool_choice="none")
    assert none.choices[0].message.tool_calls is None
    assert "tool_choice is 'none'" in server.requests[-1].why_not[0]
    named: Any = {"type": "function", "function": {"name": "time"}}
    forced = ask(model="m", messages=say("hello"), tools=TOOLS, tool_choice=named)
    assert forced.choices[0].message.tool_calls is not None
    assert forced.choices[0].message.tool_calls[0].function.name == "time"  # type: ignore[union-attr]
    assert forced.choices[0].message.tool_calls[0].function.arguments == '{"city": "text"}'  # type: ignore[union-attr]
    with pytest.raises(openai.BadRequestError, match="not found in 'tools'"):
        ask(
            model="m",
            messages=say("x"),
            tools=TOOLS,
            tool_choice={"type": "function", "function": {"name": "no"}},
        )


def test_n_choices(client: openai.OpenAI) -> None:
    done = client.chat.completions.create(model="m", messages=say("vary"), n=3)
    assert [choice.message.content for choice in done.choices] == ["choice 0", "choice 1", "choice 2"]
    chunks = client.chat.completions.create(model="m", messages=say("vary"), n=2, stream=True)
    told = {0: "", 1: ""}
    for chunk in chunks:
        told[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert told == {0: "choice 0", 1: "choice 1"}


def test_json_and_structured_output(client: openai.OpenAI) -> None:
    class Town(BaseModel):
        city: str
        n: list[int | None]

    class Nested(BaseModel):
        town: Town
        names: list[str]

    parsed = client.chat.completions.parse(model="m", messages=say("as json"), response_format=Town)
    assert parsed.choices[0].message.parsed == Town(city="as json", n=[1, None])
    unscripted = client.chat.completions.parse(model="m", messages=say("?"), response_format=Nested)
    assert unscripted.choices[0].message.parsed == Nested(town=Town(city="text", n=[]), names=[])
    free = client.chat.completions.create(
        model="m", messages=say("?"), response_format={"type": "json_object"}
    )
    assert (free.choices[0].message.content or "").startswith('{"fake_llm"')


def test_refusal(client: openai.OpenAI) -> None:
    message = client.chat.completions.create(model="m", messages=say("no way")).choices[0].message
    assert (message.refusal, message.content) == ("I will not.", None)
    with client.chat.completions.stream(model="m", messages=say("no way")) as stream:
        assert stream.get_final_completion().choices[0].message.refusal == "I will not."


def test_logprobs(client: openai.OpenAI) -> None:
    asked: Any = {"model": "m", "messages": say("be sure"), "logprobs": True, "top_logprobs": 2}
    whole = client.chat.completions.create(**asked).choices[0].logprobs
    assert whole is not None
    assert whole.content is not None
    assert "".join(entry.token for entry in whole.content) == "Yes, indeed."
    assert {entry.logprob for entry in whole.content} == {-0.25}
    assert whole.content[0].top_logprobs[0].token == "Yes"
    streamed = [
        entry
        for chunk in client.chat.completions.create(**asked, stream=True)
        if chunk.choices[0].logprobs
        for entry in chunk.choices[0].logprobs.content or []
    ]
    assert streamed == whole.content


def test_limits_cut_the_text(client: openai.OpenAI) -> None:
    cut = client.chat.completions.create(model="m", messages=say("hello"), max_completion_tokens=2).choices[0]
    assert (cut.message.content, cut.finish_reason) == ("Hello", "length")
    stopped = client.chat.completions.create(model="m", messages=say("hello"), stop=[" to"]).choices[0]
    assert (stopped.message.content, stopped.finish_reason) == ("Hello", "stop")


def test_turns_and_models(client: openai.OpenAI) -> None:
    talk: Any = [*say("a"), {"role": "assistant", "content": "b"}, *say("c")]
    assert (
        client.chat.completions.create(model="gpt-4o", messages=talk).choices[0].message.content
        == "second turn of gpt-4o"
    )
    other = client.chat.completions.create(model="gpt-3", messages=talk).choices[0].message.content
    assert other is not None
    assert "No rule of the script applies" in other


def test_an_unmatched_request_is_noticed(client: openai.OpenAI, server: FakeLLM) -> None:
    before = server.unmatched
    raw = client.chat.completions.with_raw_response.create(model="m", messages=say("{{ 7 * 7 }}"))
    assert raw.headers["x-gapless-unmatched"] == "true"
    text = raw.parse().choices[0].message.content
    assert text == "[fake-llm] No rule of the script applies. The last user message was: {{ 7 * 7 }}"
    assert server.unmatched == before + 1
    assert len(server.requests[-1].why_not) == len(SCRIPT["rules"])
    matched = client.chat.completions.with_raw_response.create(model="m", messages=say("hello"))
    assert "x-gapless-unmatched" not in matched.headers
