"""Widens a query without labels: by wordings that a user knows, and by words of what was found first (RM3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gapless.retrievers.base import Document, Hit, Retriever, ranked
from gapless.retrievers.bm25 import Bm25, words
from gapless.retrievers.hybrid import fuse


class Wordings:
    """Which clause-like wordings belong to a query: those of every topic it names.

    A question about a clause and the clause itself share few words; how such clauses are usually worded is general knowledge.

    Args:
        by_topic: Topic -> ways in which passages about it are worded. A query names a topic when the topic's words stand in
            it, in their order and side by side.

    Example:
        >>> known = Wordings({"Audit Rights": ["may inspect the books and records"]})
        >>> known.of("Are there audit rights?"), known.of("Is there an audit?")
        (('may inspect the books and records',), ())
    """

    def __init__(self, by_topic: Mapping[str, Sequence[str]]) -> None:
        self._by_topic = {tuple(words(topic)): tuple(wordings) for topic, wordings in by_topic.items()}

    def of(self, query: str) -> tuple[str, ...]:
        """The wordings of all topics that the query names; none when it names none."""
        asked = words(query)
        return tuple(
            wording
            for topic, wordings in self._by_topic.items()
            if topic and _within(topic, asked)
            for wording in wordings
        )


class Expanded:
    """Asks an engine the query and each of its wordings, and fuses the answers by rank.

    Args:
        engine: Answers each formulation.
        wordings: The wordings of a query.
        k0: Constant of the rank fusion, see `Hybrid`.
        own_weight: How much the query itself counts; a wording counts 1.
        depth: How deep each answer is read.
    """

    def __init__(
        self,
        engine: Retriever,
        wordings: Wordings,
        *,
        k0: float = 60,
        own_weight: float = 1,
        depth: int = 100,
    ) -> None:
        self._engine = engine
        self._wordings = wordings
        self._k0 = k0
        self._own_weight = own_weight
        self._depth = depth

    def search(self, query: str, k: int) -> list[Hit]:
        """The documents that fit the query and its wordings best; each hit has its rank for every formulation."""
        found = self.answers(query, max(k, self._depth))
        weights = {name: self._own_weight if name == "query" else 1.0 for name in found}
        return fuse(found, k=k, k0=self._k0, weights=weights)

    def answers(self, query: str, k: int) -> dict[str, list[Hit]]:
        """What the engine finds for "query" and for each "wording 1", "wording 2" and so on, before the fusion."""
        asked = {"query": query} | {
            f"wording {at}": wording for at, wording in enumerate(self._wordings.of(query), start=1)
        }
        return {name: self._engine.search(text, k) for name, text in asked.items()}


class Feedback:
    """BM25 whose query is widened by the words of what it finds first: RM3, pseudo-relevance feedback.

    p(word | feedback) = sum over the first documents of share of the document's score * tf / |d|; the best words, shares made to add
    up to 1, are mixed with the words of the query, whose share is `own`. The widened query is scored by BM25, each word by its share.

    Args:
        documents: The collection.
        first: How many documents are taken to be right.
        terms: How many of their words join the query.
        own: Share of the query's own words, 0 to 1; 1 is plain BM25 up to a factor.
        common: Words in more than this share of the documents never join: there is no stop list.

    Source: Abdul-Jaleel et al. 2004, TREC, "UMass at TREC 2004: Novelty and HARD"; Lavrenko and Croft 2001, SIGIR.
    """

    def __init__(
        self,
        documents: Sequence[Document],
        *,
        first: int = 5,
        terms: int = 20,
        own: float = 0.7,
        common: float = 0.5,
    ) -> None:
        from collections import Counter

        self._documents = tuple(documents)
        self._engine = Bm25(documents)
        self._counts = {document.id: Counter(words(document.text)) for document in documents}
        self._first, self._terms, self._own = first, terms, own
        spread = Counter(word for counts in self._counts.values() for word in counts)
        self._common = frozenset(word for word, n in spread.items() if n > common * len(documents))

    def search(self, query: str, k: int) -> list[Hit]:
        """The best documents for the widened query."""
        import numpy as np

        scores = self._engine.weighted(self.widened(query))
        return ranked(self._documents, scores, min(k, int(np.sum(scores > 0))), "feedback")

    def widened(self, query: str) -> dict[str, float]:
        """Word -> its share in the widened query; the shares add up to 1, and nothing is added when nothing is found."""
        asked = words(query)
        model = {word: asked.count(word) / len(asked) for word in dict.fromkeys(asked)}
        feedback = self._feedback(query)
        if not feedback:
            return model
        widened = {word: self._own * share for word, share in model.items()}
        for word, share in feedback.items():
            widened[word] = widened.get(word, 0.0) + (1 - self._own) * share
        return widened

    def _feedback(self, query: str) -> dict[str, float]:
        hits = self._engine.search(query, self._first)
        total = sum(hit.score for hit in hits)
        shares: dict[str, float] = {}
        for hit in hits:
            counts = self._counts[hit.id]
            length = sum(counts.values())
            for word, n in counts.items():
                if word not in self._common:
                    shares[word] = shares.get(word, 0.0) + hit.score / total * n / length
        best = sorted(shares, key=lambda word: -shares[word])[: self._terms]
        kept = sum(shares[word] for word in best)
        return {word: shares[word] / kept for word in best}


def _within(topic: tuple[str, ...], asked: list[str]) -> bool:
    return any(tuple(asked[at : at + len(topic)]) == topic for at in range(len(asked) - len(topic) + 1))
