"""What several lines of the model layer read: whether the endpoint answers, and the loads it was put under, each made once."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from gapless.probes.base import ProbeUnavailable, Subject
from gapless.probes.model.client import Endpoint, Reply, ask
from gapless.probes.model.load import Load, closed, opened, schedule
from gapless.records.estimate import Estimate
from gapless.records.finding import STATUSES, Figure, Status

T = TypeVar("T")
TOKENS = 32
"""Length of an answer that times are taken from."""
_REACH_S = 20.0
_MOST, _MOST_OPEN = 400, 200
"""Requests of one load: what p99 needs (METHOD: 368), and no more, for endpoints cost money."""
_SHARE_OF_CAPACITY = 0.7
_AT_ONCE = 4
CHECKLIST = "the six-layer checklist, layer 2"


@dataclass
class Measured:
    """What was measured of one subject so far."""

    subject: Subject
    reached: tuple[Endpoint, Reply] | None = None
    loads: dict[str, Load] = field(default_factory=dict[str, Load])


_latest: list[Measured] = []


def measured(subject: Subject) -> Measured:
    """What is known of a subject; only the latest one is remembered, so that a new checkup measures anew."""
    if not _latest or _latest[0].subject is not subject:
        _latest[:] = [Measured(subject)]
    return _latest[0]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine on a loop and a thread of its own, whatever runs in the caller's."""
    with ThreadPoolExecutor(1, thread_name_prefix="gapless-load") as pool:
        return pool.submit(asyncio.run, work).result()


def body(endpoint: Endpoint, said: str, *, tokens: int = TOKENS, **more: Any) -> dict[str, Any]:
    """A chat completion in the dialect that the endpoint took."""
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": said}], endpoint.limit: tokens}
    if endpoint.temperature:
        asked["temperature"] = 0
    return asked | more


def question(endpoint: Endpoint, i: int, *, tokens: int = TOKENS) -> dict[str, Any]:
    """The i-th question of a load: all of one length, none the same, so that no cache answers."""
    said = f"Write a short story about a lighthouse with the number {i + 1}. Begin at once."
    return body(endpoint, said, tokens=tokens, stream=True)


def reach(subject: Subject) -> tuple[Endpoint, Reply]:
    """Asks for one word, at most some seconds long; finds out which dialect of the protocol is spoken.

    Raises:
        ProbeUnavailable: No endpoint is named.
    """
    known = measured(subject)
    if known.reached is None:
        if subject.model.url is None and subject.no_model:
            raise ProbeUnavailable(subject.no_model)
        endpoint = Endpoint.of(subject.model)
        known.reached = run(_reach(replace(endpoint, timeout_s=min(endpoint.timeout_s, _REACH_S))))
        known.reached = (replace(known.reached[0], timeout_s=endpoint.timeout_s), known.reached[1])
    return known.reached


async def _reach(endpoint: Endpoint) -> tuple[Endpoint, Reply]:
    reply = await ask(endpoint, body(endpoint, "Say yes.", tokens=8))
    if reply.status == 400 and "max_completion_tokens" in reply.said:
        endpoint = replace(endpoint, limit="max_completion_tokens")
        reply = await ask(endpoint, body(endpoint, "Say yes.", tokens=8))
    if reply.status == 400 and "temperature" in reply.said:
        endpoint = replace(endpoint, temperature=False)
        reply = await ask(endpoint, body(endpoint, "Say yes.", tokens=8))
    return endpoint, reply


def answering(subject: Subject) -> Endpoint:
    """The endpoint, if it answers.

    Raises:
        ProbeUnavailable: None is named, or it does not answer.
    """
    endpoint, reply = reach(subject)
    if not reply.ok:
        raise ProbeUnavailable(f"the endpoint does not answer: {reply.said}")
    return endpoint


def briefly(subject: Subject) -> Endpoint:
    """The same, with a limit that suits a few single questions: a silent one must not hold up the other lines."""
    endpoint = answering(subject)
    return replace(endpoint, timeout_s=min(endpoint.timeout_s, 2 * subject.seconds))


def closed_load(subject: Subject) -> Load:
    """The endpoint in a closed loop."""
    endpoint, known = answering(subject), measured(subject)
    if "closed" not in known.loads:
        known.loads["closed"] = run(
            closed(
                endpoint,
                lambda i: question(endpoint, i),
                streams=subject.streams,
                seconds=subject.seconds,
                most=_MOST,
            )
        )
    return known.loads["closed"]


def open_load(subject: Subject) -> Load:
    """The endpoint in an open loop: Poisson arrivals at 70 % of what it did in the closed one."""
    endpoint, known = answering(subject), measured(subject)
    if "open" not in known.loads:
        rate = min(_SHARE_OF_CAPACITY * closed_load(subject).rate, _MOST_OPEN / subject.seconds)
        if not rate:
            raise ProbeUnavailable("no whole answer came in the closed loop")
        offsets = schedule("poisson", rate=rate, seconds=subject.seconds)
        known.loads["open"] = run(
            opened(
                endpoint,
                lambda i: question(endpoint, 10_000 + i),
                offsets,
                how=f"open loop, Poisson at {rate:.2g} a second",
            )
        )
    return known.loads["open"]


def all_of(
    endpoint: Endpoint, bodies: Sequence[dict[str, Any]], *, seconds: float, at_once: int = _AT_ONCE
) -> list[Reply | None]:
    """Asks all of them, a few at a time; None where there was no time left to begin."""

    async def work() -> list[Reply | None]:
        turns = asyncio.Semaphore(at_once)
        until = asyncio.get_running_loop().time() + seconds

        async def one(asked: dict[str, Any]) -> Reply | None:
            async with turns:
                if asyncio.get_running_loop().time() > until:
                    return None
                return await ask(endpoint, asked)

        return await asyncio.gather(*map(one, bodies))

    return run(work())


def typical_ms(load: Load) -> float | None:
    """Median time to the first token; None where none came."""
    times = [reply.ttft_ms for reply in load.ok if reply.ttft_ms is not None]
    return statistics.median(times) if times else None


def times_figures(name: str, estimates: dict[str, Estimate]) -> tuple[tuple[Figure, ...], str]:
    """Figures of the quantiles that are estimable, and in words which are not."""
    figures: list[Figure] = []
    missing: list[str] = []
    for quantile, found in estimates.items():
        if found.point is None:
            missing.append(quantile)
            continue
        spread = f"95 % interval, n={found.n_runs}"
        figures.append(
            Figure(
                name=f"{name} {quantile}",
                value=found.point,
                unit="ms",
                low=found.low,
                high=found.high,
                spread=spread,
            )
        )
    n = next(iter(estimates.values())).n_runs
    return tuple(figures), f"{' and '.join(missing)} not estimable from n={n}" if missing else ""


def share_status(estimate: Estimate, target: float) -> Status:
    """ok where the share reaches its target, fail where its interval lies below it, warn between."""
    if estimate.point is not None and estimate.point >= target:
        return "ok"
    return "fail" if estimate.high is not None and estimate.high < target else "warn"


def worse(one: Status, other: Status) -> Status:
    """The worse of two."""
    return one if STATUSES.index(one) <= STATUSES.index(other) else other


def share_figure(name: str, estimate: Estimate) -> Figure:
    """A share with its interval."""
    return Figure(
        name=name,
        value=estimate.point or 0.0,
        unit="share",
        low=estimate.low,
        high=estimate.high,
        spread=f"95 % interval, n={estimate.n_runs}",
    )
