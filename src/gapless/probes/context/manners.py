"""How a retriever behaves: does it answer at all, without doubles, does it obey filters, how long does it take."""

from __future__ import annotations

import inspect
import math
from collections import Counter
from collections.abc import Iterable

from gapless.gap.latency import quantile
from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.context.answers import Answer, answered, answers_of, ask
from gapless.probes.context.quality import mean_of, rate_figure
from gapless.records.estimate import Estimate
from gapless.records.finding import Figure, Finding
from gapless.retrievers.labelled import LabelledQuery

ANSWERS = Card(
    probe="retriever-answers",
    layer="context",
    title="every query gets an answer, each document once",
    target="no query that raises, hangs or finds nothing, no document twice in one answer",
    source="the six-layer checklist, layer 3",
)
FILTERS = Card(
    probe="filters",
    layer="context",
    title="filters keep what they should and are not silent",
    target="a filtered query still finds its documents; an unknown field is refused",
    source="the six-layer checklist, layer 3",
)
LATENCY = Card(
    probe="retrieval-latency",
    layer="context",
    title="time per query",
    target="p95 of at most 500 ms",
    source="gapless' own: a loop that looks things up ten times stays within 5 s",
)
_MOST_MS = 500.0
_NOWHERE = "gapless_no_such_field"


def retriever_answers(subject: Subject) -> Iterable[Finding]:
    """Queries that raise, hang, are answered in an unreadable form, find nothing, or hold a document twice."""
    asked = answers_of(subject)
    failed = [one for one in asked.answers if one.problem]
    empty = [one for one in asked.answers if not one.problem and not one.hits and one.query.answerable]
    double = [one for one in asked.answers if _doubles(one)]
    scored = [one for one in asked.answers if not all(math.isfinite(hit.score or 0.0) for hit in one.hits)]
    groups = [one.query.group for one in asked.answers]
    figures = tuple(
        rate_figure(name, mean_of([one in kind for one in asked.answers], groups), asked.basis)
        for name, kind in (
            ("queries that fail", failed),
            ("answerable, and nothing found", empty),
            ("with a document twice", double),
            ("with a score that is no number", scored),
        )
    )
    parts: list[str] = []
    if failed:
        why = Counter(one.problem for one in failed).most_common(1)[0][0]
        parts.append(f"{len(failed)} of {asked.basis} fail: {why}")
    if empty:
        parts.append(f"{len(empty)} answerable queries find nothing, as {_shown(empty[0])}")
    if double:
        parts.append(
            f"{len(double)} answers hold a document twice, as {_shown(double[0])} does {_doubles(double[0])[0]!r}"
        )
    if scored:
        parts.append(f"{len(scored)} answers hold a score that is NaN or infinite, as {_shown(scored[0])}")
    if not parts:
        yield ANSWERS.finding("ok", f"{asked.basis} are answered, each document once", figures=figures)
        return
    status = "fail" if failed or len(empty) == len(asked.answers) else "warn"
    step = (
        "Nothing was answered: ask it one of the queries by hand in Python, and read the traceback."
        if len(failed) == len(asked.answers)
        else "Let the step raise what it cannot do, and retry it under a contract; an empty answer must not pass for a whole one."
        if failed or empty
        else "Drop doubles before they are handed over: each takes the place of another document."
        if double
        else "Mend the score (a division by zero, an empty text that was embedded): nothing can be ranked or gated by it."
    )
    yield ANSWERS.finding(status, "; ".join(parts), figures=figures, next_step=step)


def _doubles(answer: Answer) -> list[str]:
    return [name for name, times in Counter(hit.id for hit in answer.hits).items() if times > 1]


def _shown(answer: Answer) -> str:
    return repr(answer.query.query[:60])


