"""How much of what is relevant a retriever finds, and how far up: as a whole and slice by slice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gapless.gap import ranking
from gapless.gap.ranking import DEPTHS, by_slice, estimates
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
from gapless.probes.context.shares import limits, rate_figure
from gapless.probes.judging import Judged, share_at_least
from gapless.records.estimate import Estimate
from gapless.records.finding import Finding
from gapless.report.wording import count, percent
from gapless.retrievers.base import Document

QUALITY = Card(
    probe="retrieval-quality",
    layer="context",
    title="recall and ranking on labelled queries",
    target="recall@5 of at least 80 %, and no slice whose whole interval lies below",
    source="gapless' own, as in the check recall_at_k",
)
_LEAST, HEADLINE = 0.8, "recall@5"
_SHOWN = ("recall@1", "recall@3", "recall@5", "recall@10", "precision@5", "mrr", "ndcg@10")
SLICED = ("recall@5", "precision@5", "mrr", "ndcg@10")
"""What is shown of each slice, and of each engine."""
_WORST, _MOST_SLICES, _TOO_DEEP = 3, 12, 0.1
Slice = tuple[str, str]
"""Dimension and value."""


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
        rate_figure(
            f"{name}, {key} {value}", rate, f"all slices at once, {count(rate.n_runs, 'query', 'queries')}"
        )
        for key, value in order[:_MOST_SLICES]
        for name in SLICED
        if (rate := slices[name][key, value])
    ]
    whole = share_at_least(HEADLINE, found[HEADLINE], least)
    below = [one for one in order if _is_below(slices[HEADLINE][one], least)]
    said = f"{HEADLINE} is {limits(found[HEADLINE])} over {asked.basis}"
    if below:
        named = [f"{key} {value}, {limits(slices[HEADLINE][key, value])}" for key, value in below[:_WORST]]
        said += f"; below target in {count(len(below), 'slice')}: {'; '.join(named)}"
    held = Judged("warn") if below and whole.status == "ok" else whole
    step = "" if held.status == "ok" else _unknown(subject, asked) or _what_to_do(found, held, bool(below))
    target = QUALITY.target.replace("80 %", percent(least, 0))
    yield QUALITY.held(held, said, figures=tuple(figures), target=target, next_step=step)


def _is_below(rate: Estimate, least: float) -> bool:
    return share_at_least(HEADLINE, rate, least).status == "fail"


def worst_first(rates: Mapping[Slice, Estimate]) -> list[Slice]:
    """Slices by their rate, the lowest first."""
    return sorted(rates, key=lambda one: (rates[one].point or 0.0, one))


def _what_to_do(found: Mapping[str, Estimate], held: Judged, sliced: bool) -> str:
    deep, near = (found[name].point or 0.0 for name in ("recall@10", HEADLINE))
    if sliced and held.status == "warn":
        return (
            "See what the queries of these slices have in common, and label more of them: the others hide it."
        )
    if held.status == "warn":
        return (
            "The interval still holds the target: label more queries, and look at those that it misses now."
        )
    if deep - near > _TOO_DEEP:
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


def answerable(asked: Answers) -> Answers:
    """Those of the answers that belong to queries which something answers.

    Raises:
        ProbeUnavailable: There are none.
    """
    kept = tuple(one for one in asked.answers if one.query.answerable)
    if not kept:
        raise ProbeUnavailable("no labelled query is answerable: recall has nothing to find")
    return Answers(kept, asked.of - len(asked.answers) + len(kept))


def judged_answers(answers: Iterable[Answer]) -> ranking.Judged:
    """A query that failed counts as one that found nothing."""
    kept = list(answers)
    return ranking.judge(
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
