"""The documents behind a retriever: how old, whose source is gone, and embedded by which model."""

from __future__ import annotations

import datetime as dt
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.context.answers import Found, answers_of, exposed, need_retriever, normalised
from gapless.probes.context.quality import documents_of
from gapless.probes.context.shares import count_figure, counted, mean_of, rate_figure
from gapless.probes.judging import Judged, share_at_most
from gapless.records.finding import Figure, Finding
from gapless.report.wording import count
from gapless.retrievers.base import Document

FRESH = Card(
    probe="freshness",
    layer="context",
    title="documents are fresh and their sources exist",
    target="none older than its source or than 365 days, none whose source is gone; more than 10 % of them are a failure",
    source="the six-layer checklist, layer 3; the days are gapless' own",
)
VECTORS = Card(
    probe="stored-vectors",
    layer="context",
    title="stored vectors are those of the model that embeds queries",
    target="each of a sample, embedded anew, has a cosine of at least .99 with what is stored",
    source="gapless' own: another version of a model is far below, rounding far above",
)
_DAY_S = 86_400.0
_DAYS, _SAMPLE, _SAME, _MOST = 365.0, 80, 0.99, 0.1
_ANEW = "Embed the collection anew with the model that embeds queries, and store its name and version beside the vectors."
_RENEW = "Index these sources anew, and delete what has none; a contract with Fresh(days=...) stops the rest at the handoff."
_SECONDS = "Store dates as seconds since 1970 or as ISO 8601: by these nothing is ever old."
_ALL = "in all"
_UNITS = (("days", _DAY_S), ("h", 3_600.0), ("s", 1.0))
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
    ahead: set[str]
    """Dated after today: milliseconds taken for seconds, as a rule; nothing of them is known to be fresh."""

    @property
    def stale(self) -> set[str]:
        return self.old | self.behind

    def untold(self, seen: int) -> str:
        """What some documents do not tell, and what would show it; nothing where all tell enough.

        Where none names a source, that is no gap: not every document was made from a file.
        """
        undated, unsourced = seen - len(self.dates), seen - len(self.sources)
        parts = [f"{undated} of {count(seen, 'document')} carry no date"] if undated else []
        parts += [f"{unsourced} of {count(seen, 'document')} name no source"] if 0 < unsourced < seen else []
        return f"{' and '.join(parts)}: with one in each it would show" if parts else ""

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
            (self.ahead, len(self.dates), "are dated in the future (seconds since 1970 were expected)"),
        )
        return [f"{len(ids)} of {total} {what}, as {min(ids)!r}" for ids, total, what in said if ids]


def freshness(subject: Subject) -> Iterable[Finding]:
    """Share of documents that are stale, and of those whose source is gone: of all that are shown, else of those handed over."""
    seen, where = _seen(subject)
    whole = where == _ALL
    days = subject.targets.get(FRESH.probe, _DAYS)
    now = _now(subject)
    found = _ages(seen, subject, now, days)
    if not found.dates and not found.sources:
        raise ProbeUnavailable(
            f"documents carry no date ({', '.join(_DATES)}) and no source ({', '.join(_SOURCES)})"
        )
    shares = _shares(found, whole)
    figures = (*(one.figure for one in shares), *_age_figures(found, now))
    target = FRESH.target.replace("365", f"{days:g}")
    parts = found.parts(days)
    if not parts:
        said = f"{count(len(seen), 'document')} {where}: {found.well()}"
        yield FRESH.held(Judged("ok", found.untold(len(seen))), said, figures=figures, target=target)
        return
    step = _RENEW if found.stale or found.gone else _SECONDS
    status = "fail" if any(one.severe for one in shares) else "warn"
    said = f"{count(len(seen), 'document')} {where}: {'; '.join(parts)}"
    yield FRESH.finding(status, said, figures=figures, target=target, next_step=step)


class _Share(NamedTuple):
    """A share of documents, and whether so many are a failure."""

    figure: Figure
    severe: bool


def _shares(found: _Ages, whole: bool) -> list[_Share]:
    """What is stale and what has lost its source: counted where all are shown, else estimated from those that were seen."""
    kinds = (
        ("stale", found.stale, list(found.dates), "with a date"),
        ("source is gone", found.gone, list(found.sources), "with a source"),
    )
    made: list[_Share] = []
    for name, bad, every, which in kinds:
        if not every:
            continue
        rate = counted(bad, len(every)) if whole else mean_of([one in bad for one in every], every)
        if whole:
            figure = count_figure(name, bad, len(every), "document", f" {which}")
        else:
            figure = rate_figure(name, rate, f"{count(len(every), 'document')} {which}")
        made.append(_Share(figure, share_at_most(name, rate, _MOST).status == "fail"))
    return made


