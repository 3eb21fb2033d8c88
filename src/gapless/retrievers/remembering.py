"""An embedder that keeps what it computed: collections on disk, single texts in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gapless.retrievers import cache
from gapless.retrievers.base import Embedder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Remembering:
    """Wraps an embedder, so that a second run over the same texts computes nothing.

    Args:
        embedder: Computes what is not known yet.
        name: Names the model and its version; another name never finds these vectors.
    """

    def __init__(self, embedder: Embedder, name: str) -> None:
        self._embedder = embedder
        self._name = name
        self._single: dict[str, NDArray[np.float32]] = {}
        if (count := getattr(embedder, "count_tokens", None)) is not None:
            self.count_tokens: Callable[[Sequence[str]], int] = count  # counts only where the embedder does

    def known(self, texts: Sequence[str]) -> bool:
        """Whether these texts, in this order, are on disk."""
        return self._place(texts).is_file()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row per text, each of length 1."""
        if len(texts) == 1:
            if texts[0] not in self._single:
                self._single[texts[0]] = self._embedder.embed(texts)
            return self._single[texts[0]]
        return self._collection(texts)

    def _collection(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import numpy as np

        place = self._place(texts)
        if place.is_file():
            try:
                vectors = np.load(place, allow_pickle=False)
            except (OSError, ValueError, EOFError):  # damaged after it was written: computed again
                vectors = np.empty((0, 0), dtype=np.float32)
            if len(vectors) == len(texts):
                return vectors
        vectors = self._embedder.embed(texts)
        cache.publish(place, lambda draft: np.save(draft, vectors, allow_pickle=False))
        return vectors

    def _place(self, texts: Sequence[str]) -> Path:
        key = hashlib.blake2b(self._name.encode(), digest_size=16)
        for text in texts:
            key.update(len(text).to_bytes(8) + text.encode("utf-8", "surrogatepass"))
        return cache.folder() / "embeddings" / f"{key.hexdigest()}.npy"
