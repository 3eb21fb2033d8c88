"""Several engines as one: reciprocal-rank fusion, which needs no common scale of scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gapless.retrievers.base import Embedder, Hit, Retriever, embedder_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Hybrid:
    """Fuses engines over the same documents by their ranks; each hit keeps its rank in every arm.

    score(d) = sum over arms of weight / (k0 + rank of d in the arm)

    Args:
        arms: Name -> engine. The order of the arms breaks ties.
        k0: How little the very first ranks count more than the next ones; 0 and more.
        weights: Arm -> weight; 1 for each when None.
        depth: How deep each arm is read; a document below it counts as not found there.

    Source: Cormack, Clarke and Buettcher 2009, SIGIR, "Reciprocal rank fusion outperforms Condorcet".
    """

    def __init__(
        self,
        arms: Mapping[str, Retriever],
        k0: float = 60,
        *,
        weights: Mapping[str, float] | None = None,
        depth: int = 100,
    ) -> None:
        self._arms = dict(arms)
        self._k0 = k0
        self._weights = dict.fromkeys(self._arms, 1.0) if weights is None else dict(weights)
        self._depth = depth

    def search(self, query: str, k: int) -> list[Hit]:
        """The documents that the arms agree on most."""
        return fuse(
            {name: arm.search(query, max(k, self._depth)) for name, arm in self._arms.items()},
            k=k,
            k0=self._k0,
            weights=self._weights,
        )


class TwoArms(ABC):
    """What search stores with an arm for words and one for meaning have in common: both fused by rank, and each alone."""

    _embedder: Embedder | None
    _depth: int
    """How deep each arm is read before both are fused."""

    @abstractmethod
    def by_words(self, query: str, k: int = 10, *, filter: Mapping[str, Any] | None = None) -> list[Hit]:  # noqa: A002  the field's usual word
        """The documents that share a word with the query."""

    @abstractmethod
    def by_meaning(self, query: str, k: int = 10, *, filter: Mapping[str, Any] | None = None) -> list[Hit]:  # noqa: A002
        """The documents nearest in meaning."""

    def search(self, query: str, k: int = 10, *, filter: Mapping[str, Any] | None = None) -> list[Hit]:  # noqa: A002
        """The best documents: words and meaning fused where there is an embedder, words alone without one.

        Raises:
            UsageError: No document has a field of the filter.
            StoreError: The engine failed or took too long.
        """
        deep = max(k, self._depth)
        words = self.by_words(query, deep, filter=filter)
        if self._embedder is None:
            return words[: max(k, 0)]
        return fuse({"words": words, "meaning": self.by_meaning(query, deep, filter=filter)}, k=k)

    def engines(self) -> dict[str, Callable[..., list[Hit]]]:
        """The rankings behind `search`, each alone: what a checkup holds beside their fusion."""
        return {"words": self.by_words} | ({"meaning": self.by_meaning} if self._embedder is not None else {})

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embeds as documents and queries are.

        Raises:
            UsageError: There is no embedder.
        """
        return embedder_of(self._embedder).embed(texts)


def fuse(
    found: Mapping[str, list[Hit]], *, k: int, k0: float = 60, weights: Mapping[str, float] | None = None
) -> list[Hit]:
    """Fuses the answers that several arms gave to one question.

    Example:
        >>> a, b = Hit(id="a", score=9, text=""), Hit(id="b", score=2, text="")
        >>> [(hit.id, hit.ranks) for hit in fuse({"x": [a, b], "y": [b]}, k=2)]
        [('b', {'x': 2, 'y': 1}), ('a', {'x': 1})]
    """
    scores: dict[str, float] = {}
    ranks: dict[str, dict[str, int]] = {}
    hits: dict[str, Hit] = {}
    for name, answer in found.items():
        weight = 1.0 if weights is None else weights[name]
        for rank, hit in enumerate(answer, start=1):
            hits.setdefault(hit.id, hit)
            ranks.setdefault(hit.id, {})[name] = rank
            scores[hit.id] = scores.get(hit.id, 0.0) + weight / (k0 + rank)
    best = sorted(scores, key=lambda name: -scores[name])[: max(k, 0)]
    return [_fused(hits[name], scores[name], ranks[name]) for name in best]


def highest(found: Mapping[str, list[Hit]], *, k: int) -> list[Hit]:
    """Fuses answers of one engine, whose scores can be compared: a document scores as in the answer that likes it most.

    Example:
        >>> a, b, better = Hit(id="a", score=3, text=""), Hit(id="b", score=2, text=""), Hit(id="b", score=4, text="")
        >>> [(hit.id, hit.score) for hit in highest({"x": [a, b], "y": [better]}, k=2)]
        [('b', 4), ('a', 3)]

    Source: Fox and Shaw 1994, TREC-2, CombMAX.
    """
    best: dict[str, Hit] = {}
    ranks: dict[str, dict[str, int]] = {}
    for name, answer in found.items():
        for rank, hit in enumerate(answer, start=1):
            ranks.setdefault(hit.id, {})[name] = rank
            if hit.id not in best or hit.score > best[hit.id].score:
                best[hit.id] = hit
    order = sorted(best, key=lambda name: -best[name].score)[: max(k, 0)]
    return [_fused(best[name], best[name].score, ranks[name]) for name in order]


def _fused(hit: Hit, score: float, ranks: dict[str, int]) -> Hit:
    return replace(hit, score=score, ranks=ranks)
