"""Other ways to ask than chat completions: Anthropic's protocol, and LangChain's chat models; probes see the same replies."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from langchain_openai import ChatOpenAI
from planted_model import STORY, calling, extracting

from gapless.probes.base import ProbeUnavailable, Subject
from gapless.probes.model.endpoints.anthropic import FINISH, AnthropicEndpoint
from gapless.probes.model.endpoints.base import Endpoint, Question, Reply
from gapless.probes.model.endpoints.langchain import LangChainModel, close
from gapless.probes.model.endpoints.named import endpoint_of, kind_of
from gapless.probes.model.endpoints.openai import OpenAIEndpoint
from gapless.probes.model.load import Lag
from gapless.probes.model.measured import asked, run
from gapless.probes.shelf import SHELF, card, probe
from gapless.settings import CheckupModelSettings, ModelSettings
from gapless.testing.fake_llm import FakeLLM

TOOL = {
    "name": "look",
    "description": "Looks.",
    "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
}
RULES: list[dict[str, Any]] = [
    {
        "when": {"user": "twice"},
        "reply": {"tool_calls": [{"name": "look", "arguments": {"at": "a"}}, {"name": "look"}]},
    },
    {"when": {"user": "json"}, "reply": {"json": {"city": "Rome"}}},
    {"when": {"user": "busy"}, "fault": "429"},
    {"when": {"user": "broken"}, "reply": "one two three four", "fault": "truncated_stream"},
    {"when": {"user": "never"}, "fault": "timeout"},
    {"reply": "one two three"},
]
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
KINDS = ("openai", "anthropic", "langchain")


@pytest.fixture(scope="module")
def server() -> Iterator[FakeLLM]:
    with FakeLLM({"rules": RULES, "faults": {"429": {"rate": 0.0, "retry_after_s": 3}}}) as running:
        yield running


@pytest.fixture(params=KINDS)
def endpoint(request: pytest.FixtureRequest, server: FakeLLM) -> Endpoint:
    return made(request.param, server)


def made(kind: str, server: FakeLLM) -> Endpoint:
    if kind == "langchain":
        chat = ChatOpenAI(model="m", base_url=server.base_url, api_key="k", max_retries=0)  # type: ignore[arg-type]
        return LangChainModel(chat=chat, model="m", timeout_s=10, finishes=True)
    kinds = {"openai": OpenAIEndpoint, "anthropic": AnthropicEndpoint}
    return kinds[kind](url=server.base_url, model="m", key="k", timeout_s=10)


@pytest.mark.parametrize("stream", [False, True])
def test_every_way_gives_the_same_reply(endpoint: Endpoint, stream: bool) -> None:
    def ask(said: str, **more: Any) -> Any:
        return run(endpoint.ask(asked(said, stream=stream, **more)))

    told = ask("hello")
    assert (told.ok, told.text, told.finish, told.status) == (True, "one two three", "stop", 200)
    assert len(told.arrivals) == (4 if stream else 1)
    assert told.started_s < told.arrivals[0] <= told.arrivals[-1] <= told.ended_s
    cut = ask("hello", tokens=2)
    assert (cut.finish, cut.text) == ("length", "one two")
    called = ask("twice", tools=(TOOL,), must_call=True)
    assert [name for name, _ in called.calls] == ["look", "look"]
    assert called.calls[0][1].replace(" ", "") == '{"at":"a"}'
    assert called.finish == "tool_calls"
    assert ask("hello", tools=(TOOL,)).calls == []


def test_every_way_reads_structured_output_and_usage(endpoint: Endpoint) -> None:
    told = run(endpoint.ask(asked("json", schema=CITY)))
    assert told.text.replace(" ", "") == '{"city":"Rome"}'
    whole = run(endpoint.ask(asked("hello")))
    assert (whole.tokens_in, whole.tokens_out) == (5, 4)


def test_every_way_says_what_went_wrong(endpoint: Endpoint) -> None:
    busy = run(endpoint.ask(asked("busy")))
    assert (busy.trouble, busy.status, busy.retry_after) == ("status", 429, "3")
    broken = run(endpoint.ask(asked("broken", stream=True)))
    assert broken.trouble == "dropped", broken.said
    silent = run(replace(endpoint, timeout_s=0.3).ask(asked("never")))
    assert silent.trouble == "timeout"
    assert silent.ended_s - silent.started_s < 5


def test_every_way_says_that_nothing_listens() -> None:
    with FakeLLM() as gone:
        endpoints = [made(kind, gone) for kind in KINDS]
    for endpoint in endpoints:
        reply = run(endpoint.ask(asked("hello")))
        assert reply.trouble in ("refused", "raised"), reply.said
        assert reply.said


async def test_an_error_in_the_middle_of_anthropics_stream() -> None:
    with FakeLLM({"rules": [{"reply": "one two three four"}], "faults": {"stream_error": 1.0}}) as server:
        reply = await AnthropicEndpoint(url=server.base_url, model="m").ask(asked("hello", stream=True))
    assert (reply.trouble, reply.said) == ("stream-error", "Overloaded")
    assert reply.status == 200


def test_anthropics_events_are_read_as_its_own_sdk_reads_them() -> None:
    """Blocks that begin with something in them, a tool of the server's own, thinking, kinds nobody knows, and usage said again."""
    from anthropic.types import Message

    start = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
    }
    tool = {"type": "tool_use", "id": "t", "name": "look", "input": {}}
    own = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    told: list[dict[str, Any]] = [
        {"type": "message_start", "message": start | {"usage": {"input_tokens": 9, "output_tokens": 1}}},
        {"type": "ping"},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "thinking", "thinking": "", "signature": ""},
        },
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "So"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": " be it"}},
        {"type": "content_block_start", "index": 2, "content_block": own},
        {
            "type": "content_block_delta",
            "index": 2,
            "delta": {"type": "input_json_delta", "partial_json": "{}"},
        },
        {"type": "content_block_start", "index": 3, "content_block": tool | {"input": {"at": "a"}}},
        {"type": "content_block_start", "index": 4, "content_block": tool},
        {
            "type": "content_block_delta",
            "index": 4,
            "delta": {"type": "input_json_delta", "partial_json": '{"at": '},
        },
        {
            "type": "content_block_delta",
            "index": 4,
            "delta": {"type": "input_json_delta", "partial_json": '"b"}'},
        },
        {"type": "something_new"},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use"},
            "usage": {"input_tokens": 11, "cache_read_input_tokens": 4, "output_tokens": 7},
        },
        {"type": "message_stop"},
    ]
    Message.model_validate(told[0]["message"])
    reply = Reply(intended_s=0, started_s=0)
    parts = [
        (float(i), b"event: x\ndata: " + json.dumps(one).encode() + b"\n\n") for i, one in enumerate(told)
    ]
    exchange: Any = SimpleNamespace(parts=parts)
    assert AnthropicEndpoint(url="http://x/v1", model="m").read_stream(reply, exchange)
    assert (reply.text, reply.finish) == ("So be it", "tool_calls")
    assert reply.calls == [("look", '{"at": "a"}'), ("look", '{"at": "b"}')]
    assert (reply.tokens_in, reply.tokens_out) == (15, 7)
    assert reply.arrivals == [3, 4, 5, 7, 8, 9, 10, 11]


