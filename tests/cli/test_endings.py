"""How a command ends when somebody interferes: a reader that leaves, a signal, a step that will not stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

GAPLESS = [sys.executable, "-m", "gapless"]
SLOW = """
import asyncio, pathlib
async def work(n):
    with open("started.log", "a") as log:
        log.write(f"{n}\\n")
    await asyncio.sleep(0.05 if n < 3 else 60)
    return {"n": n}
"""
STUBBORN = """
import asyncio
from gapless import step

@step
async def stay(n):
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

async def work(n):
    return await stay(n) if n == 1 else {"n": n}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    (tmp_path / "inputs.jsonl").write_text("".join(f"{json.dumps({'n': n})}\n" for n in range(6)))
    return tmp_path


def start(folder: Path, *argv: str) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if key != "GAPLESS_DATABASE_URL"}
    return subprocess.Popen(
        [*GAPLESS, *argv],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kept(folder: Path) -> dict[str, int]:
    listed = subprocess.run(
        [*GAPLESS, "report", "--json"], cwd=folder, capture_output=True, text=True, check=True
    )
    return json.loads(listed.stdout)["gap"]["outcomes"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_what_is_done(folder: Path, number: signal.Signals) -> None:
    process = start(folder, "measure", "slow.py:work", "--cases", "inputs.jsonl", "--concurrency", "1")
    deadline = time.monotonic() + 30
    log = folder / "started.log"
    while time.monotonic() < deadline and (not log.exists() or log.read_text().split()[-1:] != ["3"]):
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "Stopped: 3 of 6 trials are kept." in said
    assert "Traceback" not in said
    assert kept(folder)["unjudged"] == 3


def test_a_step_that_ignores_its_cancellation_is_named_and_left_behind(folder: Path) -> None:
    began = time.monotonic()
    process = start(
        folder, "measure", "stubborn.py:work", "--cases", "inputs.jsonl", "--timeout", "0.5", "--quiet"
    )
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - began < 30
    assert process.returncode == 0, said
    assert "gapless: left behind: step 'stay', which ignored its cancellation in stay (" in said
    assert "Traceback" not in said
    assert "destroyed" not in said
    outcomes = kept(folder)
    assert (outcomes["unjudged"], outcomes["failed"]) == (5, 1)


@pytest.mark.parametrize(
    "argv",
    [
        ("report",),
        ("report", "--json"),
        ("report", "--list"),
        ("--help",),
        ("measure", "--help"),
        ("measure", "slow.py:work", "--cases", "one.jsonl", "--quiet"),
    ],
    ids=" ".join,
)
def test_a_reader_that_leaves_is_no_failure(folder: Path, argv: tuple[str, ...]) -> None:
    (folder / "one.jsonl").write_text('{"n": 1}\n')
    measured = start(folder, "measure", "slow.py:work", "--cases", "one.jsonl", "--quiet")
    measured.communicate(timeout=30)
    reading, writing = os.pipe()
    os.close(reading)  # nobody reads
    process = subprocess.run(
        [*GAPLESS, *argv], cwd=folder, stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (process.returncode, process.stderr) == (0, "")


def test_closed_streams_do_not_reach_the_store(folder: Path) -> None:
    (folder / "one.jsonl").write_text('{"n": 1}\n')
    line = " ".join([*GAPLESS, "measure", "slow.py:work", "--cases", "one.jsonl"])
    assert subprocess.run(f"{line} >&- 2>&-", shell=True, cwd=folder, check=False).returncode == 0
    assert kept(folder)["unjudged"] == 1
