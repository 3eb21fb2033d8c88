"""Search by sentence: a passage scores as its best part, whichever engine ranks the parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gapless.retrievers.base import Document, Hit, Retriever, ranked
from gapless.retrievers.dense import Part, sentences


class Pooled:
    """Ranks documents by the best of their parts; an engine over the parts does the scoring.

    A clause of thirty words in a passage of a hundred and fifty is a fifth of it: a score of the whole passage is mostly about
    something else. For embeddings `Dense(parts=...)` gives the same scores and keeps fewer objects.

    Args:
        documents: The collection.
        engine: Builds the engine over the parts, for instance `Bm25`.
        parts: The texts that are scored; the sentences of every document when None.

    Example:
        >>> from gapless.retrievers.bm25 import Bm25
        >>> long = Document("long", "Parties sign here and there and again. Goods go by ship. " * 9 + "Audit is allowed.")
        >>> other = Document("other", "The audit committee of the buyer and the seller meets in spring, as it always did.")
        >>> Bm25([long, other]).search("audit allowed", 1)[0].id, Pooled([long, other], Bm25).search("audit allowed", 1)[0].id
        ('long', 'long')
    """

    def __init__(
        self,
        documents: Sequence[Document],
        engine: Callable[[Sequence[Document]], Retriever],
        *,
        parts: Sequence[Part] | None = None,
    ) -> None:
        self._documents = tuple(documents)
        self._parts = tuple(sentences_of(documents) if parts is None else parts)
        self._engine = engine([Document(str(at), part.text) for at, part in enumerate(self._parts)])

    def search(self, query: str, k: int) -> list[Hit]:
        """The documents with the best parts; one of which no part was found is absent."""
        import numpy as np

        scores = np.full(len(self._documents), -np.inf)
        for hit in self._engine.search(query, len(self._parts)):
            for owner in self._parts[int(hit.id)].owners:
                scores[owner] = max(scores[owner], hit.score)
        return ranked(self._documents, scores, min(k, int(np.isfinite(scores).sum())), "pooled")


def sentences_of(documents: Sequence[Document]) -> list[Part]:
    """The sentences of each document, each owned by its document alone.

    Example:
        >>> [part.owners for part in sentences_of([Document("a", "One sentence."), Document("b", "Another one.")])]
        [(0,), (1,)]
    """
    return [Part(text, (at,)) for at, document in enumerate(documents) for text in sentences(document.text)]


def windows(text: str, size: int) -> list[str]:
    """A text in pieces of `size` words, without overlap, the last one shorter.

    Example:
        >>> windows("a b c d e", 2)
        ['a b', 'c d', 'e']
    """
    words = text.split()
    return [" ".join(words[at : at + size]) for at in range(0, len(words), size)]


def sentences_across(text: str, size: int) -> list[Part]:
    """The sentences of a text, each owned by all the `windows` of that size which it lies in.

    Example:
        >>> [part.owners for part in sentences_across("a b c d e f g h i. " * 2, 12)]
        [(0,), (0, 1)]
    """
    parts: list[Part] = []
    word = 0
    for sentence in sentences(text):
        last = word + len(sentence.split()) - 1
        parts.append(Part(sentence, tuple(range(word // size, last // size + 1))))
        word = last + 1
    return parts
