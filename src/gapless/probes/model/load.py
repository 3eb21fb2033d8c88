"""Asks an endpoint much: in a closed loop, where the next request waits for the last, and in an open one, where it does not.

A closed loop asks less while the server stands still, and so hardly sees it (coordinated omission). In an open loop
requests begin when a schedule says so, and latency counts from there, whether the client got round to it or not.

Source:
    Tene (2015), How NOT to Measure Latency; Schroeder, Wierman, Harchol-Balter (2006), Open Versus Closed: A Cautionary
    Tale, NSDI.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Literal, Self

from gapless.probes.model.endpoints.base import Endpoint, Question, Reply

Arrivals = Literal["constant", "poisson", "ramp"]
_TICK_S = 0.01
_BUSY, _LATE_MS, _LATE_SHARE = 0.85, 20.0, 0.1
_MOST_IN_FLIGHT = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How the client itself fared."""

    cpu_share: float
    """Of one core, of the thread that asked."""
    p95_ms: float
    """By how much a timer of 10 ms came late: no time below that is the server's."""
    p99_ms: float

    def saturated(self, typical_ms: float | None, target_ms: float = 0.0) -> str:
        """Why times of this run are the client's rather than the server's; empty where they are not.

        Args:
            typical_ms: The median of the times, a tenth of which lag may come to.
            target_ms: What they are held against, a tenth of which it may come to as well.
        """
        if self.cpu_share >= _BUSY:
            return f"client saturated: it used {100 * self.cpu_share:.0f} % of a core"
        if self.p95_ms > _allowed_ms(typical_ms, target_ms):
            return f"client saturated: its own timers came {self.p95_ms:.0f} ms late (p95); the host is busy"
        return ""

    def tail_is_own(self, typical_ms: float | None, target_ms: float = 0.0) -> str:
        """Why a p99 of this run is the client's though its other times are not; empty where it is not."""
        if self.p99_ms > _allowed_ms(typical_ms, target_ms):
            return f"the client's own timers came {self.p99_ms:.0f} ms late at p99"
        return ""


def _allowed_ms(typical_ms: float | None, target_ms: float) -> float:
    return max(_LATE_MS, _LATE_SHARE * max(typical_ms or 0.0, target_ms))


class Watch:
    """Watches the event loop it is entered on: `async with Watch() as watch: ...; watch.lag`."""

    def __init__(self) -> None:
        self.late_ms: list[float] = []
        self.lag = Lag(cpu_share=0.0, p95_ms=0.0, p99_ms=0.0)

    async def __aenter__(self) -> Self:
        self._wall, self._cpu = time.perf_counter(), time.thread_time()
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        wall = time.perf_counter() - self._wall
        late = sorted(self.late_ms) or [0.0]
        self.lag = Lag(
            cpu_share=(time.thread_time() - self._cpu) / wall if wall > 0 else 0.0,
            p95_ms=late[math.ceil(0.95 * len(late)) - 1],
            p99_ms=late[math.ceil(0.99 * len(late)) - 1],
        )

    async def _look(self) -> None:
        """A timer on a fixed grid: in a standstill every tick counts that should have come, not only the one that came after it."""
        due = (
            self._wall
        )  # not when this task first ran: a loop that is held up from the start is late from the start
        while True:
            due += _TICK_S
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            now = time.perf_counter()
            self.late_ms.append(max(0.0, 1e3 * (now - due)))
            while due + _TICK_S <= now:
                due += _TICK_S
                self.late_ms.append(1e3 * (now - due))


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What came of a load."""

    replies: tuple[Reply, ...]
    lag: Lag | None
    """How the client fared; None where another one asked, whose file does not say."""
    seconds: float
    how: str
    """In words: "closed loop, 4 at a time"."""
    read: bool = False
    """Whether it was read from a file."""
    mean_gaps: bool = False
    """Whether of each answer only the mean time between its tokens is known."""
    dropped: int = 0
    """Requests that were due while as many as we allow were in flight; never sent, and counted as failed."""
    given_up: tuple[Reply, ...] = ()
    """Requests that whoever asked broke off by itself: no fault of the endpoint's, but they lasted at least so long."""
    impossible: str = ""
    """How many requests of a file are left out because their times cannot be, in words; empty where there are none."""
    part: str = ""
    """Why these are not all requests; empty where they are. Times can be told from a part, shares and loops cannot."""

    @property
    def ok(self) -> list[Reply]:
        """Whole answers."""
        return [reply for reply in self.replies if reply.ok]

    @property
    def rate(self) -> float:
        """Whole answers per second."""
        return len(self.ok) / self.seconds if self.seconds > 0 else 0.0

    @property
    def typical_ms(self) -> float | None:
        """Median time to the first token from when a request really began: being late must excuse no lateness; None where none came."""
        times = [1e3 * (reply.arrivals[0] - reply.started_s) for reply in self.ok if reply.arrivals]
        return statistics.median(times) if times else None

    def saturated(self, target_ms: float = 0.0) -> str:
        """Why its times are the client's rather than the server's; empty where they are not, or where nobody can say."""
        if self.lag is None:
            return ""
        return self.lag.saturated(self.typical_ms, target_ms) or self._late(target_ms)

    def _late(self, target_ms: float) -> str:
        """Whether requests began so long after they were due that their times tell of that."""
        late = sorted(1e3 * (reply.started_s - reply.intended_s) for reply in self.replies)
        p95 = late[math.ceil(0.95 * len(late)) - 1] if late else 0.0
        if p95 <= _allowed_ms(self.typical_ms, target_ms):
            return ""
        return f"client saturated: it began requests {p95:.0f} ms after they were due (p95)"

    def tail_is_own(self, target_ms: float = 0.0) -> str:
        """Why its p99 is the client's; empty where it is not, or where nobody can say."""
        return self.lag.tail_is_own(self.typical_ms, target_ms) if self.lag is not None else ""


