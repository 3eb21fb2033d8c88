"""guidellm's benchmarks.json: each benchmark in it is a load.

It keeps one mean time between tokens per request. In runs with a schedule of arrivals latency counts from the scheduled
time (`targeted_start`), as ours does; in the others from the request's own start. All requests are in the file, those of a
warm-up and a cool-down too: as in its own figures, only those count that touch the time between `start_time` and `end_time`.
What was on its way when the run ended ("incomplete") is no fault of the endpoint's, and lasted at least so long.

Source:
    guidellm 0.8.1: `guidellm.benchmark.schemas.report`, `.benchmark` and `.metrics`, `guidellm.schemas.base.request_stats`,
    `guidellm.schemas.base.info` (times in seconds since the epoch), `guidellm.scheduler.strategies`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from gapless.probes.base import ProbeUnavailable
from gapless.probes.model.endpoints.base import Reply
from gapless.probes.model.load import Load
from gapless.probes.model.results.base import Signs, content, decoded, load, reply, sieved, source

_SCHEDULED = ("constant", "poisson", "trace")
"""Strategies with a time at which each request should begin: an open loop."""


class _Timings(msgspec.Struct):
    targeted_start: float | None = None
    resolve_start: float | None = None
    resolve_end: float | None = None
    request_start: float | None = None
    request_end: float | None = None


class _Info(msgspec.Struct):
    timings: _Timings
    error: str | None = None


class _Request(msgspec.Struct):
    info: _Info
    time_to_first_token_ms: float | None = None
    inter_token_latency_ms: float | None = None
    output_tokens: int | None = None


class _Requests(msgspec.Struct):
    successful: list[_Request] | None = None
    errored: list[_Request] | None = None
    incomplete: list[_Request] | None = None


class _Strategy(msgspec.Struct):
    type_: str
    rate: float | None = None
    streams: int | None = None
    max_concurrency: int | None = None


class _Config(msgspec.Struct):
    strategy: _Strategy


class _Totals(msgspec.Struct):
    successful: int | None = None
    errored: int | None = None


class _Metrics(msgspec.Struct):
    request_totals: _Totals


class _Benchmark(msgspec.Struct):
    config: _Config
    requests: _Requests
    metrics: _Metrics
    start_time: float
    end_time: float


class _Metadata(msgspec.Struct):
    guidellm_version: str


class _Report(msgspec.Struct):
    metadata: _Metadata
    benchmarks: list[_Benchmark]


def is_one(signs: Signs) -> bool:
    """Whether a JSON object is a report of guidellm's."""
    return "benchmarks" in signs and b'"guidellm_version"' in bytes(signs.get("metadata", b""))


def read(path: Path) -> tuple[Load, ...]:
    """The benchmarks of a report."""
    report = decoded(path, content(path), _Report, what="a guidellm report")
    said = source(path, "guidellm", report.metadata.guidellm_version)
    try:
        loads = [_load(one, said) for one in report.benchmarks]
    except ValueError as error:
        raise ProbeUnavailable(f"{path}: {error}") from error
    if not any(one.replies for one in loads):
        raise ProbeUnavailable(f"{path}: it keeps no requests: run guidellm without a sample size")
    return tuple(one for one in loads if one.replies)


def _load(benchmark: _Benchmark, said: str) -> Load:
    requests, strategy = benchmark.requests, benchmark.config.strategy
    begin, end = benchmark.start_time, benchmark.end_time
    wrong: list[str] = []

    def of(some: list[_Request] | None, why: Callable[[_Request], str]) -> list[Reply]:
        made = sieved(
            some or (),
            lambda one: _reply(one, why(one), scheduled=strategy.type_ in _SCHEDULED, until=end),
            wrong,
        )
        return [one for one in made if one is not None and one.ended_s >= begin and one.started_s <= end]

    whole = of(requests.successful, lambda _: "")
    failed = of(requests.errored, lambda one: one.info.error or "errored")
    given_up = of(requests.incomplete, lambda _: "given up as the run ended")
    totals = benchmark.metrics.request_totals
    total, kept = (totals.successful or 0) + (totals.errored or 0), len(whole) + len(failed) + len(wrong)
    part = f"{kept} of {total} requests kept in the file" if kept < total else ""
    how = f"{_how(strategy)}, {said}"
    return load([*whole, *failed], how, given_up=given_up, mean_gaps=True, part=part, wrong=wrong)


def _reply(one: _Request, said: str, *, scheduled: bool, until: float) -> Reply | None:
    """A request; None where nobody knows when it was."""
    times = one.info.timings
    known = [
        at for at in (times.request_start, times.resolve_start, times.request_end, times.resolve_end) if at
    ]
    if not known:
        return None
    begun = known[0]
    ended = next((at for at in (times.request_end, times.resolve_end) if at is not None), max(until, begun))
    gap = one.inter_token_latency_ms
    return reply(
        due_s=times.targeted_start if scheduled else None,
        begun_s=begun,
        first_ms=one.time_to_first_token_ms,
        gaps_ms=[gap] if gap is not None else [],
        ended_s=ended,
        said=said,
        tokens_out=one.output_tokens,
    )


def _how(strategy: _Strategy) -> str:
    if strategy.rate is not None:
        return f"{strategy.type_} at {strategy.rate:g} a second"
    streams = strategy.streams or strategy.max_concurrency
    return f"{strategy.type_}, {streams} at a time" if streams else strategy.type_