def _ages(seen: Sequence[Found | Document], subject: Subject, now: float, days: float) -> _Ages:
    dates = {one.id: when for one in seen if (when := _when(one)) is not None}
    sources = {one.id: path for one in seen if (path := _source(one, subject)) is not None}
    gone = {name for name, path in sources.items() if not path.exists()}
    both = (set(sources) & set(dates)) - gone
    return _Ages(
        dates=dates,
        sources=sources,
        old={name for name, when in dates.items() if when < now - days * _DAY_S},
        behind={name for name in both if sources[name].stat().st_mtime > dates[name] + _SLACK_S},
        gone=gone,
        ahead={name for name, when in dates.items() if when > now + _DAY_S},
    )


def _age_figures(found: _Ages, now: float) -> Iterable[Figure]:
    """How old documents are, in the unit that fits."""
    ages = [now - when for name, when in found.dates.items() if name not in found.ahead]
    if ages:
        middle = float(np.median(ages))
        unit, size = next((one for one in _UNITS if abs(middle) >= 2 * one[1]), _UNITS[-1])
        low, high = min(ages) / size, max(ages) / size
        spread = "youngest and oldest"
        yield Figure(name="age, median", value=middle / size, unit=unit, low=low, high=high, spread=spread)


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
    return documents_of(subject), _ALL


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
    need_retriever(subject)
    embed, stored = exposed(subject, "embed"), exposed(subject, "vectors")
    documents, where = _shown(subject)
    if embed is None or stored is None or not documents:
        raise ProbeUnavailable(
            "the retriever does not show its vectors: give it methods documents() or sample(), vectors(ids) and embed(texts)"
        )
    sample = random.Random(0).sample(documents, min(_SAMPLE, len(documents)))
    ids = [one.id for one in sample]
    shown: Any = stored(ids)
    if not len(shown):
        raise ProbeUnavailable("the retriever stores no vectors: it searches by words alone")
    if without := [name for name in ids if isinstance(shown, Mapping) and name not in shown]:
        said = f"{len(without)} of {count(len(ids), 'document')} have no vector, as {without[0]!r}: they are never found by meaning"
        yield VECTORS.finding("fail", said, next_step="Embed these documents, and store their vectors.")
        return
    rows: list[Any] = [shown[name] for name in ids] if isinstance(shown, Mapping) else list(shown)
    if len(rows) != len(ids):
        raise ProbeUnavailable(
            f"vectors(ids) gave {len(rows)} rows for {len(ids)} ids: nobody knows whose they are"
        )
    anew = np.asarray(embed([one.text for one in sample]), dtype=float)
    sizes = sorted({len(row) for row in rows})
    if sizes != [anew.shape[1]]:
        stand = " and ".join(map(str, sizes))
        said = f"stored vectors have {stand} numbers, the model that embeds now gives {anew.shape[1]}"
        yield VECTORS.finding("fail", said, next_step=_ANEW)
        return
    yield _compared(
        np.asarray(rows, dtype=float), anew, ids, whole=where == _ALL and len(ids) == len(documents)
    )


def _compared(kept: NDArray[Any], anew: NDArray[Any], ids: Sequence[str], *, whole: bool) -> Finding:
    """Stored vectors against the same texts embedded anew; float arrays [documents, size]."""
    norms = np.linalg.norm(kept, axis=1) * np.linalg.norm(anew, axis=1)
    cosines = (kept * anew).sum(axis=1) / np.where(norms > 0, norms, np.nan)
    same = cosines >= _SAME  # a vector of zeros has no cosine, and is not the same
    moved = [name for name, one in zip(ids, same, strict=True) if not one]
    every = count(len(ids), "document")
    figures = [Figure(name="size of stored vectors", value=kept.shape[1])]
    known = cosines[np.isfinite(cosines)]
    if len(known):
        middle, low, high = float(np.median(known)), float(known.min()), float(known.max())
        spread = f"lowest and highest of {len(known)}"
        figures.append(Figure(name="cosine, median", value=middle, low=low, high=high, spread=spread))
    if whole:
        figures.append(count_figure("not where they are stored", moved, len(ids), "document"))
    else:
        figures.append(
            rate_figure("not where they are stored", mean_of(list(~same), ids), f"a sample of {every}")
        )
    if moved:
        said = f"{len(moved)} of {every}, embedded anew, are not where they are stored, as {moved[0]!r}"
        return VECTORS.finding("fail", said, figures=tuple(figures), next_step=_ANEW)
    said = f"{len(ids)} of {every}, embedded anew, have the vector that is stored"
    return VECTORS.finding("ok", said, figures=tuple(figures))
