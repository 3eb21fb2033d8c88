"""The contracts as a search engine: BM25 and sentence embeddings over every passage, fused; embeddings kept on disk."""

from __future__ import annotations

import functools
import threading
from typing import Any

from contract_risk.corpus import Corpus, Passage
from gapless.retrievers.base import Document, Hit, Retriever
from gapless.retrievers.bm25 import Bm25
from gapless.retrievers.dense import Dense
from gapless.retrievers.hybrid import Hybrid
from gapless.retrievers.minilm import MiniLM
from gapless.retrievers.remembering import Remembering

TOPICS = (
    "minimum purchase commitment of the customer, annual spend",
    "payment of invoices, due within days",
    "late delivery, penalties and damages for delay, maximum",
    "limitation of liability, total aggregate liability of the supplier",
    "term of the agreement and date of renewal",
    "termination and notice of non-renewal in days",
    "amendment: changes to a section of the agreement",
)
"""What the question about financial risk has to look up."""

DEPTH = 10
"""Passages read for each topic, all suppliers together."""

_AMENDMENT = "Amendment No. 1 to the Supply Agreement"


class Library:
    """Search over one corpus.

    Args:
        corpus: What is searched.
        engine: How; when None, word search and embeddings fused, made at the first search. That takes a second, or some
            more when the corpus was never embedded before.
        remember: Keep what every query found, so that the next trial of the same question does not search again.
    """

    def __init__(self, corpus: Corpus, engine: Retriever | None = None, *, remember: bool = False) -> None:
        self.corpus = corpus
        self._engine = engine
        self._found: dict[tuple[str, int], list[Hit]] | None = {} if remember else None
        self._lock = threading.Lock()

    def open(self) -> None:
        """Makes the index now, so that no trial waits for it."""
        self._search("contract")

    def look_up(self, supplier: str, name: str) -> list[dict[str, Any]]:
        """The supplier's passages that the topics find, best first.

        Args:
            supplier: Whose contracts; passages of others are dropped.
            name: As the contracts write it: it is part of every query.
        """
        found: dict[str, Hit] = {}
        for topic in TOPICS:
            for hit in self._search(f"{name} {topic}"):
                mine = hit.metadata["passage"].supplier == supplier
                if mine and (hit.id not in found or found[hit.id].score < hit.score):
                    found[hit.id] = hit
        return [_item(hit) for hit in sorted(found.values(), key=lambda hit: -hit.score)]

    def amendments(self, supplier: str, name: str) -> set[str]:
        """Ids of the supplier's amendments that a search for nothing else finds, four times as deep as the topics are read.

        Args:
            supplier: Whose contracts.
            name: As the contracts write it.
        """
        hits = self._search(f"{name}, {_AMENDMENT}", 4 * DEPTH)
        own: list[Passage] = [hit.metadata["passage"] for hit in hits]
        return {one.id for one in own if one.supplier == supplier and one.document != "agreement"}

    def _search(self, query: str, k: int = DEPTH) -> list[Hit]:
        with self._lock:  # one search at a time: more at once only crowd the cores
            if self._engine is None:
                self._engine = _engine(self.corpus)
            if self._found is None:
                return self._engine.search(query, k)
            if (query, k) not in self._found:
                self._found[query, k] = self._engine.search(query, k)
            return self._found[query, k]


def _item(hit: Hit) -> dict[str, Any]:
    passage: Passage = hit.metadata["passage"]
    return {**passage.item(), "score": round(hit.score, 6), "ranks": dict(hit.ranks)}


def _engine(corpus: Corpus) -> Hybrid:
    found = documents(corpus)
    return Hybrid({"words": Bm25(found), "meaning": Dense(found, embedder())})


def documents(corpus: Corpus) -> list[Document]:
    """The passages as search engines take them."""
    return [
        Document(id=one.id, text=one.text, indexed_at=one.indexed_at, metadata={"passage": one})
        for one in corpus.passages
    ]


@functools.cache
def embedder() -> Remembering:
    """The sentence embeddings, kept on disk."""
    return Remembering(MiniLM.load(threads=2), "minilm")
