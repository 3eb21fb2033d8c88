"""Cases with everything that is expected of them: what each step should hand over, and what should be delivered."""

from __future__ import annotations

from random import Random
from typing import Any

from contract_risk.corpus import SEED, SUPPLIERS, Supplier, generate
from contract_risk.drafting import reference
from contract_risk.finance.rules import assess
from gapless import Case, CheckSpec, Suite

_QUESTIONS = (
    "Summarize the financial risk of supplier {name} using our internal contracts.",
    "What is our financial risk with {name}? Use our internal contracts.",
    "Please give me a summary of the financial risk that {name} poses, from the contracts on file.",
)
_STEPS = ("understand", "retrieve", "extract", "assess", "draft", "deliver")
_CHECKS = {
    "understand": "understood_right",
    "retrieve": "retrieved_right",
    "extract": "extracted_right",
    "assess": "assessed_right",
    "draft": "drafted_right",
    "deliver": "delivered_right",
    "end": "delivered_right",
}


def suite(n_cases: int = 60, seed: int = SEED, suppliers: int = SUPPLIERS) -> Suite:
    """The cases of the agent over `generate(suppliers, seed)`.

    Args:
        n_cases: How many; beyond the number of suppliers, the same supplier is asked about in other words.
        seed: Of the corpus, of the questions, and of every trial.
        suppliers: Size of the corpus.
    """
    return Suite(name="contract-risk", seed=seed, cases=tuple(_cases(n_cases, seed, suppliers)))


def prompt_suite(n_cases: int = 60, seed: int = SEED, suppliers: int = SUPPLIERS) -> Suite:
    """The same questions and the same end checks for a workflow without steps: one plain prompt."""
    cases = [
        Case(
            id=case.id,
            input=case.input,
            group=case.group,
            slice=case.slice,
            golden={"end": case.golden["end"]},
            checks={"end": case.checks["end"]},
        )
        for case in _cases(n_cases, seed, suppliers)
    ]
    return Suite(name="contract-risk-prompt", seed=seed, cases=tuple(cases))


def _cases(n_cases: int, seed: int, suppliers: int) -> list[Case]:
    random = Random(f"{seed}/questions")
    order = list(generate(suppliers, seed).suppliers)
    random.shuffle(order)
    asked = (order[at % len(order)] for at in range(n_cases))
    return [
        _case(f"{supplier.id}-{at // len(order) + 1}", supplier, random) for at, supplier in enumerate(asked)
    ]


def _case(name: str, supplier: Supplier, random: Random) -> Case:
    golden = _golden(supplier)
    answerable = golden["deliver"]["answer"]["answerable"]
    path = tuple(step for step in _STEPS if answerable or step != "draft")
    checks = {step: (_check(_CHECKS[step]),) for step in (*path, "end")}
    return Case(
        id=name,
        group=supplier.group,
        slice={
            "answer": "answerable"
            if answerable
            else "missing clause"
            if supplier.passages
            else "no contract",
            "namesake": "yes" if supplier.twin else "no",
            "amended": "yes" if any(p.document != "agreement" for p in supplier.passages) else "no",
        },
        input={"question": random.choice(_QUESTIONS).format(name=_called(supplier.name, random))},
        path=path,
        golden={step: golden[step] for step in (*path, "end")},
        checks=checks,
    )


def _golden(supplier: Supplier) -> dict[str, Any]:
    facts = {**supplier.truth, "currency": supplier.currency} if supplier.passages else {}
    assessment = assess(facts)
    answerable = bool(assessment["findings"])
    answer = {
        "supplier": supplier.id,
        "name": supplier.name,
        "answerable": answerable,
        "figures": assessment["figures"],
        "missing": assessment["missing"],
    }
    return {
        "understand": {"supplier": supplier.id, "name": supplier.name, "candidates": [supplier.id]},
        "retrieve": {"retrieved": [passage.item() for passage in supplier.needed]},
        "extract": {"facts": facts, "sources": {}, "missing": list(supplier.missing)},
        "assess": {"assessment": assessment},
        "draft": {"draft": reference(supplier.name, assessment["findings"])},
        "deliver": {"answer": answer},
        "end": {"answer": answer},
    }


def _called(name: str, random: Random) -> str:
    """The supplier as people call it: in full, without the legal form, in small letters, misspelt."""
    short = name.rpartition(" ")[0]
    way = random.choices(["full", "short", "small", "misspelt"], [5, 5, 2, 1])[0]
    if way == "misspelt":
        at = random.randrange(1, len(short.split()[0]) - 1)
        return short[:at] + short[at + 1] + short[at] + short[at + 2 :]
    return {"full": name, "short": short, "small": short.lower()}[way]


def _check(function: str) -> CheckSpec:
    return CheckSpec(name="python", params={"function": f"contract_risk.checks:{function}"})
