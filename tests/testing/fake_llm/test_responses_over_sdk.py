"""The responses API through the real OpenAI SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from gapless.testing.fake_llm import FakeLLM

TOOLS: Any = [
    {
        "type": "function",
        "name": "weather",
        "strict": False,
        "parameters": {"type": "object", "properties": {}},
    }
]
SCRIPT = {
    "rules": [
        {"when": {"has_tool_result": True, "turn": 1}, "reply": "It is {{ tool_result }}."},
        {"when": {"user": "twice"}, "reply": {"tool_calls": [{"name": "weather"}, {"name": "weather"}]}},
        {"when": {"user": "weather"}, "reply": {"tool_calls": [{"name": "weather", "arguments": {"c": "{{ user }}"}}]}},
        {"when": {"user": "never"}, "reply": {"refusal": "No, never."}},
        {"when": {"user": "remember", "turn": 1}, "reply": "You said {{ user }} in turn {{ turn }}."},
        {"when": {"endpoint": "responses"}, "reply": "one two three"},
    ]
}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[FakeLLM]:
    with FakeLLM(SCRIPT) as server:
        yield server


@pytest.fixture
def client(server: FakeLLM) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.base_url, api_key="any", max_retries=0) as client:
        yield client


def test_text_whole_and_streamed(client: openai.OpenAI) -> None:
    whole = client.responses.create(model="m", input="hi", instructions="Be kind.")
    assert whole.output_text == "one two three"
    assert whole.status == "completed"
    assert whole.instructions == "Be kind."
    assert whole.usage is not None
    assert whole.usage.output_tokens == 4
    with client.responses.stream(model="m", input="hi", instructions="Be kind.") as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text == "one two three"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == "one two three"


async def test_tool_calls_and_their_results(server: FakeLLM) -> None:
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key="any", max_retries=0) as client:
        asked = await client.responses.create(model="m", input="weather?", tools=TOOLS)
        call: Any = asked.output[0]
        assert (call.type, call.name, call.arguments) == ("function_call", "weather", '{"c": "weather?"}')
        result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "21 C"}
        spoken: Any = [{"role": "user", "content": "weather?"}, call.to_dict(), result]
        told = await client.responses.create(model="m", input=spoken, tools=TOOLS)
        assert told.output_text == "It is 21 C."
        by_id = await client.responses.create(
            model="m", input=[result], previous_response_id=asked.id, tools=TOOLS
        )
        assert by_id.output_text == "It is 21 C."


def test_streamed_parallel_calls(client: openai.OpenAI) -> None:
    with client.responses.stream(model="m", input="twice", tools=TOOLS) as stream:
        final = stream.get_final_response()
    assert [item.type for item in final.output] == ["function_call", "function_call"]
    assert len({item.call_id for item in final.output}) == 2  # type: ignore[union-attr]


def test_refusal(client: openai.OpenAI) -> None:
    with client.responses.stream(model="m", input="never") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert "response.refusal.delta" in kinds
    assert final.output[0].content[0].refusal == "No, never."  # type: ignore[union-attr]


def test_conversations_are_remembered(client: openai.OpenAI) -> None:
    first = client.responses.create(model="m", input="anything")
    second = client.responses.create(model="m", input="remember me", previous_response_id=first.id)
    assert second.output_text == "You said remember me in turn 1."
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="m", input="x", previous_response_id="resp_no")
    assert caught.value.code == "previous_response_not_found"


def test_a_cut_answer_is_incomplete(client: openai.OpenAI) -> None:
    cut = client.responses.create(model="m", input="hi", max_output_tokens=1)
    assert cut.status == "incomplete"
    assert cut.incomplete_details is not None
    assert cut.incomplete_details.reason == "max_output_tokens"
    assert client.responses.create(
        model="m", input="hi", include=["message.output_text.logprobs"], top_logprobs=1
    ).output[0].content[0].logprobs[0].logprob == pytest.approx(-0.01)  # type: ignore[union-attr, index]


def test_calls_without_result_are_refused(client: openai.OpenAI) -> None:
    items: Any = [
        {"role": "user", "content": "x"},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
    ]
    with pytest.raises(openai.BadRequestError, match="No tool output found for function call c1"):
        client.responses.create(model="m", input=items, tools=TOOLS)
