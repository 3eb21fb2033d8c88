"""A Pinecone vector index as a search store: your own `Index` object, dense and sparse vectors in one query."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from gapless.errors import UsageError
from gapless.retrievers.adapters.foreign import Names, batches, latest
from gapless.retrievers.adapters.pinecone_namespace import PineconeNamespace
from gapless.retrievers.adapters.sparse import SparseEncoder, SparseVector
from gapless.retrievers.base import Document, Embedder, Hit, embedder_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BATCH, _MOST, _ADDRESS = 100, 10_000, 4_000
"""Records at once, hits at most, characters of ids in an address."""


class PineconeVectors(PineconeNamespace):
    """A vector index (dense, sparse, or both with the metric dotproduct); the index and its connection stay yours.

    Found by one `query(vector=, sparse_vector=)`: the score is alpha times the dense product plus (1 - alpha) times the sparse
    one, weighed on this side, as Pinecone's guide has it. So ranks of the arms alone are not known: hits have one, "hybrid".
    Where the metric is euclidean, a hit's score is the negative distance.

    Args:
        index: `Pinecone(...).Index(...)`.
        embedder: For the dense vectors; None for a sparse index.
        sparse: For the sparse ones, e.g. `Bm25Vectors.fit(texts)`; None for a dense index.
        namespace: Where to look; Pinecone's default one when empty.
        alpha: Weight of meaning against words in a hybrid query, 0 to 1.
        text: Metadata field that holds the text.
        date: Metadata field with the unix time of indexing.
        timeout_s: Seconds after which one attempt of a request is given up; the client repeats some by its own settings.

    Raises:
        MissingExtra: pinecone is not installed.
        UsageError: Neither an embedder nor a sparse encoder.
    """

    def __init__(
        self,
        index: Any,
        embedder: Embedder | None = None,
        *,
        sparse: SparseEncoder | None = None,
        namespace: str = "",
        alpha: float = 0.5,
        text: str = "text",
        date: str = "indexed_at",
        timeout_s: float = 10.0,
    ) -> None:
        super().__init__(index, embedder, namespace=namespace, names=Names(text, date), timeout_s=timeout_s)
        if embedder is None and sparse is None:
            raise UsageError(
                "a Pinecone vector index is asked with vectors: give an embedder, sparse=, or both."
            )
        self._sparse, self._alpha = sparse, alpha
        self._metric: str | None = None

    def upsert(self, documents: Sequence[Document]) -> None:
        """Stores documents, 100 or 1.9 MB at once: each such batch all or none. Found after a while: Pinecone confirms before it indexes.

        Raises:
            UsageError: An id or metadata that Pinecone cannot keep; nothing is stored.
            StoreError: Pinecone refused or did not answer; the message says how many are stored.
        """
        kept = latest(documents)
        made: list[dict[str, Any]] = [{"id": one.id, "metadata": self._fields(one)} for one in kept]
        if not kept:
            return
        texts = [one.text for one in kept]
        dense = self._embedder.embed(texts) if self._embedder is not None else None
        sparse = (
            self._sparse.documents(texts) if self._sparse is not None else [SparseVector([], [])] * len(kept)
        )
        for at, record in enumerate(made):
            record["values"] = dense[at].tolist() if dense is not None else []
            if sparse[at].indices:
                record["sparse_values"] = sparse[at].scaled(1.0)
            elif dense is None:
                raise UsageError(
                    f"document {record['id']!r} has no word, and this index is searched by words alone."
                )
        self._split(made, self._send)

    def delete(self, ids: Sequence[str]) -> int:
        """Forgets documents; returns how many of them were there when it was asked, a moment before."""
        there = list(self._fetched(self._named(ids)))
        for batch in batches(there, _BATCH):
            with self._said():
                self._index.delete(ids=list(batch), namespace=self._namespace, timeout=self._timeout_s)
        return len(there)

    def search(self, query: str, k: int = 10, *, filter: Mapping[str, Any] | None = None) -> list[Hit]:  # noqa: A002  as in the promise
        """The best documents by both arms, or by the one there is.

        Raises:
            UsageError: No document has a field of the filter; or the namespace is empty and others are not.
            StoreError: Pinecone failed or did not answer in time, or a hit came back without its text.
        """
        both = self._embedder is not None and self._sparse is not None
        only = "words" if self._embedder is None else "meaning"
        return self._query(query, k, filter, self._alpha if both else None, "hybrid" if both else only)

    def by_meaning(self, query: str, k: int = 10, *, filter: Mapping[str, Any] | None = None) -> list[Hit]:  # noqa: A002
        """The documents nearest in meaning."""
        embedder_of(self._embedder)
        return self._query(query, k, filter, 1.0, "meaning")

    def engines(self) -> dict[str, Callable[..., list[Hit]]]:
        """Meaning alone beside both; a hybrid index cannot be asked for words alone."""
        return {"meaning": self.by_meaning} if self._embedder is not None and self._sparse is not None else {}

    def sample(self, most: int = 500) -> list[Document]:
        """Up to `most` documents, the first by id as Pinecone lists them."""
        found: list[Document] = []
        with self._said():
            for page in self._index.list(namespace=self._namespace, limit=min(most, _BATCH)):
                ids = [item.id for item in page.vectors]
                shown = self._fetched(ids)
                found += [self._document(name, shown[name].metadata) for name in ids if name in shown]
                if len(found) >= most:
                    break
        return found[:most]

    def vectors(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The stored dense vectors of documents; unknown ids are left out."""
        import numpy as np

        shown = self._fetched(self._named(ids))
        return {name: np.array(one.values, dtype=np.float32) for name, one in shown.items() if one.values}

    def _fetched(self, ids: Sequence[str]) -> dict[str, Any]:
        """The records of ids, as many at once as an address can hold: they are asked for by GET."""
        found: dict[str, Any] = {}
        for batch in batches(ids, _BATCH, room=_ADDRESS, weight=lambda name: len(quote(name)) + len("&ids=")):
            with self._said():
                found |= self._index.fetch(
                    ids=list(batch), namespace=self._namespace, timeout=self._timeout_s
                ).vectors
        return found

    def _send(self, batch: Sequence[Any]) -> int:
        return self._index.upsert(
            vectors=list(batch), namespace=self._namespace, timeout=self._timeout_s
        ).upserted_count

    def _query(
        self, query: str, k: int, given: Mapping[str, Any] | None, alpha: float | None, arm: str
    ) -> list[Hit]:
        condition = self._condition(given)
        if k < 1:
            return []
        asked: dict[str, Any] = {}
        if self._embedder is not None:
            asked["vector"] = (self._embedder.embed([query])[0] * (1.0 if alpha is None else alpha)).tolist()
        words = self._sparse.query(query) if self._sparse is not None and alpha != 1.0 else None
        if words is not None and words.indices:
            asked["sparse_vector"] = words.scaled(1.0 if alpha is None else 1 - alpha)
        if not asked:
            return []
        with self._said():
            found = self._index.query(
                top_k=min(k, _MOST),
                namespace=self._namespace,
                filter=condition,
                include_metadata=True,
                timeout=self._timeout_s,
                **asked,
            ).matches
        if not found:
            self._account_for_nothing(given)
        sign = -1.0 if found and self._scores_are_distances() else 1.0
        return [self._hit(match, rank, arm, sign) for rank, match in enumerate(found, start=1)]

    def _scores_are_distances(self) -> bool:
        """Whether less is better, as with the metric euclidean; asked once."""
        if self._metric is None:
            with self._said():
                self._metric = str(self._stats().metric)
        return self._metric == "euclidean"

    def _hit(self, match: Any, rank: int, arm: str, sign: float) -> Hit:
        one = self._document(match.id, match.metadata)
        return Hit(one.id, sign * float(match.score), one.text, {arm: rank}, one.indexed_at, one.metadata)

    def _document(self, name: str, metadata: Mapping[str, Any] | None) -> Document:
        return Document(name, *self._names.read(self._where, name, metadata or {}))

    def _known(self, name: str) -> bool:
        return bool(
            self._index.fetch_by_metadata(
                filter={name: {"$exists": True}}, namespace=self._namespace, limit=1, timeout=self._timeout_s
            ).vectors
        )

    def _some_fields(self) -> list[str]:
        page = self._index.list_paginated(namespace=self._namespace, limit=1, timeout=self._timeout_s)
        shown = self._fetched([item.id for item in page.vectors])
        own = {self._names.text, self._names.date}
        return sorted({name for one in shown.values() for name in one.metadata or {}} - own)
