"""The report as one HTML file: no script, no request, light and dark, screen and paper."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from gapless.records.calibration import Calibration
from gapless.records.faults import ENDINGS, FaultCell, FaultMatrix
from gapless.records.finding import Checkup
from gapless.records.gap import PSEUDO_EXITS, Gap
from gapless.records.replay import Causes, ReplayDiff
from gapless.records.report import Report
from gapless.records.trend import Trend
from gapless.report import calibration, causal, checkup, faults, replay, trend, wording
from gapless.report.appendix import basis, methods, moment
from gapless.report.headline import opened
from gapless.report.printable import isolated, printable
from gapless.report.quantiles import quantiles
from gapless.report.sections import causes as caused
from gapless.report.sections import order
from gapless.report.svg import curves
from gapless.report.svg import trend as trended
from gapless.report.svg.causes import pairs
from gapless.report.svg.graph import undrawn, workflow
from gapless.report.svg.rates import suspicions, waterfall, whisker


def render(report: Report) -> str:
    """The report as HTML text. Everything from users' data is escaped."""
    return _environment().get_template("report.html.j2").render(**_shown(printable(report)))


def render_faults(matrix: FaultMatrix) -> str:
    """A fault matrix as HTML text."""
    shown = printable(matrix)
    return (
        _environment()
        .get_template("faults.html.j2")
        .render(
            matrix=shown,
            headline=faults.headline(shown),
            by={(cell.fault, cell.step): cell for cell in shown.cells},
            worst=_worst,
            told=faults.told,
            spoken=_spoken,
            marks=faults.MARKS,
            said=faults.SAID,
            endings=[ending for ending in ENDINGS if shown.totals.get(ending)],
            advice=list(faults.advice(shown)),
            next_steps=list(faults.next_steps(shown)),
            notes=list(faults.notes(shown)),
            when=moment(shown.clean.created_at),
        )
    )


def render_causes(found: Causes) -> str:
    """Cause and suspicion as HTML text."""
    shown = printable(found)
    first, *rest = causal.sentences(shown)
    together = caused.interplay(shown)
    return (
        _environment()
        .get_template("causes.html.j2")
        .render(
            causes=shown,
            w=wording,
            first=first,
            rest=" ".join(rest),
            extent=causal.stands_on(shown).rstrip("."),
            tables=[caused.figures(shown), *([together] if together is not None else [])],
            notes=list(caused.notes(shown)),
            **_pictured(shown),
        )
    )


def _pictured(found: Causes | None, *, lead: bool = False) -> dict[str, Any]:
    """What the section on causes draws and says; nothing where nothing was replayed."""
    if found is None:
        return {"pairs": None}
    return {
        "pairs": pairs(found),
        "lead_of_causes": causal.headline(found) if lead else "",
        "notes_on_causes": list(caused.notes(found)) if lead else [],
        "holds_if": caused.HOLDS_IF,
        "level": wording.level(found.verdict_noise),
    }


def render_calibration(made: Calibration) -> str:
    """A calibration as HTML text."""
    shown = printable(made)
    first, _, rest = shown.statement.partition(". ")
    drawn = ((gate.step, curves.reliability(gate.reliability)) for gate in shown.gates)
    return (
        _environment()
        .get_template("calibration.html.j2")
        .render(
            made=shown,
            first=f"{first.rstrip('.')}.",
            rest=rest,
            rows=calibration.ROWS,
            cell=calibration.cell,
            heads=calibration.HEADS[1:],
            qualities=calibration.qualities,
            risk=curves.risk(shown),
            reviews=curves.reviews(shown),
            reliability=[(step, drawing) for step, drawing in drawn if drawing is not None],
            when=moment(shown.made_at),
        )
    )


def render_replay(diff: ReplayDiff) -> str:
    """A replay beside what it replays, as HTML text."""
    shown = printable(diff)
    return (
        _environment()
        .get_template("replay.html.j2")
        .render(diff=shown, r=replay, w=wording, next_steps=list(replay.next_steps(shown)))
    )


def render_checkup(made: Checkup) -> str:
    """A checkup as HTML text."""
    shown = printable(made)
    return (
        _environment()
        .get_template("checkup.html.j2")
        .render(
            made=shown,
            c=checkup,
            layers=list(checkup.by_layer(shown)),
            urgent=checkup.urgent(shown),
            when=moment(shown.created_at),
        )
    )


def render_trend(found: Sequence[Trend]) -> str:
    """Probes over time as HTML text."""
    shown = printable(list(found))
    return (
        _environment()
        .get_template("trend.html.j2")
        .render(trends=shown, t=trend, c=checkup, drawn=trended.drawing, most=trended.MOST)
    )


def _worst(cell: FaultCell) -> str:
    return faults.worst_of(cell) or "none"


def _spoken(cell: FaultCell) -> str:
    ended = [
        f"{cell.endings[ending]} {faults.SAID[ending]}" for ending in ENDINGS if cell.endings.get(ending)
    ]
    return f"{', '.join(ended) or 'no trial can tell'}; silent {faults.share(cell)}"