def schedule(kind: Arrivals, *, rate: float, seconds: float, seed: int = 0) -> list[float]:
    """Offsets in seconds at which requests begin.

    Args:
        kind: Evenly spaced; a Poisson process; or evenly growing from none to twice the rate.
        rate: Requests per second, on average.
        seconds: How long.
        seed: Of the Poisson process.

    Example:
        >>> schedule("constant", rate=2.0, seconds=2.0)
        [0.0, 0.5, 1.0, 1.5]
        >>> [round(at, 2) for at in schedule("ramp", rate=2.0, seconds=2.0)]
        [0.0, 1.0, 1.41, 1.73]
    """
    n = max(1, round(rate * seconds))
    if kind == "constant":
        return [i / rate for i in range(n)]
    if kind == "ramp":  # n(t) = rate t^2 / seconds, solved for t
        return [math.sqrt(i * seconds / rate) for i in range(n)]
    random, at, offsets = Random(seed), 0.0, list[float]()
    while (at := at + random.expovariate(rate)) < seconds:
        offsets.append(at)
    return offsets or [0.0]


Ask = Callable[[int], Question]
"""The i-th question."""


async def closed(
    endpoint: Endpoint, question: Ask, *, streams: int, seconds: float, most: int = 10_000
) -> Load:
    """Keeps so many requests in flight for a time; what is in flight at its end is waited for."""
    replies: list[Reply] = []
    began = time.perf_counter()
    asked = 0

    async def one_after_the_other() -> None:
        nonlocal asked
        while asked < most and time.perf_counter() - began < seconds:
            asked += 1
            reply = await endpoint.ask(question(asked - 1))
            replies.append(reply)
            if not reply.ok:  # an endpoint that refuses at once must not be hammered
                await asyncio.sleep(min(1.0, _wait_s(reply)))

    async with Watch() as watch:
        await asyncio.gather(*(one_after_the_other() for _ in range(streams)))
    took = time.perf_counter() - began
    how = f"closed loop, {streams} at a time{_through(endpoint)}"
    return Load(replies=tuple(replies), lag=watch.lag, seconds=took, how=how)


async def opened(
    endpoint: Endpoint,
    question: Ask,
    offsets: Sequence[float],
    *,
    how: str = "open loop",
    in_flight: int = _MOST_IN_FLIGHT,
) -> Load:
    """Begins requests at their times, however the earlier ones fare; latency counts from those times."""
    began = time.perf_counter()
    waiting: set[asyncio.Task[Reply]] = set()
    made: list[asyncio.Task[Reply]] = []
    dropped = 0
    async with Watch() as watch:
        for i, offset in enumerate(offsets):
            due = began + offset
            # Also where it is late: requests that are due begin only when this task lets others run.
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if len(waiting) >= in_flight:
                dropped += 1
                continue
            task = asyncio.create_task(endpoint.ask(question(i), intended_s=due))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
            made.append(task)
        replies = await asyncio.gather(*made)
    took = time.perf_counter() - began
    return Load(
        replies=tuple(replies), lag=watch.lag, seconds=took, how=how + _through(endpoint), dropped=dropped
    )


def _through(endpoint: Endpoint) -> str:
    return f", through {endpoint.through}, its time and retries included" if endpoint.through else ""


def _wait_s(reply: Reply) -> float:
    try:
        return max(0.05, float(reply.retry_after or 0.05))
    except ValueError:  # a date: RFC 9110 allows one
        return 1.0
