"""The reference figures of word search on real contracts, through the door to ir-measures and the context probes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from contract_risk.cuad_corpus import load

from gapless.gap.ranking import estimates, judge
from gapless.probes.base import Subject
from gapless.probes.context.quality import retrieval_quality
from gapless.records.labelled_query import LabelledQuery
from gapless.retrievers.base import Document, Hit
from gapless.retrievers.bm25 import Bm25

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "cuad_supplier_dev"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason=f"real contracts are not here: {REAL}")
DEPTHS = (1, 3, 5, 10, 20)


@cache
def asked() -> tuple[tuple[LabelledQuery, ...], Callable[[str], list[Hit]]]:
    """One query per contract and category, as the reference has it: a contract is a collection of its own."""
    corpus = load(REAL)
    indexes: dict[str, Bm25] = {}
    queries: list[LabelledQuery] = []
    for contract, category, gold in corpus.pairs():
        name = str(contract.number)
        if name not in indexes:
            indexes[name] = Bm25([Document(f"{name}/{at}", text) for at, text in enumerate(contract.windows)])
        queries.append(
            LabelledQuery(
                id=f"{name}/{category}",
                query=f"{name}\n{category} {corpus.descriptions[category]}",
                relevant={f"{name}/{at}": 1 for at in gold},
                slice={"category": category},
                group=name,
                answerable=bool(gold),
            )
        )

    def search(query: str) -> list[Hit]:
        name, _, words = query.partition("\n")
        return indexes[name].search(words, DEPTHS[-1])

    return tuple(queries), search


def test_recall_and_hit_rate() -> None:
    queries, search = asked()
    answerable = [one for one in queries if one.answerable]
    assert (len(answerable), len(queries) - len(answerable)) == (377, 999)
    ranked = {one.id: [hit.id for hit in search(one.query)] for one in answerable}
    judged = judge({one.id: one.relevant for one in answerable}, ranked, depths=DEPTHS)
    found = estimates(judged, [one.group for one in answerable])
    recall = [round(found[f"recall@{k}"].point or 0.0, 4) for k in DEPTHS]
    assert recall == [0.3025, 0.5162, 0.6105, 0.7369, 0.8446]
    hit = [round(float(np.mean(judged.values[f"precision@{k}"] > 0)), 4) for k in DEPTHS]
    assert hit == [0.5411, 0.7374, 0.8064, 0.8886, 0.9496]


def test_the_probe_says_the_same() -> None:
    queries, search = asked()
    (found,) = retrieval_quality(Subject(retrieve=search, labelled=queries, seconds=60))
    assert found.status == "fail"
    assert found.said.startswith("recall@5 is 61.")
    assert "over 377 queries" in found.said
