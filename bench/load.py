"""The load client against plain asyncio streams, on the same server: how many streams of 20 ms a token before the client is late itself."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import resource
import subprocess
import sys
import time
import urllib.request
from typing import Any

from gapless.probes.model.endpoints.openai import OpenAIEndpoint
from gapless.probes.model.load import Lag, Watch, opened
from gapless.probes.model.measured import story

BEAT_MS, TOKENS, STREAMS = 20, 100, 256
LEVELS = (64, 128, 256, 512, 768, 1024, 1536)
_SPREAD_S = 0.5
"""Streams begin over this time, so that their beats do not fall together."""


def run() -> list[dict[str, Any]]:
    """Both clients at 256 streams in turn, then ours at more and more until it says that it is saturated."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    command = [sys.executable, "-m", "bench.load_server", str(BEAT_MS), str(TOKENS)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            return _rows(int(server.stdout.readline()))
        finally:
            server.stdin.close()


def _rows(port: int) -> list[dict[str, Any]]:
    raw = [asyncio.run(_raw(port, STREAMS)) for _ in range(3)]
    ours = [asyncio.run(_ours(port, STREAMS)) for _ in range(3)]
    best_raw, best = (min(runs, key=lambda one: one["lag"].cpu_share) for runs in (raw, ours))
    rows = [
        _row("raw asyncio streams: share of a core", best_raw["lag"].cpu_share, "share"),
        _row("raw asyncio streams: between tokens, p99", best_raw["p99"], "ms"),
        _row("gapless: share of a core", best["lag"].cpu_share, "share")
        | {"ratio": round(best["lag"].cpu_share / best_raw["lag"].cpu_share, 2)},
        _row("gapless: between tokens, p99", best["p99"], "ms"),
        _row(
            "gapless: first token p99, beyond the server's own clock",
            min(one["beyond"] for one in ours),
            "ms",
            "<= 5 on a quiet host",
        ),
        _row("gapless: the client's own lag, p99", best["lag"].p99_ms, "ms"),
    ]
    knee = 0
    for level in LEVELS:
        one = best if level == STREAMS else asyncio.run(_ours(port, level))
        said = _late(one)
        tail = one["lag"].tail_is_own(BEAT_MS) or "on time"
        rows.append(_row(f"gapless, {level} streams: {said or tail}", one["lag"].cpu_share, "share"))
        if said:
            break
        knee = level
    rows.append(_row("gapless: most streams before the client is late", knee, "streams", f">= {STREAMS}"))
    return rows


def _late(one: dict[str, Any]) -> str:
    """Why the client is the bottleneck: its own word, or tokens that it does not see on their beat."""
    lag: Lag = one["lag"]
    return lag.saturated(BEAT_MS) or ("" if one["whole"] else "not all answers were whole")


async def _ours(port: int, streams: int) -> dict[str, Any]:
    endpoint = OpenAIEndpoint(url=f"http://127.0.0.1:{port}/v1", model="m", timeout_s=60)
    at = [i * _SPREAD_S / streams for i in range(streams)]
    load = await opened(endpoint, story, at, in_flight=streams)
    gaps = sorted(gap for reply in load.ok for gap in reply.gaps_ms)
    first = sorted(1e3 * (r.arrivals[0] - (r.connected_s or r.started_s)) for r in load.ok)
    theirs = await asyncio.to_thread(_stats, port)
    beyond = _p99(first) - _p99(sorted(theirs)) if first else math.nan
    whole = len(load.ok) == streams
    return {"lag": load.lag, "p99": _p99(gaps), "beyond": beyond, "whole": whole}


async def _raw(port: int, streams: int) -> dict[str, Any]:
    """What anybody would write first: open_connection, and a line at a time."""
    body = json.dumps({"stream": True, "messages": [], "model": "m"}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()

    async def one(delay: float) -> list[float]:
        await asyncio.sleep(delay)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + body)
        times: list[float] = []
        async for line in reader:
            if line.startswith(b"data: {"):
                json.loads(line[6:])
                times.append(time.perf_counter())
        writer.close()
        return times[:-1]

    async with Watch() as watch:
        found = await asyncio.gather(*(one(i * _SPREAD_S / streams) for i in range(streams)))
    await asyncio.to_thread(_stats, port)
    gaps = sorted(1e3 * (b - a) for times in found for a, b in itertools.pairwise(times))
    return {"lag": watch.lag, "p99": _p99(gaps)}


def _stats(port: int) -> list[float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats", timeout=10) as answer:
        return json.load(answer)


def _p99(ordered: list[float]) -> float:
    return ordered[math.ceil(0.99 * len(ordered)) - 1] if ordered else math.nan


def _row(what: str, value: float, unit: str, target: str = "") -> dict[str, Any]:
    return {"what": what, "value": value, "unit": unit} | ({"target": target} if target else {})
