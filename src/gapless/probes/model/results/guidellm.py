"""guidellm's benchmarks.json: each benchmark in it is a load.

It keeps one mean time between tokens per request. In runs with a schedule of arrivals latency counts from the scheduled
time (`targeted_start`), as ours does; in the others from the request's own start.

Source:
    guidellm 0.8.1: `guidellm.benchmark.schemas.report`, `guidellm.schemas.base.request_stats`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gapless.probes.base import ProbeUnavailable
from gapless.probes.model.endpoints.base import Reply
from gapless.probes.model.load import Load
from gapless.probes.model.results.base import load, read_json, reply, source

SCHEDULED = ("constant", "poisson", "trace")
"""Strategies with a time at which each request should begin: an open loop."""


def is_one(value: Any) -> bool:
    """Whether a JSON value is a report of guidellm's."""
    return (
        isinstance(value, dict)
        and "benchmarks" in value
        and "guidellm_version" in (value.get("metadata") or {})
    )


def read(path: Path) -> tuple[Load, ...]:
    """The benchmarks of a report."""
    report = read_json(path)
    said = source(path, "guidellm", report["metadata"]["guidellm_version"])
    try:
        loads = [_load(one, said) for one in report["benchmarks"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise ProbeUnavailable(
            f"{path}: a guidellm report of another form: {type(error).__name__}: {error}"
        ) from error
    if not any(one.replies for one in loads):
        raise ProbeUnavailable(f"{path}: it keeps no requests: run guidellm without a sample size")
    return tuple(one for one in loads if one.replies)


def _load(benchmark: dict[str, Any], said: str) -> Load:
    strategy: dict[str, Any] = benchmark["config"]["strategy"]
    scheduled = strategy["type_"] in SCHEDULED
    replies: list[Reply] = []
    for status in ("successful", "errored", "incomplete"):
        for one in benchmark["requests"].get(status) or []:
            made = _reply(one, status, scheduled=scheduled)
            replies += [made] if made is not None else []
    replies.sort(key=lambda one: one.intended_s)
    totals: dict[str, int] = benchmark["metrics"]["request_totals"]
    # What was cut off by the end of the run is no fault of the endpoint's.
    total = totals["successful"] + totals["errored"]
    kept = sum(reply.trouble != "timeout" for reply in replies)
    part = f", {kept} of {total} requests kept in the file" if kept < total else ""
    return load(replies, f"{_how(strategy)}, {said}{part}", mean_gaps=True)


def _reply(one: dict[str, Any], status: str, *, scheduled: bool) -> Reply | None:
    """A request; None where it was still on its way when the run ended."""
    times: dict[str, Any] = one["info"]["timings"]
    start, end = times.get("request_start"), times.get("request_end")
    if status == "incomplete" or start is None or end is None:
        return None if status != "errored" else _errored(one, times)
    begun = times.get("targeted_start") if scheduled else None
    begun = start if begun is None else begun
    first = one.get("time_to_first_token_ms")
    gap = one.get("inter_token_latency_ms")
    return reply(
        begun_s=begun,
        first_ms=first + 1e3 * (start - begun) if first is not None else None,
        gaps_ms=[gap] if gap is not None else [],
        ended_s=end,
        said=_error(one) if status == "errored" else "",
        tokens_out=one.get("output_tokens"),
    )


def _errored(one: dict[str, Any], times: dict[str, Any]) -> Reply | None:
    known = [times[name] for name in ("targeted_start", "resolve_start", "resolve_end") if times.get(name)]
    if not known:
        return None
    return reply(begun_s=min(known), first_ms=None, gaps_ms=[], ended_s=max(known), said=_error(one))


def _error(one: dict[str, Any]) -> str:
    return str(one["info"].get("error") or "errored")[:200]


def _how(strategy: dict[str, Any]) -> str:
    kind = strategy["type_"]
    if "rate" in strategy:
        return f"{kind} at {strategy['rate']:g} a second"
    streams = strategy.get("streams") or strategy.get("max_concurrency")
    return f"{kind}, {streams} at a time" if streams else str(kind)
