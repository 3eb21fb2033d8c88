"""Anthropic's Messages API as its own SDK meets it: whole and streamed, tools, schemas, errors, and faults in mid-stream."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx
import pytest

from gapless.testing.fake_llm import FakeLLM

WEATHER: Any = {
    "name": "weather",
    "description": "Weather in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
TEXT = "one two three four five six"
RULES: list[dict[str, Any]] = [
    {
        "when": {"user": "rome and oslo", "turn": 0},
        "reply": {
            "text": "I look.",
            "tool_calls": [
                {"name": "weather", "arguments": {"city": "Rome"}},
                {"name": "weather", "arguments": {"city": "Oslo"}},
            ],
        },
    },
    {"when": {"tool_result_regex": r"(\d+) C"}, "reply": "It is {{ groups[1] }} degrees; {{ system }}."},
    {"when": {"user": "no"}, "reply": {"refusal": "I cannot."}},
    {"when": {"user": "json"}, "reply": {"json": {"city": "Rome"}}},
    {"reply": TEXT},
]


def client(server: FakeLLM, **more: Any) -> anthropic.Anthropic:
    given: dict[str, Any] = {"api_key": "k", "max_retries": 0, "timeout": 10.0} | more
    return anthropic.Anthropic(base_url=server.url, **given)


def asked(said: str, **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "model": "any",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": said}],
    }
    return given | more


def test_a_whole_answer() -> None:
    with FakeLLM(RULES) as server, client(server) as sdk:
        told = sdk.messages.create(**asked("hello"))
        assert [block.type for block in told.content] == ["text"]
        assert told.content[0].to_dict()["text"] == TEXT
        assert (told.stop_reason, told.role, told.model) == ("end_turn", "assistant", "any")
        assert told.usage.output_tokens == 7
        assert told._request_id is not None
        assert sdk.messages.create(**asked("hello", max_tokens=2)).stop_reason == "max_tokens"
        stopped = sdk.messages.create(**asked("hello", stop_sequences=[" four"]))
        assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", " four")
        assert sdk.messages.create(**asked("no")).stop_reason == "refusal"
        assert server.requests[0].endpoint == "messages"


def test_a_stream_adds_up_to_the_whole_answer() -> None:
    with FakeLLM(RULES) as server, client(server) as sdk:
        with sdk.messages.stream(**asked("hello")) as stream:
            pieces = list(stream.text_stream)
            told = stream.get_final_message()
        assert len(pieces) == 7
        assert "".join(pieces) == TEXT
        assert (told.stop_reason, told.usage.output_tokens) == ("end_turn", 7)
        kinds = [event.type for event in sdk.messages.create(**asked("hello", stream=True))]
        # The SDK keeps the ping to itself.
        assert kinds[:2] == ["message_start", "content_block_start"]
        assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


@pytest.mark.parametrize("streamed", [False, True])
def test_tools_are_called_and_their_results_read(streamed: bool) -> None:
    question = asked("Rome and Oslo?", tools=[WEATHER], tool_choice={"type": "any"}, system="be short")
    with FakeLLM(RULES, strict=True) as server, client(server) as sdk:
        if streamed:
            with sdk.messages.stream(**question) as stream:
                told = stream.get_final_message()
        else:
            told = sdk.messages.create(**question)
        used = [block for block in told.content if block.type == "tool_use"]
        assert told.stop_reason == "tool_use"
        assert [block.input for block in used] == [{"city": "Rome"}, {"city": "Oslo"}]
        results = [{"type": "tool_result", "tool_use_id": block.id, "content": "21 C"} for block in used]
        messages = [
            *question["messages"],
            {"role": "assistant", "content": [block.to_dict() for block in told.content]},
            {"role": "user", "content": results},
        ]
        after = sdk.messages.create(**(question | {"messages": messages, "tool_choice": {"type": "auto"}}))
        assert after.content[0].to_dict()["text"] == "It is 21 degrees; be short."
        one = asked(
            "Rome and Oslo?", tools=[WEATHER], tool_choice={"type": "auto", "disable_parallel_tool_use": True}
        )
        assert sum(block.type == "tool_use" for block in sdk.messages.create(**one).content) == 1


def test_structured_output_and_its_echo() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    wanted: Any = {"format": {"type": "json_schema", "schema": schema}}
    with FakeLLM(RULES) as server, client(server) as sdk:
        told = sdk.messages.create(**asked("json", output_config=wanted))
        assert json.loads(told.content[0].to_dict()["text"]) == {"city": "Rome"}
    with FakeLLM() as server, client(server) as sdk:
        told = sdk.messages.create(**asked("anything", output_config=wanted))
        assert set(json.loads(told.content[0].to_dict()["text"])) == {"city"}


def test_tokens_are_counted_and_models_listed() -> None:
    with FakeLLM({"rules": RULES, "models": ["big", "small"]}) as server, client(server) as sdk:
        counted = sdk.messages.count_tokens(model="big", messages=[{"role": "user", "content": "one two"}])
        assert counted.input_tokens == 5
        assert [model.id for model in sdk.models.list()] == ["big", "small"]
        assert sdk.models.retrieve("big").display_name == "big"
        with pytest.raises(anthropic.NotFoundError) as caught:
            sdk.messages.create(**asked("hello"))
        assert "does not exist" in caught.value.message


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        ("429", anthropic.RateLimitError, "rate_limit_error"),
        ("500", anthropic.InternalServerError, "api_error"),
        ("529", anthropic.InternalServerError, "overloaded_error"),
    ],
)
def test_errors_have_the_protocols_shape(fault: str, kind: type[anthropic.APIStatusError], said: str) -> None:
    faults = {fault: {"rate": 1.0, "retry_after_s": 7}}
    with FakeLLM({"rules": RULES, "faults": faults}) as server, client(server) as sdk:
        with pytest.raises(kind) as caught:
            sdk.messages.create(**asked("hello"))
        body: Any = caught.value.body
        assert (caught.value.status_code, body["type"], body["error"]["type"]) == (int(fault), "error", said)
        assert caught.value.response.headers.get("retry-after") == ("7" if fault == "429" else None)


def test_a_wrong_key_a_missing_version_and_broken_requests_are_refused() -> None:
    with FakeLLM(RULES, token="right") as server:
        with client(server) as sdk, pytest.raises(anthropic.AuthenticationError):
            sdk.messages.create(**asked("hello"))
        with client(server, api_key="right") as sdk:
            assert sdk.messages.create(**asked("hello")).stop_reason == "end_turn"
            for wrong, said in (
                ({"messages": []}, "at least one message"),
                ({"max_tokens": 0}, "max_tokens"),
                ({"extra_body": {"temperature": 2}}, "temperature"),
                ({"tools": [{"name": "x"}]}, "input_schema"),
                ({"tool_choice": {"type": "any"}}, "while providing tools"),
                ({"messages": [{"role": "robot", "content": "x"}]}, "role"),
                ({"messages": [_used()]}, "without `tool_result`"),
                ({"messages": [_result()]}, "unexpected `tool_use_id`"),
            ):
                with pytest.raises(anthropic.BadRequestError) as caught:
                    sdk.messages.create(**asked("hello", **wrong))
                assert said in caught.value.message, said
        bare = httpx.post(f"{server.base_url}/messages", json=asked("hi"), headers={"x-api-key": "right"})
        assert bare.status_code == 400
        assert bare.json()["error"] == {
            "type": "invalid_request_error",
            "message": "anthropic-version: header is required",
        }


def _used() -> dict[str, Any]:
    block = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
    return {"role": "assistant", "content": [block]}


def _result() -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "21 C"}
    return {"role": "user", "content": [block]}


def test_a_stream_that_fails_in_the_middle() -> None:
    with FakeLLM({"rules": RULES, "faults": {"stream_error": 1.0}}) as server, client(server) as sdk:
        with pytest.raises(anthropic.APIStatusError) as caught:
            list(sdk.messages.create(**asked("hello", stream=True)))
        assert "overloaded_error" in str(caught.value.body)
        # It strikes streams only.
        assert sdk.messages.create(**asked("hello")).stop_reason == "end_turn"
    with FakeLLM({"rules": RULES, "faults": {"truncated_stream": 1.0}}) as server, client(server) as sdk:
        kinds = [event.type for event in sdk.messages.create(**asked("hello", stream=True))]
        assert "message_stop" not in kinds


def test_the_environment_points_the_sdk_here(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeLLM(RULES) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        with anthropic.Anthropic() as sdk:
            assert sdk.messages.create(**asked("hello")).stop_reason == "end_turn"
