"""A run table of a million trials x 8 steps: ingest and report, against reading its lines with json.loads and nothing more."""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

STEPS = ("understand", "plan", "retrieve", "rerank", "extract", "call_tool", "draft", "deliver")
LAYERS = ("model", "model", "context", "context", "model", "tool", "model", "orchestration")
TRIALS = 5
BENCHMARKED = 500
LOOP, RETRY, MEND = 0.06, 0.08, 0.7
INGEST_S, REPORT_S, REPORT_GB = 300.0, 15.0, 1.5


def table(runs: int, seed: int = 0) -> Iterator[str]:
    """Lines of a seeded table: loops, retries, repairs, crashes, escalations, and cases that differ in how hard they are."""
    chance = random.Random(seed)
    for case in range(runs // TRIALS):
        hard = chance.betavariate(1, 24)
        for trial in range(TRIALS):
            yield _run(chance, f"case-{case}", trial, hard)
    for case in range(min(BENCHMARKED, runs // TRIALS)):
        for step in STEPS:
            ok = json.dumps(chance.random() > 0.03)
            yield f'{{"kind":"component","node":"{step}","case":"case-{case}","trial":0,"ok":{ok}}}\n'


def _run(chance: random.Random, case: str, trial: int, hard: float) -> str:
    events: list[str] = []
    lost = crashed = False
    for step, layer in zip(STEPS, LAYERS, strict=True):
        visits = 2 if step == "retrieve" and chance.random() < LOOP else 1
        for visit in range(1, visits + 1):
            attempts = 2 if step == "call_tool" and chance.random() < RETRY else 1
            for attempt in range(1, attempts + 1):
                ok = visit == visits and attempt == attempts and chance.random() > hard
                events.append(
                    f'{{"node":"{step}","layer":"{layer}","visit":{visit},"attempt":{attempt},"ok":{"true" if ok else "false"},"ms":{chance.expovariate(0.02):.3f}}}'
                )
        if not ok:
            lost = chance.random() > MEND
            crashed = lost and chance.random() < 0.2
        if crashed:
            break
    outcome = "failed" if crashed else "wrong" if lost else "correct"
    if outcome == "wrong" and chance.random() < 0.1:
        outcome = "escalated"
    return f'{{"kind":"run","case":"{case}","trial":{trial},"outcome":"{outcome}","steps":[{",".join(events)}]}}\n'


def write(path: Path, runs: int, seed: int = 0) -> None:
    """Writes the table."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(table(runs, seed))


def run(runs: int = 1_000_000) -> list[dict[str, Any]]:
    """One table, read once each way, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "runs.jsonl"
        write(file, runs)
        size = file.stat().st_size / 1e6
        here = [sys.executable, __file__, "--read", str(file)]
        gapless = [sys.executable, "-m", "gapless"]
        database = Path(folder) / "gapless.db"
        environment = os.environ | {"GAPLESS_DATABASE_URL": f"sqlite:///{database}"}
        base = _measured(here, environment)
        taken = _measured([*gapless, "ingest", str(file), "--quiet"], environment)
        shown = _measured([*gapless, "report", "--json"], environment)
        kept = database.stat().st_size / 1e6
    return [
        {"what": f"the file, {runs:,} trials", "value": size, "unit": "MB"},
        *_rows("json.loads, line by line", base, base),
        *_rows("gapless ingest", taken, base, f"<= {INGEST_S:.0f} s"),
        {"what": "the store afterwards", "value": kept, "unit": "MB"},
        *_rows("gapless report --json", shown, base, f"<= {REPORT_S:.0f} s, {REPORT_GB} GB"),
    ]


class Used(NamedTuple):
    """What a process took."""

    wall_s: float
    cpu_s: float
    peak_gb: float


def _rows(what: str, used: Used, base: Used, target: str = "") -> list[dict[str, Any]]:
    return [
        {"what": what, "value": used.wall_s, "unit": "s", "target": target},
        {
            "what": f"{what}, CPU",
            "value": used.cpu_s,
            "unit": "s",
            "ratio": f"{used.cpu_s / base.cpu_s:.1f}x",
        },
        {"what": f"{what}, peak memory", "value": used.peak_gb, "unit": "GB"},
    ]


def _measured(command: list[str], environment: dict[str, str]) -> Used:
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024  # in which the system counts resident memory
    return Used(took, used.ru_utime + used.ru_stime, used.ru_maxrss * unit / 1e9)


def _read(path: Path) -> None:
    with path.open("rb") as file:
        for line in file:
            json.loads(line)


def main() -> None:
    """`python -m bench.run_table [RUNS]` measures; `--write FILE` only writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--write", type=Path, help="write the table there and stop")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        _read(given.read)
    elif given.write:
        write(given.write, given.runs)
    else:
        for row in run(given.runs):
            print(
                f"{row['what']:45} {row['value']:10.2f} {row['unit']:4} {row.get('ratio', ''):>8} {row.get('target', '')}"
            )


if __name__ == "__main__":
    main()
