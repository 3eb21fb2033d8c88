"""Questions made of a passage's own words, without a model: key phrases that together stand in that passage alone.

They ask in the words of their answer, which is kind to word search: a comparison of engines on them alone is not fair.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gapless.retrievers.chunking import sentence
from gapless.retrievers.labelling.excerpts import Excerpt

_WORD = re.compile(r"\w+", re.UNICODE)
_APART = re.compile(r"[^\w\s'’&/-]+|\n\s*\n")
_STOP = frozenset(
    """a about above accordance after again against all also am among an and any are as at be based because been before being below between
    both but by can could did do does doing down during each either else every few for from further had has have having he
    her here hereby herein hereof hereto hereunder him his how however i if in including into is it its itself just may me might more
    most must my no nor not of off on once only or other otherwise our out over own per provided pursuant put respect said same set shall she should so some such
    than that the their them then there thereby therein thereof these they this those through to too under until up upon
    very was we were what when where whether which while who whom whose why will with within without would you your""".split()
)
_LONGEST, _MOST, _SHARE, _COMMON = 4, 3, 0.2, 5
"""Words of a phrase; phrases of a question; share of all passages from which on a word says nothing, and how many at least."""
_SAME = 0.8
"""Share of a quote's words, and of its runs of three, that make another passage say the same."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and the part of its passage that answers it."""

    question: str
    quote: str = ""
    """Word by word; empty where nothing answers it."""


class Lexicon:
    """Which words stand in which of some passages.

    Args:
        cut: The passages.
    """

    def __init__(self, cut: Sequence[Excerpt]) -> None:
        self._words = [frozenset(_words(one.text)) for one in cut]
        self._cut = tuple(cut)
        self._at: dict[str, list[int]] = {}
        for at, found in enumerate(self._words):
            for word in found:
                self._at.setdefault(word, []).append(at)

    def question(self, excerpt: Excerpt) -> Asked | None:
        """A question that names this passage alone, of the key phrases of its most telling sentence; None where there is none.

        Source:
            Rose, Engel, Cramer and Cowley 2010, "Automatic keyword extraction from individual documents" (RAKE), for the
            phrases: runs of words between stop words and punctuation; weighed here by how rare their words are.
        """
        best: tuple[float, Asked] | None = None
        for one in sentence(excerpt.text, 1):
            phrases = self.phrases(one.text)[:_MOST]
            for many in range(min(2, len(phrases)), len(phrases) + 1):
                kept = phrases[:many]
                if self.holding(" ".join(kept)) != 1:
                    continue
                weight = sum(map(self.weight, kept)) / many
                if best is None or weight > best[0]:
                    best = weight, Asked(f"What is said about {_listed(one.text, kept)}?", one.text)
                break
        return best[1] if best is not None else None

    def unanswerable(self, one: Excerpt, other: Excerpt) -> Asked | None:
        """A question after two things that stand in one document nowhere, each from a passage of its own."""
        for mine in self.phrases(one.text)[:_MOST]:
            for theirs in self.phrases(other.text)[:_MOST]:
                if one.document != other.document and not self._together(mine, theirs):
                    return Asked(f"What is said about {mine} in connection with {theirs}?")
        return None

    def phrases(self, text: str) -> list[str]:
        """Runs of telling words, the rarest first, none with a word of one before."""
        found: dict[str, float] = {}
        for part in _APART.split(text):
            run: list[str] = []
            for token in [*part.split(), ""]:
                if token and self._tells(token):
                    run.append(token)
                elif run:
                    phrase = " ".join(run[:_LONGEST])
                    found[phrase] = self.weight(phrase)
                    run = []
        kept: list[str] = []
        for phrase in sorted(found, key=lambda one: (-found[one], one)):
            if not any(set(_words(phrase)) & set(_words(before)) for before in kept):
                kept.append(phrase)
        return kept

    def weight(self, phrase: str) -> float:
        """Sum of the inverse document frequencies of its words."""
        return sum(
            math.log((len(self._cut) + 1) / (len(self._at.get(word, ())) + 1)) for word in _words(phrase)
        )

    def holding(self, text: str) -> int:
        """In how many passages all of these words stand."""
        return len(self._with(text))

    def repeats(self, excerpt: Excerpt, quote: str) -> list[Excerpt]:
        """Other passages that say nearly the same as a quote from this one: four fifths of its runs of three words.

        Args:
            excerpt: Where the quote is from.
            quote: A part of it.
        """
        words = _words(quote)
        known = Counter(at for word in set(words) for at in self._at.get(word, ()))
        runs = set(zip(words, words[1:], words[2:], strict=False))
        found: list[Excerpt] = []
        for at, shared in known.items():
            other = self._cut[at]
            if other == excerpt or shared < _SAME * len(set(words)):
                continue
            theirs = _words(other.text)
            same = runs & set(zip(theirs, theirs[1:], theirs[2:], strict=False))
            if len(same) >= _SAME * len(runs):
                found.append(other)
        return found

    def _with(self, text: str) -> set[int]:
        sets = [set(self._at.get(word, ())) for word in set(_words(text))]
        return set.intersection(*sets) if sets else set()

    def _together(self, mine: str, theirs: str) -> bool:
        """Whether some document holds both."""
        one, other = ({self._cut[at].document for at in self._with(phrase)} for phrase in (mine, theirs))
        return bool(one & other)

    def _tells(self, token: str) -> bool:
        words = _words(token)
        if (
            not words
            or words[0] in _STOP
            or words[-1].endswith("ly")
            or all(word.isdigit() or len(word) < 3 for word in words)
        ):
            return False
        common = max(_COMMON, _SHARE * len(self._cut))
        return any(len(self._at.get(word, ())) <= common for word in words)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _listed(text: str, phrases: Sequence[str]) -> str:
    """Phrases in the order in which they stand, joined as one says it."""
    flat = " ".join(text.split())
    order = sorted(phrases, key=lambda phrase: flat.find(phrase))
    return f"{', '.join(order[:-1])} and {order[-1]}" if len(order) > 1 else order[0]
