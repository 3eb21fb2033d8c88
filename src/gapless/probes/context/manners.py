"""How a retriever behaves: does it answer at all, without doubles, does it obey filters, how long does it take."""

from __future__ import annotations

import inspect
import math
from collections import Counter
from collections.abc import Iterable, Sequence

from gapless.gap.latency import quantile, ranks
from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.context.answers import MOST_HUNG, Answer, answered, answers_of, ask, queries_of
from gapless.probes.context.shares import mean_of, rate_figure
from gapless.probes.judging import Judged, at_most, quantile_at_most
from gapless.records.estimate import Estimate
from gapless.records.finding import Figure, Finding
from gapless.report.wording import amount, count
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
_MOST_MS, _QUANTILES = 500.0, (0.5, 0.75, 0.9, 0.95)
_SLOW = "Look at CPU pressure first (gapless checkup hardware), then at an approximate index, and at what embeds the query."
_NONE = "Nothing was answered: ask it one of the queries by hand in Python, and read the traceback."
_SOME = "Let the step raise what it cannot do, and retry it under a contract; an empty answer must not pass for a whole one."
_TWICE = "Drop doubles before they are handed over: each takes the place of another document."
_ODD_SCORES = "Mend the score (a division by zero, an empty text that was embedded): nothing can be ranked or gated by it."
_COMPARE = "Compare the filter's field and value with what is stored (spelling, type, case); refuse unknown fields instead of matching none."
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
    n = len(asked.answers)
    parts: list[str] = []
    if failed:
        why = Counter(one.problem for one in failed).most_common(1)[0][0]
        parts.append(f"{len(failed)} of {_queries(n)} fail: {why}")
    if empty:
        parts.append(
            f"{len(empty)} of {_queries(n)} should find something and find nothing, as {_shown(empty[0])}"
        )
    if double:
        parts.append(
            f"{count(len(double), 'answer')} with a document twice, as {_shown(double[0])} with {_doubles(double[0])[0]!r}"
        )
    if scored:
        parts.append(
            f"{count(len(scored), 'answer')} with a score that is NaN or infinite, as {_shown(scored[0])}"
        )
    said = "; ".join(parts) or f"{_queries(n)} {'is' if n == 1 else 'are'} answered, each document once"
    if n < asked.of:
        why = "three did not end" if sum(one.hung for one in asked.answers) == MOST_HUNG else "time ran out"
        said += f"; {asked.of - n} more were not asked, for {why}"
    if not parts:
        yield ANSWERS.held(Judged("ok", _unasked(n, asked.of)), said, figures=figures)
        return
    blind = empty and len(empty) == sum(one.query.answerable for one in asked.answers)
    status = "fail" if failed or blind else "warn"
    step = _NONE if len(failed) == n else _SOME if failed or empty else _TWICE if double else _ODD_SCORES
    yield ANSWERS.finding(status, said, figures=figures, next_step=step)


def _unasked(n: int, of: int) -> str:
    """What is open where time ran out before all queries were asked, and what would show it."""
    return f"{of - n} of {_queries(of)} were not asked: more time (--seconds) would show it" if n < of else ""


def _queries(n: int) -> str:
    return count(n, "query", "queries")


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
    failed = [one for one in asked if one.problem]
    silent = [one for one in asked if not one.problem and not one.hits and one.query.answerable]
    outside = [one for one in asked if any(_excluded(one.query, dict(hit.metadata)) for hit in one.hits)]
    odd = ask(retrieve, _odd_query(asked[0].query))
    groups, n = [one.query.group for one in asked], len(asked)
    figures = tuple(
        rate_figure(name, mean_of([one in kind for one in asked], groups), f"{_queries(n)} with a filter")
        for name, kind in (
            ("that fail", failed),
            ("silently nothing", silent),
            ("documents outside of it", outside),
        )
    )
    parts: list[str] = []
    if failed:
        parts.append(f"{len(failed)} of {_filtered(n)} fail: {failed[0].problem}")
    if silent:
        parts.append(
            f"{len(silent)} of {_filtered(n)} silently find nothing, as {_shown(silent[0])} with {silent[0].query.filter}"
        )
    if outside:
        parts.append(f"{len(outside)} of {_filtered(n)} hand over documents that the filter excludes")
    if odd.hung:
        parts.append("a filter on a field that does not exist is not refused: it does not end")
    elif not odd.problem:
        what = count(len(odd.hits), "document") if odd.hits else "nothing"
        parts.append(f"a filter on a field that does not exist is not refused: it finds {what}")
    if parts:
        status = "fail" if failed or silent or outside else "warn"
        yield FILTERS.finding(status, "; ".join(parts), figures=figures, next_step=_COMPARE)
        return
    refused = f"an unknown field is refused ({odd.problem.partition(':')[0]})"
    if any(_shows(one.query, dict(hit.metadata)) for one in asked for hit in one.hits):
        said = f"{_filtered(n)} find what they should, and {refused}"
        undecided = _unasked(n, sum(bool(one.filter) for one in queries_of(subject)))
    else:
        said = f"{_filtered(n)} find something, and {refused}"
        undecided = (
            "whether the filter was obeyed cannot be seen: documents that show its fields would show it"
        )
    yield FILTERS.held(Judged("ok", undecided), said, figures=figures)


