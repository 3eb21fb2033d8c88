"""The knee of a ramp: found where a queue is, and nowhere where there is none."""

from __future__ import annotations

import pytest

from gapless.probes.base import ProbeUnavailable, Subject
from gapless.probes.model.endpoints.base import Reply
from gapless.probes.model.load import Load, schedule
from gapless.probes.model.ramp import knee
from gapless.probes.shelf import probe
from gapless.settings import ModelSettings
from gapless.testing.fake_llm import FakeLLM


def ramp(
    capacity: float, *, steepest: float = 20.0, seconds: float = 10.0, service_s: float = 0.1
) -> list[Reply]:
    """A ramp at a queue that lets `capacity` requests a second through; each takes `service_s` by itself."""
    free, replies = 0.0, list[Reply]()
    for at in schedule("ramp", rate=steepest / 2, seconds=seconds):
        free = max(at, free) + 1 / capacity
        replies.append(Reply(intended_s=at, started_s=at, ended_s=free - 1 / capacity + service_s))
    return replies


@pytest.mark.parametrize("capacity", [6.0, 10.0, 14.0])
def test_the_knee_of_a_queue_is_its_capacity(capacity: float) -> None:
    below, above, usual = knee(ramp(capacity), 20.0)
    assert above is not None
    assert below <= 1.25 * capacity
    assert above >= capacity
    assert usual == pytest.approx(100.0, abs=1.0)


def test_there_is_no_knee_where_there_is_no_queue() -> None:
    below, above, _ = knee(ramp(1000.0), 20.0)
    assert (below, above) == (20.0, None)


def test_one_slow_group_in_the_middle_is_no_knee() -> None:
    replies = ramp(1000.0)
    for reply in replies[40:60]:
        reply.ended_s += 5.0
    assert knee(replies, 20.0)[1] is None


def test_answers_that_do_not_come_count_as_endless() -> None:
    replies = ramp(1000.0)
    for reply in replies[60:]:
        reply.trouble = "status"
    assert knee(replies, 20.0)[1] is not None


def test_an_endpoint_that_answers_too_rarely_has_no_knee_to_be_found() -> None:
    script = {"rules": [{"reply": "one"}], "latency": {"ttft_ms": 400, "slots": 1}}
    with FakeLLM(script) as server:
        settings = ModelSettings(url=server.base_url, model="m")
        with pytest.raises(ProbeUnavailable, match="requests, too few to find a knee in"):
            list(probe("knee")(Subject(model=settings, seconds=2.0, streams=1)))


def test_an_endpoint_that_has_had_enough_shows_no_knee(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quota that the loads before used up: every answer of the ramp is a refusal."""
    replies = ramp(1000.0)
    for reply in replies:
        reply.trouble, reply.said = "status", "429: quota"
    load = Load(replies=tuple(replies), lag=None, seconds=10.0, how="open loop")
    monkeypatch.setattr("gapless.probes.model.ramp._load", lambda _: (load, 20.0))
    with pytest.raises(ProbeUnavailable, match="most answers did not come whole: 429: quota"):
        list(probe("knee")(Subject()))


@pytest.mark.parametrize(
    ("capacity", "need", "status"),
    [(6.0, 3.0, "ok"), (6.0, 15.0, "fail"), (6.0, None, "ok"), (1000.0, 20.0, "ok")],
)
def test_the_bracket_of_the_knee_is_held_against_the_rate(
    capacity: float, need: float | None, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = Load(replies=tuple(ramp(capacity)), lag=None, seconds=10.0, how="open loop")
    monkeypatch.setattr("gapless.probes.model.ramp._load", lambda _: (load, 20.0))
    (finding,) = probe("knee")(Subject(targets={} if need is None else {"knee": need}))
    assert (finding.status, finding.undecided) == (status, "")
    assert finding.target.startswith(f">= {need or 2:g} requests a second")
