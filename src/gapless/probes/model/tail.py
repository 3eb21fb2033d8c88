"""What a tail does: goodput when requests do not wait for each other, loops of calls that break their limit, broken answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gapless.gap.latency import quantile
from gapless.gap.rate import proportion, wilson
from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.judging import Judged, share_at_least, share_at_most, share_figure, together
from gapless.probes.model.endpoints.base import Reply
from gapless.probes.model.load import Load
from gapless.probes.model.measured import CHECKLIST, closed_load, loads_of, measured, open_load
from gapless.probes.model.saying import each_of, held_to, need_all, need_servers_own
from gapless.probes.model.times import BETWEEN, BETWEEN_MS, FIRST_MS, MLPERF, TTFT, limit_s
from gapless.records.estimate import Estimate
from gapless.records.finding import Figure, Finding
from gapless.report.wording import count

_GOODPUT, _WHOLE, _BREAKS = 0.99, 0.99, 0.05
CALLS = 10
"""Calls of one agent loop."""
_LEAST, _MOST_LAGS = 10, 2_000
_TOGETHER = 0.8
OPEN = Card(
    probe="open-loop",
    layer="model",
    title="goodput when requests do not wait for each other",
    target=f">= {100 * _GOODPUT:g} % of answers whole, with a first token within {FIRST_MS:g} ms and {BETWEEN_MS:g} ms a token",
    source=f"{MLPERF}: 99 % of requests",
)
CASCADE = Card(
    probe="tail-cascade",
    layer="model",
    title="the tail does not cascade through a loop of calls",
    target=f"<= {100 * _BREAKS:g} % of loops of {CALLS} calls with one over its limit",
    source=CHECKLIST,
)
ANSWERS = Card(
    probe="whole-answers",
    layer="model",
    title="answers arrive whole under load",
    target=f">= {100 * _WHOLE:g} % without an error, a 429 or a broken stream",
    source=CHECKLIST,
)


def goodput(subject: Subject) -> Iterable[Finding]:
    """The share of requests that met the budget, latency counted from when they should have begun."""
    if subject.results:
        yield each_of(loads_of(subject, open_load), lambda load: _good(subject, load))
    else:
        yield _good(subject, open_load(subject), closed_load(subject))


def _good(subject: Subject, load: Load, shut: Load | None = None) -> Finding:
    """The goodput of a load, beside that of a closed loop where there is one."""
    first = subject.targets.get(TTFT.probe, FIRST_MS)
    each = subject.targets.get(BETWEEN.probe, BETWEEN_MS)
    need_servers_own(load, first)
    need_all(load)
    share = _share_within(load, first, each)
    figures = [share_figure("goodput" if shut is None else "goodput, open loop", share)]
    said = f"{100 * (share.point or 0):.0f} % of {share.n_runs} within the budget ({load.how})"
    hidden = False
    if shut is not None:
        beside = _share_within(shut, first, each)
        hidden = (share.high or 0.0) < (beside.low or 0.0)
        figures.append(share_figure("goodput, closed loop", beside))
        said += f", {100 * (beside.point or 0):.0f} % of {len(shut.replies)} ({shut.how})"
    named = ((", open loop", load), (", closed loop", shut)) if shut is not None else (("", load),)
    figures += [_longest(name, one) for name, one in named]
    name, last = named[-1]
    figures.append(Figure(name=f"answers a second{name}", value=last.rate))
    least = subject.targets.get(OPEN.probe, _GOODPUT)
    judged = share_at_least("goodput", share, least)
    target = f">= {100 * least:g} % of answers whole, with a first token within {first:g} ms and {each:g} ms a token"
    return OPEN.held(
        judged,
        said,
        figures=tuple(figures),
        next_step="" if judged.status == "ok" else _open_step(load, share, hidden=hidden),
        **held_to(subject, OPEN, target),
    )


def _share_within(load: Load, first_ms: float, each_ms: float) -> Estimate:
    """Of all that came to an end, and of those that were given up after the first token was overdue."""
    late = sum(_first_ms(reply) > first_ms for reply in load.given_up)
    n = len(load.replies) + load.dropped + late
    return proportion(sum(_within(reply, first_ms, each_ms) for reply in load.replies), n)


def _first_ms(reply: Reply) -> float:
    """When the first token was there; at the end, where an answer came in one piece."""
    return reply.total_ms if reply.ttft_ms is None else reply.ttft_ms


def _longest(which: str, load: Load) -> Figure:
    longest = max(map(_first_ms, (*load.replies, *load.given_up)), default=0.0)
    return Figure(name=f"longest wait for a first token{which}", value=longest, unit="ms")


def _open_step(load: Load, share: Estimate, *, hidden: bool) -> str:
    if hidden:
        return "A closed loop hides this: while the endpoint stands still it asks less. Find the pauses (restarts, evictions, a queue), and plan with the open loop's figures."
    broken = sum(not reply.ok and reply.trouble != "timeout" for reply in load.replies)
    if broken > (1 - (share.point or 0.0)) * share.n_runs / 2:
        return f"{broken} were refused or broke off: the line on whole answers says why, and what to do."
    return (
        "The endpoint is too slow or too small for this rate: fewer at once, shorter prompts, or more of it."
    )


def _within(reply: Reply, first_ms: float, each_ms: float) -> bool:
    """Whether an answer is whole and met both budgets; the second on its mean, as time per output token."""
    gaps = reply.gaps_ms
    slow = bool(gaps) and sum(gaps) / len(gaps) > each_ms
    return reply.ok and _first_ms(reply) <= first_ms and not slow


def cascade(subject: Subject) -> Iterable[Finding]:
    """The chance that one of k calls in a row breaks its limit, resampled from the measured times in their order."""
    yield each_of(loads_of(subject, open_load), lambda load: _cascade(subject, load))


def _cascade(subject: Subject, load: Load) -> Finding:
    limit = subject.targets.get(CASCADE.probe, 1e3 * limit_s(subject))
    need_servers_own(load, limit)
    need_all(load)
    known = (*load.replies, *(reply for reply in load.given_up if reply.total_ms > limit))
    replies = sorted(known, key=lambda reply: reply.intended_s)
    if len(replies) < _LEAST:
        raise ProbeUnavailable(f"{len(replies)} answers in the {load.how} are too few to draw loops from")
    times = [reply.total_ms for reply in replies]
    over = [t > limit or not reply.ok for t, reply in zip(times, replies, strict=True)]
    single, drawn = proportion(sum(over), len(over)), loops_broken(over, CALLS)
    share, formula = drawn.point or 0.0, 1 - (1 - (single.point or 0.0)) ** CALLS
    loops = share_figure(f"loops of {CALLS} calls with one over {limit:g} ms, resampled", drawn)
    figures = [
        msgspec.structs.replace(loops, spread=f"95 % interval, as of {count(drawn.n_runs, 'loop')}"),
        Figure(name="the same by 1 - (1 - p)^k", value=formula, unit="share"),
        share_figure("calls over the limit", single),
    ]
    most = quantile(times, 0.95)
    if most.point is not None:
        figures.append(Figure(name="whole answer p95", value=most.point, unit="ms"))
    judged = share_at_most(f"loops of {CALLS} calls with one over its limit", drawn, _BREAKS)
    return CASCADE.held(
        judged,
        f"{100 * share:.0f} % of loops of {CALLS} calls have one over {limit:g} ms or without an answer "
        f"({100 * formula:.0f} % if calls were independent; {load.how}, n={len(over)})",
        figures=tuple(figures),
        next_step="" if judged.status == "ok" else _cascade_step(share, formula),
        target=f"<= {100 * _BREAKS:g} % of loops of {CALLS} calls with one over {limit:g} ms",
    )


def _cascade_step(drawn: float, formula: float) -> str:
    alike = " Slow calls come together: a retry at once meets the same pause."
    return (
        "Give the loop one deadline (deadline_s) instead of a limit per call, and fewer calls."
        f"{alike if drawn < _TOGETHER * formula else ''}"
    )


def loops_broken(over: Sequence[bool], calls: int, *, level: float = 0.95) -> Estimate:
    """Share of loops with a call over its limit, where a loop is so many measured calls in a row, begun anywhere.

    Neighbours stay together, so that stalls do: a circular block bootstrap with blocks as long as the loop, of which every
    block is drawn once.

    Args:
        over: Whether each call broke its limit, in the order in which they were made.
        calls: Calls of a loop.
        level: Two-sided confidence level.

    Returns:
        The share with Wilson's interval for as many loops as do not overlap, and for fewer where broken loops come together
        (Geyer's sum of their autocorrelations, to the first that is not positive). In simulations of 60 to 400 calls it held the
        true share in .94 to .98 of runs where calls are independent, and in .82 to .97 of those with stalls of 5 to 20 calls,
        where there are several; the length of one long stall cannot be told from one.

    Source:
        Politis and Romano (1992), A circular block-resampling procedure; Geyer (1992), Practical Markov chain Monte Carlo,
        Statistical Science 7.

    Example:
        >>> loops_broken([True, True, False, False, False, False], 2).point
        0.5
    """
    n = len(over)
    sums = np.concatenate(([0], np.cumsum(np.resize(np.asarray(over, dtype=int), n + calls - 1))))
    broken = (sums[calls:] > sums[:-calls]).astype(float)
    share = float(broken.mean())
    loops = n / max(calls, _correlated(broken - share))
    limits = wilson(share * loops, loops, level=level)
    return Estimate(
        point=share,
        low=limits.low,
        high=limits.high,
        level=level,
        method="wilson, loops that do not overlap",
        n_runs=max(1, int(loops)),
        n_groups=max(1, int(loops)),
    )


def _correlated(around: NDArray[Any]) -> float:
    """How many neighbours of a series, given around its mean, tell as much as one that is independent."""
    power = float(around @ around)
    if not power:
        return 0.0
    total = 1.0
    for lag in range(1, min(len(around) // 2, _MOST_LAGS)):
        alike = float(around @ np.roll(around, lag)) / power
        if alike <= 0:
            break
        total += 2 * alike
    return total


def answers(subject: Subject) -> Iterable[Finding]:
    """Requests of all loads so far that got no whole answer, by reason."""
    loads = loads_of(subject, closed_load)
    if not subject.results:
        loads = tuple(measured(subject).loads.values())
    for load in loads:
        need_all(load)
    replies = [reply for load in loads for reply in load.replies]
    lost = [reply for reply in replies if not reply.ok]
    share = proportion(len(replies) - len(lost), len(replies))
    kinds = Counter(_kind(reply) for reply in lost)
    figures = (
        share_figure("whole answers", share),
        *(Figure(name=kind, value=n) for kind, n in kinds.most_common()),
    )
    told = ", ".join(f"{n} x {kind}" for kind, n in kinds.most_common())
    judged = share_at_least("whole answers", share, subject.targets.get(ANSWERS.probe, _WHOLE))
    impossible = (Judged("ok", load.impossible) for load in loads if load.impossible)
    yield ANSWERS.held(
        together(judged, *impossible),
        f"{len(lost)} of {len(replies)} were not: {told}"
        if lost
        else f"all of {len(replies)} answers were whole",
        figures=figures,
        next_step="" if judged.status == "ok" else _lost_step(lost),
    )


def _kind(reply: Reply) -> str:
    if reply.trouble != "status":
        return {"dropped": "stream broken off", "timeout": "no end within the limit"}.get(
            reply.trouble, reply.said if reply.trouble == "raised" else reply.trouble
        )
    if reply.status == 429:
        return f"429 {'with' if reply.retry_after else 'without'} Retry-After"
    return f"status {reply.status}"


def _lost_step(lost: Sequence[Reply]) -> str:
    if any(reply.status == 429 for reply in lost):
        told = all(reply.retry_after for reply in lost if reply.status == 429)
        wait = "for as long as Retry-After says" if told else "by a growing time: it says no Retry-After"
        return f"Limit the rate on your side, and let the retry wait {wait}."
    if any(reply.trouble == "dropped" for reply in lost):
        return "Treat an answer without finish_reason as failed, never as short: a contract on the step's output, and a retry."
    return "Retry(3) with growing waits on the model step, and a deadline over all of them."
