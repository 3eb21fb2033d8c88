"""Word search: BM25 with Lucene's idf, in double precision, over lower-case words without stemming or stop list."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gapless.errors import MissingExtra
from gapless.retrievers.base import Document, Hit, ranked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WORD = re.compile(r"[a-z0-9]+")


def words(text: str) -> list[str]:
    """The words BM25 sees: runs of a-z and 0-9 after lower-casing.

    Example:
        >>> words("Cap On Liability: USD 1,000")
        ['cap', 'on', 'liability', 'usd', '1', '000']
    """
    return _WORD.findall(text.lower())


class Bm25:
    """BM25 over a fixed collection, built at once.

    score(q, d) = sum over the words of q, repetitions counted, of ln(1 + (N - df + .5)/(df + .5)) * tf / (tf + k1 (1 - b + b |d|/avg))

    Args:
        documents: The collection.
        k1: How soon repetitions of a word stop counting; 0 and more.
        b: How much long documents are discounted; 0 to 1.

    Source: Kamphuis et al. 2020, "Which BM25 do you mean?", the variant named Lucene (accurate).
    """

    def __init__(self, documents: Sequence[Document], k1: float = 1.2, b: float = 0.75) -> None:
        self._documents = tuple(documents)
        tokens = [words(document.text) for document in documents]
        # bm25s refuses a collection without any word; for us it is a collection in which nothing is found
        self._index = _build(tokens, k1, b) if any(tokens) else None

    def search(self, query: str, k: int) -> list[Hit]:
        """The best documents that share a word with the query."""
        import numpy as np

        scores = self._scores(words(query))
        k = min(k, int(np.sum(scores > 0)))
        return ranked(self._documents, scores, k, "bm25")

    def weighted(self, shares: Mapping[str, float]) -> NDArray[np.float64]:
        """float array [documents]: the scores of a query whose words count `shares` instead of once each.

        Args:
            shares: Word, as `words` gives it -> how much it counts; unknown words find nothing.
        """
        import numpy as np

        scores = np.zeros(len(self._documents))
        for word, share in shares.items():
            scores += share * self._scores([word])
        return scores

    def _scores(self, asked: list[str]) -> NDArray[np.float64]:
        import numpy as np

        known = self._index.get_tokens_ids(asked) if self._index is not None else []
        if not known or self._index is None:
            return np.zeros(len(self._documents))
        return np.asarray(self._index.get_scores_from_ids(known), dtype=np.float64)


def _build(tokens: list[list[str]], k1: float, b: float) -> Any:
    try:
        import bm25s
    except ImportError as error:
        raise MissingExtra("word search (bm25s)", "demo") from error
    vocabulary = {
        word: at for at, word in enumerate(dict.fromkeys(word for words in tokens for word in words))
    }
    ids = [[vocabulary[word] for word in words] for words in tokens]
    # it sets its own logger to DEBUG, which would reach the screen of every program that configures logging
    logging.getLogger("bm25s").setLevel(logging.WARNING)
    # bm25s defaults to single precision, in which near ties change order from one machine to another
    index = bm25s.BM25(k1=k1, b=b, method="lucene", dtype="float64")
    index.index((ids, vocabulary), show_progress=False)
    return index
