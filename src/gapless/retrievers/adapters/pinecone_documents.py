"""A Pinecone document index as a search store: two searches, for it takes words or meaning, and one ranking made of both here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gapless.retrievers.adapters.foreign import Names, batches, latest
from gapless.retrievers.adapters.pinecone_namespace import PineconeNamespace
from gapless.retrievers.base import Document, Embedder, Hit
from gapless.retrievers.hybrid import TwoArms, fuse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WORD = re.compile(r"\w")
_BATCH, _MOST = 100, 10_000


class PineconeDocuments(PineconeNamespace, TwoArms):
    """A document index, whose schema has a full-text string and, for meaning, a dense vector; the index stays yours.

    A dense clause cannot be combined with a text clause in one `documents.search(score_by=[...])`. So each is asked alone, and
    both are fused by rank. All fields are asked for: without `include_fields` Pinecone answers ids and scores, no context.

    Args:
        index: `Pinecone(...).Index(...)`.
        embedder: For the dense vector field; words alone without one.
        namespace: Where to look.
        text: The full-text string field that is searched and handed over.
        vector: The dense vector field.
        date: Field with the unix time of indexing.
        depth: How deep each ranking is read before both are fused.
        timeout_s: Seconds after which one attempt of a request is given up; the client repeats some by its own settings.

    Raises:
        MissingExtra: pinecone is not installed.
    """

    def __init__(
        self,
        index: Any,
        embedder: Embedder | None = None,
        *,
        namespace: str = "__default__",
        text: str = "text",
        vector: str = "vector",
        date: str = "indexed_at",
        depth: int = 100,
        timeout_s: float = 10.0,
    ) -> None:
        hidden = frozenset({"_id", "_score", vector})
        super().__init__(
            index,
            embedder,
            namespace=namespace,
            names=Names(text, date, hidden, ("$", "_")),
            timeout_s=timeout_s,
        )
        self._vector, self._depth = vector, depth

    def upsert(self, documents: Sequence[Document]) -> None:
        """Stores documents, 100 or 1.9 MB at once: each such batch all or none. Found after a while: Pinecone confirms before it indexes.

        Raises:
            UsageError: An id or metadata that Pinecone cannot keep; nothing is stored.
            StoreError: Pinecone refused or did not answer; the message says how many are stored.
        """
        kept = latest(documents)
        made = [{"_id": one.id, **self._fields(one)} for one in kept]
        if not kept:
            return
        if self._embedder is not None:
            for record, row in zip(made, self._embedder.embed([one.text for one in kept]), strict=True):
                record[self._vector] = row.tolist()
        self._split(made, self._send)

    def delete(self, ids: Sequence[str]) -> int:
        """Forgets documents; returns how many of them were there when it was asked, a moment before."""
        there: list[str] = []
        for batch in batches(self._named(ids), _BATCH):
            there += self._fetch(batch)
        for batch in batches(there, _BATCH):
            with self._said():
                self._index.documents.delete(
                    namespace=self._namespace, ids=list(batch), timeout=self._timeout_s
                )
        return len(there)

    def search(self, query: str, k: int = 10, *, filter: Mapping[str, Any] | None = None) -> list[Hit]:  # noqa: A002  as in the promise
        """The best documents: words and meaning fused where there is an embedder, words alone without one.

        Raises:
            UsageError: No document has a field of the filter; or the namespace is empty and others are not.
            StoreError: Pinecone failed or did not answer in time, or a hit came back without its text.
        """
        if k < 1:
            return []
        deep = max(k, self._depth)
        found = {"words": self._words(query, deep, filter)}
        if self._embedder is not None:
            found["meaning"] = self._meaning(query, deep, filter)
        if not any(found.values()):
            self._account_for_nothing(filter)
        return fuse(found, k=k) if self._embedder is not None else found["words"][:k]

    def by_words(self, query: str, k: int = 10, *, filter: Mapping[str, Any] | None = None) -> list[Hit]:  # noqa: A002
        """The documents that share a word with the query, by Pinecone's BM25."""
        return self._alone(self._words, query, k, filter)

    def by_meaning(self, query: str, k: int = 10, *, filter: Mapping[str, Any] | None = None) -> list[Hit]:  # noqa: A002
        """The documents nearest in meaning."""
        return self._alone(self._meaning, query, k, filter)

    def sample(self, most: int = 500) -> list[Document]:
        """Up to `most` documents, the first by id."""
        found: list[Document] = []
        with self._said():
            for page in self._index.documents.list(
                namespace=self._namespace, limit=min(most, _BATCH), timeout=self._timeout_s
            ).pages():
                ids = [item.id for item in page.items]
                shown = self._fetch(ids) if ids else {}
                found += [self._document(name, shown[name]) for name in ids if name in shown]
                if len(found) >= most:
                    break
        return found[:most]

    def vectors(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The stored dense vectors of documents; unknown ids are left out."""
        import numpy as np

        shown: dict[str, dict[str, Any]] = {}
        for batch in batches(self._named(ids), _BATCH):
            shown |= self._fetch(batch)
        return {
            name: np.array(fields[self._vector], dtype=np.float32)
            for name, fields in shown.items()
            if fields.get(self._vector)
        }

    def _send(self, batch: Sequence[Any]) -> int:
        return self._index.documents.upsert(
            namespace=self._namespace, documents=list(batch), timeout=self._timeout_s
        ).upserted_count

    def _fetch(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        with self._said():
            shown = self._index.documents.fetch(
                namespace=self._namespace, ids=list(ids), include_fields=["*"], timeout=self._timeout_s
            ).documents
        return {name: one.to_dict() for name, one in shown.items()}

    def _alone(
        self, arm: Callable[..., list[Hit]], query: str, k: int, given: Mapping[str, Any] | None
    ) -> list[Hit]:
        found = arm(query, k, given) if k > 0 else []
        if k > 0 and not found:
            self._account_for_nothing(given)
        return found

    def _words(self, query: str, k: int, given: Mapping[str, Any] | None) -> list[Hit]:
        if not _WORD.search(query):
            return []
        clause = {"type": "text", "query": query.replace("\x00", " "), "fields": [self._names.text]}
        return self._ask(clause, k, given, "words")

    def _meaning(self, query: str, k: int, given: Mapping[str, Any] | None) -> list[Hit]:
        clause = {"type": "dense_vector", "field": self._vector, "values": self.embed([query])[0].tolist()}
        return self._ask(clause, k, given, "meaning")

    def _ask(self, clause: Mapping[str, Any], k: int, given: Mapping[str, Any] | None, arm: str) -> list[Hit]:
        condition = self._condition(given)
        with self._said():
            found = self._index.documents.search(
                namespace=self._namespace,
                score_by=[clause],
                top_k=min(k, _MOST),
                include_fields=["*"],
                filter=condition,
                timeout=self._timeout_s,
            ).matches
        hits: list[Hit] = []
        for rank, match in enumerate(found, start=1):
            one = self._document(match.id, match.to_dict())
            hits.append(Hit(one.id, match.score or 0.0, one.text, {arm: rank}, one.indexed_at, one.metadata))
        return hits

    def _document(self, name: str, fields: Mapping[str, Any]) -> Document:
        return Document(name, *self._names.read(self._where, name, fields))

    def _known(self, name: str) -> bool:
        return bool(self._some({name: {"$exists": True}}))

    def _some(self, condition: Mapping[str, Any]) -> dict[str, Any]:
        return self._index.documents.fetch(
            namespace=self._namespace,
            filter=condition,
            include_fields=["*"],
            limit=1,
            timeout=self._timeout_s,
        ).documents

    def _some_fields(self) -> list[str]:
        shown = self.sample(1)
        return sorted(name for one in shown for name in one.metadata)
