"""`ttft_s`: a model that does not begin to answer is given up; one that has begun may take its time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from langchain_openai import ChatOpenAI
from langgraph.graph import START, StateGraph
from openai import OpenAI

import gapless
from gapless.boundary.contract import Contract
from gapless.boundary.guards.retry import Retry
from gapless.errors import BoundaryTimeout, InvalidContract
from gapless.frameworks.guard import guard
from gapless.testing.fake_llm import FakeLLM, Latency, Reply, Rule, Script, When

LATE_S = 0.9
QUICK = Contract(ttft_s=0.4)


@pytest.fixture(scope="module", params=["late", "slow"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Late: the first token comes after 900 ms, the others at once. Slow: the first at once, the last after 900 ms."""
    late = request.param == "late"
    latency = Latency(ttft_ms=900 if late else 1, inter_token_ms=0 if late else 100)
    reply = Reply(text="one two three four five six seven eight nine ten")
    script = Script(rules=(Rule(when=When(), reply=reply),), latency=latency)
    with FakeLLM(script) as fake:
        yield request.param, fake.base_url


def _judged(kind: str, run: Any) -> None:
    began = time.monotonic()
    if kind == "late":
        with pytest.raises(BoundaryTimeout, match=r"no first token within 0\.4 s"):
            run()
        assert time.monotonic() - began < LATE_S
    else:
        assert "ten" in str(run())


def _graph(base_url: str, awaited: bool) -> Any:
    model = ChatOpenAI(base_url=base_url, api_key="k", model="m", streaming=True, max_retries=0)

    async def later(state: dict[str, Any]) -> Any:
        return {"answer": (await model.ainvoke("hi")).content}

    graph: Any = StateGraph(dict)
    graph.add_node("draft", later if awaited else lambda state: {"answer": model.invoke("hi").content})
    graph.add_edge(START, "draft")
    return guard(graph.compile(), {"draft": QUICK})


def test_a_langchain_model_that_streams(server: tuple[str, str]) -> None:
    kind, url = server
    _judged(kind, lambda: _graph(url, awaited=False).invoke({}))
    _judged(kind, lambda: asyncio.run(_graph(url, awaited=True).ainvoke({})))


def test_the_openai_package_in_a_function(server: tuple[str, str]) -> None:
    kind, url = server

    @gapless.step
    def draft(question: str) -> str:
        with OpenAI(base_url=url, api_key="k", max_retries=0) as client:
            chunks = client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": question}], stream=True
            )
            return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

    def answer(question: str) -> str:
        return draft(question)

    _judged(kind, lambda: guard(answer, {"draft": QUICK})("hi"))


def test_httpx_awaited(server: tuple[str, str]) -> None:
    kind, url = server

    async def draft(question: str) -> str:
        asked = {"model": "m", "messages": [{"role": "user", "content": question}], "stream": True}
        async with (
            httpx.AsyncClient() as client,
            client.stream("POST", f"{url}/chat/completions", json=asked) as answer,
        ):
            return "".join([chunk async for chunk in answer.aiter_text()])

    _judged(kind, lambda: asyncio.run(guard(draft, {"draft": QUICK})("hi")))


def test_a_step_that_ends_sooner_needs_no_token_and_one_without_any_is_given_up() -> None:
    def work(seconds: float) -> str:
        time.sleep(seconds)
        return "done"

    careful = guard(work, {"work": Contract(ttft_s=0.2, retry=Retry(2, backoff_s=0.01))})
    assert careful(0.0) == "done"
    with pytest.raises(gapless.GaplessError, match="no first token"):
        careful(1.0)


def test_both_limits_hold_beside_each_other(server: tuple[str, str]) -> None:
    kind, url = server
    model = ChatOpenAI(base_url=url, api_key="k", model="m", streaming=True, max_retries=0)

    def draft(question: str) -> Any:
        return model.invoke(question).content

    both = guard(draft, {"draft": Contract(ttft_s=0.4, timeout_s=0.6)})
    with pytest.raises(
        BoundaryTimeout, match="no first token" if kind == "late" else r"did not end within 0\.6 s"
    ):
        both("hi")


def test_seconds_are_above_zero() -> None:
    with pytest.raises(InvalidContract, match="ttft_s"):
        Contract(ttft_s=0)
