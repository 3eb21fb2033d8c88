"""Ways of cutting texts, tried on real contracts with experts' labels (CUAD): recall within 500 words, and what each costs.

Each question is asked of its own contract. By words on all contracts; then by words and meaning, cut by meaning too, on the
shortest contracts that have eight or more answerable questions, for embedding is slow. Needs the folder of contracts beside
the repository; without it there is nothing to measure and this says so.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from gapless.probes.context.sweep import NEAR, Metered, Setting, Sweep, Tried, settings_of, sweep
from gapless.records.labelled_query import LabelledQuery
from gapless.retrievers import chonkie_chunks
from gapless.retrievers.chunking import FORMS, Form, semantic

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data" / "cuad_supplier_dev"
_FEW, _ANSWERABLE = 6, 8
"""Contracts that are embedded, and how many questions each has to answer."""


def run(directory: Path = DATA) -> list[dict[str, Any]]:
    """Recall of every way of cutting with its interval by contract, its cost, and what is recommended.

    Args:
        directory: The folder of contracts.
    """
    if not directory.is_dir():
        print(f"  not measured: no contracts at {directory.name} beside the repository", file=sys.stderr)
        return []
    texts, labels = contracts(directory)
    theirs = chonkie_chunks.forms() if chonkie_chunks.at_hand() else {}
    rows = _rows("words", _by_words(texts, labels, FORMS | theirs))
    return rows + _by_meaning(texts, labels)


def contracts(directory: Path) -> tuple[dict[str, str], list[LabelledQuery]]:
    """Name -> text, and a question for each clause category that the experts found in a contract."""
    if str(ROOT / "examples") not in sys.path:
        sys.path.append(str(ROOT / "examples"))
    from contract_risk.cuad_corpus import load

    with (directory / "contracts.jsonl").open(encoding="utf-8") as file:
        texts = {record["name"]: record["text"] for record in map(json.loads, file)}
    corpus = load(directory)
    labels = [
        LabelledQuery(
            id=f"{contract.number}/{category}",
            query=f"{category} {corpus.descriptions[category]}",
            texts=contract.clauses[category],
            slice={"category": category},
            group=contract.name,
            filter={"document": contract.name},
        )
        for contract, category, gold in corpus.pairs()
        if gold
    ]
    return texts, labels


def _by_words(texts: dict[str, str], labels: list[LabelledQuery], forms: dict[str, Form]) -> Sweep:
    settings = settings_of([name for name in forms if name != "chonkie token"], whole=chonkie_chunks.WHOLE)
    return sweep(texts, labels, settings=settings, forms=forms)


def _by_meaning(texts: dict[str, str], labels: list[LabelledQuery]) -> list[dict[str, Any]]:
    from gapless.errors import GaplessError
    from gapless.retrievers.minilm import MiniLM
    from gapless.retrievers.remembering import Remembering

    try:
        model = Remembering(MiniLM.load(), "minilm")
    except GaplessError as error:
        print(f"  by meaning not measured: {error}", file=sys.stderr)
        return []
    kept = _shortest(texts, labels)
    meter = Metered(model)
    forms = FORMS | {"semantic": semantic(meter)}
    if chonkie_chunks.at_hand():
        forms |= {name: form for name, form in chonkie_chunks.forms(meter).items() if name != "chonkie token"}
    settings = [Setting(form, size) for size in (150, 75, 300) for form in forms]
    mine = [one for one in labels if one.group in kept]
    found = sweep(kept, mine, settings=settings, forms=forms, embedder=model, meter=meter)
    return _rows(f"words and meaning, {len(kept)} contracts", found)


def _shortest(texts: dict[str, str], labels: list[LabelledQuery]) -> dict[str, str]:
    counts = {name: sum(one.group == name for one in labels) for name in texts}
    able = [name for name, count in counts.items() if count >= _ANSWERABLE]
    return {name: texts[name] for name in sorted(able, key=lambda name: len(texts[name]))[:_FEW]}


def _rows(engine: str, done: Sweep) -> list[dict[str, Any]]:
    rows = [_row(engine, one, done) for one in done.tried]
    print(f"  {engine}: {done.advice} ({done.queries} questions, {done.lost} left out)", file=sys.stderr)
    cheapest = done.cheapest_alike
    print(f"  {engine}: cheapest not told apart from the best: {cheapest.setting}", file=sys.stderr)
    return rows


def _row(engine: str, one: Tried, done: Sweep) -> dict[str, Any]:
    marks = [
        mark
        for mark, holds in (("<- recommended", one is done.recommended), ("worse", one.told_apart))
        if holds
    ]
    cost = f"{one.words / 1e3:,.0f} k words" + (
        f", {one.tokens / 1e3:,.0f} k tokens" if one.tokens is not None else ""
    )
    return {
        "what": f"{engine}: {one.setting}",
        "value": one.recall.point,
        "unit": "recall",
        "low": one.recall.low,
        "high": one.recall.high,
        "target": f"{one.recall.low:.3f} to {one.recall.high:.3f}; {cost}, {one.bytes / 1e6:.1f} MB, {one.ms:.2g} ms {' '.join(marks)}",
        "near": NEAR,
        "words": one.words,
        "tokens": one.tokens,
        "bytes": one.bytes,
        "ms": one.ms,
        "questions": done.queries,
        "groups": one.recall.n_groups,
    }
