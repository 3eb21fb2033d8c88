"""The documents behind a retriever: how old, whose source is gone, and embedded by which model."""

from __future__ import annotations

import datetime as dt
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gapless.gap.clustered import clustered
from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.context.answers import Found, answers_of, exposed, normalised
from gapless.probes.context.quality import documents_of, rate_figure
from gapless.records.finding import Figure, Finding
from gapless.retrievers.base import Document

FRESH = Card(
    probe="freshness",
    layer="context",
    title="documents are fresh and their sources exist",
    target="none older than its source or than 365 days, none whose source is gone",
    source="the six-layer checklist, layer 3; the days are gapless' own",
)
VECTORS = Card(
    probe="stored-vectors",
    layer="context",
    title="stored vectors are those of the model that embeds queries",
    target="re-embedded samples have a cosine of at least .99 with what is stored",
    source="gapless' own: another version of a model is far below, rounding far above",
)
_DAYS, _SAMPLE, _SAME, _MOST = 365.0, 32, 0.99, 0.1
_SLACK_S = 1.0  # clocks of a file system and a database differ a little
_DATES = ("indexed_at", "updated_at", "modified_at", "last_modified", "modified", "date")
_SOURCES = ("source", "path", "file")


@dataclass(frozen=True, slots=True)
class _Ages:
    """Which of the documents are out of date, by id."""

    dates: dict[str, float]
    """Unix time of each document that has one."""
    sources: dict[str, Path]
    old: set[str]
    behind: set[str]
    """Older than their source."""
    gone: set[str]

    @property
    def stale(self) -> set[str]:
        return self.old | self.behind

    def well(self) -> str:
        """What holds, of that which documents tell."""
        fresh = f"none of {len(self.dates)} stale" if self.dates else "none carries a date"
        there = f"no source of {len(self.sources)} gone" if self.sources else "none names a source"
        return f"{fresh}, {there}"

    def parts(self, days: float) -> list[str]:
        said = (
            (self.old, len(self.dates), f"are older than {days:g} days"),
            (self.behind, len(self.dates), "are older than their source"),
            (self.gone, len(self.sources), "have a source that is gone"),
        )
        return [f"{len(ids)} of {total} {what}, as {min(ids)!r}" for ids, total, what in said if ids]


def freshness(subject: Subject) -> Iterable[Finding]:
    """Share of documents that are stale, and of those whose source is gone: of all that are shown, else of those handed over."""
    seen, where = _seen(subject)
    days = subject.targets.get(FRESH.probe, _DAYS)
    now = _now(subject)
    found = _ages(seen, subject, now - days * 86_400)
    if not found.dates and not found.sources:
        raise ProbeUnavailable(
            f"documents carry no date ({', '.join(_DATES)}) and no source ({', '.join(_SOURCES)})"
        )
    figures = tuple(_age_figures(found, now, where))
    target = FRESH.target.replace("365", f"{days:g}")
    parts = found.parts(days)
    if not parts:
        said = f"{len(seen)} documents {where}: {found.well()}"
        yield FRESH.finding("ok", said, figures=figures, target=target)
        return
    step = "Index these sources anew, and delete what has none; a contract with Fresh(days=...) stops the rest at the handoff."
    severe = len(found.stale) > _MOST * len(found.dates) or len(found.gone) > _MOST * len(found.sources)
    status = "fail" if severe else "warn"
    yield FRESH.finding(status, "; ".join(parts), figures=figures, target=target, next_step=step)


def _ages(seen: list[Found | Document], subject: Subject, oldest: float) -> _Ages:
    dates = {one.id: when for one in seen if (when := _when(one)) is not None}
    sources = {one.id: path for one in seen if (path := _source(one, subject)) is not None}
    gone = {name for name, path in sources.items() if not path.exists()}
    both = (set(sources) & set(dates)) - gone
    behind = {name for name in both if sources[name].stat().st_mtime > dates[name] + _SLACK_S}
    return _Ages(dates, sources, {name for name, when in dates.items() if when < oldest}, behind, gone)


def _age_figures(found: _Ages, now: float, where: str) -> Iterable[Figure]:
    if found.dates:
        rate = clustered([name in found.stale for name in found.dates], list(found.dates))
        yield rate_figure("stale", rate, f"{len(found.dates)} documents with a date, {where}")
        ages = [(now - when) / 86_400 for when in found.dates.values()]
        yield Figure(
            name="age, median",
            value=float(np.median(ages)),
            unit="days",
            low=min(ages),
            high=max(ages),
            spread="youngest and oldest",
        )
    if found.sources:
        rate = clustered([name in found.gone for name in found.sources], list(found.sources))
        yield rate_figure("source is gone", rate, f"{len(found.sources)} documents with a source, {where}")