def test_every_reason_to_stop_that_the_sdk_knows_is_known_here() -> None:
    from anthropic.types import StopReason

    assert set(get_args(StopReason)) == set(FINISH) | {
        "pause_turn"
    }  # which only tools of the server's own bring about


def test_the_system_is_a_field_of_its_own_for_anthropic() -> None:
    said = ({"role": "system", "content": "short"}, {"role": "user", "content": "hi"})
    path, headers, body = AnthropicEndpoint(url="http://x/v1", model="m", key="k").written(
        Question(messages=said, tokens=5)
    )
    assert (path, headers) == ("/messages", {"anthropic-version": "2023-06-01", "x-api-key": "k"})
    assert (body["system"], body["messages"]) == ("short", [said[1]])


@pytest.mark.parametrize(
    ("kind", "words"), [("openai", ["max_tokens", "temperature"]), ("anthropic", ["temperature"])]
)
async def test_options_that_are_refused_are_given_up(kind: str, words: list[str]) -> None:
    """A server that answers 400 to each of the options, as newer models do."""
    refusals = {"max_tokens": "use max_completion_tokens", "temperature": "temperature is deprecated"}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
        body = json.loads(await reader.readexactly(size))
        wrong = next((word for word in words if word in body), None)
        said = {"error": {"message": refusals[wrong]}} if wrong else {"type": "message", "choices": [{}]}
        data = json.dumps(said).encode()
        status = b"400 Bad Request" if wrong else b"200 OK"
        writer.write(b"HTTP/1.1 " + status + f"\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    made = {"openai": OpenAIEndpoint, "anthropic": AnthropicEndpoint}[kind]
    endpoint = made(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", model="m", timeout_s=5)
    settled, reply = await endpoint.settle(asked("hi"))
    server.close()
    assert reply.ok, reply.said
    assert not settled.temperature
    assert getattr(settled, "limit", "max_completion_tokens") == "max_completion_tokens"


def test_langchain_goes_without_a_limit_that_its_model_does_not_take(server: FakeLLM) -> None:
    class Strict(ChatOpenAI):
        def _get_request_payload(self, *args: Any, **kwargs: Any) -> Any:
            if "max_tokens" in kwargs:
                raise TypeError("unexpected keyword argument 'max_tokens'")
            return super()._get_request_payload(*args, **kwargs)

    chat = Strict(model="m", base_url=server.base_url, api_key="k")  # type: ignore[arg-type]
    settled, reply = run(LangChainModel(chat=chat, model="m").settle(asked("hi")))
    assert reply.ok, reply.said
    assert (settled.limited, settled.finishes) == (False, True)


@asynccontextmanager
async def refusing_temperature() -> AsyncIterator[str]:
    """Streams "yes" to whoever sends no temperature, as newer models do."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(re.search(rb"content-length: (\d+)", head.lower())[1])  # type: ignore[index]
        refused = "temperature" in json.loads(await reader.readexactly(size))
        event = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
        choice = {"index": 0, "delta": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}
        body = json.dumps(
            {"error": {"message": "temperature is not supported"}}
            if refused
            else event | {"choices": [choice]}
        )
        kind = "application/json" if refused else "text/event-stream"
        data = body if refused else f"data: {body}\n\ndata: [DONE]\n\n"
        status = "400 Bad Request" if refused else "200 OK"
        said = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(data)}\r\nconnection: close\r\n\r\n{data}"
        writer.write(said.encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    server.close()


async def test_langchain_goes_without_a_temperature_that_its_model_does_not_take() -> None:
    async with refusing_temperature() as url:
        for ours in (True, False):
            chat = ChatOpenAI(model="m", base_url=url, api_key="k", temperature=0, max_retries=0)  # type: ignore[arg-type]
            model = LangChainModel(chat=chat, model="m", timeout_s=10, ours=ours)
            settled, reply = await model.settle(asked("hi"))
            await close(chat)
            assert chat.root_async_client.is_closed()
            assert (reply.ok, settled.temperature) == (
                ours,
                not ours,
            )  # what somebody set in code is not changed
            assert reply.text == ("yes" if ours else "")


def test_settings_name_the_protocol(server: FakeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    named = CheckupModelSettings
    assert kind_of(ModelSettings(model="a:b")) == "openai"
    assert kind_of(named(model="openai:gpt-x")) == "langchain"
    assert kind_of(named(model="llama3:8b", url="http://x/v1")) == "openai"
    assert kind_of(named(target="app.py:chat")) == "langchain"
    endpoint: Any = endpoint_of(named(kind="anthropic", model="m"))
    assert (endpoint.url, endpoint.key) == ("https://api.anthropic.com/v1", "k")
    by_name: Any = endpoint_of(
        named(kind="langchain", model="openai:m", url=server.base_url, api_key_env="ANTHROPIC_API_KEY")
    )
    assert by_name.temperature
    assert run(by_name.ask(asked("hello"))).text == "one two three"


def chat_at(**more: Any) -> Any:
    return ChatOpenAI(model="m", base_url="http://127.0.0.1:9/v1", api_key="k", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("chat", "zero", "said"),
    [
        (lambda: chat_at(), False, "ChatOpenAI shows no temperature"),
        (lambda: chat_at(temperature=0), True, "temperature 0, set in ChatOpenAI"),
        (lambda: chat_at(temperature=0.7, seed=3), False, "temperature 0.7, seed 3, set in ChatOpenAI"),
        (lambda: chat_at(temperature=0).bind(temperature=0.7), False, "temperature 0.7, set in ChatOpenAI"),
        (lambda: chat_at(temperature=0).with_retry(), True, "temperature 0, set in ChatOpenAI"),
        (lambda: chat_at(model_kwargs={"top_k": 5}), False, "top_k 5, set in ChatOpenAI"),
        (
            lambda: chat_at(temperature=0).with_fallbacks([chat_at()]),
            True,
            "temperature 0, set in ChatOpenAI",
        ),
    ],
)
def test_how_a_chat_model_draws_its_words_is_read_from_it(chat: Any, zero: bool, said: str) -> None:
    model = LangChainModel(chat=chat(), model="m")
    assert (model.temperature, model.sampling) == (zero, said)


def test_repeats_say_at_which_temperature_they_were_asked() -> None:
    with FakeLLM({"rules": [{"reply": "the sea"}]}) as calm:
        named = CheckupModelSettings(target="app.py:chat")
        cold = ChatOpenAI(model="m", base_url=calm.base_url, api_key="k", temperature=0)  # type: ignore[arg-type]
        (finding,) = probe("determinism")(Subject(model=named, chat=cold))
        assert finding.said == "one text in 4 answers (temperature 0, set in ChatOpenAI)"
        warm = ChatOpenAI(model="m", base_url=calm.base_url, api_key="k", temperature=0.7)  # type: ignore[arg-type]
        with pytest.raises(
            ProbeUnavailable, match=r"temperature 0\.7, set in ChatOpenAI: that is not ours to change"
        ):
            list(probe("determinism")(Subject(model=named, chat=warm)))


def test_openais_own_variables_say_where_and_with_which_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1/")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    endpoint: Any = endpoint_of(CheckupModelSettings(model="m"))
    assert (endpoint.url, endpoint.key) == ("http://127.0.0.1:9/v1", "k")
    elsewhere: Any = endpoint_of(CheckupModelSettings(model="m", url="http://x/v1"))
    assert (elsewhere.url, elsewhere.key) == ("http://x/v1", None)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert endpoint_of(CheckupModelSettings(model="m")).key is None
    with pytest.raises(
        ProbeUnavailable, match="no model is named"
    ):  # variables alone name nothing: it may cost money
        endpoint_of(CheckupModelSettings())
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with pytest.raises(ProbeUnavailable, match="at which address"):  # and a key alone no address
        endpoint_of(CheckupModelSettings(model="gpt-4o-mini"))


@pytest.mark.parametrize(
    ("settings", "chat", "said"),
    [
        (CheckupModelSettings(kind="langchain"), None, "provider:model"),
        (CheckupModelSettings(model="nobody:m"), None, "nobody:m: LangChain cannot make it"),
        (CheckupModelSettings(target="a:b"), ValueError("no such file"), "cannot be opened: no such file"),
        (CheckupModelSettings(target="a:b"), object(), "is no LangChain chat model"),
        (CheckupModelSettings(kind="anthropic"), None, "which model\\?"),
    ],
)
def test_what_cannot_be_opened_is_said(settings: Any, chat: Any, said: str) -> None:
    with pytest.raises(ProbeUnavailable, match=said):
        endpoint_of(settings, chat)


WAYS = ("anthropic", "langchain")
NOT_THROUGH_LANGCHAIN = {"plain-refusals", "cancel"}


def healthy() -> dict[str, Any]:
    """A server that answers every question of the probes rightly."""
    rules = [*extracting()["rules"], *calling()["rules"], {"reply": STORY}]
    return {"rules": rules, "latency": {"ttft_ms": 20, "inter_token_ms": 3}, "context": 4000, "models": ["m"]}


@pytest.mark.parametrize("kind", WAYS)
def test_every_line_is_measured_whichever_way_the_model_is_asked(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAPLESS_TEST_KEY", "right")
    # What a busy machine does to the client has its own tests.
    monkeypatch.setattr(Lag, "saturated", lambda *_: "")
    monkeypatch.setattr(Lag, "tail_is_own", lambda *_: "")
    with FakeLLM(healthy(), token="right") as server:
        settings = CheckupModelSettings(
            kind=kind,  # type: ignore[arg-type]
            url=server.base_url,
            model="openai:m" if kind == "langchain" else "m",
            api_key_env="GAPLESS_TEST_KEY",
            timeout_s=10,
        )
        subject = Subject(model=settings, seconds=2.0)
        for name in (name for name in SHELF if card(name).layer == "model"):
            if kind == "langchain" and name in NOT_THROUGH_LANGCHAIN:
                with pytest.raises(ProbeUnavailable, match="cannot be seen through LangChain"):
                    list(probe(name)(subject))
                continue
            (finding,) = probe(name)(subject)
            assert finding.status == "ok", (name, finding.said)
            if kind == "langchain" and name == "ttft":
                assert "through LangChain, its time and retries included" in finding.said
