"""Ways of cutting texts into passages, tried on labelled queries: what is found, how fast, and what each costs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapless.gap.clustered import Units, clustered, units
from gapless.gap.group_bootstrap import mean_difference
from gapless.probes.context.shares import limits
from gapless.records.cost import Prices
from gapless.records.estimate import Estimate
from gapless.records.labelled_query import LabelledQuery
from gapless.report.wording import count
from gapless.retrievers.base import Document, Embedder, Hit, Retriever
from gapless.retrievers.bm25 import Bm25
from gapless.retrievers.chunking import FORMS, Chunk, Form
from gapless.retrievers.dense import Dense
from gapless.retrievers.hybrid import Hybrid

BUDGET, _DEPTH = 500, 50
NEAR = 0.05
"""Recall that a cheaper way may cost, by the upper limit of what it is behind any other."""
SIZES = ((150, 0), (75, 0), (300, 0), (150, 30), (75, 15), (300, 60))
"""Words of a passage, and of the one before that it repeats; the usual size first, for time may run out."""
_WORD = re.compile(r"\S+")
_BYTES_OF_A_NUMBER = 4
_SELF = "document"
"""The one field of a filter that texts have: their name."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a quoted passage stands."""

    name: str
    """Of the text."""
    start: int
    """First character."""
    solid: NDArray[np.bool_]
    """bool array [characters]: whether each is more than white space; what stands between two passages is never read."""


Quote = tuple[Place, ...]
"""A quoted passage, at every place where it stands: reading one of them is enough."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One way of cutting."""

    form: str
    """Name of a way of cutting: fixed, sentence, recursive, semantic, chonkie sentence."""
    size: int
    """Words of a passage, at most; where sentences stay whole, one that is longer is a passage of its own."""
    overlap: int = 0
    """Words repeated of the passage before; where sentences stay whole, at most."""

    def __str__(self) -> str:
        return f"{self.form} {self.size}" + (f", overlap {self.overlap}" if self.overlap else "")


def settings_of(forms: Iterable[str], *, whole: Iterable[str] = ()) -> tuple[Setting, ...]:
    """Every form at every size and overlap, so ordered that each form had its turn before any has its second.

    Args:
        forms: Names of ways of cutting.
        whole: Those of them that repeat nothing.

    Example:
        >>> [str(one) for one in settings_of(["fixed"])][:4]
        ['fixed 150', 'fixed 75', 'fixed 300', 'fixed 150, overlap 30']
    """
    named, without = tuple(forms), frozenset(whole)
    return tuple(
        Setting(form, size, overlap)
        for size, overlap in SIZES
        for form in named
        if not (overlap and form in without)
    )


