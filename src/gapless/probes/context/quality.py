"""How much of what is relevant a retriever finds, and how far up: as a whole and slice by slice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from gapless.gap.clustered import clustered, units
from gapless.gap.ranking import DEPTHS, Judged, by_slice, estimates, judge
from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.context.answers import (
    Answer,
    Answers,
    answered,
    exposed,
    grades,
    named,
    normalised,
)
from gapless.records.estimate import Estimate
from gapless.records.finding import Figure, Finding, Status
from gapless.retrievers.base import Document

QUALITY = Card(
    probe="retrieval-quality",
    layer="context",
    title="recall and ranking on labelled queries",
    target="recall@5 of at least 80 %, by the lower limit",
    source="gapless' own, as in the check recall_at_k",
)
_LEAST, HEADLINE = 0.8, "recall@5"
_SHOWN = ("recall@1", "recall@3", "recall@5", "recall@10", "precision@5", "mrr", "ndcg@10")
SLICED = ("recall@5", "precision@5", "mrr", "ndcg@10")
"""What is shown of each slice, and of each engine."""
_WORST, _MOST_SLICES = 3, 12
Slice = tuple[str, str]
"""Dimension and value."""


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
    asked = answerable(answered(subject))
    least = subject.targets.get(QUALITY.probe, _LEAST)
    judged, groups = judged_answers(asked.answers), [one.query.group for one in asked.answers]
    found = estimates(judged, groups)
    figures = [rate_figure(name, found[name], asked.basis) for name in _SHOWN]
    filed = [one.query.slice for one in asked.answers]
    slices = {name: by_slice(judged.values[name], groups, filed) for name in SLICED}
    order = worst_first(slices[HEADLINE])
    figures += [
        rate_figure(f"{name}, {key} {value}", rate, f"all slices at once, {rate.n_runs} queries")
        for key, value in order[:_MOST_SLICES]
        for name in SLICED
        if (rate := slices[name][key, value])
    ]
    worst = [(one, slices[HEADLINE][one]) for one in order[:_WORST]]
    status = against(found[HEADLINE], least)
    said = f"{HEADLINE} is {_limits(found[HEADLINE])} over {asked.basis}"
    if below := [
        f"{key} {value}, {_limits(rate)}" for (key, value), rate in worst if against(rate, least) == "fail"
    ]:
        said += f"; below target in {'; '.join(below)}"
        status = "fail" if status == "fail" else "warn"
    step = "" if status == "ok" else _unknown(subject, asked) or _what_to_do(found, status)
    target = QUALITY.target if least == _LEAST else f"recall@5 of at least {least:.0%}, by the lower limit"
    yield QUALITY.finding(status, said, figures=tuple(figures), target=target, next_step=step)


def worst_first(rates: Mapping[Slice, Estimate]) -> list[Slice]:
    """Slices by their rate, the lowest first."""
    return sorted(rates, key=lambda one: (rates[one].point or 0.0, one))


def _what_to_do(found: dict[str, Estimate], status: Status) -> str:
    deep, near = (found[name].point or 0.0 for name in ("recall@10", HEADLINE))
    if status == "warn":
        return "The interval holds the target, or a slice misses it: label more queries, there first."
    if deep - near > 0.1:
        return "It is found, but too far down: hand over more passages, or re-rank them."
    return "It is not found at all: see how documents are cut and embedded, and whether words and meaning are fused."


def _unknown(subject: Subject, asked: Answers) -> str:
    """What to do where labels name documents that there are none of; empty where all are known, or nobody can tell."""
    wanted = [name for one in asked.answers for name in one.query.relevant]
    shown = documents_of(subject)
    seen = shown or [hit for one in asked.answers for hit in one.hits]
    ids = [one.id for one in seen]
    known = {*ids, *(str(one.metadata.get("document", "")) for one in seen)}
    lost = [name for name in wanted if name not in known]
    if not lost or not seen or (not shown and len(lost) < len(wanted)):
        return ""
    where = "the store holds" if shown else "any answer holds"
    return (
        f"{len(lost)} of {len(wanted)} ids in `relevant` are of no document that {where}, as {lost[0]!r}; "
        f"theirs look like {ids[0]!r}: mend the labels first."
    )


def _limits(rate: Estimate) -> str:
    limits = f" ({rate.low:.1%} to {rate.high:.1%})" if rate.low is not None and rate.high is not None else ""
    return f"{rate.point or 0.0:.1%}{limits}"


def answerable(asked: Answers) -> Answers:
    """Those of the answers that belong to queries which something answers.

    Raises:
        ProbeUnavailable: There are none.
    """
    kept = tuple(one for one in asked.answers if one.query.answerable)
    if not kept:
        raise ProbeUnavailable("no labelled query is answerable: recall has nothing to find")
    return Answers(kept, asked.of - len(asked.answers) + len(kept))


def judged_answers(answers: Iterable[Answer]) -> Judged:
    """A query that failed counts as one that found nothing."""
    kept = list(answers)
    return judge(
        {one.query.id: grades(one.query) for one in kept},
        {one.query.id: named(one) for one in kept},
        depths=DEPTHS,
    )


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
