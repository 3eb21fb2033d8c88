"""Time to the first token, between tokens and to the end: p50, p95 and p99 of each by itself, with METHOD's intervals.

Source:
    METHOD section 7 (order statistics); targets from MLPerf Inference, llama2-70b in the server scenario, as in LoadGen's
    mlperf.conf: 99 % of requests with a first token within 2,000 ms (`ttft_latency`), and a mean of 200 ms a token after it
    (`tpot_latency`). Its interactive scenario asks for 450 and 40 ms.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gapless.gap.latency import quantile, ranks
from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.judging import Judged, not_estimable, quantile_at_most
from gapless.probes.model.endpoints.base import Reply
from gapless.probes.model.load import Load
from gapless.probes.model.measured import CHECKLIST, closed_load, loads_of
from gapless.probes.model.saying import each_of, held_to, need_servers_own
from gapless.records.estimate import Estimate
from gapless.records.finding import Figure, Finding

_P99 = 0.99
_QUANTILES = (0.5, 0.95, _P99)
_ONE_ANSWER = "the few gaps of one answer tell nothing of others: two with several pieces each would tell"
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
    """Time to the first token in a closed loop, from the start of the connection; where a limit cut off one that had not come, it
    lasted at least as long.
    """

    def judge(load: Load) -> Finding:
        known = [reply for reply in _timed(load) if reply.arrivals]
        silent = [reply.total_ms for reply in _timed(load) if not reply.arrivals and not reply.ok]
        first = [reply.ttft_ms for reply in known if reply.ttft_ms is not None]
        values = [*first, *silent] if first else []  # none at all: they were not streamed
        cut = range(len(first), len(values))
        times = _Times(name="first token", load=load, values=values, cut=cut)
        return _finding(subject, TTFT, FIRST_MS, times, more=_connecting(load))

    yield each_of(loads_of(subject, closed_load), judge)


def _timed(load: Load) -> list[Reply]:
    """Whole answers, and those that a limit, or the end of whoever asked, cut off."""
    return [*(reply for reply in load.replies if reply.ok or reply.trouble == "timeout"), *load.given_up]


def _connecting(load: Load) -> tuple[Figure, ...]:
    """How much of it was the connection; nothing where a framework or another client does not say."""
    took = [1e3 * (one.connected_s - one.started_s) for one in load.ok if one.connected_s is not None]
    if not took:
        return ()
    return (Figure(name="of that, connecting, median", value=statistics.median(took), unit="ms"),)


def between(subject: Subject) -> Iterable[Finding]:
    """Time between the pieces of an answer; pieces of one answer count as one group."""

    def judge(load: Load) -> Finding:
        pairs = [(gap, i) for i, reply in enumerate(load.ok) for gap in reply.gaps_ms]
        name = "between, mean of an answer" if load.mean_gaps else "between"
        values, answers = [gap for gap, _ in pairs], [i for _, i in pairs]
        return _finding(
            subject, BETWEEN, BETWEEN_MS, _Times(name=name, load=load, values=values, answers=answers)
        )

    yield each_of(loads_of(subject, closed_load), judge)


def whole(subject: Subject) -> Iterable[Finding]:
    """Time of whole answers; one that the limit cut off lasted at least as long."""

    def judge(load: Load) -> Finding:
        kept = _timed(load)
        cut = [i for i, reply in enumerate(kept) if not reply.ok]
        times = _Times(name="whole", load=load, values=[reply.total_ms for reply in kept], cut=cut)
        return _finding(subject, WHOLE, 1e3 * limit_s(subject), times)

    yield each_of(loads_of(subject, closed_load), judge)


def limit_s(subject: Subject) -> float:
    """Seconds that a call of the model has: the tightest limit of a model step, else that of the settings."""
    steps = subject.workflow.shape.steps if subject.workflow is not None else ()
    limits = [step.limit_s for step in steps if step.layer == "model" and step.limit_s is not None]
    return min(limits, default=subject.model.timeout_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Times:
    """Times of one kind in one load."""

    name: str
    load: Load
    values: Sequence[float]
    """Milliseconds."""
    answers: Sequence[int] | None = None
    """Which answer each is of, where answers have several."""
    cut: Sequence[int] = ()
    """Positions of those that a limit cut off."""

    def quantiles(self, most_ms: float) -> dict[float, Estimate]:
        """Each quantile; no p99 where the client's own lag makes it."""
        found = {q: quantile(self.values, q, groups=self.answers, cut=self.cut) for q in _QUANTILES}
        own, last = self.load.tail_is_own(most_ms), found[_P99]
        if own:
            why = f"{own}: a quieter host would tell"
            found[_P99] = Estimate(n_runs=last.n_runs, n_groups=last.n_groups, reason=why)
        return found

    def least_p99(self, most_ms: float) -> float | None:
        """What p99 surely is at least, for even a few times tell that; None where they do not, or are not independent."""
        low = ranks(len(self.values), _P99).low
        if low is None or self.answers is not None or self.load.tail_is_own(most_ms):
            return None
        return sorted(self.values)[low - 1]


