"""Ctrl-C while something is opened: nobody waits for it, and what it opens late is closed."""

from __future__ import annotations

import asyncio
import threading
from contextlib import ExitStack

import pytest

from gapless.operations.checkup_halting import Halted, aside, halting, held_open, unless
from gapless.operations.progress import Stop


def test_work_aside_is_left_when_stopping_is_requested() -> None:
    over = threading.Event()

    async def stopped() -> None:
        stop = Stop()
        halted = halting(stop)
        asyncio.get_running_loop().call_soon(stop.request)
        try:
            with pytest.raises(Halted):
                await aside(halted, over.wait)
            with pytest.raises(Halted):
                await unless(halted, asyncio.sleep(60))
        finally:
            over.set()

    asyncio.run(stopped())


def test_work_aside_is_waited_for_no_longer_than_it_may_take() -> None:
    over = threading.Event()

    async def late() -> int:
        try:
            with pytest.raises(TimeoutError):
                await aside(asyncio.Event(), over.wait, within_s=0.05)
        finally:
            over.set()
        return await aside(asyncio.Event(), lambda: 3)

    assert asyncio.run(late()) == 3


def test_what_is_opened_after_the_stop_is_closed_all_the_same() -> None:
    go, closed = threading.Event(), threading.Event()

    def slow(held: ExitStack) -> str:
        go.wait()
        held.callback(closed.set)
        return "open"

    async def stopped() -> None:
        stop = Stop()
        halted = halting(stop)
        asyncio.get_running_loop().call_soon(stop.request)
        with pytest.raises(Halted):
            async with held_open(halted, slow):
                pass
        go.set()

    asyncio.run(stopped())
    assert closed.wait(5)


def test_what_is_held_open_is_closed_at_the_end() -> None:
    closed: list[str] = []

    def quick(held: ExitStack) -> str:
        held.callback(closed.append, "closed")
        return "open"

    async def held() -> None:
        async with held_open(asyncio.Event(), quick) as what:
            assert (what, closed) == ("open", [])

    asyncio.run(held())
    assert closed == ["closed"]
