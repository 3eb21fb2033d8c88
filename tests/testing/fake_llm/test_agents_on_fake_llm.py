"""Real agents on the fake model: ChatOpenAI, LangChain's agent, LangGraph's prebuilt one."""

from __future__ import annotations

import importlib.util
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

from gapless.testing.fake_llm import FakeLLM

EXAMPLE = Path(__file__).parents[3] / "examples" / "react_on_fake_llm"
RULES: Any = [
    {"when": {"tool_result_regex": r"^(?P<c>\d+)$"}, "reply": "It is {{ c }} degrees."},
    {"when": {"has_tool_result": True}, "reply": "It is 20 degrees."},
    {
        "when": {"user_regex": r"in (\w+)", "tools": ["weather"]},
        "reply": {"tool_calls": [{"name": "weather", "arguments": {"city": "{{ groups[1] }}"}}]},
    },
    {"when": {"user": "town"}, "reply": {"json": {"name": "Rome", "people": 3}}},
    {"reply": "Hello from the script."},
]


class Town(BaseModel):
    name: str
    people: int


@tool
def weather(city: str) -> str:
    """Degrees Celsius in a city."""
    return "21" if city == "Rome" else ""


def model(server: FakeLLM, **extra: Any) -> ChatOpenAI:
    return ChatOpenAI(model="gpt-4o", base_url=server.base_url, api_key="k", max_retries=0, **extra)  # type: ignore[arg-type]


@pytest.mark.parametrize("responses", [False, True], ids=["chat", "responses"])
async def test_chat_openai(responses: bool) -> None:
    with FakeLLM(RULES, strict=True) as server:
        chat = model(server, use_responses_api=responses)
        said = chat.invoke("hi")
        assert said.text == "Hello from the script."
        assert said.usage_metadata is not None
        assert said.usage_metadata["output_tokens"] > 0
        parts = [part.text async for part in chat.astream("hi")]
        assert "".join(parts) == "Hello from the script."
        assert len(parts) > 3
        assert chat.with_structured_output(Town).invoke("a town") == Town(name="Rome", people=3)


@pytest.mark.parametrize("responses", [False, True], ids=["chat", "responses"])
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
async def test_a_real_agent_hides_a_silent_tool_failure(responses: bool, streaming: bool) -> None:
    with FakeLLM(RULES, strict=True) as server:
        agent = create_agent(model(server, use_responses_api=responses, streaming=streaming), [weather])
        fine = await agent.ainvoke({"messages": [("user", "How warm is it in Rome?")]})
        silent = agent.invoke({"messages": [("user", "How warm is it in Oslo?")]})
        assert [message.type for message in silent["messages"]] == ["human", "ai", "tool", "ai"]
        assert fine["messages"][-1].text == "It is 21 degrees."
        assert silent["messages"][2].content == ""
        assert silent["messages"][-1].text == "It is 20 degrees."
        assert [note.rule for note in server.requests] == [2, 0, 2, 1]


def test_langchain_embeddings() -> None:
    with FakeLLM() as server:
        embeddings = OpenAIEmbeddings(
            model="text-embedding-3-small",
            base_url=server.base_url,
            api_key="k",
            check_embedding_ctx_length=False,
        )  # type: ignore[call-arg]
        assert len(embeddings.embed_query("hello")) == 1536


def test_the_example_answers_everything_and_makes_up_a_quarter(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeLLM(EXAMPLE / "script.yaml") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        graph = _load_example().graph
        made_up: list[str] = []
        cases = [json.loads(line) for line in (EXAMPLE / "inputs.jsonl").read_text().splitlines()]
        for case in cases:
            assert set(case) == {"id", "input"}
            messages = graph.invoke(case["input"])["messages"]
            assert [message.type for message in messages] == ["human", "ai", "tool", "ai"]
            rule = server.requests[-1].rule_name
            assert rule is not None
            if rule.endswith("made up"):
                made_up.append(messages[2].status)
        assert len({case["id"] for case in cases}) == len(cases) == 24
        assert sorted(made_up) == ["error"] * 2 + ["success"] * 4
        assert server.unmatched == 0


def _load_example() -> Any:
    spec = importlib.util.spec_from_file_location("react_on_fake_llm_app", EXAMPLE / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the prebuilt agent announces its successor
        spec.loader.exec_module(module)
    return module
