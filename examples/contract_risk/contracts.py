"""What must hold at each step's exit of the agent, and what is done where it does not.

Nothing here knows which faults there are. A breach that the source of truth can mend is mended there: the contract
documents stand behind the index, and the finance rules behind the finance server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contract_risk import claims
from contract_risk.app import Agent
from contract_risk.corpus import INDEXED
from contract_risk.finance.rules import assess as by_the_rules
from gapless import Contract, Fresh, Retry

FRESH_DAYS = 60
"""The index is rebuilt every month: anything older was left behind."""
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
ASSESSMENT = {
    "type": "object",
    "properties": {
        "assessment": {
            "type": "object",
            "properties": {
                "figures": {"type": "object"},
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


def own_supplier(crossing: Any, handoff: Any) -> str | None:
    """Every passage belongs to the supplier that was asked about."""
    wanted = crossing.state["supplier"]
    strange = next((one for one in handoff["retrieved"] if one["supplier"] != wanted), None)
    return strange and f"passage {strange['id']} is of {strange['supplier']}, asked was {wanted}"


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


def contracts(agent: Agent) -> Mapping[str, Contract]:
    """The agent's contracts, by step."""
    return {
        "retrieve": Contract(
            guards=(own_supplier,),
            fresh=Fresh(days=FRESH_DAYS, at="indexed_at", evidence="retrieved", clock=lambda: INDEXED),
            repair=lambda crossing, handoff, breach: from_the_documents(agent, crossing.state),
        ),
        "extract": Contract(output=FACTS),
        "assess": Contract(
            output=ASSESSMENT,
            guards=(whole_assessment,),
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
