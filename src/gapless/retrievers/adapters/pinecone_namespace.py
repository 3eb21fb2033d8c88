"""What Pinecone's two kinds of index have in common: names, errors, batches, and what an empty answer is held against."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from gapless.errors import MissingExtra, StoreError, UsageError
from gapless.retrievers.adapters.foreign import Names, batches, unknown_field
from gapless.retrievers.base import Document, Embedder, embedder_of, told_by
from gapless.retrievers.fields import plain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BATCH, _ROOM = 100, 1_900_000
"""Documents and bytes of one request; Pinecone takes 1,000 and 2 MB."""
_DEFAULT, _SHOWN = "__default__", 10


class PineconeNamespace:
    """One namespace of an index, asked through the user's own client."""

    def __init__(
        self, index: Any, embedder: Embedder | None, *, namespace: str, names: Names, timeout_s: float
    ) -> None:
        try:
            from pinecone.errors.exceptions import PineconeError
        except ImportError as error:
            raise MissingExtra("the Pinecone adapter (pinecone)", "pinecone") from error
        self._index, self._embedder, self._namespace = index, embedder, namespace
        self._names, self._timeout_s, self._failure = names, timeout_s, PineconeError
        self._wrote = False
        self._where = f"Pinecone, namespace {namespace!r}"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embeds as documents and queries are.

        Raises:
            UsageError: There is no embedder.
        """
        return embedder_of(self._embedder).embed(texts)

    def _said(self) -> AbstractContextManager[None]:
        return told_by(self._where, self._failure)

    def _condition(self, given: Mapping[str, Any] | None) -> dict[str, Any] | None:
        for name, value in plain(given).items():
            if value is None:
                raise UsageError(
                    f"filter on {name!r}: Pinecone keeps no null, so nothing can be looked for by it."
                )
            if name.startswith("$"):
                raise UsageError(f"filter on {name!r}: names that begin with $ are Pinecone's operators.")
        return {name: {"$eq": value} for name, value in given.items()} if given else None

    def _known(self, name: str) -> bool:
        """Whether some document has a field."""
        raise NotImplementedError

    def _some_fields(self) -> list[str]:
        """Fields of a document, for the message."""
        raise NotImplementedError

    def _account_for_nothing(self, given: Mapping[str, Any] | None) -> None:
        """Nothing was found: is that an answer, or was it looked for where nothing can be?

        Raises:
            UsageError: A field of the filter is in no document; or this namespace holds nothing and others do.
        """
        with self._said():
            for name in given or {}:
                if not self._known(name):
                    raise unknown_field(self._where, name, self._some_fields())
            if given or self._wrote:
                return
            shown = self._stats().namespaces
        counts = {name: one.vector_count for name, one in shown.items()}
        here = self._namespace or _DEFAULT
        if not counts.pop(here, 0) and any(counts.values()):
            full = [f"{name!r} ({number})" for name, number in counts.items() if number]
            more = f" and {len(full) - _SHOWN} more" if len(full) > _SHOWN else ""
            raise UsageError(
                f"{self._where}: it holds nothing, and others do: {', '.join(full[:_SHOWN])}{more}. Name the one that is meant: namespace=..."
            )

    def _stats(self) -> Any:
        """What the index says of itself: its namespaces, all of them in one answer, and its metric."""
        return self._index.describe_index_stats(timeout=self._timeout_s)

    def _split(self, documents: Sequence[Any], send: Callable[[Sequence[Any]], int]) -> None:
        """Sends batches; each is stored whole or not at all, and where one fails it is said what is stored."""
        done = 0
        for batch in batches(documents, _BATCH, room=_ROOM, weight=_size):
            try:
                with self._said():
                    taken = send(batch)
            except StoreError as error:
                raise StoreError(f"{error} Stored are {done} of {len(documents)} documents.") from error
            done += taken
            self._wrote = True
            if taken != len(batch):
                raise StoreError(
                    f"{self._where}: it took {taken} of {len(batch)} documents of a batch. Stored are {done} of {len(documents)}."
                )

    def _named(self, ids: Sequence[str]) -> list[str]:
        """The ids that Pinecone can know, each once."""
        return [name for name in dict.fromkeys(ids) if _fit(name)]

    def _fields(self, document: Document) -> dict[str, Any]:
        if not _fit(document.id):
            raise UsageError(
                f"document {document.id!r}: a Pinecone id has 1 to 512 ASCII characters and no NUL."
            )
        return self._names.fields(document)


def _size(record: Any) -> int:
    """Bytes of a record on the wire, and a little for what stands between two."""
    return len(json.dumps(record)) + 2


def _fit(name: str) -> bool:
    return 0 < len(name) <= 512 and name.isascii() and "\x00" not in name
