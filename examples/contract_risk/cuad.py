"""The contract-risk agent on real contracts: is there a clause of this kind, and where?

understand -> retrieve -> decide -> answer | decline. A question is one category of financial risk about one contract. It is
answered rightly when a labelled clause is in the evidence, or when the agent says of a contract without such a clause that
there is none.

Contracts are parted in three: everything that is learnt is fitted on the first part, a gate is certified on the second, and
the third is used for nothing but to see what it does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from contract_risk.cuad_arms import LEARNT, Arm, arm_of, corpus_of
from contract_risk.cuad_categories import CATEGORIES
from contract_risk.cuad_corpus import Contract, Corpus, load
from contract_risk.cuad_figures import figures, knowledge, recall_table, summary
from contract_risk.cuad_search import EVIDENCE, Search, formulations
from gapless import Case, CheckSpec, Suite, UsageError, Verdict

if TYPE_CHECKING:
    from gapless import CheckContext

__all__ = [
    "LEARNT",
    "Agent",
    "figures",
    "judge",
    "judge_decision",
    "judge_evidence",
    "knowledge",
    "load",
    "planned_path",
    "recall_table",
    "suite",
    "summary",
    "workflow",
]


class State(TypedDict, total=False):
    """What travels through the agent."""

    contract: str
    category: str
    queries: dict[str, str]
    """Formulation -> text."""
    evidence: list[dict[str, Any]]
    """The best windows: {"window", "text", "score", "ranks"}."""
    found: bool
    confidence: float
    answer: dict[str, Any]
    """{"found", "windows", "text"}."""


class Agent:
    """The steps of the agent over one folder of contracts.

    Args:
        corpus: The contracts.
        arm: How it searches and decides.
    """

    def __init__(self, corpus: Corpus, arm: Arm) -> None:
        self._descriptions = corpus.descriptions
        self._contracts = {contract.name: contract for contract in corpus.contracts}
        self._arm = arm

    def understand(self, state: State) -> State:
        """Names the contract and the category exactly, and puts the question in the words that searches need."""
        known = {category.lower(): category for category in CATEGORIES}
        category = known.get(state["category"].strip().lower())
        if category is None:
            raise UsageError(
                f"no category is named {state['category']!r}; there are {', '.join(CATEGORIES)}."
            )
        if state["contract"] not in self._contracts:
            raise UsageError(f"no contract is named {state['contract']!r}.")
        return {"category": category, "queries": formulations(category, self._descriptions[category])}

    def retrieve(self, state: State) -> State:
        """Finds the windows that fit best."""
        hits = self._arm.find(state["contract"], state["category"], state["queries"])
        return {"evidence": [_passage(int(hit.id), hit.text, hit.score, hit.ranks) for hit in hits]}

    def decide(self, state: State) -> State:
        """Reads the evidence against the question, and says whether it contains such a clause."""
        windows = [passage["window"] for passage in state["evidence"]]
        found, confidence = self._arm.decide(state["contract"], state["category"], state["queries"], windows)
        return {"found": found, "confidence": confidence}

    def answer(self, state: State) -> State:
        """Quotes the best passage and names all of the evidence."""
        windows = [passage["window"] for passage in state["evidence"]]
        text = state["evidence"][0]["text"] if state["evidence"] else ""
        return {"answer": {"found": True, "windows": windows, "text": text}}

    def decline(self, state: State) -> State:
        """Says that there is no such clause."""
        text = f"{state['category']}: not in this contract."
        return {"answer": {"found": False, "windows": [], "text": text}}


def workflow(directory: Path, arm: str = LEARNT) -> Any:
    """The agent as a compiled LangGraph graph. The first run over a folder that needs embeddings takes minutes.

    Raises:
        UsageError: The folder is not in CUAD's form, or there is no such arm.
        MissingExtra: A library is not installed.
        WeightsUnavailable: The embedding model cannot be downloaded.
    """
    from langgraph.graph import END, START, StateGraph

    agent = Agent(corpus_of(directory), arm_of(directory, arm))
    graph: Any = StateGraph(State)
    for step, layer in (
        (agent.understand, "orchestration"),
        (agent.retrieve, "context"),
        (agent.decide, "orchestration"),
        (agent.answer, "orchestration"),
        (agent.decline, "orchestration"),
    ):
        graph.add_node(
            step.__name__, step, metadata={"layer": layer, "arm": arm}
        )  # another arm is another version
    graph.add_edge(START, "understand")
    graph.add_edge("understand", "retrieve")
    graph.add_edge("retrieve", "decide")
    graph.add_conditional_edges("decide", _route, ["answer", "decline"])
    graph.add_edge("answer", END)
    graph.add_edge("decline", END)
    return graph.compile(name=f"cuad-{arm}")


def suite(directory: Path) -> Suite:
    """One case per contract and category; the contract is the independent unit.

    A case without such a clause takes what word search finds as golden evidence: where there is nothing to find, no
    evidence is wrong, and the decision after it can still be measured alone.
    """
    corpus = corpus_of(directory)
    words = Search(corpus, "bm25")
    cases = [_case(corpus, words, *pair) for pair in corpus.pairs()]
    return Suite(name="cuad", cases=tuple(cases))


def planned_path(answerable: bool) -> tuple[str, ...]:
    """The steps that a complete answer needs."""
    return ("understand", "retrieve", "decide", "answer" if answerable else "decline")


def judge(context: CheckContext) -> Verdict:
    """Whether the answer is right: a labelled clause in its windows, or rightly none.

    The golden value is `{"found", "windows"}`; the value holds the agent's `answer`.
    """
    wanted, answer = context.golden["answer"], context.value["answer"]
    if not wanted["found"]:
        return _verdict(
            "answer", not answer["found"], "the contract has no such clause, and the agent answered"
        )
    if not answer["found"]:
        return _verdict("answer", False, "the contract has such a clause, and the agent declined")
    return _verdict("answer", *_hits(wanted["windows"], answer["windows"]))


def judge_evidence(context: CheckContext) -> Verdict:
    """Whether a labelled clause is in the evidence; where there is none, no evidence is wrong."""
    wanted = context.case.golden["end"]["answer"]
    windows = [passage["window"] for passage in context.value["evidence"]]
    return _verdict("evidence", *(_hits(wanted["windows"], windows) if wanted["found"] else (True, "")))


def judge_decision(context: CheckContext) -> Verdict:
    """Whether the agent knows if the contract has such a clause."""
    wanted, found = context.golden["found"], context.value["found"]
    return _verdict("decision", found == wanted, f"decided {found}, the contract says {wanted}")


def _hits(wanted: list[int], windows: list[int]) -> tuple[bool, str]:
    return bool(
        set(wanted) & set(windows[:EVIDENCE])
    ), f"no labelled window ({wanted}) in the evidence {windows}"


def _verdict(check: str, right: bool, otherwise: str) -> Verdict:
    return Verdict(check=check, status="pass" if right else "fail", reason="" if right else otherwise)


def _route(state: State) -> str:
    return "answer" if state["found"] else "decline"


def _passage(window: int, text: str, score: float, ranks: dict[str, int]) -> dict[str, Any]:
    return {"window": window, "text": text, "score": score, "ranks": ranks}


def _case(corpus: Corpus, words: Search, contract: Contract, category: str, gold: frozenset[int]) -> Case:
    queries = formulations(category, corpus.descriptions[category])
    found = [int(hit.id) for hit in words.find(contract.name, queries)]
    windows = sorted(gold)[:EVIDENCE] if gold else found
    last = "answer" if gold else "decline"
    answer = {"answer": {"found": bool(gold), "windows": sorted(gold)}}
    return Case(
        id=f"{contract.number}/{category}",
        group=contract.name,
        split=contract.role,
        slice={"answerable": "yes" if gold else "no", "category": category},
        input={"contract": contract.name, "category": category},
        path=planned_path(bool(gold)),
        golden={
            "understand": {"category": category, "queries": queries},
            "retrieve": {"evidence": [_passage(at, contract.windows[at], 0.0, {}) for at in windows]},
            "decide": {"found": bool(gold), "confidence": 1.0},
            last: answer,
            "end": answer,
        },
        checks={
            "retrieve": (_python("judge_evidence"),),
            "decide": (_python("judge_decision"),),
            last: (_python("judge"),),
            "end": (_python("judge"),),
        },
    )


def _python(name: str) -> CheckSpec:
    return CheckSpec(name="python", params={"function": f"contract_risk.cuad:{name}"})