def _now(subject: Subject) -> float:
    """The clock, or the time that a collection with a calendar of its own shows by `now()`."""
    shown: Any = exposed(subject, "now")
    return time.time() if shown is None else float(shown())


def _seen(subject: Subject) -> tuple[list[Found | Document], str]:
    shown, where = _shown(subject)
    if shown:
        return list(shown), where
    hits = {hit.id: hit for one in answers_of(subject).answers for hit in one.hits}
    return list(hits.values()), "among those handed over"


def _shown(subject: Subject) -> tuple[Sequence[Document | Found], str]:
    """The documents behind the retriever: all, or those that a store too large for that shows by a method `sample()`."""
    sample: Any = exposed(subject, "sample")
    if exposed(subject, "documents") is None and callable(sample):
        return normalised(sample()), "in a sample"
    return documents_of(subject), "in all"


def _when(one: Found | Document) -> float | None:
    fields: dict[str, Any] = dict(one.metadata) | (
        {"indexed_at": one.indexed_at} if one.indexed_at is not None else {}
    )
    for name in _DATES:
        value = fields.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        if isinstance(value, dt.datetime):
            return value.timestamp() if value.tzinfo else value.replace(tzinfo=dt.UTC).timestamp()
        if isinstance(value, str):
            try:
                read = dt.datetime.fromisoformat(value)
            except ValueError:
                continue
            return (read if read.tzinfo else read.replace(tzinfo=dt.UTC)).timestamp()
    return None


def _source(one: Found | Document, subject: Subject) -> Path | None:
    """The file a document was made from; an address elsewhere is not asked."""
    for name in _SOURCES:
        value = one.metadata.get(name)
        if isinstance(value, str) and value and "://" not in value:
            base = subject.queries.parent if subject.queries is not None else Path()
            return base / value
    return None


def stored_vectors(subject: Subject) -> Iterable[Finding]:
    """Embeds a sample of documents anew and compares with the stored vectors, where the retriever shows both."""
    embed, stored = exposed(subject, "embed"), exposed(subject, "vectors")
    documents, _ = _shown(subject)
    if embed is None or stored is None or not documents:
        raise ProbeUnavailable(
            "the retriever does not show its vectors: give it methods documents() or sample(), vectors(ids) and embed(texts)"
        )
    sample = random.Random(0).sample(documents, min(_SAMPLE, len(documents)))
    shown = stored([one.id for one in sample])
    if not len(shown):
        raise ProbeUnavailable("the retriever stores no vectors: it searches by words alone")
    without = [one.id for one in sample if isinstance(shown, Mapping) and one.id not in shown]
    if without:
        said = f"{len(without)} of {len(sample)} documents have no vector, as {without[0]!r}: they are never found by meaning"
        yield VECTORS.finding("fail", said, next_step="Embed these documents, and store their vectors.")
        return
    kept = _rows(shown, [one.id for one in sample])
    anew = np.asarray(embed([one.text for one in sample]), dtype=float)
    figures: tuple[Figure, ...] = (Figure(name="size of stored vectors", value=kept.shape[1]),)
    step = "Embed the collection anew with the model that embeds queries, and store its name and version beside the vectors."
    if kept.shape != anew.shape:
        said = f"stored vectors have {kept.shape[1]} numbers, the model that embeds now gives {anew.shape[1]}"
        yield VECTORS.finding("fail", said, figures=figures, next_step=step)
        return
    norms = np.linalg.norm(kept, axis=1) * np.linalg.norm(anew, axis=1)
    cosines = (kept * anew).sum(axis=1) / np.where(norms > 0, norms, np.nan)
    off = int(np.sum(~(cosines >= _SAME)))
    known = cosines[np.isfinite(cosines)]
    if len(known):
        figures += (
            Figure(
                name="cosine, median",
                value=float(np.median(known)),
                low=float(known.min()),
                high=float(known.max()),
                spread=f"lowest and highest of {len(sample)}",
            ),
        )
    rate = clustered(cosines >= _SAME, [one.id for one in sample])
    figures += (rate_figure("the same", rate, f"a sample of {len(sample)} of {len(documents)} documents"),)
    if not off:
        yield VECTORS.finding(
            "ok",
            f"{len(sample)} of {len(sample)} documents, embedded anew, have the vector that is stored",
            figures=figures,
        )
    else:
        said = f"{off} of {len(sample)} documents, embedded anew, are not where they are stored"
        yield VECTORS.finding("fail", said, figures=figures, next_step=step)


def _rows(found: Any, ids: Sequence[str]) -> np.ndarray[Any, Any]:
    rows: Any = [found[name] for name in ids] if isinstance(found, Mapping) else found
    return np.asarray(rows, dtype=float)
