"""The report as Markdown, for a pull request, an issue or a wiki: tables only, no picture, no request."""

from __future__ import annotations

from collections.abc import Iterator

from gapless.records.gap import BoundaryRow, Gap, SuspectedRow
from gapless.records.report import Report
from gapless.report.appendix import basis, methods, moment
from gapless.report.headline import opened
from gapless.report.marked import block, code, prose, table
from gapless.report.printable import printable
from gapless.report.quantiles import quantiles
from gapless.report.sections import order
from gapless.report.sections.base import Section
from gapless.report.svg.rates import waterfall
from gapless.report.wording import (
    NO_WIDTH,
    OUTCOMES,
    PSEUDO_EXITS_MEAN,
    between,
    count,
    fired,
    known_so_far,
    largest,
    latency,
    layer,
    level,
    number,
    percent,
    place,
    rate,
    repaired,
    rivals,
    shortened,
    untold,
    weighted,
)

_RECEIVERS = 6


def render(report: Report) -> str:
    """The report as GitHub-flavoured Markdown. Users' words in it are text, whatever they contain."""
    return "\n\n".join(part for part in _parts(printable(report)) if part) + "\n"


def _parts(report: Report) -> Iterator[str]:
    gap = report.gap
    yield from _headline(report)
    if gap.n_runs:
        yield _outcomes(gap)
        yield from _waterfall(gap)
        yield from _boundaries(gap)
        yield from _plain(order.on_losses(gap))
        yield from _suspected(gap)
        yield from _plain(order.on_outcomes(gap))
        yield from _latencies(gap)
        yield from _plain([*order.on_cost(gap), *order.in_depth(gap)])
    yield from _weather(report)
    yield from _notes(report)
    yield from _next(report)
    yield from _appendix(report)


def _headline(report: Report) -> Iterator[str]:
    m, gap = report.measurement, report.gap
    first, rest = opened(report)
    yield f"## gapless: {prose(first)}"
    if rest:
        yield prose(rest)
    facts = [code(m.target), prose(m.condition), count(gap.n_cases, "case"), count(gap.n_runs, "trial")]
    facts += ["with weather"] if m.weather_table else []
    yield " · ".join(fact for fact in (*facts, moment(m.created_at)) if fact)


def _outcomes(gap: Gap) -> str:
    rows = [
        (
            words,
            str(gap.outcomes[name]),
            rate(gap.outcome_rates[name], n=False) if name in gap.outcome_rates else "",
        )
        for name, words in OUTCOMES
        if gap.outcomes.get(name)
    ]
    said = table(("Outcome", "Trials", f"Rate ({level(gap.success)})"), rows)
    return f"{said}\n\n{why}" if (why := weighted(gap)) else said


def _waterfall(gap: Gap) -> Iterator[str]:
    drawn, split = waterfall(gap), gap.compounding
    if drawn is None:
        return
    yield "### From the steps alone to the whole"
    rows = [(_dressed(row.kind, row.name), row.value) for row in drawn.rows]
    yield table(("", f"Rate or loss ({level(gap.success)})"), rows)
    low, high = split.frechet_low, split.frechet_high
    if split.predicted.point is None:
        yield f"P is not estimable: {prose(split.predicted.reason or '')}."
    elif low is not None and high is not None and high - low >= NO_WIDTH:
        yield (
            f"Between {percent(low)} and {percent(high)} S could lie with no loss between steps at all, however their "
            "failures depend on each other (Fréchet band)."
        )


def _dressed(kind: str, name: str) -> str:
    return code(name) if kind == "step" else f"*{name}*" if kind == "cost" else f"**{name}**"


def _boundaries(gap: Gap) -> Iterator[str]:
    if not gap.boundaries:
        return
    judged = gap.success.point is not None
    yield f"### {'Where it is lost' if judged else 'Loud failures and escalations'}"
    heads = (
        "Boundary",
        "Layer",
        "Points",
        f"{level(gap.success)} interval",
        "Share",
        "Largest in",
        "Silent",
        "Escalated",
        "Loud",
        "Repaired",
    )
    yield table(
        heads,
        [_boundary(row, shared=judged, chances=judged and rivals(gap.boundaries)) for row in gap.boundaries],
        words=2,
    )
    unblamed = known_so_far(gap) is not None
    yield (
        "The first step whose own check failed and stayed failed: where, not yet why. One point is one trial in a hundred"
        + (
            f"; the rows add up to everything that was lost{' or has no verdict' if unblamed else ''}."
            if judged
            else "."
        )
    )
    if doubtful := untold(gap):
        yield prose(doubtful)
    yield "\n".join(_why(row) for row in gap.boundaries if row.reasons or row.examples)


