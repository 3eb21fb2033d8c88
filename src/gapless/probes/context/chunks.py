"""Ways of cutting texts into passages, tried on labelled queries: what is found, how fast, how large the index is."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapless.gap.clustered import clustered, units
from gapless.gap.group_bootstrap import mean_difference
from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.context.answers import queries_of
from gapless.probes.context.quality import against, rate_figure
from gapless.records.estimate import Estimate
from gapless.records.finding import Figure, Finding
from gapless.retrievers.base import Document, Embedder, Retriever
from gapless.retrievers.bm25 import Bm25
from gapless.retrievers.chunking import FORMS, Chunk, Form
from gapless.retrievers.dense import Dense
from gapless.retrievers.hybrid import Hybrid
from gapless.retrievers.labelled import LabelledQuery
from gapless.retrievers.texts import read_texts

CARD = Card(
    probe="chunking",
    layer="context",
    title="how texts are cut into passages",
    target="some way of cutting finds at least 80 % of what is quoted within 500 words, by the lower limit",
    source="gapless' own: what a prompt has to read is held equal, so that long passages get no gift",
)
_LEAST, BUDGET, _DEPTH = 0.8, 500, 50
_WORD = re.compile(r"\S+")
NEAR = 0.05
"""Recall that a smaller index may cost, by the upper limit of what it is behind the best."""
_BYTES_OF_A_VECTOR = 4


@dataclass(frozen=True, slots=True)
class Setting:
    """One way of cutting."""

    form: str
    """Name of a way of cutting: fixed, sentence, recursive."""
    size: int
    """Words of a passage, at most."""
    overlap: int = 0
    """Words repeated of the passage before."""

    def __str__(self) -> str:
        return f"{self.form} {self.size}" + (f", overlap {self.overlap}" if self.overlap else "")


SETTINGS = tuple(
    Setting(form, size, overlap) for form in FORMS for size in (75, 150, 300) for overlap in (0, size // 5)
)


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
    """Words stored, repetitions included: what the index costs."""
    bytes: int
    """Of the texts, and of the vectors where there are some."""
    behind: Estimate | None = None
    """By how much it is behind the best, query by query, all settings at once; None for the best itself."""

    @property
    def told_apart(self) -> bool:
        """Whether the interval says that it is worse than the best."""
        return self.behind is not None and self.behind.low is not None and self.behind.low > 0


@dataclass(frozen=True, slots=True)
class Sweep:
    """All ways that were tried."""

    tried: tuple[Tried, ...]
    """The best first."""
    recommended: Tried
    """The smallest index of those shown to be near the best; the best itself where none is."""
    queries: int
    lost: int
    """Queries left out, for their passages stand in none of the texts."""
    budget: int
    skipped: int = 0
    """Settings there was no time for."""

    @property
    def advice(self) -> str:
        """What to use, and how sure that is."""
        best, chosen = self.tried[0], self.recommended
        if not best.recall.point:
            return f"none of {len(self.tried)} ways of cutting finds anything"
        alike = sum(not one.told_apart for one in self.tried[1:])
        what = f"{chosen.setting}: recall {_limits(chosen.recall)}, {chosen.words:,} words in {chosen.chunks:,} passages"
        if chosen is not best:
            what += f", at most {NEAR:.0%} behind the best ({best.setting}), and smaller"
        if not alike:
            return f"{what}; told apart from all others"
        return f"{what}; the best is not told apart from {alike} of {len(self.tried) - 1} others"


def sweep(
    texts: Mapping[str, str],
    queries: Sequence[LabelledQuery],
    *,
    settings: Sequence[Setting] = SETTINGS,
    forms: Mapping[str, Form] = FORMS,
    embedder: Embedder | None = None,
    budget: int = BUDGET,
    seconds: float = float("inf"),
) -> Sweep:
    """Cuts, indexes and asks, one way after the other.

    Args:
        texts: Name -> text.
        queries: Those of them that quote passages (`texts`) are asked.
        settings: What to try.
        forms: Name in a setting -> way of cutting; yours may stand here too.
        embedder: For hybrid search; word search alone without one.
        budget: Words a prompt has room for: passages are read, best first, until it is full.
        seconds: No further setting is tried after that; one always is.

    Raises:
        ValueError: No query quotes a passage that stands in the texts.
    """
    wanted = {query.id: spans for query in queries if query.texts and (spans := _located(texts, query.texts))}
    asked = [query for query in queries if query.id in wanted]
    if not asked:
        raise ValueError('no query quotes a passage of these texts ("texts": ["..."])')
    table = units([query.group for query in asked], weighting="runs")
    begun = time.monotonic()
    tried: list[Tried] = []
    for setting in settings:
        if tried and time.monotonic() - begun > seconds:
            break
        shares, facts = _try(texts, asked, wanted, setting, forms[setting.form], embedder, budget)
        tried.append(Tried(setting, clustered(shares, table), shares, **facts))
    tried.sort(key=lambda one: -(one.recall.point or 0.0))
    level = 1 - 0.05 / max(1, len(tried) - 1)
    best = tried[0]
    tried[1:] = [
        replace(one, behind=mean_difference(best.shares, one.shares, table, level=level)) for one in tried[1:]
    ]
    near = [
        best,
        *(one for one in tried[1:] if one.behind and one.behind.high is not None and one.behind.high <= NEAR),
    ]
    chosen = min(near, key=lambda one: (one.words, one.chunks))
    lost = sum(bool(query.texts) for query in queries) - len(asked)
    return Sweep(tuple(tried), chosen, len(asked), lost, budget, len(settings) - len(tried))


def _located(texts: Mapping[str, str], quotes: Iterable[str]) -> list[tuple[str, int, int]]:
    """Where quoted passages stand, white space aside: name of the text, first character, one past the last."""
    found: list[tuple[str, int, int]] = []
    for quote in quotes:
        pattern = re.compile(r"\s+".join(map(re.escape, quote.split())))
        places = ((name, *match.span()) for name, text in texts.items() if (match := pattern.search(text)))
        found += islice(places, 1)
    return found


def _try(
    texts: Mapping[str, str],
    asked: Sequence[LabelledQuery],
    wanted: Mapping[str, list[tuple[str, int, int]]],
    setting: Setting,
    form: Form,
    embedder: Embedder | None,
    budget: int,
) -> tuple[NDArray[np.float64], dict[str, Any]]:
    begun = time.perf_counter()
    cut = [(name, one) for name, text in texts.items() for one in form(text, setting.size, setting.overlap)]
    documents = [Document(id=str(at), text=one.text) for at, (_, one) in enumerate(cut)]
    engine: Retriever = Bm25(documents)
    if embedder is not None:
        engine = Hybrid({"sparse": engine, "dense": Dense(documents, embedder)})
    built = time.perf_counter() - begun
    shares, times = np.zeros(len(asked)), np.zeros(len(asked))
    for at, query in enumerate(asked):
        begun = time.perf_counter()
        hits = engine.search(query.query, _DEPTH)
        times[at] = (time.perf_counter() - begun) * 1e3
        shares[at] = _covered(wanted[query.id], [cut[int(hit.id)] for hit in hits], budget)
    size = embedder.embed(["size"]).shape[1] * _BYTES_OF_A_VECTOR if embedder is not None else 0
    facts = {
        "ms": float(np.median(times)),
        "build_s": built,
        "chunks": len(cut),
        "words": sum(len(one.text.split()) for _, one in cut),
        "bytes": sum(len(one.text.encode()) + size for _, one in cut),
    }
    return shares, facts


def _covered(wanted: list[tuple[str, int, int]], handed: list[tuple[str, Chunk]], budget: int) -> float:
    """Share of the wanted characters in the first words that fit into the budget; the last passage is cut off there."""
    room, kept = budget, list[tuple[str, int, int]]()
    for name, chunk in handed:
        if room < 1:
            break
        fitting = list(islice(_WORD.finditer(chunk.text), room))
        room -= len(fitting)
        if fitting:
            kept.append((name, chunk.start, chunk.start + fitting[-1].end()))
    seen = total = 0
    for name, start, end in wanted:
        hit = np.zeros(end - start, dtype=bool)
        for other, first, last in kept:
            if other == name:
                hit[max(0, first - start) : max(0, last - start)] = True
        seen += int(hit.sum())
        total += end - start
    return seen / total


def chunking(subject: Subject) -> Iterable[Finding]:
    """The sweep over the folder of texts, by word search."""
    if subject.texts is None:
        raise ProbeUnavailable("no folder of texts is named: gapless checkup context --chunking FOLDER")
    queries = queries_of(subject)
    texts = read_texts(subject.texts)
    try:
        done = sweep(texts, queries, seconds=2 * subject.seconds)
    except ValueError as error:
        raise ProbeUnavailable(str(error)) from error
    least = subject.targets.get(CARD.probe, _LEAST)
    figures = [_figure(one) for one in done.tried]
    figures.append(Figure(name="median time of a query, recommended", value=done.recommended.ms, unit="ms"))
    figures.append(Figure(name="index, recommended", value=done.recommended.bytes / 1e6, unit="MB"))
    said = f"{done.advice} (word search, {done.queries} queries, {done.budget} words read"
    said += f"; {done.lost} left out: what they quote is nowhere" if done.lost else ""
    said += f"; {done.skipped} ways not tried for want of time" if done.skipped else ""
    target = CARD.target.replace("80 %", f"{100 * least:g} %")
    status = against(done.tried[0].recall, least)
    step = (
        ""
        if status == "ok"
        else "No cut finds it by words: add embeddings (sweep(..., embedder=...)), or other wordings of the questions."
    )
    yield CARD.finding(status, f"{said})", figures=tuple(figures), target=target, next_step=step)


def _figure(one: Tried) -> Figure:
    apart = (
        ""
        if one.behind is None
        else ", told apart from the best"
        if one.told_apart
        else ", not told apart from the best"
    )
    return rate_figure(f"{one.setting}", one.recall, f"{one.words:,} words, {one.ms:.2g} ms a query{apart}")


def _limits(rate: Estimate) -> str:
    return f"{rate.point or 0.0:.1%} ({rate.low:.1%} to {rate.high:.1%})"
