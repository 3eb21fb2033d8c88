"""Embeddings, models, and the server's own addresses."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import numpy as np
import openai
import pytest

from gapless.testing.fake_llm import FakeLLM


@pytest.fixture
def server() -> Iterator[FakeLLM]:
    with FakeLLM() as server:
        yield server


@pytest.fixture
def client(server: FakeLLM) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.base_url, api_key="any", max_retries=0) as client:
        yield client


def test_unit_vectors_in_both_formats(client: openai.OpenAI) -> None:
    texts = ["the cap on liability", "liability cap", "a sunny day"]
    packed = client.embeddings.create(model="m", input=texts)
    plain = client.embeddings.create(model="m", input=texts, encoding_format="float")
    rows = np.array([entry.embedding for entry in plain.data])
    assert rows.shape == (3, 1536)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert np.allclose(rows, [entry.embedding for entry in packed.data], atol=1e-6)
    assert rows[0] @ rows[1] > 0.5 > rows[0] @ rows[2]
    again = client.embeddings.create(model="m", input="liability cap", encoding_format="float")
    assert again.data[0].embedding == plain.data[1].embedding


def test_dimensions_tokens_and_bad_input(client: openai.OpenAI) -> None:
    assert len(client.embeddings.create(model="m", input="a", dimensions=7).data[0].embedding) == 7
    assert len(client.embeddings.create(model="text-embedding-3-large", input="a").data[0].embedding) == 3072
    assert len(client.embeddings.create(model="m", input=[[1, 2], [3]], dimensions=8).data) == 2
    with pytest.raises(openai.BadRequestError, match="cannot be empty"):
        client.embeddings.create(model="m", input=["a", ""])


def test_models() -> None:
    with (
        FakeLLM({"models": ["gpt-4o"], "rules": []}) as server,
        openai.OpenAI(base_url=server.base_url, api_key="any", max_retries=0) as client,
    ):
        assert [model.id for model in client.models.list()] == ["gpt-4o"]
        assert client.models.retrieve("gpt-4o").owned_by == "gapless"
        for call in (
            lambda: client.models.retrieve("gpt-5"),
            lambda: client.chat.completions.create(
                model="gpt-5", messages=[{"role": "user", "content": "x"}]
            ),
        ):
            with pytest.raises(openai.NotFoundError) as caught:
                call()
            assert caught.value.code == "model_not_found"


def test_health_log_and_reset(server: FakeLLM, client: openai.OpenAI) -> None:
    assert httpx.get(f"{server.url}/health").json() == {"status": "ok"}
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    log = httpx.get(f"{server.url}/gapless/requests").json()
    assert (log["count"], log["unmatched"], log["faults"]) == (1, 1, {})
    assert log["requests"][0]["body"]["messages"] == [{"role": "user", "content": "x"}]
    assert httpx.post(f"{server.url}/gapless/reset").json() == {"status": "reset"}
    assert server.requests == ()
    client.embeddings.create(model="m", input="x", dimensions=2)
    server.reset()
    assert server.requests == ()


def test_a_token_is_demanded() -> None:
    with FakeLLM({"rules": [{"reply": "in"}]}, token="s3cret") as server:
        assert httpx.get(f"{server.url}/health").status_code == 200
        assert httpx.get(f"{server.url}/gapless/requests").status_code == 401
        with (
            openai.OpenAI(base_url=server.base_url, api_key="wrong", max_retries=0) as stranger,
            pytest.raises(openai.AuthenticationError),
        ):
            stranger.models.list()
        key = server.environment["OPENAI_API_KEY"]
        with openai.OpenAI(base_url=server.base_url, api_key=key, max_retries=0) as friend:
            assert len(friend.models.list().data) == 2
