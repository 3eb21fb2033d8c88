"""Texts as sparse vectors whose dot product is BM25: words for vector databases that know only numbers."""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class SparseVector:
    """The places of a vector that are not zero."""

    indices: list[int]
    """From 0 to 2^32 - 1, each once."""
    values: list[float]

    def scaled(self, by: float) -> dict[str, list[Any]]:
        """As a database's client takes it, every value times `by`."""
        return {"indices": self.indices, "values": [by * value for value in self.values]}


class SparseEncoder(Protocol):
    """Turns texts and queries into sparse vectors."""

    def documents(self, texts: Sequence[str]) -> list[SparseVector]:
        """One vector per text."""
        ...

    def query(self, text: str) -> SparseVector:
        """The vector whose dot product with a document's says how well it answers."""
        ...


@dataclass(frozen=True, slots=True)
class Bm25Vectors:
    """BM25 with a word's hash as its place: a document holds how often a word stands in it, saturated; a query how rare it is.

    Args: see the fields; `fit` reads them from your texts. Not fitted, every word is equally rare.

    Source: Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond"; rarity as in Lucene.

    Example:
        >>> words = Bm25Vectors.fit(["a red apple", "a green pear"])
        >>> asked, (apple, pear) = words.query("the apple"), words.documents(["a red apple", "a green pear"])
        >>> [sum(1 for place in asked.indices if place in one.indices) for one in (apple, pear)]
        [1, 0]
    """

    k1: float = 1.2
    b: float = 0.75
    average: float = 100.0
    """Words of a usual document."""
    size: int = 0
    """Documents that `frequencies` were counted in."""
    frequencies: Mapping[str, int] = field(default_factory=dict[str, int])
    """Word -> documents that hold it."""

    @classmethod
    def fit(cls, texts: Sequence[str]) -> Bm25Vectors:
        """Counts how rare words are; with another collection, count anew: kept with the index, or queries and documents part."""
        words = [_words(text) for text in texts]
        counts = Counter(word for found in words for word in set(found))
        average = sum(map(len, words)) / len(words) if words else 100.0
        return cls(average=max(average, 1.0), size=len(texts), frequencies=dict(counts))

    def documents(self, texts: Sequence[str]) -> list[SparseVector]:
        """One vector per text; empty for a text without words."""
        return [self._document(_words(text)) for text in texts]

    def query(self, text: str) -> SparseVector:
        """The query's words, each as rare as it is."""
        return _vector({word: self._rarity(word) for word in set(_words(text))})

    def _document(self, words: Sequence[str]) -> SparseVector:
        longer = self.k1 * (1 - self.b + self.b * len(words) / self.average)
        return _vector({word: times / (times + longer) for word, times in Counter(words).items()})

    def _rarity(self, word: str) -> float:
        if not self.size:
            return 1.0
        there = self.frequencies.get(word, 0)
        return math.log(1 + (self.size - there + 0.5) / (there + 0.5))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _vector(weights: Mapping[str, float]) -> SparseVector:
    """Words that share a hash share a place."""
    places: dict[int, float] = {}
    for word, weight in weights.items():
        place = zlib.crc32(word.encode())
        places[place] = places.get(place, 0.0) + weight
    return SparseVector(sorted(places), [places[place] for place in sorted(places)])
