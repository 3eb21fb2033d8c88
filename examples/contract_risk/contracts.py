"""What must hold at each step's exit of the agent, and what is done where it does not.

Nothing here knows which faults there are. A breach that the source of truth can mend is mended there: the contract
documents stand behind the index, and the finance rules behind the finance server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contract_risk import claims
from contract_risk.app import Agent, answer_of
from contract_risk.corpus import FIELDS, INDEXED
from contract_risk.extract import extract, states
from contract_risk.finance.rules import assess as by_the_rules
from contract_risk.understand import names, understand
from gapless import Contract, Fresh, Retry

FRESH_DAYS = 60
"""The index is rebuilt every month: anything older was left behind."""
_KEPT = ("cap", "payment_days", "notice_days")
FINDINGS = ("liability", "payment", "notice")
_TEXT = {"type": "string"}
_AMOUNT = {"type": "integer", "minimum": 0}
FACTS = {
    "type": "object",
    "properties": {
        "facts": {
            "type": "object",
            "properties": {
                "currency": {"enum": ["USD", "EUR", "GBP"]},
                **dict.fromkeys(("commitment", "penalty", "cap", "payment_days", "notice_days"), _AMOUNT),
                "renewal": {"type": "string", "format": "date"},
            },
            "additionalProperties": False,
        },
        "sources": {"type": "object", "additionalProperties": _TEXT},
        "missing": {"type": "array", "items": _TEXT},
    },
    "required": ["facts", "sources", "missing"],
    "additionalProperties": False,
}
FIGURES = {
    "type": "object",
    "properties": {
        "currency": {"enum": ["USD", "EUR", "GBP"]},
        **dict.fromkeys(("exposure", "cap", "payment_days", "notice_days"), _AMOUNT),
        "notice_by": {"type": "string", "format": "date"},
    },
    "required": ["currency", "exposure", "cap", "payment_days", "notice_days", "notice_by"],
    "additionalProperties": False,
}
ASSESSMENT = {
    "type": "object",
    "properties": {
        "assessment": {
            "type": "object",
            "properties": {
                "figures": {"anyOf": [FIGURES, {"type": "object", "maxProperties": 0}]},
                "findings": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "kind": _TEXT,
                            "text": _TEXT,
                            "figures": {"type": "array", "items": _TEXT},
                        },
                        "required": ["kind", "text", "figures"],
                        "additionalProperties": False,
                    },
                },
                "missing": {"type": "array", "items": _TEXT},
            },
            "required": ["figures", "findings", "missing"],
            "additionalProperties": False,
        }
    },
    "required": ["assessment"],
    "additionalProperties": False,
}

SUPPLIER = {
    "type": "object",
    "properties": {
        "supplier": {"type": ["string", "null"]},
        "name": {"type": ["string", "null"]},
        "candidates": {"type": "array", "items": _TEXT},
    },
    "required": ["supplier", "name", "candidates"],
    "additionalProperties": False,
}
RETRIEVED = {
    "type": "object",
    "properties": {
        "retrieved": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": dict.fromkeys(
                    ("id", "supplier", "document", "section", "effective", "text"), _TEXT
                ),
                "required": ["id", "supplier", "document", "section", "effective", "text", "indexed_at"],
            },
        }
    },
    "required": ["retrieved"],
    "additionalProperties": False,
}
ANSWER = {
    "type": "object",
    "properties": {
        "answer": {
            "type": "object",
            "properties": {
                "supplier": {"type": ["string", "null"]},
                "name": {"type": ["string", "null"]},
                "answerable": {"type": "boolean"},
                "summary": {"type": "string", "minLength": 1},
                "figures": {"type": "object"},
                "missing": {"type": "array", "items": _TEXT},
            },
            "required": ["supplier", "name", "answerable", "summary", "figures", "missing"],
            "additionalProperties": False,
        }
    },
    "required": ["answer"],
    "additionalProperties": False,
}


def own_supplier(crossing: Any, handoff: Any) -> str | None:
    """Every passage belongs to the supplier that was asked about."""
    wanted = crossing.state["supplier"]
    strange = next((one for one in handoff["retrieved"] if one["supplier"] != wanted), None)
    return strange and f"passage {strange['id']} is of {strange['supplier']}, asked was {wanted}"


def accounted_for(crossing: Any, handoff: Any) -> str | None:
    """Every fact that is asked for is stated, with the passage that states it, or is said to be missing."""
    facts, sources, missing = handoff["facts"], handoff["sources"], handoff["missing"]
    lost = [name for name in FIELDS if name not in facts and name not in missing]
    if lost:
        return f"{lost[0]} is neither stated nor missing"
    if facts and "currency" not in facts:
        return "amounts without a currency"
    texts = {item["id"]: item["text"] for item in crossing.state["retrieved"]}
    for name in (name for name in FIELDS if name in facts):
        if sources.get(name) not in texts:
            return f"{name} has no source among the evidence"
        if not states(texts[sources[name]], facts[name]):
            return f"{name} is {facts[name]}, which {sources[name]} does not state"
    return None


def about_these_facts(crossing: Any, handoff: Any) -> str | None:
    """The figures that were assessed are the facts that were handed over, and what was missing still is."""
    facts, assessment = crossing.state["facts"], handoff["assessment"]
    lacking = sorted(name for name in FIELDS if facts.get(name) is None)
    if sorted(assessment["missing"]) != lacking:
        return f"missing are {lacking}, the assessment says {sorted(assessment['missing'])}"
    figures = assessment["figures"]
    other = [name for name in _KEPT if figures.get(name) != facts.get(name)] if figures else []
    return (
        f"{other[0]} is {facts.get(other[0])}, the assessment says {figures.get(other[0])}" if other else None
    )


def whole_assessment(crossing: Any, handoff: Any) -> str | None:
    """All findings are there, or a reason why there are none."""
    assessment = handoff["assessment"]
    there = {finding["kind"] for finding in assessment["findings"]}
    gone = [kind for kind in FINDINGS if kind not in there]
    if not gone or (not there and assessment["missing"]):
        return None
    return f"no finding on {gone[0]}, and nothing is said to be missing"


def true_draft(crossing: Any, handoff: Any) -> str | None:
    """The draft claims what the assessment found, all of it and nothing else."""
    figures = crossing.state["assessment"]["figures"]
    return "; ".join(claims.problems(handoff["draft"], crossing.state["name"], figures)[:2]) or None


def delivered_as_found(crossing: Any, handoff: Any) -> str | None:
    """What is delivered is what the steps before found: nothing lost, cut or exchanged on the way out."""
    wanted = answer_of(crossing.state)
    given = handoff["answer"]
    other = [name for name in wanted if given.get(name) != wanted[name]]
    return f"{other[0]} is not what the steps before found" if other else None


def contracts(agent: Agent) -> Mapping[str, Contract]:
    """The agent's contracts, by step."""

    def registered(crossing: Any, handoff: Any) -> str | None:
        """The supplier is in the register under this name, and the question names it."""
        supplier, name = handoff["supplier"], handoff["name"]
        if supplier is None:
            return None if name is None else f"{name} belongs to no supplier"
        if agent.register.get(supplier) != name:
            return f"the register knows {supplier} as {agent.register.get(supplier)}"
        return None if names(crossing.state["question"], name) else f"the question does not name {name}"

    def whole_contract(crossing: Any, handoff: Any) -> str | None:
        """Every section of the supplier's contract documents is there."""
        there = {item["id"] for item in handoff["retrieved"]}
        sections = agent.library.corpus.by_id[crossing.state["supplier"]].passages
        gone = [passage.id for passage in sections if passage.id not in there]
        return f"{len(gone)} of {len(sections)} sections are not there, {gone[0]} first" if gone else None

    return {
        "understand": Contract(
            output=SUPPLIER,
            guards=(registered,),
            repair=lambda crossing, handoff, breach: understand(crossing.state["question"], agent.register),
        ),
        "retrieve": Contract(
            output=RETRIEVED,
            guards=(own_supplier, whole_contract),
            fresh=Fresh(days=FRESH_DAYS, at="indexed_at", evidence="retrieved", clock=lambda: INDEXED),
            repair=lambda crossing, handoff, breach: from_the_documents(agent, crossing.state),
        ),
        "extract": Contract(
            output=FACTS,
            guards=(accounted_for,),
            repair=lambda crossing, handoff, breach: extract(
                crossing.state["retrieved"], agent.library.corpus.today
            ),
        ),
        "assess": Contract(
            output=ASSESSMENT,
            guards=(whole_assessment, about_these_facts),
            timeout_s=8,
            retry=Retry(2, backoff_s=0.05),
            repair=under_its_known_name,
            fallback=lambda crossing, error: {"assessment": by_the_rules(crossing.state["facts"])},
        ),
        "draft": Contract(
            guards=(true_draft,),
            fallback=lambda crossing, error: {"draft": word_for_word(crossing.state)},
        ),
        "deliver": Contract(
            output=ANSWER,
            guards=(delivered_as_found,),
            repair=lambda crossing, handoff, breach: {"answer": answer_of(crossing.state)},
            effect=True,
            idempotency_key=lambda crossing: [crossing.state.get("supplier"), crossing.state.get("draft")],
        ),
    }


def from_the_documents(agent: Agent, state: Mapping[str, Any]) -> dict[str, Any]:
    """The supplier's passages as its contract documents have them today, past the index."""
    supplier = agent.library.corpus.by_id[state["supplier"]]
    return {"retrieved": [passage.item() for passage in supplier.passages]}


def under_its_known_name(crossing: Any, handoff: Any, breach: Any) -> Any:
    """The assessment with its findings where the workflow reads them, if they came under another name."""
    assessment = dict(handoff["assessment"])
    strange = [key for key in assessment if key not in ("figures", "findings", "missing")]
    if breach.guard != "schema" or "findings" in assessment or len(strange) != 1:
        return None
    return {"assessment": {"findings": assessment.pop(strange[0]), **assessment}}


def word_for_word(state: Mapping[str, Any]) -> str:
    """The findings as they are, where the model's text cannot be used."""
    return " ".join(
        f"For {state['name']}, the {finding['text']}." for finding in state["assessment"]["findings"]
    )
