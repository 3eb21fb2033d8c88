"""How much of what is relevant a retriever finds, and how far up; and whether another way to search does better."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gapless.gap.clustered import clustered, units
from gapless.gap.group_bootstrap import mean_difference
from gapless.gap.ranking import DEPTHS, Judged, by_slice, estimates, judge
from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.context.answers import (
    Answer,
    Answers,
    answers_of,
    ask_all,
    exposed,
    grades,
    named,
    normalised,
)
from gapless.records.estimate import Estimate
from gapless.records.finding import Figure, Finding, Status
from gapless.retrievers.base import Document, Hit
from gapless.retrievers.bm25 import Bm25

QUALITY = Card(
    probe="retrieval-quality",
    layer="context",
    title="recall and ranking on labelled queries",
    target="recall@5 of at least 80 %, by the lower limit",
    source="gapless' own, as in the check recall_at_k",
)
ENGINES = Card(
    probe="engines-compared",
    layer="context",
    title="dense, sparse and hybrid side by side",
    target="no other engine is told apart as better at recall@5",
    source="gapless' own: paired differences, all of them at once",
)
_LEAST, _DEPTH, _HEADLINE = 0.8, 5, "recall@5"
_SHOWN = ("recall@1", "recall@3", "recall@5", "recall@10", "precision@5", "mrr", "ndcg@10")
_WORST = 3
WORDS_ALONE = "plain BM25 over its documents"


def rate_figure(name: str, rate: Estimate, basis: str) -> Figure:
    """A share with its interval, and what it rests on."""
    spread = f"{100 * rate.level:.3g} % interval, {basis}, {rate.n_groups} groups"
    if rate.reason:
        spread += f"; {rate.reason}"
    return Figure(
        name=name, value=rate.point or 0.0, unit="share", low=rate.low, high=rate.high, spread=spread
    )


def against(rate: Estimate, least: float) -> Status:
    """Held against a least share: ok and fail only where the interval says so."""
    if rate.low is not None and rate.low >= least:
        return "ok"
    return "fail" if rate.high is not None and rate.high < least else "warn"


def retrieval_quality(subject: Subject) -> Iterable[Finding]:
    """recall@k, precision@k, MRR and nDCG over the answerable queries, and the slices that are worst off."""
    asked = _answerable(answers_of(subject))
    least = subject.targets.get(QUALITY.probe, _LEAST)
    judged, groups = _judged(asked.answers), [one.query.group for one in asked.answers]
    found = estimates(judged, groups)
    figures = [rate_figure(name, found[name], asked.basis) for name in _SHOWN]
    slices = by_slice(judged.values[_HEADLINE], groups, [one.query.slice for one in asked.answers])
    worst = sorted(slices.items(), key=lambda item: (item[1].point or 0.0, item[0]))[:_WORST]
    figures += [
        rate_figure(f"{_HEADLINE}, {key} {value}", rate, f"all slices at once, {rate.n_runs} queries")
        for (key, value), rate in worst
    ]
    status = against(found[_HEADLINE], least)
    said = f"{_HEADLINE} is {_limits(found[_HEADLINE])} over {asked.basis}"
    if below := [
        f"{key} {value}, {_limits(rate)}" for (key, value), rate in worst if against(rate, least) == "fail"
    ]:
        said += f"; below target in {'; '.join(below)}"
        status = "fail" if status == "fail" else "warn"
    step = "" if status == "ok" else _what_to_do(found, status)
    target = QUALITY.target if least == _LEAST else f"recall@5 of at least {least:.0%}, by the lower limit"
    yield QUALITY.finding(status, said, figures=tuple(figures), target=target, next_step=step)


def _what_to_do(found: dict[str, Estimate], status: Status) -> str:
    deep, near = (found[name].point or 0.0 for name in ("recall@10", _HEADLINE))
    if status == "warn":
        return "The interval holds the target, or a slice misses it: label more queries, there first."
    if deep - near > 0.1:
        return "It is found, but too far down: hand over more passages, or re-rank them."
    return "It is not found at all: see how documents are cut and embedded, and whether words and meaning are fused."


def _limits(rate: Estimate) -> str:
    limits = f" ({rate.low:.1%} to {rate.high:.1%})" if rate.low is not None and rate.high is not None else ""
    return f"{rate.point or 0.0:.1%}{limits}"


def _answerable(asked: Answers) -> Answers:
    kept = tuple(one for one in asked.answers if one.query.answerable)
    if not kept:
        raise ProbeUnavailable("no labelled query is answerable: recall has nothing to find")
    return Answers(kept, asked.of - len(asked.answers) + len(kept))


def _judged(answers: Iterable[Answer]) -> Judged:
    """A query that failed counts as one that found nothing."""
    kept = list(answers)
    return judge(
        {one.query.id: grades(one.query) for one in kept},
        {one.query.id: named(one) for one in kept},
        depths=DEPTHS,
    )


def engines_compared(subject: Subject) -> Iterable[Finding]:
    """The engine in use against each one beside it, on the same queries: paired differences of recall@5, by group."""
    used = _answerable(answers_of(subject))
    others = {
        name: {one.query.id: one for one in answers_of(subject, name).answers} for name in subject.engines
    }
    if (plain := _words_alone(subject, used)) is not None:
        others[WORDS_ALONE] = plain
    if not others:
        raise ProbeUnavailable(
            "nothing stands beside it: give your retriever a method documents(), and plain BM25 over them is held beside it"
        )
    asked = [one for one in used.answers if all(one.query.id in known for known in others.values())]
    if not asked:
        raise ProbeUnavailable("no query was answered by all engines in time")
    table = units([one.query.group for one in asked], weighting="runs")
    own = _judged(asked)
    figures = [
        rate_figure(
            f"{_HEADLINE}, in use", estimates(own, [one.query.group for one in asked])[_HEADLINE], used.basis
        )
    ]
    level = 1 - 0.05 / len(others)
    better: list[str] = []
    for name, known in others.items():
        theirs = _judged([known[one.query.id] for one in asked])
        rates = estimates(theirs, [one.query.group for one in asked])
        figures += [
            rate_figure(f"{measure}, {name}", rates[measure], used.basis) for measure in (_HEADLINE, "mrr")
        ]
        gain = mean_difference(theirs.values[_HEADLINE], own.values[_HEADLINE], table, level=level)
        figures.append(rate_figure(f"{_HEADLINE}, {name} less the one in use", gain, used.basis))
        if gain.low is not None and gain.low > 0:
            better.append(f"{name} by {gain.point:+.1%} ({gain.low:+.1%} to {gain.high:+.1%})")
    if better:
        said = f"better at {_HEADLINE} than the one in use: {'; '.join(better)}"
        step = "Use it, or fuse it with yours (gapless.retrievers.hybrid); then ask again."
        yield ENGINES.finding("warn", said, figures=tuple(figures), next_step=step)
    else:
        said = (
            f"of {len(others)} beside the one in use, none is told apart as better over {len(asked)} queries"
        )
        yield ENGINES.finding("ok", said, figures=tuple(figures))


def _words_alone(subject: Subject, used: Answers) -> dict[str, Answer] | None:
    """Plain word search over the retriever's own documents, where it shows them and nothing else stands beside it."""
    documents = documents_of(subject)
    if subject.engines or not documents:
        return None
    index, depth = Bm25(documents), max(DEPTHS[-1], *(len(one.hits) for one in used.answers))

    def search(query: str) -> list[Hit]:
        return index.search(query, depth)

    asked = ask_all(search, [one.query for one in used.answers], seconds=subject.seconds)
    return {one.query.id: one for one in asked.answers}


def documents_of(subject: Subject) -> list[Document]:
    """The documents behind the retriever, where it shows them by a method `documents()`; else none."""
    shown = exposed(subject, "documents")
    if shown is None:
        return []
    found = normalised(shown() if callable(shown) else shown)
    return [
        Document(id=one.id, text=one.text, indexed_at=one.indexed_at, metadata=one.metadata) for one in found
    ]


def mean_of(values: list[bool], groups: list[str]) -> Estimate:
    """A share of queries, groups as the unit."""
    return clustered(np.asarray(values, dtype=float), units(groups, weighting="runs"))