def _boundary(row: BoundaryRow, *, shared: bool, chances: bool) -> tuple[str, ...]:
    return (
        _passage(row) + (f" ({PSEUDO_EXITS_MEAN[row.exit]})" if row.exit in PSEUDO_EXITS_MEAN else ""),
        layer(row.layer, row.layer_guessed),
        number(row.points) or "not estimable",
        between(row.points),
        percent(row.share, 0) if shared and row.share is not None else "",
        largest(row) if chances else "",
        str(row.wrong or ""),
        str(row.escalated or ""),
        str(row.failed or ""),
        repaired(row.repaired, row.first_failures),
    )


def _passage(row: BoundaryRow | SuspectedRow) -> str:
    if not row.receivers:
        return code(row.exit)
    more = [f"{len(row.receivers) - _RECEIVERS} more"] if len(row.receivers) > _RECEIVERS else []
    return f"{code(row.exit)} → {', '.join([*(code(place(name)) for name in row.receivers[:_RECEIVERS]), *more])}"


def _why(row: BoundaryRow) -> str:
    reasons = "; ".join(
        f"{prose(shortened(why, 110))} ({times}×)" for why, times in list(row.reasons.items())[:3]
    )
    seen = f"for example {', '.join(code(name) for name in row.examples)}" if row.examples else ""
    return f"- {code(row.exit)}: {'; '.join(part for part in (reasons, seen) if part)}"


def _suspected(gap: Gap) -> Iterator[str]:
    if not gap.suspected:
        return
    yield "### Suspected, without labels"
    heads = ("Exit", "Layer", "What fired", "For example", f"Trials ({level(gap.suspected[0].rate)})")
    rows = [
        (
            _passage(row),
            layer(row.layer, row.layer_guessed),
            prose(fired(row.checks)),
            ", ".join(code(name) for name in row.examples),
            rate(row.rate, n=False),
        )
        for row in gap.suspected
    ]
    yield table(heads, rows, words=4)
    yield "What share of these is a real loss only labels can tell."


def _plain(sections: list[Section]) -> Iterator[str]:
    for section in sections:
        yield f"### {section.title}"
        names = prose if section.ours else code
        rows = [(names(first), *map(prose, cells)) for first, *cells in section.rows]
        yield table(section.heads, rows)
        yield prose(" ".join(part for part in (section.lead, section.under) if part))


def _latencies(gap: Gap) -> Iterator[str]:
    timed = quantiles(gap.latencies)
    if timed is None:
        return
    yield "### Latency"
    rows = [(code(step), *map(latency, cells), str(n)) for step, cells, n in timed.rows]
    yield table(("Step", *timed.names, "Trials" if timed.names else "Visits"), rows)
    missing = f" {timed.missing}." if timed.missing else ""
    yield f"Of a step's visits, and of whole trials; quantiles of steps do not add up to those of a trial.{missing}"


def _weather(report: Report) -> Iterator[str]:
    if report.measurement.weather_table:
        yield "### Weather"
        faults = report.measurement.weather_table.items()
        yield table(
            ("Fault at step, injected on purpose", "Rate"),
            [(code(name), percent(share)) for name, share in faults],
        )


def _notes(report: Report) -> Iterator[str]:
    notes = [*report.gap.notes, *report.trial_notes]
    if notes:
        yield "### Notes"
        yield "\n".join(f"- {prose(note)}" for note in notes)


def _next(report: Report) -> Iterator[str]:
    if report.next_steps:
        yield "### Next"
    for step in report.next_steps:
        yield prose(step.why)
        yield block(step.command)


def _appendix(report: Report) -> Iterator[str]:
    used = [
        f"- {code(name)}: {meaning}{'. ' if meaning else ''}For: {quantities}."
        for name, meaning, quantities in methods(report.gap)
    ]
    facts = [f"- {name}: {code(value)}" for name, value in basis(report)]
    yield "<details><summary>What this report stands on</summary>"
    yield "\n".join(used)
    yield "\n".join(facts)
    yield "</details>"
