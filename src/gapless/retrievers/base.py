"""What every search engine promises: documents go in, ranked hits come out, ties by the order of the documents."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from gapless.errors import StoreError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Document:
    """One passage that can be found."""

    id: str
    """Unique in its collection."""
    text: str
    indexed_at: float | None = None
    """Unix time in seconds of the version that was indexed; None when unknown."""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Carried into every hit unchanged."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One document that was found."""

    id: str
    score: float
    """Higher is better; comparable only within one answer of one engine."""
    text: str
    ranks: dict[str, int] = field(default_factory=dict[str, int])
    """Arm -> its rank there, from 1; an arm that did not find it is absent."""
    indexed_at: float | None = None
    """As in its document: what a freshness guard reads."""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    explained: str = ""
    """How the engine says it came to the score; empty where it does not say."""


class Retriever(Protocol):
    """A search engine over a fixed collection."""

    def search(self, query: str, k: int) -> list[Hit]:
        """The at most `k` best documents, best first; equal scores keep the order of the documents."""
        ...


class Embedder(Protocol):
    """Turns texts into unit vectors, so that a dot product is the cosine."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row per text, each of length 1."""
        ...


def embedder_of(embedder: Embedder | None) -> Embedder:
    """The embedder that is needed here.

    Raises:
        UsageError: There is none.
    """
    if embedder is None:
        raise UsageError("this store was opened without an embedder: it is searched by words alone.")
    return embedder


@contextmanager
def told_by(where: str, *kinds: type[BaseException]) -> Generator[None]:
    """An error of an engine or a client becomes one of ours, with theirs as its cause.

    Raises:
        StoreError: One of those kinds was raised.
    """
    try:
        yield
    except kinds as error:
        raise StoreError(f"{where}: {type(error).__name__}: {str(error).strip()[:500]}") from error


class SearchStore(Protocol):
    """A collection that changes: what was stored last is what is found. `gapless.testing.search_stores` tests the promise.

    A store whose engine is somebody else's service promises as much as that allows, and says where it is less: changes may be
    found after some seconds; all or none may hold for each batch of a large upsert; what cannot be kept as it is (an odd name
    of a field, a value in a list of mixed kinds) is refused with a UsageError, and never changed.
    """

    def upsert(self, documents: Sequence[Document]) -> None:
        """Stores documents, all of them or none; one whose id is known replaces it. Found from then on.

        Raises:
            UsageError: A document that cannot be kept as it is; nothing is stored.
            StoreError: The engine failed; where it stored some, the message says how many.
        """
        ...

    def delete(self, ids: Sequence[str]) -> int:
        """Forgets documents; unknown ids are left out. Returns how many were forgotten."""
        ...

    def search(self, query: str, k: int = 10, *, filter: Mapping[str, Any] | None = None) -> list[Hit]:  # noqa: A002  the field's usual word
        """The at most `k` best documents, best first.

        Args:
            query: What is looked for.
            k: At most this many hits.
            filter: Field -> value that a document's metadata must have, of the same type; a list has each of its values.

        Raises:
            UsageError: No document has such a field: nothing could match, and silence would pass for an answer.
            StoreError: The engine failed or did not answer in time, or a hit came back without its text.
        """
        ...


def ranked(documents: Sequence[Document], scores: NDArray[np.floating[Any]], k: int, arm: str) -> list[Hit]:
    """The `k` best documents by score.

    Args:
        documents: The collection.
        scores: One score per document, in the same order; NaN is not allowed.
        k: At most this many hits.
        arm: Name under which each hit keeps its rank.

    Returns:
        Hits, best first. The sort is stable, so ties keep the order of the documents on every machine.
    """
    best = (-scores).argsort(kind="stable")[: max(k, 0)]
    return [
        Hit(
            id=documents[at].id,
            score=float(scores[at]),
            text=documents[at].text,
            ranks={arm: rank},
            indexed_at=documents[at].indexed_at,
            metadata=documents[at].metadata,
        )
        for rank, at in enumerate(best.tolist(), start=1)
    ]