def filters(subject: Subject) -> Iterable[Finding]:
    """Queries with a filter: silently nothing, or documents that the filter excludes; and a filter on a field there is none of."""
    asked = [one for one in answers_of(subject).answers if one.query.filter]
    retrieve = subject.retrieve
    if retrieve is None or not asked:
        raise ProbeUnavailable('no labelled query has a filter: add `"filter": {"supplier": "acme"}` to some')
    if not _takes_filter(subject):
        raise ProbeUnavailable("the retriever takes no `filter`: it is a function of the query alone")
    answered(subject)
    silent = [one for one in asked if not one.problem and not one.hits and one.query.answerable]
    outside = [one for one in asked if any(_excluded(one.query, dict(hit.metadata)) for hit in one.hits)]
    first = asked[0].query
    odd = ask(
        retrieve,
        LabelledQuery(id="unknown-field", query=first.query, answerable=False, filter={_NOWHERE: "x"}),
    )
    groups = [one.query.group for one in asked]
    figures = (
        rate_figure(
            "silently nothing",
            mean_of([one in silent for one in asked], groups),
            f"{len(asked)} queries with a filter",
        ),
        rate_figure(
            "documents outside of it",
            mean_of([one in outside for one in asked], groups),
            f"{len(asked)} queries with a filter",
        ),
    )
    parts: list[str] = []
    if silent:
        parts.append(
            f"{len(silent)} of {len(asked)} filtered queries silently find nothing, as {_shown(silent[0])} with {silent[0].query.filter}"
        )
    if outside:
        parts.append(f"{len(outside)} of {len(asked)} hand over documents that the filter excludes")
    if not odd.problem:
        what = f"{len(odd.hits)} documents" if odd.hits else "nothing"
        parts.append(f"a filter on a field that does not exist is not refused: it finds {what}")
    if not parts:
        obeyed = any(_shows(one.query, dict(hit.metadata)) for one in asked for hit in one.hits)
        said = f"{len(asked)} filtered queries find what they should, and an unknown field is refused"
        if not obeyed:
            said = f"{len(asked)} filtered queries find something, and an unknown field is refused; whether the filter was obeyed cannot be seen: documents do not show its fields"
        yield FILTERS.finding("ok", said, figures=figures)
        return
    step = "Compare the filter's field and value with what is stored (spelling, type, case); refuse unknown fields instead of matching none."
    yield FILTERS.finding(
        "fail" if silent or outside else "warn", "; ".join(parts), figures=figures, next_step=step
    )


def _takes_filter(subject: Subject) -> bool:
    try:
        known = inspect.signature(subject.retrieve).parameters if subject.retrieve is not None else {}
    except (TypeError, ValueError):  # a builtin without a signature: asking it shows
        return True
    return "filter" in known or any(one.kind is one.VAR_KEYWORD for one in known.values())


def _shows(query: LabelledQuery, metadata: dict[str, object]) -> bool:
    return any(key in metadata for key in query.filter)


def _excluded(query: LabelledQuery, metadata: dict[str, object]) -> bool:
    return any(key in metadata and metadata[key] != value for key, value in query.filter.items())


def retrieval_latency(subject: Subject) -> Iterable[Finding]:
    """p50 and p95 of one query after the other, by nearest rank, with distribution-free limits; what raised took no time worth telling."""
    asked = answers_of(subject)
    timed = sorted(one.ms for one in asked.answers if one.hung or not one.problem)
    if not timed:
        raise ProbeUnavailable("no query was answered")
    cut = range(
        len(timed) - sum(one.hung for one in asked.answers), len(timed)
    )  # the longest, and longer still
    most = subject.targets.get(LATENCY.probe, _MOST_MS)
    half, tail = (quantile(timed, q, cut=cut) for q in (0.5, 0.95))
    figures = [_time("p50", half)] if half.point is not None else []
    figures.append(
        _time("p95", tail) if tail.point is not None else Figure(name="slowest", value=timed[-1], unit="ms")
    )
    worst = figures[-1]
    said = (
        ", ".join(f"{one.name} {one.value:.3g} ms" for one in figures)
        + f" over {len(timed)} queries, one after the other"
    )
    if tail.point is None:
        said += f" (p95 is not estimable from {len(timed)})"
    target = f"p95 of at most {most:g} ms"
    if worst.value <= most:
        yield LATENCY.finding("ok", said, figures=tuple(figures), target=target)
        return
    step = "Look at CPU pressure first (gapless checkup hardware), then at an approximate index, and at what embeds the query."
    sure = (tail.low is not None and tail.low > most) or timed[len(timed) // 2] > most
    yield LATENCY.finding(
        "fail" if sure else "warn", said, figures=tuple(figures), target=target, next_step=step
    )


def _time(name: str, found: Estimate) -> Figure:
    spread = f"95 % interval, n={found.n_runs}"
    return Figure(
        name=name, value=found.point or 0.0, unit="ms", low=found.low, high=found.high, spread=spread
    )
