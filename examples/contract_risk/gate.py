"""The agent with a confidence gate before it drafts, at a size at which a guarantee can be certified.

The draft is the findings word for word here: a model would take hours over so many cases, and the gate stands before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from difflib import SequenceMatcher
from random import Random
from typing import Any

from msgspec import structs

from contract_risk.app import Agent, State, graph
from contract_risk.contracts import FINDINGS, contracts, word_for_word
from contract_risk.corpus import FIELDS, INDEXED, SEED, generate
from contract_risk.extract import amends, speaks_of, states
from contract_risk.finance.desk import Desk
from contract_risk.library import Library
from contract_risk.model.client import Model
from contract_risk.suite import suite
from contract_risk.weather import weather
from gapless import Contract, Gate, Review, Suite, Weather, guard
from gapless.boundary.signals.evidence_age import EvidenceAge
from gapless.boundary.signals.namesakes import Namesakes

QUICK, FULL = 240, 1_500
"""Suppliers, and cases: two of three are a group of their own, the others share one with their namesake."""
_SPLITS = {
    QUICK: ("tune",) * 5 + ("cal",) * 8 + ("test",) * 7,
    FULL: ("tune",) * 4 + ("cal",) * 11 + ("test",) * 5,
}
"""Of twenty groups: on what the model is fitted, the thresholds are certified, and both are tried."""
_YEAR_DAYS = 365
_ALIKE = 0.7
_ASKING = re.compile(
    r"\b(?:summar\w*|the|financial|risk|of|supplier|using|our|internal|contracts?|what|is|with|use|please|give|me|a|that|poses"
    r"|from|on|file|ltd|gmbh|inc|bv|sa|s)\b",
    re.IGNORECASE,
)
_SECTION = re.compile(r"\bSection (\d+)\b")


class WordForWord(Agent):
    """The agent whose draft is what the finance tool found."""

    async def draft(self, state: State) -> State:
        """The findings as they are."""
        return {"draft": word_for_word(state)}

    def looked(self, crossing: Any) -> float | None:
        """1 where a second search, for amendments alone, finds none that the evidence lacks; else less for each."""
        supplier, name = crossing.state["supplier"], crossing.state["name"]
        if not supplier or not name:
            return None
        there = {item["id"] for item in _evidence(crossing)}
        return 1 / (1 + len(self.library.amendments(supplier, name) - there))


class Gated:
    """The agent with its gate, alone or on top of its contracts.

    Args:
        suppliers: Size of the corpus.
        model: What the agent would draft with.
    """

    def __init__(self, suppliers: int, model: Model) -> None:
        self._agent = WordForWord(
            library=Library(generate(suppliers, SEED), remember=True), finance=Desk(), model=model
        )
        self._suppliers = suppliers

    @property
    def weather(self) -> Weather:
        """The faults, over this corpus."""
        return weather(self._suppliers)

    def suite(self) -> Suite:
        """One case for each supplier; which groups are for what is drawn by seed."""
        asked = suite(self._suppliers, SEED, self._suppliers)
        groups = sorted({case.unit for case in asked.cases})
        Random(f"{SEED}/splits").shuffle(groups)
        parts = _SPLITS[FULL if self._suppliers >= FULL else QUICK]
        split = {group: parts[at % len(parts)] for at, group in enumerate(groups)}
        cases = tuple(structs.replace(case, split=split[case.unit]) for case in asked.cases)
        return structs.replace(asked, cases=cases)

    def remark(self) -> str:
        """What is different here."""
        return (
            f"the gate: {self._suppliers:,} suppliers, searches that are made once for each, and drafts that are the findings word for word, so "
            "that enough cases can be run; what a model would still get wrong is not in these figures"
        )

    def workflow(self, file: str, *, guarded: bool) -> Any:
        """The graph under its gate, and under its contracts too if `guarded`."""
        held = dict(contracts(self._agent)) if guarded else {}
        before = held.get("assess", Contract())
        held["assess"] = _with_gate(before, file, {**SIGNALS, "looked": self._agent.looked})
        return guard(graph(self._agent), held)


def _with_gate(
    contract: Contract, file: str, signals: Mapping[str, Callable[[Any], float | None]]
) -> Contract:
    return replace(contract, gate=Gate(signals=signals, calibrated=file, below=Review()))


def stated(crossing: Any) -> float | None:
    """Share of the facts that the passages they are said to come from do state."""
    facts, sources = crossing.state["facts"], crossing.state["sources"]
    texts = {item["id"]: item["text"] for item in _evidence(crossing)}
    named = [name for name in facts if name in sources]
    good = [sources[name] in texts and states(texts[sources[name]], facts[name]) for name in named]
    return sum(good) / len(good) if good else None


def applied(crossing: Any) -> float | None:
    """1 where every amendment in force changed a fact; else less for each that was read and changed nothing."""
    used = set(crossing.state["sources"].values())
    return 1 / (1 + sum(item["id"] not in used for item in _evidence(crossing) if amends(item)))


def read(crossing: Any) -> float | None:
    """1 where no passage speaks of a fact that is said to be missing; else less for each that nobody could read."""
    spoken = (
        any(speaks_of(item, name) for item in _evidence(crossing)) for name in crossing.state["missing"]
    )
    return 1 / (1 + sum(spoken))


def gapless_sections(crossing: Any) -> float | None:
    """Share of the numbered sections, up to the last one found, that were found."""
    numbers = {
        int(match[1])
        for item in _evidence(crossing)
        if item["document"] == "agreement" and (match := _SECTION.search(item["text"]))
    }
    return len(numbers) / max(numbers) if numbers else None


def complete(crossing: Any) -> float | None:
    """Share of the facts asked for that were found at all."""
    return 1 - len(crossing.state["missing"]) / len(FIELDS)


def found(crossing: Any) -> float | None:
    """Share of the findings that a whole assessment has; all of them where facts are missing and none is given."""
    findings = crossing.handoff["assessment"].get("findings")
    if not findings and crossing.state["missing"]:
        return 1.0
    kinds = {finding.get("kind") for finding in findings or []}
    return sum(kind in kinds for kind in FINDINGS) / len(FINDINGS)


def named(crossing: Any) -> float | None:
    """Share of the names in the question that the supplier's own name accounts for."""
    asked = _words(_ASKING.sub(" ", crossing.state["question"]))
    known = _words(crossing.state["name"] or "")
    alike = [any(SequenceMatcher(None, word, one).ratio() > _ALIKE for one in known) for word in asked]
    return sum(alike) / len(alike) if alike else None


def agreement(crossing: Any) -> float | None:
    """How early the evidence stands in the rankings: mean reciprocal rank of the two, the best passage of each kind."""
    ranks = [rank for item in _evidence(crossing) for rank in (item.get("ranks") or {}).values()]
    return sum(1 / rank for rank in ranks) / len(ranks) if ranks else None


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"[^\W_]+", text.lower()) if len(word) > 1]


def _evidence(crossing: Any) -> list[dict[str, Any]]:
    return crossing.state.get("retrieved") or []


SIGNALS = {
    "freshness": EvidenceAge(dates="retrieved.indexed_at", days=_YEAR_DAYS, clock=lambda: INDEXED),
    "own": Namesakes(names="retrieved.supplier", asked="supplier"),
    "stated": stated,
    "applied": applied,
    "read": read,
    "sections": gapless_sections,
    "complete": complete,
    "found": found,
    "named": named,
    "agreement": agreement,
}