def _shown(report: Report) -> dict[str, Any]:
    gap, m = report.gap, report.measurement
    first, rest = opened(report)
    judged = gap.success.point is not None
    losses = [e for row in gap.boundaries for e in (row.points.point, row.points.high) if e is not None]
    return _pictured(gap.causes, lead=True) | {
        "report": report,
        "gap": gap,
        "m": m,
        "w": wording,
        "first": first,
        "rest": rest,
        "judged": judged,
        "chances": judged and wording.rivals(gap.boundaries),
        "outcomes": [(name, words) for name, words in wording.OUTCOMES if gap.outcomes.get(name)],
        "waterfall": waterfall(gap),
        "suspicions": None if judged else suspicions(gap),
        "graph": workflow(m.shape, gap),
        "undrawn": undrawn(m.shape),
        "elsewhere": [row for row in gap.boundaries if row.exit in PSEUDO_EXITS and row.points.point],
        "whisker": partial(whisker, most=max(losses, default=0.0)),
        "rates": _rates(gap),
        "timed": quantiles(gap.latencies),
        "on_losses": order.on_losses(
            msgspec.structs.replace(gap, causes=None)
        ),  # drawn, and no table beside it
        "on_outcomes": order.on_outcomes(gap),
        "on_cost": [*order.on_cost(gap), *order.in_depth(gap)],
        "methods": methods(gap),
        "basis": basis(report),
        "when": moment(m.created_at),
        "extent": _extent(report),
        "level": wording.level(gap.success),
        "notes": [*gap.notes, *report.trial_notes],
    }


def _extent(report: Report) -> str:
    """How much was run: cases times trials, or what there is of them where trials are missing."""
    gap, trials = report.gap, report.measurement.trials
    cases, runs = wording.count(gap.n_cases, "case"), wording.count(gap.n_runs, "trial")
    whole = gap.n_runs == gap.n_cases * trials
    return f"{cases} × {wording.count(trials, 'trial')}" if whole and gap.n_runs else f"{cases}, {runs}"


def _rates(gap: Gap) -> list[tuple[str, str, Any]]:
    """(name, what it is, estimate) of the rates that the outcomes add up to."""
    partly = wording.known_so_far(gap) is not None
    success = "ended correct, of all trials" + ("; without a verdict counts as no success" if partly else "")
    rows = [
        ("S, end-to-end success", success, gap.success),
        ("Silent failures", "delivered and wrong, of all trials", gap.silent_failure_rate),
    ]
    if gap.success_other_weighting is not None:
        rows.insert(1, ("S, by trial", "each trial counting the same", gap.success_other_weighting))
    if gap.success.point is None:
        return rows
    delivered = ("Delivered", "an answer came out, right or wrong, of all trials", gap.coverage)
    judged = ("Delivered and judged", "a verdict says right or wrong, of all trials", gap.coverage)
    rows.insert(len(rows) - 1, judged if partly else delivered)
    return [*rows, ("Wrong among delivered", "of the delivered answers with a verdict", gap.selective_risk)]


@cache
def _environment() -> Environment:
    environment = Environment(
        finalize=_isolated,
        loader=PackageLoader("gapless.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["typeset"] = _typeset
    environment.filters["sentence"] = _sentence
    environment.filters["quoted"] = _quoted
    return environment


def _isolated(value: Any) -> Any:
    return isolated(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _typeset(text: str) -> str:
    """Figures set for reading: ranges with a dash, minus signs. Only for text that holds no user's words."""
    return re.sub(r"(?<![\w.])-(?=\d)", "−", re.sub(r"(?<=\d)-(?=\d)", "–", text))


def _quoted(text: str) -> Markup:
    """Escaped, and what stands between backticks as code."""
    parts = isolated(text).split("`")
    if len(parts) % 2 == 0:
        return escape(isolated(text))
    marked = (
        Markup("<code>{}</code>").format(part) if n % 2 else escape(part) for n, part in enumerate(parts)
    )
    return Markup("").join(marked)


def _sentence(text: str) -> str:
    """A sentence set for reading; a user's words in it keep every letter."""
    for plain, fine in _FINE:
        text = plain.sub(fine, text)
    return text


_FINE = [
    (re.compile(r" -> "), " → "),
    (re.compile(r"\b(P|best) - S\b"), "\\1\u00a0−\u00a0S"),
    (re.compile(r"\b([SP]) = (?=[\d>])"), "\\1\u00a0=\u00a0"),
    (re.compile(r"(?<=[\d.]) %"), "\u00a0%"),
    (re.compile(r"(interval \d+\.\d)-(?=\d+\.\d)"), "\\1–\u2060"),
    (re.compile(r"(?<=\()(\d+\.\d)-(?=\d+\.\d\u00a0%\))"), "\\1–\u2060"),
    (re.compile(r"(?<=\()-(?=\d+\.\d to )"), "−"),
]
