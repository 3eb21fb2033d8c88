"""Search by meaning: exact cosine over sentence embeddings, no approximate index."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gapless.retrievers.base import Document, Embedder, Hit, ranked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_END_OF_SENTENCE = re.compile(r"(?<=[.;:?!])\s+")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of text that speaks for one or more documents."""

    text: str
    owners: tuple[int, ...]
    """Positions of the documents it belongs to; a sentence may cross from one passage into the next."""


class Dense:
    """Cosine search over a fixed collection, embedded at once.

    A document scores as its best part: a passage of many words has one vector for all of its subjects, while the sentence
    that answers has one of its own.

    Args:
        documents: The collection.
        embedder: Embeds parts and queries.
        parts: The texts that are embedded; each document as a whole when None.
    """

    def __init__(
        self, documents: Sequence[Document], embedder: Embedder, *, parts: Sequence[Part] | None = None
    ) -> None:
        import numpy as np

        if parts is None:
            parts = [Part(document.text, (at,)) for at, document in enumerate(documents)]
        self._documents = tuple(documents)
        self._embedder = embedder
        self._vectors = embedder.embed([part.text for part in parts])
        self._part_of = np.asarray([at for at, part in enumerate(parts) for _ in part.owners], dtype=np.intp)
        self._owner = np.asarray([owner for part in parts for owner in part.owners], dtype=np.intp)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """float array [parts, size]: what is stored, in the order of the parts."""
        return self._vectors

    def scores(self, query: str) -> NDArray[np.float32]:
        """The cosine of each document's best part, in the order of the documents; -1 for one without parts."""
        return self.resemblance(self._embedder.embed([query]))[:, 0]

    def resemblance(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """float array [documents, n]: the cosine of each document's best part with each of some unit vectors.

        Args:
            vectors: float array [n, size], for instance of passages that are known to be what is looked for.
        """
        import numpy as np

        best = np.full((len(self._documents), len(vectors)), -1, dtype=np.float32)
        if len(self._part_of):
            cosines = self._vectors @ vectors.T
            np.maximum.at(best, self._owner, cosines[self._part_of])
        return best

    def search(self, query: str, k: int) -> list[Hit]:
        """The documents nearest in meaning; the score is the cosine."""
        return ranked(self._documents, self.scores(query), k, "dense")


def sentences(text: str, *, at_least: int = 8, at_most: int = 200) -> list[str]:
    """Splits a text at the ends of sentences and clauses; together the pieces hold all its words, in order.

    Args:
        text: Any text; runs of white space count as one blank.
        at_least: Words below which a piece is joined with the next: headings and numbers say nothing alone.
        at_most: Words above which a piece is cut.

    Example:
        >>> sentences("1. Insurance. The supplier shall hold liability cover of USD 5. Section 2 follows.")
        ['1. Insurance. The supplier shall hold liability cover of USD 5.', 'Section 2 follows.']
    """
    pieces: list[str] = []
    words: list[str] = []
    for piece in _END_OF_SENTENCE.split(text):
        words += piece.split()
        if len(words) >= at_least:
            pieces += _cut(words, at_most)
            words = []
    return pieces + _cut(words, at_most)


def _cut(words: list[str], size: int) -> list[str]:
    return [" ".join(words[at : at + size]) for at in range(0, len(words), size)]
