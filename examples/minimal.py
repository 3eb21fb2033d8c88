"""The pattern made right: retrieve -> call_tool -> synthesize | human_review, decided by confidence.

python examples/minimal.py
gapless measure examples/minimal.py:app --cases inputs.jsonl     {"question": "...", "confidence": 0.9}
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

THRESHOLD = 0.75


class State(TypedDict, total=False):
    question: str
    confidence: float
    evidence: list[str]
    result: str
    answer: str


def retrieve(state: State) -> State:
    return {"evidence": [f"clause 8, found for: {state['question']}"]}


def call_tool(state: State) -> State:
    return {"result": f"{len(state['evidence'])} clause assessed", "confidence": state.get("confidence", 0.0)}


def decide(state: State) -> Literal["synthesize", "human_review"]:
    return "synthesize" if state["confidence"] >= THRESHOLD else "human_review"


def synthesize(state: State) -> State:
    return {"answer": f"Summary: {state['result']}."}


def human_review(state: State) -> State:
    return {"answer": interrupt({"question": state["question"], "result": state["result"]})}


graph = StateGraph(State)
for step, layer in ((retrieve, "context"), (call_tool, "tool"), (synthesize, "model")):
    graph.add_node(step.__name__, step, metadata={"layer": layer})
graph.add_node("human_review", human_review, metadata={"layer": "orchestration", "review": True})
graph.add_edge(START, "retrieve").add_edge("retrieve", "call_tool").add_conditional_edges("call_tool", decide)
app = graph.compile(checkpointer=InMemorySaver())

if __name__ == "__main__":
    for confidence, end, count in ((0.41, "human_review", 0), (0.9, "synthesize", 1)):
        thread: Any = {"configurable": {"thread_id": f"confidence {confidence}"}}
        asked: State = {"question": "What does supplier X put at risk?", "confidence": confidence}
        trace = [step for update in app.stream(asked, thread) for step in update]
        trace += app.get_state(thread).next
        print(confidence, " -> ".join(trace))
        assert (trace[-1], trace.count("synthesize")) == (end, count)
