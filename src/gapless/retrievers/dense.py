"""Search by meaning: exact cosine over sentence embeddings, no approximate index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gapless.retrievers.base import Document, Embedder, Hit, ranked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Dense:
    """Cosine search over a fixed collection, embedded at once.

    Args:
        documents: The collection.
        embedder: Embeds documents and queries.
        vectors: The documents' unit vectors [n, d] if they are already known; they are computed when None.
    """

    def __init__(
        self,
        documents: Sequence[Document],
        embedder: Embedder,
        *,
        vectors: NDArray[np.float32] | None = None,
    ) -> None:
        self._documents = tuple(documents)
        self._embedder = embedder
        self._vectors = vectors if vectors is not None else embedder.embed([d.text for d in documents])
        if len(self._vectors) != len(self._documents):
            raise ValueError(f"{len(self._vectors)} vectors for {len(self._documents)} documents")

    def search(self, query: str, k: int) -> list[Hit]:
        """The documents nearest in meaning; the score is the cosine."""
        if not self._documents:
            return []
        scores = self._vectors @ self._embedder.embed([query])[0]
        return ranked(self._documents, scores, k, "dense")
