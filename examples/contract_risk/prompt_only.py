"""The other way to do it: one plain prompt with the supplier's contracts in it, judged by the same end checks.

`gapless measure contract_risk.prompt_only:build` with `contract_risk.suite:prompt_suite`.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from contract_risk.corpus import SEED, SUPPLIERS, Corpus, generate
from contract_risk.finance.rules import STANDARD_DAYS
from contract_risk.model.client import Endpoint, Model
from contract_risk.understand import understand
from gapless import step

MAX_CHARACTERS = 9_000
"""As much contract text as fits the embedded model's context together with the question and the answer."""

_TASK = f"""Summarize the financial risk of the supplier from these contracts in three sentences:
whether the exposure (minimum purchase in a year plus most late-delivery penalties in a year) is within or above the liability cap, with both amounts as in "USD 1,000,000";
whether the payment term in days is within or longer than the standard of {STANDARD_DAYS} days;
by which date, as in "2027-01-31", the notice of non-renewal is due, and its length in days.
Amendments in force change the agreement. If the contracts do not state one of these facts, say only that it cannot be answered."""


def build(
    suppliers: int = SUPPLIERS,
    seed: int = SEED,
    endpoint: Endpoint | None = None,
    model: Model | None = None,
) -> Callable[[str], Awaitable[dict[str, Any]]]:
    """One prompt as a workflow of one step."""
    ask = functools.partial(_ask, generate(suppliers, seed), model or Model(endpoint or Endpoint.chosen()))

    @step(layer="model")
    async def prompt_only(question: str) -> dict[str, Any]:
        return await ask(question)

    async def answer(question: str) -> dict[str, Any]:
        return await prompt_only(question)

    return answer


async def _ask(corpus: Corpus, model: Model, question: str) -> dict[str, Any]:
    found = understand(question, {supplier.id: supplier.name for supplier in corpus.suppliers})
    passages = corpus.by_id[found["supplier"]].passages if found["supplier"] else ()
    contracts = "\n\n".join(passage.text for passage in passages)[:MAX_CHARACTERS]
    prompt = (
        f"{_TASK}\n\nSupplier: {found['name']}\n\nContracts:\n{contracts or 'none on file'}\n\n{question}"
    )
    written = await model.write([{"role": "user", "content": prompt}])
    return {"answer": {"summary": written.text}}
