"""A Weaviate collection as a search store: your own `Collection` object, its hybrid query, and how it explains its scores."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal

from gapless.errors import MissingExtra, StoreError, UsageError
from gapless.retrievers.adapters.foreign import Names, batches, latest, unknown_field
from gapless.retrievers.base import Document, Embedder, Hit, embedder_of, told_by
from gapless.retrievers.fields import plain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Fusion = Literal["relative-score", "ranked"]
_WORD = re.compile(r"\w")
_PROPERTY = re.compile(r"[_a-z][_0-9A-Za-z]{0,230}")
_BATCH, _ROOM, _MOST = 200, 8_000_000, 10_000
"""Documents and bytes of one request (older servers take 10 MiB), and hits at most."""
_NUMBER: tuple[type, ...] = (int, float)
_TYPES: dict[str, tuple[type, ...]] = {"int": _NUMBER, "number": _NUMBER, "text": (str,), "boolean": (bool,)}
"""What a filter on a property of a type, or on a list of that type, may be compared with."""
_RESERVED = frozenset({"id", "vector", "_id", "_additional"})


class WeaviateStore:
    """A collection (or one of its tenants); the client, its connection and its timeouts stay yours.

    Weaviate fuses words (BM25) and meaning itself; each hit keeps what it says of its score in `explained`. Its timeouts are the
    client's (`AdditionalConfig(timeout=Timeout(query=...))`): a query cannot be given one of its own.

    Args:
        collection: `client.collections.use("Contracts")`, `.with_tenant(...)` where there are tenants. The synchronous client.
        embedder: Embeds documents and queries; "collection" where its own vectorizer does; words alone are searched when None.
        alpha: Weight of meaning against words, 0 to 1.
        fusion: "relative-score" adds scores scaled to 0..1, "ranked" adds reciprocal ranks.
        text: Property that is searched and handed over.
        key: Property that keeps a document's id; an object without it goes by its UUID.
        vector: Name of the vector where the collection has named ones.
        date: Property with the unix time of indexing; where it is missing, Weaviate's own time of the last update counts.

    Raises:
        MissingExtra: weaviate-client is not installed.
        UsageError: There is no such fusion.
    """

    def __init__(
        self,
        collection: Any,
        embedder: Embedder | Literal["collection"] | None = None,
        *,
        alpha: float = 0.7,
        fusion: Fusion = "relative-score",
        text: str = "text",
        key: str = "document_id",
        vector: str | None = None,
        date: str = "indexed_at",
    ) -> None:
        try:
            from weaviate.classes.query import HybridFusion
            from weaviate.exceptions import WeaviateBaseError
        except ImportError as error:
            raise MissingExtra("the Weaviate adapter (weaviate-client)", "weaviate") from error
        fusions = {"relative-score": HybridFusion.RELATIVE_SCORE, "ranked": HybridFusion.RANKED}
        if fusion not in fusions:
            raise UsageError(f"fusion {fusion!r}: allowed are {', '.join(fusions)}.")
        self._collection, self._embeds = collection, embedder == "collection"
        self._embedder: Embedder | None = None if isinstance(embedder, str) else embedder
        self._alpha, self._fusion, self._vector = alpha, fusions[fusion], vector
        self._names, self._key = Names(text, date, _RESERVED | {key}), key
        self._where, self._failure = f"Weaviate, collection {collection.name!r}", WeaviateBaseError
        self._schema: dict[str, str] = {}

    def upsert(self, documents: Sequence[Document]) -> None:
        """Stores documents, 200 or 8 MB at once. Weaviate stores each on its own: where it refuses some, the others stay.

        Raises:
            UsageError: Metadata that Weaviate cannot keep as they are; nothing is stored.
            StoreError: Weaviate refused some, or did not answer; the message says which, and how many are stored.
        """
        from weaviate.classes.data import DataObject

        kept = latest(documents)
        fields = [self._fields(one) for one in kept]
        vectors = (
            self._embedder.embed([one.text for one in kept]) if self._embedder is not None and kept else None
        )
        objects: list[Any] = []
        for at, one in enumerate(kept):
            row = None if vectors is None else vectors[at].tolist()
            named = {self._vector: row} if self._vector is not None and row is not None else row
            objects.append(
                DataObject(properties=fields[at], uuid=_uuid(one.id), vector=named)  # pyright: ignore[reportArgumentType]  a list or a dict
            )
        done = 0
        for batch in batches(objects, _BATCH, room=_ROOM, weight=_size):
            with self._said():
                answer = self._collection.data.insert_many(list(batch))
            done += len(batch) - len(answer.errors)
            for at, error in answer.errors.items():
                name = batch[at].properties[self._key]
                raise StoreError(
                    f"{self._where}: it refused {len(answer.errors)} of {len(batch)} documents, as {name!r}: {error.message[:300]} "
                    f"Stored are {done} of {len(objects)}."
                )

    def delete(self, ids: Sequence[str]) -> int:
        """Forgets documents; returns how many Weaviate deleted.

        Raises:
            StoreError: Weaviate could not delete some, or did not answer.
        """
        from weaviate.classes.query import Filter

        gone = 0
        for batch in batches([_uuid(name) for name in dict.fromkeys(ids)], _BATCH):
            with self._said():
                answer = self._collection.data.delete_many(where=Filter.by_id().contains_any(list(batch)))
            gone += answer.successful
            if answer.failed:
                raise StoreError(
                    f"{self._where}: {answer.failed} of {answer.matches} documents could not be deleted."
                )
        return gone

    def search(self, query: str, k: int = 10, *, filter: Mapping[str, Any] | None = None) -> list[Hit]:  # noqa: A002  as in the promise
        """The best documents by Weaviate's hybrid query, or by words alone without an embedder.

        Raises:
            UsageError: The collection has no such field, or it is of another type.
            StoreError: Weaviate failed or did not answer in time, or a hit came back without its text.
        """
        if self._embedder is None and not self._embeds:
            return self.by_words(query, k, filter=filter)
        if not _WORD.search(query):  # BM25 has nothing to look for, and the other arm alone is no hybrid
            return self.by_meaning(query, k, filter=filter) if self._embedder is not None else []
        more: dict[str, Any] = {"alpha": self._alpha, "fusion_type": self._fusion}
        if self._embedder is not None:
            more["vector"] = self.embed([query])[0].tolist()
        if self._vector is not None:
            more["target_vector"] = self._vector
        return self._ask(
            "hybrid", "hybrid", k, filter, query=query, query_properties=[self._names.text], **more
        )

    def by_words(self, query: str, k: int = 10, *, filter: Mapping[str, Any] | None = None) -> list[Hit]:  # noqa: A002
        """The documents that share a word with the query, by Weaviate's BM25."""
        if not _WORD.search(query):
            return []
        return self._ask("bm25", "words", k, filter, query=query, query_properties=[self._names.text])

    def by_meaning(self, query: str, k: int = 10, *, filter: Mapping[str, Any] | None = None) -> list[Hit]:  # noqa: A002
        """The documents nearest in meaning; the score is 1 less the distance."""
        target = {} if self._vector is None else {"target_vector": self._vector}
        if self._embeds:
            return self._ask("near_text", "meaning", k, filter, query=query, **target)
        vector = self.embed([query])[0].tolist()
        return self._ask("near_vector", "meaning", k, filter, near_vector=vector, **target)

    def engines(self) -> dict[str, Callable[..., list[Hit]]]:
        """The rankings behind `search`, each alone."""
        dense = self._embedder is not None or self._embeds
        return {"words": self.by_words} | ({"meaning": self.by_meaning} if dense else {})

    def sample(self, most: int = 500) -> list[Document]:
        """Up to `most` documents, in Weaviate's order."""
        with self._said():
            found = self._collection.query.fetch_objects(limit=most, return_metadata=["last_update_time"])
        return [self._document(one) for one in found.objects]

    def vectors(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The stored vectors of documents; unknown ids are left out."""
        import numpy as np

        names = {_uuid(name): name for name in ids}
        found: dict[str, NDArray[np.float32]] = {}
        for batch in batches(list(names), _BATCH):
            with self._said():
                shown = self._collection.query.fetch_objects_by_ids(
                    list(batch), limit=len(batch), include_vector=True
                )
            for one in shown.objects:
                row = one.vector.get(self._vector or "default")
                if row:
                    found[names[str(one.uuid)]] = np.array(row, dtype=np.float32)
        return found

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embeds as documents and queries are.

        Raises:
            UsageError: There is no embedder; the collection's own cannot be asked.
        """
        return embedder_of(self._embedder).embed(texts)

    def _ask(self, method: str, arm: str, k: int, given: Mapping[str, Any] | None, **asked: Any) -> list[Hit]:
        from weaviate.classes.query import MetadataQuery

        wanted = plain(given)
        condition = self._condition(wanted)
        if k < 1:
            return []
        shown = MetadataQuery(score=True, explain_score=True, distance=True, last_update_time=True)
        with self._said():
            found = getattr(self._collection.query, method)(
                limit=min(k, _MOST), filters=condition, return_metadata=shown, **asked
            )
        hits = [self._hit(one, rank, arm) for rank, one in enumerate(found.objects, start=1)]
        # a text property that is cut into words matches more than the value: `acme` finds `Acme Holding`
        return [
            hit
            for hit in hits
            if all(_equal(hit.metadata.get(name), value) for name, value in wanted.items())
        ]

    def _condition(self, given: Mapping[str, Any]) -> Any:
        if not given:
            return None
        from weaviate.classes.query import Filter

        types = self._types(given)
        conditions: list[Any] = []
        for name, value in given.items():
            if name not in types:
                raise unknown_field(self._where, name, sorted(set(types) - {self._names.text, self._key}))
            conditions.append(Filter.by_property(name).equal(self._typed(name, types[name], value)))
        return Filter.all_of(conditions)

    def _typed(self, name: str, held: str, value: Any) -> Any:
        """A value as Weaviate compares it with a property of a type: it takes no whole number for a `number`, nor the reverse.

        Raises:
            UsageError: Nothing of that type could be equal.
        """
        kind = held.removesuffix("[]")
        if kind not in _TYPES:
            kinds = ", ".join(_TYPES)
            raise UsageError(
                f"{self._where}: filter: {name!r} holds {held}; this adapter compares {kinds}, and lists of them."
            )
        fits = isinstance(value, _TYPES[kind]) and (kind == "boolean") is isinstance(value, bool)
        if not fits or (kind == "int" and value != int(value)):
            raise UsageError(
                f"{self._where}: filter: {name!r} holds {held}, and {value!r} is none; nothing could match."
            )
        return int(value) if kind == "int" else float(value) if kind == "number" else value

    def _types(self, wanted: Mapping[str, Any]) -> dict[str, str]:
        """Property -> its type, asked anew where one is looked for that was not there."""
        if not set(wanted) <= set(self._schema):
            with self._said():
                properties = self._collection.config.get(simple=True).properties
            self._schema = {one.name: str(one.data_type.value) for one in properties}
        return self._schema

    def _fields(self, document: Document) -> dict[str, Any]:
        for name in document.metadata:
            if not _PROPERTY.fullmatch(name):
                raise UsageError(
                    f"document {document.id!r}: its metadata {name!r} cannot be a property of Weaviate's: "
                    "letters, digits and _, beginning with a lower-case letter or _."
                )
        return {self._key: document.id, **self._names.fields(document)}

    def _hit(self, found: Any, rank: int, arm: str) -> Hit:
        one, about = self._document(found), found.metadata
        score = about.score if about.distance is None or arm != "meaning" else 1 - about.distance
        return Hit(
            id=one.id,
            score=float(score or 0.0),
            text=one.text,
            ranks={arm: rank},
            indexed_at=one.indexed_at,
            metadata=one.metadata,
            explained=about.explain_score or "",
        )

    def _document(self, found: Any) -> Document:
        held = {name: value for name, value in found.properties.items() if value is not None}
        name = str(held.get(self._key) or found.uuid)
        text, when, metadata = self._names.read(self._where, name, held)
        updated = found.metadata.last_update_time
        if when is None and updated is not None:
            when = updated.timestamp()
        return Document(name, text, when, metadata)

    def _said(self) -> AbstractContextManager[None]:
        return told_by(self._where, self._failure)


def _equal(held: Any, value: Any) -> bool:
    if isinstance(held, list):
        return value in held
    return held == value and isinstance(held, bool) is isinstance(value, bool)


def _size(one: Any) -> int:
    """Bytes of an object on the wire, about: its properties, and four for each number of its vector."""
    row = next(iter(one.vector.values())) if isinstance(one.vector, dict) else one.vector
    return len(json.dumps(one.properties)) + 4 * len(row or ())


def _uuid(name: str) -> str:
    """A document's UUID: itself where its id is one, else made from its id; so are other spellings of one, for they are other ids."""
    made = str(uuid.uuid5(uuid.NAMESPACE_OID, name))
    try:
        return name if str(uuid.UUID(name)) == name else made
    except ValueError:
        return made
