"""Several engines as one: reciprocal-rank fusion, which needs no common scale of scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gapless.retrievers.base import Hit, Retriever


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
