"""Keeps a model writing without a pause, and counts how much came between two moments."""

from __future__ import annotations

import asyncio
import threading
from bisect import bisect_right
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from gapless.probes.model.endpoints.base import Endpoint
from gapless.probes.model.measured import run, story

_TOKENS, _FAILURES, _MOST_REQUESTS = 64, 3, 400
_END_S = 8.0


class Writing:
    """Asks for one answer after the other for as long as it is entered: `with Writing(endpoint) as writing: ...`.

    Args:
        endpoint: Whom.
        streams: How many answers are in flight at once.
    """

    def __init__(self, endpoint: Endpoint, *, streams: int = 1) -> None:
        self.arrivals: list[float] = []
        """When each piece of text came, on `time.perf_counter()`, in order; whole once it is left."""
        self.broken = ""
        """Why it does not write, where it stopped answering."""
        self._endpoint, self._streams = endpoint, streams
        self._closing = threading.Event()
        self._asked = 0
        self._thread = threading.Thread(target=lambda: run(self._all()), name="gapless-writing", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join(_END_S)
        self.arrivals.sort()

    async def _all(self) -> None:
        tasks = [asyncio.create_task(self._one()) for _ in range(self._streams)]
        await asyncio.to_thread(self._closing.wait)
        # Answers that are on their way are heard out: their pieces are known when they end.
        await asyncio.wait(tasks, timeout=_END_S - 1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self) -> None:
        failed = 0
        while not self._closing.is_set() and failed < _FAILURES and self._asked < _MOST_REQUESTS:
            self._asked += 1
            reply = await self._endpoint.ask(story(self._asked, tokens=_TOKENS))
            self.arrivals += reply.arrivals
            failed = 0 if reply.ok else failed + 1
            self.broken = reply.said if failed >= _FAILURES else self.broken


def written(arrivals: Sequence[float], begun: float, ended: float) -> float:
    """Pieces per second between two moments; between arrivals their count is interpolated, so that short windows do not jump.

    Args:
        arrivals: When pieces came, sorted.
        begun: Seconds on the same clock.
        ended: Seconds on the same clock.

    Example:
        >>> written([0.0, 1.0, 2.0, 3.0], 0.5, 2.5)
        1.0
    """
    return (_count(arrivals, ended) - _count(arrivals, begun)) / (ended - begun)


def _count(arrivals: Sequence[float], at: float) -> float:
    before = bisect_right(arrivals, at)
    if before in (0, len(arrivals)):
        return float(before)
    gap = arrivals[before] - arrivals[before - 1]
    return before + (at - arrivals[before - 1]) / gap if gap > 0 else float(before)