def _filtered(n: int) -> str:
    return count(n, "filtered query", "filtered queries")


def _odd_query(one: LabelledQuery) -> LabelledQuery:
    """The same, with a filter on a field that there is none of."""
    return LabelledQuery(id="unknown-field", query=one.query, answerable=False, filter={_NOWHERE: "x"})


def _takes_filter(subject: Subject) -> bool:
    try:
        known = inspect.signature(subject.retrieve).parameters if subject.retrieve is not None else {}
    except (TypeError, ValueError):  # a builtin without a signature: asking it shows
        return True
    return "filter" in known or any(one.kind is one.VAR_KEYWORD for one in known.values())


def _shows(query: LabelledQuery, metadata: dict[str, object]) -> bool:
    return any(key in metadata for key in query.filter)


def _excluded(query: LabelledQuery, metadata: dict[str, object]) -> bool:
    return any(key in metadata and not _has(metadata[key], value) for key, value in query.filter.items())


def _has(held: object, value: object) -> bool:
    """Whether a field has a value: a list has each of its values."""
    return held == value or (isinstance(held, (list, tuple, set)) and value in held)


def retrieval_latency(subject: Subject) -> Iterable[Finding]:
    """Quantiles of one query after the other, by nearest rank, with distribution-free limits; what raised took no time worth telling."""
    asked = answers_of(subject)
    timed = sorted(one.ms for one in asked.answers if one.hung or not one.problem)
    if not timed:
        raise ProbeUnavailable("no query was answered")
    n, hung = len(timed), sum(one.hung for one in asked.answers)
    most = subject.targets.get(LATENCY.probe, _MOST_MS)
    cut = range(n - hung, n)  # the longest, and longer still
    found = {q: quantile(timed, q, cut=cut) for q in _QUANTILES}
    known = [q for q, one in found.items() if one.point is not None]
    figures = [_time(f"p{100 * q:g}", found[q]) for q in known if q in (known[0], known[-1])]
    if not figures:
        figures = [Figure(name="slowest", value=timed[-1], unit="ms")]
        held = at_most(figures[-1], most, needs="more queries")
    elif _tail_is_late(timed, most):
        held = Judged("fail")
    else:
        held = quantile_at_most(found, most)
    said = ", ".join(f"{one.name} {amount(one.value, 'ms')}" for one in figures)
    said += f" over {count(n, 'query', 'queries')}, one after the other"
    said += f"; {hung} did not end" if hung else ""
    target = f"p95 of at most {most:g} ms"
    step = "" if held.status == "ok" else _SLOW
    yield LATENCY.held(held, said, figures=tuple(figures), target=target, next_step=step)


def _tail_is_late(timed: Sequence[float], most: float) -> bool:
    """Whether the lower limit of p95 lies above; it is known from fewer queries than p95 itself."""
    low = ranks(len(timed), _QUANTILES[-1]).low
    return low is not None and timed[low - 1] > most


def _time(name: str, found: Estimate) -> Figure:
    spread = f"95 % interval, n={found.n_runs}"
    return Figure(
        name=name, value=found.point or 0.0, unit="ms", low=found.low, high=found.high, spread=spread
    )
