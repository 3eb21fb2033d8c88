from __future__ import annotations

import math
import random

import pytest

from gapless.retrievers.base import Document
from gapless.retrievers.bm25 import Bm25, words


def _by_hand(query: str, texts: list[str], k1: float, b: float) -> list[float]:
    documents = [words(text) for text in texts]
    n, average = len(documents), sum(map(len, documents)) / len(documents)
    scores = []
    for document in documents:
        score = 0.0
        for word in words(query):
            df, tf = sum(word in other for other in documents), document.count(word)
            if tf:
                idf = math.log(1 + (n - df + 0.5) / (df + 0.5))
                score += idf * tf / (tf + k1 * (1 - b + b * len(document) / average))
        scores.append(score)
    return scores


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_the_formula(seed: int) -> None:
    draw = random.Random(seed)
    vocabulary = [f"w{n}" for n in range(30)]
    texts = [" ".join(draw.choices(vocabulary, k=draw.randint(0, 25))) for _ in range(20)]
    query = " ".join(draw.choices(vocabulary, k=5)) + " w1 w1 unknown"
    engine = Bm25([Document(str(at), text) for at, text in enumerate(texts)], k1=1.2, b=0.75)
    expected = _by_hand(query, texts, 1.2, 0.75)
    order = sorted((at for at in range(20) if expected[at] > 0), key=lambda at: -expected[at])
    hits = engine.search(query, 20)
    assert [hit.id for hit in hits] == [str(at) for at in order]
    assert [hit.score for hit in hits] == pytest.approx([expected[at] for at in order], abs=1e-12)


def test_ties_keep_the_order_of_the_documents() -> None:
    engine = Bm25([Document(name, "late fee") for name in "zyxw"])
    hits = engine.search("fee", 3)
    assert [hit.id for hit in hits] == ["z", "y", "x"]
    assert [hit.ranks for hit in hits] == [{"bm25": 1}, {"bm25": 2}, {"bm25": 3}]


def test_only_documents_that_share_a_word_are_hits() -> None:
    documents = [Document("a", "cap on liability", 12.5, {"supplier": "Acme"}), Document("b", "venue")]
    (hit,) = Bm25(documents).search("Liability!", 10)
    assert (hit.id, hit.indexed_at, hit.metadata) == ("a", 12.5, {"supplier": "Acme"})


@pytest.mark.parametrize(
    ("documents", "query"),
    [
        ([], "cap"),
        ([Document("a", "")], "cap"),
        ([Document("a", "cap")], ""),
        ([Document("a", "cap")], "価格"),
    ],
)
def test_nothing_to_search_gives_no_hits(documents: list[Document], query: str) -> None:
    assert Bm25(documents).search(query, 5) == []
    assert Bm25([Document("a", "cap")]).search("cap", 0) == []
