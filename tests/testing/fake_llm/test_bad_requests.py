"""What is wrong with a request is said in the protocol's own shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from gapless.testing.fake_llm import FakeLLM

USER = {"role": "user", "content": "x"}
CALLING = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}


@pytest.fixture(scope="module")
def server() -> Iterator[FakeLLM]:
    with FakeLLM({"rules": [{"when": {"user": "groups"}, "reply": "{{ groups[5] }}"}]}) as server:
        yield server


BAD: list[tuple[str, dict[str, Any], str, str]] = [
    ("chat/completions", {}, "model", "Missing required parameter"),
    ("chat/completions", {"model": 3}, "model", "expected a non-empty string, but got an integer"),
    ("chat/completions", {"model": "m"}, "messages", "Missing required parameter"),
    ("chat/completions", {"model": "m", "messages": "x"}, "messages", "expected an array"),
    ("chat/completions", {"model": "m", "messages": [{"role": "usr", "content": "x"}]}, "messages[0].role", "'usr'"),
    ("chat/completions", {"model": "m", "messages": [{"role": "user"}]}, "messages[0].content", "got null"),
    ("chat/completions", {"model": "m", "messages": [USER], "n": 0}, "n", ">= 1"),
    ("chat/completions", {"model": "m", "messages": [USER], "stream": "yes"}, "stream", "expected a boolean"),
    ("chat/completions", {"model": "m", "messages": [USER], "temperature": 3}, "temperature", "<= 2"),
    ("chat/completions", {"model": "m", "messages": [USER], "stream_options": {}}, "stream_options", "only allowed when"),
    ("chat/completions", {"model": "m", "messages": [USER], "top_logprobs": 2}, "top_logprobs", "only allowed when"),
    ("chat/completions", {"model": "m", "messages": [USER], "tool_choice": "required"}, "tool_choice", "only allowed when"),
    ("chat/completions", {"model": "m", "messages": [USER], "tools": [{"type": "function"}]}, "tools[0].function", "got null"),
    ("chat/completions", {"model": "m", "messages": [USER], "response_format": {"type": "xml"}}, "response_format.type", "xml"),
    ("chat/completions", {"model": "m", "messages": [USER, CALLING]}, "messages[2].role", "have no response: c1"),
    ("chat/completions", {"model": "m", "messages": [USER, CALLING, USER]}, "messages[2].role", "have no response: c1"),
    ("chat/completions", {"model": "m", "messages": [{"role": "tool", "content": "x", "tool_call_id": "c9"}]}, "messages[0].role", "'c9'"),
    ("responses", {"model": "m"}, "input", "Missing required parameter"),
    ("responses", {"model": "m", "input": [{"role": "tool", "content": "x"}]}, "input[0].role", "'tool'"),
    ("responses", {"model": "m", "input": [{"type": "function_call_output", "call_id": "c9", "output": ""}]}, "input", "c9"),
    ("embeddings", {"model": "m", "input": []}, "input", "cannot be empty"),
    ("embeddings", {"model": "m", "input": [{}]}, "input[0]", "expected a string"),
    ("embeddings", {"model": "m", "input": "x", "encoding_format": "hex"}, "encoding_format", "'hex'"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "param", "said"), BAD, ids=[f"{b[0]}-{b[2]}-{b[3]}" for b in BAD])
def test_bad_requests(server: FakeLLM, path: str, body: dict[str, Any], param: str, said: str) -> None:
    answer = httpx.post(f"{server.base_url}/{path}", json=body)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error["param"] == param
    assert said in error["message"]
    assert error["type"] == "invalid_request_error"
    note = server.requests[-1]
    assert (note.status, note.body, note.error) == (400, body, error["message"])


def test_what_is_no_json_is_said_so(server: FakeLLM) -> None:
    for content, said in (
        (b"{", "could not parse"),
        (b"[]", "must be a JSON object"),
        (b"\xff", "could not parse"),
    ):
        answer = httpx.post(f"{server.base_url}/chat/completions", content=content)
        assert answer.status_code == 400
        assert said in answer.json()["error"]["message"]


def test_unknown_addresses(server: FakeLLM) -> None:
    for method, url, status in (
        ("POST", f"{server.base_url}/completions", 404),
        ("GET", f"{server.base_url}/chat/completions", 405),
        ("POST", f"{server.url}/chat/completions", 404),
    ):
        answer = httpx.request(method, url)
        assert answer.status_code == status
        assert method in answer.json()["error"]["message"]
    assert "The base URL ends in /v1" in answer.json()["error"]["message"]


def test_a_template_that_cannot_be_filled_is_an_error_of_the_script(server: FakeLLM) -> None:
    with openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=2) as client:
        before = len(server.requests)
        with pytest.raises(openai.InternalServerError, match="Rule 0 cannot answer") as caught:
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "groups"}])
    assert caught.value.code == "template_failed"
    assert len(server.requests) == before + 1, "clients are told not to try again"


def test_strict_says_why_no_rule_applies() -> None:
    rules: Any = [
        {"name": "first", "reply": "a", "times": 1},
        {"when": {"user": "b", "turn": 0}, "reply": "c"},
        {"when": {"tools": ["t"]}, "reply": "d"},
        {"when": {"tool_result_regex": "e"}, "reply": "f"},
    ]
    with (
        FakeLLM(rules, strict=True) as server,
        openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client,
    ):
        messages: Any = [{"role": "user", "content": "a"}]
        assert client.chat.completions.create(model="m", messages=messages).choices[0].message.content == "a"
        with pytest.raises(openai.InternalServerError) as caught:
            client.chat.completions.create(model="m", messages=messages)
    said = caught.value.message
    assert "rule 0 (first): used up (1 of 1 times)" in said
    assert "rule 1: user does not contain 'b'" in said
    assert "rule 2: tools not offered: t" in said
    assert "rule 3: tool_result_regex does not find 'e'" in said
    assert caught.value.code == "no_rule_applies"
