"""Runs many units of work at once; what finished is committed before anybody is told."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

Unit = TypeVar("Unit")
Result = TypeVar("Result")


class Harness(Generic[Unit, Result]):
    """Bounded concurrency with commits: every worker commits its last result and its next start in one go.

    Args:
        work: Runs one unit. Failures of the unit are part of its result; an exception here is our own or the store's.
        commit: Makes durable that a result is finished and that a unit is about to start; either may be None. A future
            that it returns may be shared with others, and spares a task.
        report: Called after the commit, with the result.
        concurrency: Units in flight at once.
    """

    def __init__(
        self,
        work: Callable[[Unit], Awaitable[Result]],
        commit: Callable[[Result | None, Unit | None], Awaitable[None]],
        report: Callable[[Result], None],
        *,
        concurrency: int,
    ) -> None:
        self._work = work
        self._commit = commit
        self._report = report
        self._concurrency = concurrency
        self._stopping = False
        self._workers: list[asyncio.Task[None]] = []

    async def run(self, units: Iterable[Unit]) -> bool:
        """Runs units until none is left.

        Returns:
            Whether all of them ran; False after `stop`, or if something else cancelled one.

        Raises:
            Exception: The first exception of `work` or `commit`; the other workers are cancelled.
        """
        pending = deque(units)
        workers = min(self._concurrency, len(pending))
        self._workers = [asyncio.create_task(self._worker(pending)) for _ in range(workers)]
        if not self._workers:
            return True
        try:
            ended, _ = await asyncio.wait(self._workers, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            await self._cancel()
        for worker in ended:
            # A worker that `stop` cancelled in its last moment may end as cancelled; that is no error.
            if not worker.cancelled():
                worker.result()
        return not self._stopping and not any(worker.cancelled() for worker in self._workers)

    def stop(self) -> None:
        """Starts nothing new and drops what is in flight; results that are being committed are still committed."""
        self._stopping = True
        for worker in self._workers:
            worker.cancel()

    async def _worker(self, pending: deque[Unit]) -> None:
        try:
            await self._loop(pending)
        except asyncio.CancelledError:
            if not self._stopping:
                raise

    async def _loop(self, pending: deque[Unit]) -> None:
        finished: Result | None = None
        while True:
            following = pending.popleft() if pending and not self._stopping else None
            if finished is None and following is None:
                return
            await self._keep(finished, following)
            if following is None:
                return
            finished = await self._work(following)

    async def _keep(self, finished: Result | None, following: Unit | None) -> None:
        # A Ctrl-C that arrives now must not lose a result that is already there.
        keeping = asyncio.ensure_future(self._commit(finished, following))
        try:
            await asyncio.shield(keeping)
        except asyncio.CancelledError:
            await asyncio.wait(
                (keeping,)
            )  # others may wait for the same commit: a second Ctrl-C is not theirs
            keeping.result()
            if finished is not None:
                self._report(finished)
            raise
        if finished is not None:
            self._report(finished)

    async def _cancel(self) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
