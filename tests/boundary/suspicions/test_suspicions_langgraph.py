"""A real LangGraph agent, recorded as anybody's would be, with silent tool failures scripted into it."""

from __future__ import annotations

import json
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool

from gapless.boundary.session import Session, current_session
from gapless.boundary.suspicions import ObservedTrial, learn, observe, suspect
from gapless.frameworks.langgraph import record
from gapless.records.trial import TrialRecord
from gapless.records.value import decode
from gapless.trace.recorder import TrialRecorder


class _Scripted(BaseChatModel):
    """Asks for the tool once, then concludes without having read its answer."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        last = messages[-1]
        call = {"name": "lookup", "args": {"supplier": last.content}, "id": "call-1"}
        asks, concludes = AIMessage("", tool_calls=[call]), AIMessage("The supplier's risk is low.")
        return ChatResult(generations=[ChatGeneration(message=asks if last.type == "human" else concludes)])


@tool
def lookup(supplier: str) -> str:
    """Looks a supplier up."""
    bad = {"s1": '{"error": "quota exceeded"}', "s4": "{}", "s7": '{"cap": "five", "limit_currency": "EUR"}'}
    return bad.get(supplier, json.dumps({"cap": "five", "currency": "EUR"}))


def _recorded() -> list[ObservedTrial]:
    graph = record(create_agent(_Scripted(), [lookup]))
    observed: list[ObservedTrial] = []
    for number in range(12):
        recorder = TrialRecorder()
        token = current_session.set(Session(recorder))
        output = graph.invoke({"messages": [("user", f"s{number}")]})
        current_session.reset(token)
        kept = recorder.keep(output)
        trial = TrialRecord(
            case=f"s{number}", trial=0, group="g", outcome="unjudged", events=recorder.close(), output=kept
        )
        payloads = recorder.payloads
        observed.append(observe(trial, lambda address, payloads=payloads: decode(payloads[address])))
    return observed


def test_silent_tool_failures_in_a_foreign_agent_are_named_and_nothing_else() -> None:
    trials = _recorded()
    normal = learn(trials)
    found = {
        trial.case: [
            (trial.events[i].event.step, one.check)
            for i, some in suspect(trial, normal).items()
            for one in some
        ]
        for trial in trials
    }
    assert {case: some for case, some in found.items() if some} == {
        "s1": [("tools", "errors-ignored")],
        "s4": [("tools", "empty-result")],
        "s7": [("tools", "schema-breach")],
    }
