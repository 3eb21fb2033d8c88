"""`gapless proxy` against fastmcp's plain proxy, before one server: CPU of the proxy's process and time per call."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from bench.proxy_parts import SERVER

ROUNDS, CALLS, WARM = 7, 500, 100
_PLAIN = (sys.executable, "-m", "bench.proxy_parts", "plain")
_GUARDED = (sys.executable, "-m", "gapless", "proxy")


def run() -> list[dict[str, Any]]:
    """Both proxies over stdio in both eras, alternating; every call of ours is validated, recorded and on disk."""
    rows: list[dict[str, Any]] = []
    for era, mode in (("2025-11-25", "legacy"), ("2026-07-28", "2026-07-28")):
        ours, plain, unrecorded = asyncio.run(_compared(mode))
        rows += [
            {"what": f"fastmcp's proxy, {era}: CPU per call", "value": plain["cpu"], "unit": "us"},
            _row(f"gapless proxy, {era}: CPU per call", ours["cpu"], plain["cpu"], "<= 1.2x"),
            _row(f"  the same with --record off, {era}", unrecorded["cpu"], plain["cpu"], ""),
            {"what": f"fastmcp's proxy, {era}: time per call, median", "value": plain["wall"], "unit": "us"},
            _row(f"gapless proxy, {era}: time per call, median", ours["wall"], plain["wall"], "<= 1.2x"),
        ]
    return rows


def _row(what: str, value: float, other: float, target: str) -> dict[str, Any]:
    return {"what": what, "value": value, "unit": "us", "ratio": f"{value / other:.2f}x", "target": target}


async def _compared(mode: str) -> list[dict[str, float]]:
    commands = [[*_GUARDED, "--", *SERVER], list(_PLAIN), [*_GUARDED, "--record", "off", "--", *SERVER]]
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            clients = [await _started(stack, command, mode, Path(folder)) for command in commands]
            taken: list[list[tuple[float, float]]] = [[] for _ in clients]
            for _ in range(ROUNDS):
                for (client, process), found in zip(clients, taken, strict=True):
                    found.append(await _round(client, process))
    return [
        {"cpu": median(cpu for cpu, _ in found), "wall": median(wall for _, wall in found)} for found in taken
    ]


async def _started(stack: AsyncExitStack, command: list[str], mode: str, folder: Path) -> tuple[Any, Any]:
    from mcp import Client, StdioServerParameters
    from mcp.client.stdio import stdio_client

    known = {child.pid for child in psutil.Process().children()}
    root = Path(__file__).parents[1]
    place = {
        "GAPLESS_DATABASE_URL": f"sqlite:///{folder / 'gapless.db'}",
        "PYTHONPATH": os.environ.get("PYTHONPATH", str(root / "src")),
    }
    parameters = StdioServerParameters(command=command[0], args=command[1:], env=os.environ | place, cwd=root)
    quiet = stack.enter_context((folder / "stderr").open("a"))
    client = await stack.enter_async_context(Client(stdio_client(parameters, errlog=quiet), mode=mode))
    (process,) = [child for child in psutil.Process().children() if child.pid not in known]
    for n in range(WARM):
        await client.call_tool("double", {"n": n})
    return client, process


async def _round(client: Any, process: Any) -> tuple[float, float]:
    """CPU and median wall time of a call, in microseconds."""
    before, times = process.cpu_times(), list[float]()
    for n in range(CALLS):
        begun = time.perf_counter()
        assert (await client.call_tool("double", {"n": n})).structured_content == {"n": 2 * n}
        times.append(time.perf_counter() - begun)
    await asyncio.sleep(0.05)  # what is written behind the last answers belongs to them
    after = process.cpu_times()
    cpu = (after.user + after.system - before.user - before.system) / CALLS
    return cpu * 1e6, median(times) * 1e6
