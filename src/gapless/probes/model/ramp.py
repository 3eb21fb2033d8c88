"""The knee: at which rate of arrivals answers begin to wait for each other, found in an open loop whose rate grows evenly.

Below its knee an endpoint takes as long whatever the rate; above it a queue grows, and latency with it. A closed loop cannot
show that, for it asks no faster than it is answered.

Source:
    Jain (1991), The Art of Computer Systems Performance Analysis, section 3.3 (knee capacity).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.judging import at_least
from gapless.probes.model.endpoints.base import Reply
from gapless.probes.model.load import Load, opened, schedule
from gapless.probes.model.measured import CHECKLIST, answering, closed_load, long_enough, run, story
from gapless.probes.model.saying import held_to, need_servers_own
from gapless.records.finding import Figure, Finding

_UP_TO, _AT_MOST, _MOST = 1.5, 3.0, 150
"""The ramp ends beyond what the closed loop came to and what is asked for, but at no more than a multiple of the first; and it
has so many requests at most."""
_ROW, _LEAST, _TWICE = 5, 18, 2.0
_STEP = "More of it, or fewer at once: bound the calls in flight on your side, so that a queue does not grow where nobody sees it."
CARD = Card(
    probe="knee",
    layer="model",
    title="the knee lies above the rate that is asked for",
    target="latency has not doubled at the rate at which the workflow asks",
    source=CHECKLIST,
)


def probe(subject: Subject) -> Iterable[Finding]:
    """A ramp of arrivals from none to beyond what the closed loop came to."""
    load, steepest = _load(subject)
    need_servers_own(load)
    below, above, usual = knee(load.replies, steepest)
    if math.isinf(usual):
        lost = next(reply.said for reply in load.replies if not reply.ok)
        raise ProbeUnavailable(f"at the lowest rates already most answers did not come whole: {lost}")
    need, of = _need(subject)
    figures = [Figure(name="whole answers, median at the lowest rates", value=usual, unit="ms")]
    if above is None:
        found = Figure(name="no knee up to", value=below, unit="requests/s", low=below)
        said = f"no knee up to {below:.2g} requests a second"
    else:
        spread = "last rate below it and first above"
        found = Figure(name="knee", value=below, unit="requests/s", low=below, high=above, spread=spread)
        said = f"the knee is between {below:.2g} and {above:.2g} requests a second: latency doubles there"
    said += f"; {usual:.0f} ms below it, {of} ({load.how}, n={len(load.replies)})"
    if above is None and below < need:
        raise ProbeUnavailable(f"{said}; it was not asked faster, to spare it")
    # Only a rate that somebody named is one that has to be borne.
    judged = at_least(found, need, missed="fail" if CARD.probe in subject.targets else "warn")
    yield CARD.held(
        judged,
        said,
        figures=(*figures, found),
        next_step="" if judged.status == "ok" else _STEP,
        **held_to(subject, CARD, f">= {need:g} requests a second: {CARD.target}"),
    )


def _load(subject: Subject) -> tuple[Load, float]:
    """The ramp, and the rate at its end."""
    endpoint = answering(subject)
    rate = closed_load(subject).rate
    if not rate:
        raise ProbeUnavailable("no whole answer came in the closed loop")
    wanted = _UP_TO * max(rate, min(_need(subject)[0], _AT_MOST / _UP_TO * rate))
    seconds = long_enough(subject, _MOST, wanted / 2)
    steepest = min(wanted, 2 * _MOST / seconds)
    n = round(steepest / 2 * seconds)
    if n < _LEAST:
        raise ProbeUnavailable(
            f"a ramp of {seconds:g} s would have {n} requests, too few to find a knee in: the endpoint answers {rate:.2g} a second. Give it longer (--seconds)"
        )
    offsets = schedule("ramp", rate=steepest / 2, seconds=seconds)
    how = f"open loop, a ramp to {steepest:.2g} a second"
    # Not among the loads that other lines read: what breaks beyond the knee was broken on purpose.
    return run(opened(endpoint, lambda i: story(40_000 + i), offsets, how=how)), steepest


def knee(replies: Sequence[Reply], steepest: float) -> tuple[float, float | None, float]:
    """Where the latency of a ramp has doubled.

    Args:
        replies: Of a ramp from none to `steepest`, in any order.
        steepest: Requests a second at its end.

    Returns:
        The last rate at which it had not, the first at which it had (None where it never did), and the usual latency in ms:
        the median of the first eighth. Latency has doubled where the median of five in a row is above twice the usual one,
        there and ever after. An answer that did not come whole counts as one that took for ever.
    """
    ordered = sorted(replies, key=lambda reply: reply.intended_s)
    took = [reply.total_ms if reply.ok else math.inf for reply in ordered]
    usual = statistics.median(took[: max(_ROW, len(took) // 8)])
    slow = [
        statistics.median(row) > _TWICE * usual for row in zip(*(took[i:] for i in range(_ROW)), strict=False)
    ]
    if not slow[-1]:
        return steepest, None, usual
    first = next(i for i in reversed(range(len(slow))) if i == 0 or not slow[i - 1])
    begun, ended = ordered[0].intended_s, ordered[-1].intended_s
    low, high = ((ordered[i].intended_s - begun) / (ended - begun) for i in (first, first + _ROW - 1))
    return steepest * low, steepest * high, usual


def _need(subject: Subject) -> tuple[float, str]:
    """Requests a second that have to be borne, and in words what that is."""
    if CARD.probe in subject.targets:
        need = subject.targets[CARD.probe]
        return need, f"{need:g} a second are asked for"
    steps = subject.workflow.shape.steps if subject.workflow is not None else ()
    calls = max(1, sum(step.layer == "model" for step in steps))
    need = subject.runs_per_s * calls
    return need, f"{need:g} a second are asked for at {subject.runs_per_s:g} runs a second"