SETTINGS = settings_of(FORMS)


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one way of cutting."""

    setting: Setting
    recall: Estimate
    """Share of the quoted characters that stand in the passages handed over, read until the budget is full."""
    shares: NDArray[np.float64]
    """float array [queries]: the same of each query."""
    ms: float
    """Median time of a query, in milliseconds."""
    build_s: float
    """Seconds to cut and index everything."""
    chunks: int
    words: int
    """Words stored, repetitions included."""
    bytes: int
    """Of the texts, and of the vectors where there are some."""
    tokens: int | None = None
    """What embedding the passages takes, and cutting them where that embeds too; None where nothing counts tokens."""
    behind: Estimate | None = None
    """By how much it is behind the best, query by query, all settings at once; None for the best itself."""

    @property
    def told_apart(self) -> bool:
        """Whether the interval says that it is worse than the best."""
        return self.behind is not None and self.behind.low is not None and self.behind.low > 0

    @property
    def cost(self) -> tuple[int, int, int]:
        """What ways are ordered by: tokens to embed, else words to index; then bytes, then passages."""
        return (self.words if self.tokens is None else self.tokens, self.bytes, self.chunks)

    def money(self, prices: Prices) -> float | None:
        """What embedding costs once, in the currency of the prices; None without a price or a count of tokens."""
        price = prices.per_million_tokens_embedded
        return None if price is None or self.tokens is None else self.tokens * price / 1e6


@dataclass(frozen=True, slots=True)
class Sweep:
    """All ways that were tried."""

    tried: tuple[Tried, ...]
    """The best first."""
    recommended: Tried
    """The cheapest of those shown to be near the best; the best itself where none is."""
    queries: int
    lost: int
    """Queries left out: a passage that they quote stands in none of the texts, or their filter names no text."""
    budget: int
    best_recall: Estimate
    """Recall of the best, with limits that hold for every way at once (Bonferroni): the best of many looks better than it is."""
    skipped: int = 0
    """Settings there was no time for."""

    @property
    def advice(self) -> str:
        """What to use, and how sure that is."""
        best, chosen = self.tried[0], self.recommended
        if not best.recall.point:
            return f"none of {len(self.tried)} ways of cutting finds anything"
        what = f"{chosen.setting}: recall {limits(chosen.recall)}, {chosen.words:,} words in {chosen.chunks:,} passages"
        if chosen is not best:
            what += f", at most {100 * NEAR:g} points behind the best ({best.setting}), and cheaper"
        others = len(self.tried) - 1
        if not others:
            return f"{what}; nothing was tried beside it"
        alike = sum(not one.told_apart for one in self.tried[1:])
        return f"{what}; the best is told apart from {others - alike} of {count(others, 'other')}"

    @property
    def cheapest_alike(self) -> Tried:
        """The cheapest that is not told apart from the best: which may also mean that there were too few queries."""
        return min((one for one in self.tried if not one.told_apart), key=lambda one: one.cost)


class Metered:
    """An embedder that counts the tokens it is given.

    Args:
        embedder: Embeds; counts where it has a method `count_tokens(texts)`, as the built-in model does.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._count = getattr(embedder, "count_tokens", None)
        self.spent: int | None = 0 if self._count is not None else None

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row per text, each of length 1."""
        if self._count is not None:
            self.spent = (self.spent or 0) + int(self._count(texts))
        return self._embedder.embed(texts)

    def tokens(self, texts: Sequence[str]) -> int | None:
        """How many tokens these texts have; None where the embedder does not say."""
        return None if self._count is None else int(self._count(texts))


def sweep(
    texts: Mapping[str, str],
    queries: Sequence[LabelledQuery],
    *,
    settings: Sequence[Setting] = SETTINGS,
    forms: Mapping[str, Form] = FORMS,
    embedder: Embedder | None = None,
    meter: Metered | None = None,
    budget: int = BUDGET,
    seconds: float = float("inf"),
) -> Sweep:
    """Cuts, indexes and asks, one way after the other.

    Args:
        texts: Name -> text.
        queries: Those of them that quote passages (`texts`) are asked; one with the filter `{"document": name}` is asked
            of that text alone.
        settings: What to try.
        forms: Name in a setting -> way of cutting; yours may stand here too.
        embedder: For hybrid search; word search alone without one.
        meter: Counts tokens, and is what semantic forms embed with, so that their cutting is counted too.
        budget: Words a prompt has room for: passages are read, best first, until it is full.
        seconds: No further setting is tried that would last beyond that; one always is.

    Returns:
        Recommended is the cheapest way whose upper limit behind *every* other is at most `NEAR`, else the best. The limits
        hold at once (Bonferroni over the others), also for a best that is only known after the fact.

    Raises:
        ValueError: No query quotes a passage that stands in the texts.

    Source:
        Hsu 1996, "Multiple Comparisons: Theory and Methods", chapter 4 (comparisons with the best).
    """
    task = _Task.of(texts, queries, budget)
    meter = Metered(embedder) if meter is None and embedder is not None else meter
    begun = longest = time.monotonic()
    longest -= begun
    tried: list[Tried] = []
    for setting in settings:
        at = time.monotonic()
        if tried and at - begun + longest > seconds:
            break
        tried.append(_try(task, setting, forms[setting.form], embedder, meter))
        longest = max(longest, time.monotonic() - at)
    ranked, chosen = _compared(tried, task.table)
    lost = sum(bool(query.texts) for query in queries) - len(task.asked)
    at_once = clustered(ranked[0].shares, task.table, level=1 - 0.05 / len(ranked))
    return Sweep(ranked, chosen, len(task.asked), lost, budget, at_once, len(settings) - len(tried))


def _compared(tried: Sequence[Tried], table: Units) -> tuple[tuple[Tried, ...], Tried]:
    """The best first, each with what it is behind; and the cheapest that is near the best, whichever that be."""
    order = sorted(tried, key=lambda one: (-(one.recall.point or 0.0), one.cost))
    level = 1 - 0.05 / max(1, len(order) - 1)
    best = order[0]
    order[1:] = [
        replace(one, behind=mean_difference(best.shares, one.shares, table, level=level)) for one in order[1:]
    ]

    def near(one: Tried) -> bool:
        for other in order:
            if other is not one:
                high = mean_difference(other.shares, one.shares, table, level=level).high
                if high is None or high > NEAR:
                    return False
        return True

    cheaper = sorted((one for one in order if one.cost < best.cost), key=lambda one: one.cost)
    return tuple(order), next((one for one in cheaper if near(one)), best)


@dataclass(frozen=True, slots=True)
class _Task:
    """What each way of cutting has to do."""

    texts: Mapping[str, str]
    asked: tuple[LabelledQuery, ...]
    wanted: Mapping[str, list[Quote]]
    table: Units
    budget: int

    @classmethod
    def of(cls, texts: Mapping[str, str], queries: Sequence[LabelledQuery], budget: int) -> _Task:
        wanted = {query.id: quotes for query in queries if (quotes := _located(texts, query))}
        asked = tuple(query for query in queries if query.id in wanted)
        if not asked:
            raise ValueError('no query quotes a passage of these texts ("texts": ["..."])')
        return cls(texts, asked, wanted, units([query.group for query in asked], weighting="runs"), budget)


def _located(texts: Mapping[str, str], query: LabelledQuery) -> list[Quote]:
    """Where each quoted passage stands, white space aside: in the document that is named, else in any.

    A query is left out (there are no quotes) whose filter no text could be held against, or one of whose passages stands
    nowhere: what it would find is not known.
    """
    if set(query.filter) - {_SELF}:
        return []
    only = query.filter.get(_SELF, query.document)
    names = [str(only)] if only in texts else list(texts)
    found: list[Quote] = []
    for quote in query.texts:
        pattern = re.compile(r"\s+".join(map(re.escape, quote.split())))
        places = (
            Place(name, match.start(), np.asarray([not sign.isspace() for sign in match[0]]))
            for name in names
            for match in pattern.finditer(texts[name])
        )
        found.append(tuple(places))
    return found if all(found) else []


class _Index:
    """Passages of all texts, searched together, or one text alone where a query says so."""

    def __init__(
        self, cut: Sequence[tuple[str, Chunk]], asked: Sequence[LabelledQuery], embedder: Any
    ) -> None:
        self.cut = cut
        scopes = dict.fromkeys(query.filter.get(_SELF) for query in asked)
        self._engines: dict[Any, Retriever] = {scope: self._engine(scope, embedder) for scope in scopes}

    def _engine(self, scope: Any, embedder: Embedder | None) -> Retriever:
        documents = [
            Document(id=str(at), text=one.text)
            for at, (name, one) in enumerate(self.cut)
            if scope is None or name == scope
        ]
        words = Bm25(documents)
        return words if embedder is None else Hybrid({"sparse": words, "dense": Dense(documents, embedder)})

    def search(self, query: LabelledQuery, depth: int = _DEPTH) -> list[Hit]:
        return self._engines[query.filter.get(_SELF)].search(query.query, depth)

    def read(self, query: LabelledQuery, budget: int) -> list[tuple[str, Chunk]]:
        """The passages that fill the budget, best first; short ones need a deeper search than is timed."""
        hits = self.search(query)
        if len(hits) == _DEPTH and sum(len(hit.text.split()) for hit in hits) < budget:
            hits = self.search(query, budget)  # no passage is without a word
        return [self.cut[int(hit.id)] for hit in hits]


def _try(
    task: _Task, setting: Setting, form: Form, embedder: Embedder | None, meter: Metered | None
) -> Tried:
    begun = time.perf_counter()
    spent = meter.spent if meter is not None else None
    cut = [
        (name, one) for name, text in task.texts.items() for one in form(text, setting.size, setting.overlap)
    ]
    cutting = (meter.spent or 0) - (spent or 0) if meter is not None else 0
    index = _Index(cut, task.asked, embedder)
    built = time.perf_counter() - begun
    shares, times = np.zeros(len(task.asked)), np.zeros(len(task.asked))
    for at, query in enumerate(task.asked):
        begun = time.perf_counter()
        index.search(query)
        times[at] = (time.perf_counter() - begun) * 1e3
        shares[at] = _covered(task.wanted[query.id], index.read(query, task.budget), task.budget)
    numbers = embedder.embed(["size"]).shape[1] if embedder is not None else 0
    counted = meter.tokens([one.text for _, one in cut]) if meter is not None else None
    return Tried(
        setting,
        clustered(shares, task.table),
        shares,
        ms=float(np.median(times)),
        build_s=built,
        chunks=len(cut),
        words=sum(len(one.text.split()) for _, one in cut),
        bytes=sum(len(one.text.encode()) + numbers * _BYTES_OF_A_NUMBER for _, one in cut),
        tokens=None if counted is None else counted + cutting,
    )


def _covered(wanted: Sequence[Quote], handed: Iterable[tuple[str, Chunk]], budget: int) -> float:
    """Share of the quoted characters in the first words that fit into the budget; the last passage is cut off there.

    A quote that a border cuts through counts by its characters: both pieces have to be read to see the whole of it, and
    what two passages repeat is seen once. Of a quote that stands in several places the one counts that is read most.
    """
    room, read = budget, list[tuple[str, int, int]]()
    for name, chunk in handed:
        if room < 1:
            break
        fitting = list(islice(_WORD.finditer(chunk.text), room))
        room -= len(fitting)
        if fitting:
            read.append((name, chunk.start, chunk.start + fitting[-1].end()))
    seen = sum(max(_seen(place, read) for place in quote) for quote in wanted)
    return seen / sum(int(quote[0].solid.sum()) for quote in wanted)


def _seen(place: Place, read: Sequence[tuple[str, int, int]]) -> int:
    """How many characters of a quoted passage were read."""
    hit = np.zeros(len(place.solid), dtype=bool)
    for name, first, last in read:
        if name == place.name:
            hit[max(0, first - place.start) : max(0, last - place.start)] = True
    return int((hit & place.solid).sum())