def _finding(
    subject: Subject, card: Card, usual_ms: float, times: _Times, *, more: tuple[Figure, ...] = ()
) -> Finding:
    """The three quantiles, and how the highest is held against its target.

    Raises:
        ProbeUnavailable: There are too few times, or they are the client's own.
    """
    load, most = times.load, subject.targets.get(card.probe, usual_ms)
    if not times.values:
        said = next((reply.said for reply in load.replies if reply.said), "there was nothing to time")
        raise ProbeUnavailable(f"no times came of the {load.how}: {said}")
    need_servers_own(load, most)
    found = times.quantiles(most)
    figures, said = _shown(times, found)
    least = times.least_p99(most)
    if least is not None and least > most:
        judged = Judged("fail")
        if found[_P99].point is None:
            figures.append(Figure(name=f"{times.name} p99, at least", value=least, unit="ms"))
            said.append(f"p99 at least {least:.0f} ms")
    elif figures:
        judged = quantile_at_most(found, most, groups="answers" if times.answers is not None else "")
    else:
        few = not_estimable(0.5, len(times.values)) if times.answers is None else _ONE_ANSWER
        raise ProbeUnavailable(f"{few} ({load.how})")
    return card.held(
        judged,
        f"{', '.join(said)}; {load.how}, n={len(load.ok)}{f' and {len(times.cut)} cut off' if times.cut else ''}",
        figures=(*figures, *more, *_own_lag(load)),
        next_step="" if judged.status == "ok" else _next_step(most),
        **held_to(subject, card, f"<= {most:g} ms at p99"),
    )


def _shown(times: _Times, found: dict[float, Estimate]) -> tuple[list[Figure], list[str]]:
    """Figures of the quantiles that are estimable, and in words what they are."""
    figures: list[Figure] = []
    for q, one in found.items():
        if one.point is not None:
            spread = f"95 % interval, n={one.n_runs}"
            if one.n_groups < one.n_runs:
                spread += f" gaps of {one.n_groups} answers"
            name = f"{times.name} p{100 * q:g}"
            figures.append(
                Figure(name=name, value=one.point, unit="ms", low=one.low, high=one.high, spread=spread)
            )
    said = [
        f"p{100 * q:g} {one.point:.0f} ms{' or more' if one.reason else ''}"
        for q, one in found.items()
        if one.point is not None
    ]
    missing = [f"p{100 * q:g}" for q, one in found.items() if one.point is None]
    return figures, said + ([f"{' and '.join(missing)} not estimable"] if missing else [])


def _next_step(most_ms: float) -> str:
    return (
        f"For answers beyond {most_ms:g} ms look at the host's lines first (pressure, limits), then at the endpoint's queue; "
        "limit the step (timeout_s, ttft_s) and give the rest of the run a deadline."
    )


def _own_lag(load: Load) -> tuple[Figure, ...]:
    if load.lag is None:
        return ()
    return (Figure(name="the client's own lag, p99", value=load.lag.p99_ms, unit="ms"),)
