"""Loads: what a closed loop hides an open one shows, times agree with the server's own clock, and a late client says so."""

from __future__ import annotations

import asyncio
import math
import time
from random import Random

import pytest

from gapless.probes.model.endpoints.base import Question, Reply
from gapless.probes.model.endpoints.openai import OpenAIEndpoint
from gapless.probes.model.load import Lag, Load, Watch, closed, opened, schedule
from gapless.probes.model.measured import story
from gapless.probes.model.tail import loops_broken
from gapless.testing.fake_llm import FakeLLM

PAUSE_MS = 1500.0
QUIET_MS = 2.0
"""How late timers are at p99 on a host that does nothing else."""


def waits(load: Load) -> list[float]:
    return sorted(reply.ttft_ms for reply in load.ok if reply.ttft_ms is not None)


def slow(load: Load) -> float:
    """Share of answers whose first token took over a third of the pause."""
    times = waits(load)
    return sum(t > PAUSE_MS / 3 for t in times) / len(times)


async def test_the_stall_that_a_closed_loop_hides_is_seen_in_an_open_one() -> None:
    latency = {"ttft_ms": 20, "pause_every_s": 3.0, "pause_ms": PAUSE_MS}
    with FakeLLM({"rules": [{"reply": {"text": "ok"}}], "latency": latency}) as server:
        endpoint = OpenAIEndpoint(url=server.base_url, model="m")
        shut = await closed(endpoint, story, streams=1, seconds=6.0)
        at = schedule("constant", rate=8.0, seconds=6.0)
        load = await opened(endpoint, story, at)
    # A third of all moments is more than 500 ms before a pause's end; the loop that waits meets each pause once.
    assert len(load.replies) == 48
    assert slow(load) > 0.2
    assert slow(shut) < slow(load) / 2


async def test_times_to_the_first_token_agree_with_the_servers_own_clock() -> None:
    for _ in range(4):
        difference, lag_ms = await beyond_the_servers_clock()
        if difference <= 5.0 or lag_ms <= QUIET_MS:
            break
    # Server and client share this process: where the host is never quiet, both ends of a request are late as timers are.
    assert -1.0 <= difference <= (5.0 if lag_ms <= QUIET_MS else 5.0 + 2 * lag_ms)


async def test_a_load_beyond_what_the_client_can_do_is_called_its_own() -> None:
    def slowly(i: int) -> Question:
        until = time.thread_time() + 0.03
        while time.thread_time() < until:
            pass
        return story(i)

    with FakeLLM({"rules": [{"reply": {"text": "one two three"}}]}) as server:
        endpoint = OpenAIEndpoint(url=server.base_url, model="m")
        load = await opened(endpoint, slowly, schedule("constant", rate=60.0, seconds=2.0))
    assert "client saturated" in load.saturated()


async def beyond_the_servers_clock() -> tuple[float, float]:
    """By how much p99 of the first token is later than by the server's own clock, and how late timers are at p99, in ms."""
    latency = {"ttft_ms": {"uniform": [20, 60]}, "inter_token_ms": 2}
    with FakeLLM({"rules": [{"reply": {"text": "one two three"}}], "latency": latency}) as server:
        endpoint = OpenAIEndpoint(url=server.base_url, model="m")
        at = schedule("poisson", rate=25.0, seconds=5.0, seed=3)
        load = await opened(endpoint, story, at)
        theirs = sorted(1e3 * (one.first_s - one.read_s) for one in server.served)
    ours = sorted(1e3 * (r.arrivals[0] - (r.connected_s or r.started_s)) for r in load.ok)
    assert len(ours) == len(theirs) == len(at)
    rank = math.ceil(0.99 * len(ours)) - 1
    assert load.lag is not None
    return ours[rank] - theirs[rank], load.lag.p99_ms


def test_schedules_have_the_rate_that_was_asked_for() -> None:
    assert len(schedule("constant", rate=10, seconds=4)) == 40
    ramp = schedule("ramp", rate=10, seconds=4)
    assert len([at for at in ramp if at < 2]) == 10
    many = schedule("poisson", rate=100, seconds=100)
    assert len(many) == pytest.approx(10_000, rel=0.05)
    assert many == sorted(many)
    assert many == schedule("poisson", rate=100, seconds=100)


