"""Passages to ask about: cut from the texts, drawn by lot document by document, and recognised again later."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from gapless.records.labelled_query import LabelledQuery, Passage
from gapless.retrievers.chunking import recursive

SIZE = 150
"""Words of a passage, at most."""
_LEAST = 15
Standing = Literal["unknown", "stands", "changed", "gone"]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """One passage of one text."""

    document: str
    text: str

    @property
    def key(self) -> str:
        """What it is known by: the digest of its words and of where it stands."""
        return digest([self.document, *self.text.split()])


def digest(words: Iterable[str]) -> str:
    """Sixteen hexadecimal digits of SHA-256 over words, the white space between them aside."""
    return hashlib.sha256("\n".join(words).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def excerpts(texts: Mapping[str, str], size: int = SIZE) -> list[Excerpt]:
    """All passages of all texts, in order."""
    return [Excerpt(name, one.text) for name, text in texts.items() for one in recursive(text, size)]


def by_lot(cut: Sequence[Excerpt], seed: int = 0) -> Iterator[Excerpt]:
    """The passages that say enough to be asked about, in a random order in which every document had its turn before any
    has its second: however many are taken, long documents get no more of them than short ones.

    Args:
        cut: All passages.
        seed: Of the lot.

    Example:
        >>> cut = [Excerpt(name, "word " * 20 + str(at)) for name in "ab" for at in range(9)]
        >>> sorted(one.document for one in list(by_lot(cut))[:4])
        ['a', 'a', 'b', 'b']
    """
    draw = random.Random(seed)
    strata: dict[str, list[Excerpt]] = {}
    for one in cut:
        if len(one.text.split()) >= _LEAST:
            strata.setdefault(one.document, []).append(one)
    order = list(strata.values())
    draw.shuffle(order)
    for stratum in order:
        draw.shuffle(stratum)
    for round_ in zip_longest(*order):
        yield from (one for one in round_ if one is not None)


def remembered(excerpt: str, quote: str) -> Passage:
    """What is kept of a passage, so that a change of it is noticed and a move of it is not.

    Args:
        excerpt: The passage.
        quote: The part of it that is quoted.

    Raises:
        ValueError: The quote does not stand in it.
    """
    words, quoted = excerpt.split(), quote.split()
    at = next(_places(words, quoted), None)
    if at is None:
        raise ValueError(f"the quote does not stand in the passage: {quote[:60]!r}")
    return Passage(digest=digest(words), before=at, after=len(words) - at - len(quoted))


def holds(excerpt: str, quote: str) -> bool:
    """Whether a quote stands in a passage, white space aside."""
    return next(_places(excerpt.split(), quote.split()), None) is not None


def remembered_whole(texts: Mapping[str, str]) -> Passage:
    """What is kept of all texts together, for a question that none of them answers."""
    return Passage(digest=digest(word for name in sorted(texts) for word in texts[name].split()))


def standing(texts: Mapping[str, str], label: LabelledQuery) -> Standing:
    """Whether the passage that a label was made from is still what it was.

    Args:
        texts: Name -> text, as they are now.
        label: A labelled query.

    Returns:
        "stands"; "changed" where words around the quote are others now (for an unanswerable question: any word anywhere);
        "gone" where the quote stands nowhere in its document; "unknown" where the label does not say.
    """
    kept = label.passage
    if kept is None:
        return "unknown"
    if not label.texts:
        return "stands" if remembered_whole(texts).digest == kept.digest else "changed"
    words, quoted = texts.get(label.document, "").split(), label.texts[0].split()
    places = list(_places(words, quoted))
    for at in places:
        window = words[max(0, at - kept.before) : at + len(quoted) + kept.after]
        if digest(window) == kept.digest:
            return "stands"
    return "changed" if places else "gone"


def _places(words: Sequence[str], quoted: Sequence[str]) -> Iterator[int]:
    """Where a run of words begins in another; nowhere for an empty one."""
    if not quoted:
        return
    length, wanted, at = len(quoted), list(quoted), -1
    while True:
        try:
            at = words.index(quoted[0], at + 1)
        except ValueError:
            return
        if list(words[at : at + length]) == wanted:
            yield at
