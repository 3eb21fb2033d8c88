"""Other ways to search the same documents, held beside the one in use: on the same queries, pair by pair, slice by slice."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gapless.gap.clustered import units
from gapless.gap.group_bootstrap import mean_difference
from gapless.gap.ranking import DEPTHS, by_slice, estimates
from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.context.answers import Answer, Answers, answered, answers_of, ask_all
from gapless.probes.context.quality import (
    HEADLINE,
    SLICED,
    answerable,
    documents_of,
    judged_answers,
    worst_first,
)
from gapless.probes.context.shares import rate_figure
from gapless.probes.judging import Judged, at_most, together
from gapless.records.estimate import Estimate
from gapless.records.finding import Figure, Finding
from gapless.report.wording import count, listed, points
from gapless.retrievers.base import Hit
from gapless.retrievers.bm25 import Bm25

ENGINES = Card(
    probe="engines-compared",
    layer="context",
    title="dense, sparse and hybrid side by side",
    target="no other engine is better at recall@5 by more than 5 points, and in no slice is one shown to be",
    source="gapless' own: paired differences, all of them at once",
)
WORDS_ALONE = "plain BM25 over its documents"
USED = "in use"
_MOST_SLICES, _MARGIN = 6, 0.05
_USE_IT = "Use it, or fuse it with yours (gapless.retrievers.hybrid); then ask again."
_LOOK = "Label more queries before you change engines: these do not yet tell the two apart."
_BIASED = "Do not act on this yet: put the questions into the words of those who ask (gapless label --queries), then ask again."
Slice = tuple[str, str]
"""Dimension and value."""


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Engines on the same queries."""

    rates: Mapping[str, Mapping[str, Estimate]]
    """Engine -> measure ("recall@5", "precision@5", "mrr", "ndcg@10", ...) -> its mean over the queries."""
    slices: Mapping[str, Mapping[str, Mapping[Slice, Estimate]]]
    """Engine -> measure -> slice -> the same there; the limits of one engine's measure hold for all slices at once."""
    gains: Mapping[str, Estimate]
    """Engine -> its recall@5 less that of the one in use, query by query; limits hold for all engines at once."""
    sliced_gains: Mapping[tuple[str, Slice], Estimate]
    """The same within a slice; limits hold for all engines and slices at once."""
    queries: int


def side_by_side(answers: Mapping[str, Sequence[Answer]], used: str = USED) -> SideBySide:
    """Holds engines beside the one in use.

    Args:
        answers: Engine -> its answers to the same answerable queries, in the same order.
        used: Name of the one in use.

    Raises:
        MissingExtra: ir-measures is not installed.
    """
    first = answers[used]
    groups = [one.query.group for one in first]
    filed = [one.query.slice for one in first]
    judged = {name: judged_answers(given) for name, given in answers.items()}
    own = judged[used].values[HEADLINE]
    others = [name for name in answers if name != used]
    table = units(groups, weighting="runs")
    level = 1 - 0.05 / max(1, len(others))
    slices = {
        name: {measure: by_slice(values, groups, filed) for measure, values in found.values.items()}
        for name, found in judged.items()
    }
    keys = list(slices[used][HEADLINE])
    within = 1 - 0.05 / max(1, len(others) * len(keys))
    sliced: dict[tuple[str, Slice], Estimate] = {}
    for key, value in keys:
        rows = [at for at, one in enumerate(filed) if one.get(key) == value]
        part = units([groups[at] for at in rows], weighting="runs")
        for name in others:
            theirs = judged[name].values[HEADLINE]
            sliced[name, (key, value)] = mean_difference(theirs[rows], own[rows], part, level=within)
    return SideBySide(
        rates={name: estimates(found, groups) for name, found in judged.items()},
        slices=slices,
        gains={
            name: mean_difference(judged[name].values[HEADLINE], own, table, level=level) for name in others
        },
        sliced_gains=sliced,
        queries=len(first),
    )


def engines_compared(subject: Subject) -> Iterable[Finding]:
    """The engine in use against each one beside it, on the same queries: paired differences of recall@5, by group."""
    used = answerable(answered(subject))
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
    answers = {USED: asked} | {name: [known[one.query.id] for one in asked] for name, known in others.items()}
    found = side_by_side(answers)
    held = {name: _held(name, gain) for name, gain in found.gains.items()}
    better = [
        f"{name} by {points(gain)}" for name, gain in found.gains.items() if held[name].status == "warn"
    ]
    there = [
        f"{name} by {points(gain)} in {key} {value}"
        for (name, (key, value)), gain in found.sliced_gains.items()
        if _surely(gain)
    ]
    whole = together(*held.values())
    judged = Judged("warn") if there else whole
    if judged.status == "warn":
        said = f"better at {HEADLINE} than the one in use: {'; '.join([*better, *there])}"
    else:
        said = f"beside the one in use: {listed(list(others))}; none is better at {HEADLINE} by more than {_MARGIN * 100:g} points"
    lexical = sum(one.query.lexical for one in asked)
    said += f", over {count(len(asked), 'query', 'queries')}"
    if lexical:
        said += f"; {lexical} of them ask in the words of their passage, which is kind to word search"
    step = ""
    if judged.status == "warn":
        sure = there or any(map(_surely, found.gains.values()))
        step = _BIASED if 2 * lexical > len(asked) else _USE_IT if sure else _LOOK
    yield ENGINES.held(judged, said, figures=tuple(_figures(found)), next_step=step)


def _held(name: str, gain: Estimate) -> Judged:
    value, low, high = (None if one is None else 100 * one for one in (gain.point, gain.low, gain.high))
    lead = Figure(name=f"the lead of {name}", value=value or 0.0, low=low, high=high, unit="points")
    return at_most(lead, 100 * _MARGIN, missed="warn", needs=_needed(gain))


def _needed(gain: Estimate) -> str:
    """About how many queries would show that a lead is within the margin.

    Limits close in with the root of their number; where no query tells two engines apart, with the number itself.
    """
    room = _MARGIN - (gain.point or 0.0)
    if gain.high is None or room <= 0:
        return "more labelled queries"
    times = (gain.high - (gain.point or 0.0)) / room
    many = math.ceil(gain.n_groups * (times if gain.method == "mover" else times**2))
    return f"about {many:,} {'queries' if gain.n_groups == gain.n_runs else 'independent groups of queries'}"


def _surely(gain: Estimate) -> bool:
    return gain.low is not None and gain.low > _MARGIN


def _figures(found: SideBySide) -> Iterable[Figure]:
    """Each engine as a whole, how they differ, and then the slices, the worst of the one in use first."""
    asked = count(found.queries, "query", "queries")
    for measure in SLICED:
        for name, rates in found.rates.items():
            yield rate_figure(f"{measure}, {name}", rates[measure], asked)
        for name, gain in found.gains.items() if measure == HEADLINE else ():
            yield rate_figure(f"{HEADLINE}, {name} less the one in use", gain, asked)
    for key, value in worst_first(found.slices[USED][HEADLINE])[:_MOST_SLICES]:
        for name, measures in found.slices.items():
            for measure in SLICED:
                rate = measures[measure][key, value]
                basis = f"all slices at once, {count(rate.n_runs, 'query', 'queries')}"
                yield rate_figure(f"{measure}, {name}, {key} {value}", rate, basis)


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