async def test_latency_counts_from_the_intended_start_even_when_the_client_is_late() -> None:
    with FakeLLM({"rules": [{"reply": {"text": "ok"}}]}) as server:
        endpoint = OpenAIEndpoint(url=server.base_url, model="m")
        load = await opened(endpoint, lambda i: time.sleep(0.05) or story(i), [0.0] * 5)
    (last,) = [
        reply for reply in load.replies if reply.intended_s == max(r.intended_s for r in load.replies)
    ][-1:]
    assert last.total_ms >= 150
    assert last.started_s > last.intended_s


async def test_a_client_that_cannot_keep_up_says_so() -> None:
    async with Watch() as watch:
        for _ in range(5):
            time.sleep(0.08)  # noqa: ASYNC251 - the loop is held up on purpose
            await asyncio.sleep(0.001)
    assert "client saturated" in watch.lag.saturated(10.0)
    assert Lag(cpu_share=0.1, p95_ms=15.0, p99_ms=18.0).saturated(None) == ""
    assert "% of a core" in Lag(cpu_share=0.95, p95_ms=1.0, p99_ms=1.0).saturated(None)
    assert Lag(cpu_share=0.1, p95_ms=40.0, p99_ms=60.0).saturated(500.0) == ""
    noisy = Lag(cpu_share=0.1, p95_ms=5.0, p99_ms=60.0)
    assert noisy.saturated(None) == ""
    assert "60 ms late at p99" in noisy.tail_is_own(None)
    assert noisy.tail_is_own(None, 2000.0) == ""


async def test_one_standstill_counts_for_as_long_as_it_lasts() -> None:
    """The watcher must not omit what it could not see: half of the time nothing ran here, in one piece."""
    async with Watch() as watch:
        await asyncio.sleep(0.15)
        time.sleep(0.3)  # noqa: ASYNC251 - the loop is held up on purpose
        await asyncio.sleep(0.15)
    assert sum(late > 20 for late in watch.late_ms) >= 25
    assert watch.lag.p95_ms > 150
    assert watch.lag.saturated(50.0)


def test_a_refusing_endpoint_is_not_hammered() -> None:
    with FakeLLM(
        {"rules": [{"fault": "429"}], "faults": {"429": {"rate": 0, "retry_after_s": 0.5}}}
    ) as server:
        endpoint = OpenAIEndpoint(url=server.base_url, model="m")
        load = asyncio.run(closed(endpoint, story, streams=1, seconds=1.2))
    assert 2 <= len(load.replies) <= 4
    assert not load.ok


def test_too_many_in_flight_are_counted_and_not_sent() -> None:
    with FakeLLM({"rules": [{"fault": "timeout"}]}) as server:
        endpoint = OpenAIEndpoint(url=server.base_url, model="m", timeout_s=0.5)
        load = asyncio.run(opened(endpoint, story, [0.0] * 6, in_flight=4))
    assert (len(load.replies), load.dropped) == (4, 2)
    assert {reply.trouble for reply in load.replies} == {"timeout"}


def test_loops_of_slow_calls_that_come_together_break_less_often_than_the_formula_says() -> None:
    together = loops_broken([True] * 10 + [False] * 90, 10)
    apart = loops_broken(([True] + [False] * 9) * 10, 10)
    assert together.point == pytest.approx(0.19)
    assert apart.point == 1.0
    assert loops_broken([True, False], 10).point == 1.0


@pytest.mark.parametrize("stall", [1, 5])
def test_the_interval_of_loops_holds_the_true_share(stall: int) -> None:
    """Stalls of so many calls at random moments: a loop of ten is free of them if none began in it or just before."""
    rate, n, random = 0.01, 400, Random(stall)
    truth = 1 - (1 - rate) ** (10 + stall - 1)
    held = 0
    for _ in range(300):
        begun = [random.random() < rate for _ in range(n + stall)]
        found = loops_broken([any(begun[i : i + stall]) for i in range(n)], 10)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    assert held >= 0.91 * 300


def test_a_replys_times_are_its_own() -> None:
    reply = Reply(intended_s=1.0, started_s=1.5, ended_s=3.0, arrivals=[2.0, 2.25, 3.0])
    assert (reply.ttft_ms, reply.total_ms, reply.gaps_ms) == (1000.0, 2000.0, [250.0, 750.0])
    assert Reply(intended_s=1.0, started_s=1.0).ttft_ms is None
