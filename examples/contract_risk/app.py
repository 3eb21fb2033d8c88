"""The agent as a LangGraph graph: understand -> retrieve -> extract -> assess -> draft -> deliver, or a person, or "cannot be answered".

`gapless measure contract_risk.app:build` finds `build`; a program calls `graph(...)` with parts of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import interrupt

from contract_risk import drafting
from contract_risk.corpus import SEED, SUPPLIERS, generate
from contract_risk.extract import extract as read_facts
from contract_risk.finance.desk import Desk
from contract_risk.library import Library
from contract_risk.model.client import Endpoint, Model
from contract_risk.understand import understand as find_supplier


class State(TypedDict, total=False):
    """What the steps hand over."""

    question: str
    supplier: str | None
    """Id in the register."""
    name: str | None
    """Legal name."""
    candidates: list[str]
    """Ids that the question may mean."""
    retrieved: list[dict[str, Any]]
    """Passages, best first."""
    facts: dict[str, Any]
    """What the contracts state today."""
    sources: dict[str, str]
    """Fact -> id of the passage that states it."""
    missing: list[str]
    """Facts that no passage states."""
    assessment: dict[str, Any]
    """The finance tool's answer: figures, findings, missing."""
    draft: str
    answer: dict[str, Any]
    """What is delivered: supplier, name, answerable, summary, figures, missing."""


class Finance(Protocol):
    """The finance tool, as the agent sees it."""

    async def assess(self, facts: Mapping[str, Any]) -> dict[str, Any]: ...


_CLAUSES = {
    "commitment": "minimum purchase",
    "penalty": "late-delivery penalties",
    "cap": "limitation of liability",
    "payment_days": "payment term",
    "notice_days": "notice of non-renewal",
    "renewal": "date of renewal",
}


@dataclass
class Agent:
    """The steps, with the parts they work with. Trials may run at the same time: a step keeps nothing."""

    library: Library
    finance: Finance
    model: Model
    outbox: Path | None = None
    """Folder in which deliveries are put; None delivers to the caller alone."""
    register: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.register = {supplier.id: supplier.name for supplier in self.library.corpus.suppliers}

    async def understand(self, state: State) -> State:
        found = find_supplier(state["question"], self.register)
        return {"supplier": found["supplier"], "name": found["name"], "candidates": found["candidates"]}

    async def retrieve(self, state: State) -> State:
        supplier, name = state["supplier"], state["name"]
        assert supplier is not None
        assert name is not None
        return {"retrieved": await asyncio.to_thread(self.library.look_up, supplier, name)}

    async def extract(self, state: State) -> State:
        found = read_facts(state["retrieved"], self.library.corpus.today)
        return {"facts": found["facts"], "sources": found["sources"], "missing": found["missing"]}

    async def assess(self, state: State) -> State:
        return {"assessment": await self.finance.assess(state["facts"])}

    async def draft(self, state: State) -> State:
        name, findings = state["name"] or "", state["assessment"]["findings"]
        written = await self.model.write(
            drafting.messages(name, findings), grammar=drafting.grammar(name, findings), tell=_teller()
        )
        return {"draft": written.text}

    async def human_review(self, state: State) -> State:
        shown = {
            "question": state["question"],
            "candidates": state.get("candidates", []),
            "draft": state.get("draft"),
        }
        return {"draft": interrupt(shown)}

    async def deliver(self, state: State) -> State:
        answer = answer_of(state)
        if self.outbox is not None:
            await asyncio.to_thread(_post, self.outbox, answer)
        return {"answer": answer}


def known(state: State) -> Literal["retrieve", "human_review"]:
    """A person has to say whom a question means that fits no supplier, or several."""
    return "retrieve" if state.get("supplier") else "human_review"


def answerable(state: State) -> Literal["draft", "deliver"]:
    """Without findings there is nothing to draft: the answer is that there is none."""
    return "draft" if state["assessment"].get("findings") else "deliver"


def graph(agent: Agent, *, checkpointer: Any = None) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The compiled graph of an agent.

    Args:
        agent: The steps and their parts.
        checkpointer: Where a run waits for a person; in memory when None.
    """
    steps = StateGraph(State)
    # what a step works with is part of its metadata: another corpus or another model is another workflow
    steps.add_node("understand", agent.understand, metadata={"layer": "orchestration"})
    steps.add_node(
        "retrieve", agent.retrieve, metadata={"layer": "context", "corpus": agent.library.corpus.digest}
    )
    steps.add_node("extract", agent.extract, metadata={"layer": "context"})
    steps.add_node("assess", agent.assess, metadata={"layer": "tool"})
    steps.add_node("draft", agent.draft, metadata={"layer": "model", "model": agent.model.endpoint.identity})
    steps.add_node("human_review", agent.human_review, metadata={"layer": "orchestration", "review": True})
    steps.add_node("deliver", agent.deliver, metadata={"layer": "orchestration", "effect": True})
    steps.add_edge(START, "understand")
    steps.add_conditional_edges("understand", known)
    steps.add_edge("retrieve", "extract")
    steps.add_edge("extract", "assess")
    steps.add_conditional_edges("assess", answerable)
    steps.add_edge("draft", "deliver")
    steps.add_edge("human_review", "deliver")
    steps.add_edge("deliver", END)
    saver = checkpointer if checkpointer is not None else InMemorySaver()
    return steps.compile(checkpointer=saver, name="contract_risk")


def build(
    suppliers: int = SUPPLIERS, seed: int = SEED, endpoint: Endpoint | None = None
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The agent over the generated contracts. Nothing is loaded before the first question.

    Args:
        suppliers: Size of the corpus.
        seed: Of the corpus.
        endpoint: The language model; the environment's choice when None, else the embedded one.
    """
    outbox = os.environ.get("CONTRACT_RISK_OUTBOX")
    agent = Agent(
        library=Library(generate(suppliers, seed)),
        finance=Desk(),
        model=Model(endpoint or Endpoint.chosen()),
        outbox=Path(outbox) if outbox else None,
    )
    return graph(agent)


def answer_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """What is delivered, from what the steps found."""
    assessment = state.get("assessment", {})
    findings = assessment.get("findings")
    name = state.get("name")
    if state.get("draft"):
        summary = state["draft"]
    else:
        gone = [_CLAUSES[fact] for fact in assessment.get("missing", [])]
        lacking = f": they do not state {', '.join(gone)}" if gone else ""
        summary = f"Cannot be answered from the contracts of {name}{lacking}."
    return {
        "supplier": state.get("supplier"),
        "name": name,
        "answerable": bool(findings),
        "summary": summary,
        "figures": assessment.get("figures", {}),
        "missing": assessment.get("missing", []),
    }


def _post(outbox: Path, answer: dict[str, Any]) -> None:
    outbox.mkdir(parents=True, exist_ok=True)
    path = outbox / f"{answer['supplier'] or 'unknown'}.json"
    path.write_text(json.dumps(answer, indent=2, ensure_ascii=False), encoding="utf-8")


def _teller() -> Any:
    """Hands the draft's pieces to whoever streams the graph with `stream_mode="custom"`."""
    loop, write = asyncio.get_running_loop(), get_stream_writer()
    return lambda piece: loop.call_soon_threadsafe(write, {"draft": piece})
