"""Sparse vectors whose dot product is BM25."""

from __future__ import annotations

import pytest

from gapless.retrievers.adapters.sparse import Bm25Vectors, SparseVector
from gapless.retrievers.base import Document
from gapless.retrievers.bm25 import Bm25

TEXTS = [
    "liability is capped at the fees paid",
    "the goods are insured at sea",
    "the cap and the lid of each bottle",
    "the buyer may audit the books",
    "payment is due in thirty days",
]


def dot(a: SparseVector, b: SparseVector) -> float:
    held = dict(zip(b.indices, b.values, strict=True))
    return sum(value * held.get(place, 0.0) for place, value in zip(a.indices, a.values, strict=True))


def test_the_products_rank_as_bm25_does() -> None:
    words = Bm25Vectors.fit(TEXTS)
    engine = Bm25([Document(str(n), text) for n, text in enumerate(TEXTS)])
    for query in ("capped fees", "cap of the bottle", "insured goods", "audit", "thirty days payment"):
        products = [dot(words.query(query), one) for one in words.documents(TEXTS)]
        order = sorted(range(len(TEXTS)), key=lambda n: -products[n])
        assert str(order[0]) == engine.search(query, 1)[0].id


def test_a_hand_checked_value() -> None:
    """One document of two words, its average length, one word asked: rarity times 1 / (1 + 1.2)."""
    words = Bm25Vectors.fit(["red apple", "green pear"])
    (apple,) = words.documents(["red apple"])
    assert dot(words.query("apple"), apple) == pytest.approx(0.6931471805599453 / 2.2)


def test_a_text_without_words_is_empty() -> None:
    assert Bm25Vectors().documents(["..."]) == [SparseVector([], [])]
    assert Bm25Vectors().query("?").indices == []
