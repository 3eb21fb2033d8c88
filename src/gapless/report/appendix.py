"""What a report stands on: the methods that its numbers were really computed with, and where it came from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import msgspec

from gapless.records.estimate import Estimate
from gapless.records.gap import Gap
from gapless.records.report import Report
from gapless.report import wording

METHODS_MEAN: dict[str, str] = {
    "wilson": "Wilson score interval for one rate of independent trials",
    "clopper-pearson": "exact binomial limits (Clopper-Pearson)",
    "jeffreys": "Jeffreys interval for one rate",
    "t-wilson": "Wilson score interval on the effective number of trials, with t quantiles: trials of a case are not independent",
    "korn-graubard": "Clopper-Pearson limits on the effective number of trials (Korn-Graubard): for repeated trials of fewer than 40 "
    "independent units, and for rates within 5 points of 0 or 1. They are wider than Wilson's, which serves where each unit has "
    "one trial, so that a second trial per case can widen an interval below 40 units; more cases narrow it",
    "mover": "limits of a product or difference, recovered from the limits of its parts (MOVER, Zou and Donner 2008)",
    "order statistics": "a quantile between two ordered values, whatever the distribution",
    "clustered ranks": "a quantile between two ordered values, trials of a case counted together",
    "cluster bootstrap": "resampling whole cases",
    "expanded cluster bootstrap": "resampling whole cases, or groups of cases, its percentiles pushed outwards for few of them "
    "(Hesterberg 2015); below ten of them, and within 10 points of 0 or 1, no narrower than Korn-Graubard with each as one case",
    "bonett-price": "interval of a difference of two proportions on the same cases (Bonett and Price 2012)",
    "paired t": "Student's t on the mean differences of cases, or of groups of cases",
    "rogan-gladen": "S corrected for a judge's errors (Rogan and Gladen 1978), its limits recovered from those of S by the judge and of "
    "the judge's two rates on people's labels (Zou and Donner 2008)",
    "t over cases": "Student's t on the values of cases, or of groups of cases",
    "ratio t": "a ratio of sums over groups, linearised, with Student's t (Cochran 1977)",
    "none": "one case or group: no interval can be given",
    "point only": "no interval exists for it",
}
"""Interval methods in plain words; a method without an entry is shown by its name."""
_QUANTITIES = {
    "outcome_rates": "outcomes",
    "success": "S",
    "success_other_weighting": "S",
    "coverage": "delivery rate",
    "silent_failure_rate": "silent failures",
    "selective_risk": "wrong among delivered",
    "components": "steps alone",
    "best": "steps alone",
    "weakest": "steps alone",
    "predicted": "P",
    "article_gap": "best - S",
    "compounding_loss": "cost of length",
    "interaction_loss": "P - S",
    "points": "points per boundary",
    "suspected": "suspicions",
    "suspected_any": "suspicions",
    "latencies": "latencies",
    "slices": "slices",
    "worst_slice": "slices",
    "repeats": "pass^k and pass@k",
    "pass_at_k": "pass^k and pass@k",
    "pass_hat_k": "pass^k and pass@k",
    "shapley": "fair shares",
    "layers": "points per layer",
    "first_attempt": "retries",
    "last_attempt": "retries",
    "repair_rate": "repairs",
    "sensitivity": "the judge",
    "specificity": "the judge",
    "as_judged": "S as judged",
    "corrected": "S corrected",
    "workflow": "S beside the prompt",
    "prompt": "S of the prompt",
    "difference": "workflow minus prompt",
    "costs": "cost",
    "right": "right after review",
    "system": "right with reviewers",
    "share": "causes",
    "verdict_noise": "causes",
    "effect": "golden minus recorded",
    "unseen": "suspicions",
    "interactions": "Shapley values of golden outputs",
}


def methods(gap: Gap) -> list[tuple[str, str, str]]:
    """(method, what it is, what it was used for), of every estimate that has a number."""
    used: dict[str, dict[str, None]] = {}
    for quantity, estimate in _estimates(gap, ""):
        if estimate.method and estimate.point is not None:
            used.setdefault(estimate.method, {}).setdefault(quantity)
    if any(row.p_largest is not None for row in gap.boundaries):
        used.setdefault("cluster bootstrap", {}).setdefault("chances of being the largest")
    return [(name, METHODS_MEAN.get(name, ""), ", ".join(used[name])) for name in sorted(used)]


def _estimates(value: Any, quantity: str) -> Iterator[tuple[str, Estimate]]:
    if isinstance(value, Estimate):
        yield quantity, value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _estimates(getattr(value, name), _QUANTITIES.get(name, quantity))
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _estimates(inner, quantity)
    elif isinstance(value, (tuple, list)):
        for inner in value:
            yield from _estimates(inner, quantity)


def basis(report: Report) -> list[tuple[str, str]]:
    """(fact, value): everything needed to measure and to compute exactly this again."""
    m, gap = report.measurement, report.gap
    facts = [
        ("Measurement", m.id),
        ("Recorded", moment(m.created_at)),
        ("Finished", moment(m.finished_at)),
        ("Recorded by", f"gapless {m.version}" if m.version else ""),
        ("Workflow", m.target),
        ("Workflow fingerprint", m.fingerprint),
        ("Suite", m.suite),
        ("Suite digest", m.suite_digest),
        ("Condition", m.condition),
        ("Weather digest", m.weather or ""),
        ("Seed", str(m.seed)),
        ("Trials per case", str(m.trials)),
        ("End verdicts decided by", _sources(gap)),
        ("Run table digest", report.input_digest),
        ("Independent units", str(gap.n_groups)),
        ("Weighting", f"each {wording.same_weight(gap)} counts the same"),
        ("Intraclass correlation", _correlation(gap.icc)),
        ("Design effect", _figure(gap.design_effect, 2)),
        ("Effective number of trials", _figure(gap.effective_runs, 1)),
        ("Standard error of S", _errors(gap)),
        (
            "Step visits with a verdict",
            "" if gap.verdict_share is None else f"{100 * gap.verdict_share:.1f} %",
        ),
    ]
    return [(name, value) for name, value in facts if value]


def _errors(gap: Gap) -> str:
    if gap.se_clustered is None or gap.success.point is None:
        return ""
    naive = f" ({gap.se_naive:.4f} if all trials were independent)" if gap.se_naive is not None else ""
    return f"{gap.se_clustered:.4f}{naive}"


def _sources(gap: Gap) -> str:
    return ", ".join(f"{name} ({times})" for name, times in sorted(gap.verdict_sources.items()))


def moment(unix: float | None) -> str:
    """A moment in UTC, to the minute; empty where it is not known."""
    if not unix:
        return ""
    return dt.datetime.fromtimestamp(unix, tz=dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _correlation(icc: float | None) -> str:
    """Below 0 it is chance: few groups hold more than one trial, and the estimate has no floor at -1."""
    return f"none seen ({icc:.2f})" if icc is not None and icc < 0 else _figure(icc, 3)


def _figure(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
