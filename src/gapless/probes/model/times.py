"""Time to the first token, between tokens and to the end: p50, p95 and p99 of each by itself, with METHOD's intervals.

Source:
    METHOD section 7 (order statistics); targets from MLPerf Inference, llama2-70b in the server scenario, as in LoadGen's
    mlperf.conf: 99 % of requests with a first token within 2,000 ms (`ttft_latency`), and a mean of 200 ms a token after it
    (`tpot_latency`). Its interactive scenario asks for 450 and 40 ms.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from gapless.gap.latency import quantile
from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.model.load import Load
from gapless.probes.model.measured import CHECKLIST, closed_load, each_of, loads_of, times_figures
from gapless.records.estimate import Estimate
from gapless.records.finding import Figure, Finding

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
FIRST_MS, BETWEEN_MS = 2_000.0, 200.0
MLPERF = "MLPerf Inference, llama2-70b in the server scenario (ttft_latency 2000, tpot_latency 200)"
TTFT = Card(
    probe="ttft",
    layer="model",
    title="time to the first token: p50, p95, p99",
    target=f"<= {FIRST_MS:g} ms at p99",
    source=MLPERF,
)
BETWEEN = Card(
    probe="inter-token",
    layer="model",
    title="time between tokens: p50, p95, p99",
    target=f"<= {BETWEEN_MS:g} ms at p99",
    source=f"{MLPERF}, held against every gap where MLPerf takes an answer's mean",
)
WHOLE = Card(
    probe="end-to-end",
    layer="model",
    title="time of whole answers: p50, p95, p99",
    target="p99 within the limit of the step that asks, else of [checkup.model] timeout_s",
    source=CHECKLIST,
)


def ttft(subject: Subject) -> Iterable[Finding]:
    """Time to the first token in a closed loop, from the start of the connection."""
    target = subject.targets.get(TTFT.probe, FIRST_MS)

    def judge(load: Load) -> Finding:
        values = [reply.ttft_ms for reply in load.ok if reply.ttft_ms is not None]
        return _judged(TTFT, "first token", values, target, load, more=_connecting(load))

    yield each_of(loads_of(subject, closed_load), judge)


def _connecting(load: Load) -> tuple[Figure, ...]:
    """How much of it was the connection; nothing where a framework or another client does not say."""
    took = [1e3 * (one.connected_s - one.started_s) for one in load.ok if one.connected_s is not None]
    if not took:
        return ()
    return (Figure(name="of that, connecting, median", value=statistics.median(took), unit="ms"),)


def between(subject: Subject) -> Iterable[Finding]:
    """Time between the pieces of an answer; pieces of one answer count as one group."""
    target = subject.targets.get(BETWEEN.probe, BETWEEN_MS)

    def judge(load: Load) -> Finding:
        pairs = [(gap, i) for i, reply in enumerate(load.ok) for gap in reply.gaps_ms]
        values, groups = [gap for gap, _ in pairs], [i for _, i in pairs]
        name = "between, mean of an answer" if load.mean_gaps else "between"
        return _judged(BETWEEN, name, values, target, load, groups=groups)

    yield each_of(loads_of(subject, closed_load), judge)


def whole(subject: Subject) -> Iterable[Finding]:
    """Time of whole answers; one that the limit cut off lasted at least as long."""
    target = subject.targets.get(WHOLE.probe, 1e3 * limit_s(subject))

    def judge(load: Load) -> Finding:
        kept = [reply for reply in load.replies if reply.ok or reply.trouble == "timeout"]
        cut = [i for i, reply in enumerate(kept) if not reply.ok]
        return _judged(WHOLE, "whole", [reply.total_ms for reply in kept], target, load, cut=cut)

    yield each_of(loads_of(subject, closed_load), judge)


def limit_s(subject: Subject) -> float:
    """Seconds that a call of the model has: the tightest limit of a model step, else that of the settings."""
    steps = subject.workflow.shape.steps if subject.workflow is not None else ()
    limits = [step.limit_s for step in steps if step.layer == "model" and step.limit_s is not None]
    return min(limits, default=subject.model.timeout_s)


def _usable(load: Load, values: Sequence[float], target: float) -> None:
    if not values:
        said = next((reply.said for reply in load.replies), "nothing was asked")
        raise ProbeUnavailable(f"no whole answer came in the {load.how}: {said}")
    saturated = load.saturated(target)
    if saturated:
        raise ProbeUnavailable(f"{saturated}; these times would be its own, not the endpoint's")


def _judged(
    card: Card,
    name: str,
    values: Sequence[float],
    target: float,
    load: Load,
    *,
    groups: Sequence[int] | None = None,
    cut: Sequence[int] = (),
    more: tuple[Figure, ...] = (),
) -> Finding:
    _usable(load, values, target)
    found = {label: quantile(values, q, groups=groups, cut=cut) for label, q in QUANTILES.items()}
    own = load.tail_is_own(target)
    if own:
        found["p99"] = Estimate(n_runs=len(values), reason=own)
    figures, missing = times_figures(name, found)
    missing = "; ".join(filter(None, (missing, own)))
    if not figures:
        raise ProbeUnavailable(f"{missing}, {load.how}: a longer run, or a faster endpoint, would tell")
    label, judged = _highest(found)
    said = ", ".join(f"{q} {one.point:.0f} ms" for q, one in found.items() if one.point is not None)
    said = f"{said}{f' ({missing})' if missing else ''}; {load.how}, n={len(load.ok)}"
    shown = {"figures": (*figures, *more, *_own_lag(load)), "target": f"<= {target:g} ms at p99"}
    assert judged.point is not None, "the highest that is estimable"
    if judged.point <= target and not judged.reason:
        return card.finding("ok", said, **shown)
    sure = judged.low is not None and judged.low > target
    next_step = (
        f"{label} is above {target:g} ms. Look at the host's lines first (pressure, limits), then at the endpoint's queue; "
        "limit the step (timeout_s, ttft_s) and give the rest of the run a deadline."
    )
    return card.finding("fail" if sure or judged.reason else "warn", said, next_step=next_step, **shown)


def _own_lag(load: Load) -> tuple[Figure, ...]:
    if load.lag is None:
        return ()
    return (Figure(name="the client's own lag, p99", value=load.lag.p99_ms, unit="ms"),)


def _highest(found: dict[str, Estimate]) -> tuple[str, Estimate]:
    """The highest quantile that is estimable."""
    return next((label, one) for label, one in reversed(found.items()) if one.point is not None)
