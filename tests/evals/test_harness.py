"""The harness runs every unit once, commits before it reports, and stops without losing anything."""

from __future__ import annotations

import asyncio

import pytest

from gapless.errors import StoreError
from gapless.evals.harness import Harness


class Ledger:
    """Notes what was committed and what was reported, in order."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.finished: list[int] = []
        self.reported: list[int] = []
        self.running = 0
        self.most = 0

    async def work(self, unit: int) -> int:
        assert unit in self.started, "ran before its start was on disk"
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.001 * (unit % 3))
        self.running -= 1
        return unit

    async def commit(self, finished: int | None, following: int | None) -> None:
        await asyncio.sleep(0.001)
        if finished is not None:
            self.finished.append(finished)
        if following is not None:
            self.started.append(following)

    def report(self, result: int) -> None:
        assert result in self.finished, "reported before it was on disk"
        self.reported.append(result)

    def harness(self, concurrency: int = 4) -> Harness[int, int]:
        return Harness(self.work, self.commit, self.report, concurrency=concurrency)


async def test_every_unit_runs_once_within_the_bound() -> None:
    ledger = Ledger()
    assert await ledger.harness(3).run(range(20))
    assert sorted(ledger.finished) == sorted(ledger.reported) == list(range(20))
    assert ledger.most == 3


async def test_nothing_to_do_is_done() -> None:
    assert await Ledger().harness().run([])


async def test_stopping_keeps_what_is_finished() -> None:
    ledger = Ledger()
    harness = ledger.harness()
    asyncio.get_running_loop().call_later(0.01, harness.stop)
    assert not await harness.run(range(10_000))
    # Each commits by itself: no order is promised between them.
    assert sorted(ledger.finished) == sorted(ledger.reported)
    assert 0 < len(ledger.finished) < 10_000


async def test_a_result_that_is_being_committed_is_reported_even_when_stopped() -> None:
    ledger = Ledger()
    harness = ledger.harness(1)
    entered = asyncio.Event()

    async def slow(finished: int | None, following: int | None) -> None:
        if finished is not None:
            entered.set()
            await asyncio.sleep(0.02)
        await ledger.commit(finished, following)

    harness = Harness(ledger.work, slow, ledger.report, concurrency=1)
    running = asyncio.create_task(harness.run(range(5)))
    await entered.wait()
    harness.stop()
    assert not await running
    assert ledger.reported == ledger.finished == [0]


async def test_a_failing_store_ends_the_measurement() -> None:
    ledger = Ledger()

    async def failing(finished: int | None, following: int | None) -> None:
        if finished is not None:
            raise StoreError("the disk is full")
        await ledger.commit(None, following)

    with pytest.raises(StoreError, match="full"):
        await Harness(ledger.work, failing, ledger.report, concurrency=4).run(range(20))
    assert ledger.reported == []
