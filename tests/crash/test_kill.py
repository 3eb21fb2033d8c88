"""SIGKILL at random moments of `gapless measure`: no finished trial is lost or run twice, seeds stay the same."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

CASES = 150
TRIALS = 4
WORKFLOW = Path(__file__).parent / "killed_workflow.py"


class Bench:
    """One folder in which a measurement is started, killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "executions.log"
        self.database = folder / ".gapless" / "gapless.db"
        folder.mkdir()
        lines = [
            {
                "id": f"c{i}",
                "input": f"q{i}",
                "checks": {"end": [{"exact": {"path": "answer", "value": f"Q{i}Q{i}"}}]},
            }
            for i in range(CASES)
        ]
        (folder / "suite.jsonl").write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "gapless", "measure", f"{WORKFLOW}:agent", "--suite", "suite.jsonl"]
        command += ["--trials", str(TRIALS), "--concurrency", "4", "--quiet", "--json"]
        environment = os.environ | {"EXECUTIONS": str(self.log)}
        return subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def rows(self) -> dict[tuple[str, int], bytes]:
        if not self.database.exists():
            return {}
        connection = sqlite3.connect(self.database, timeout=10)
        try:
            found = connection.execute("SELECT case_id, trial, record FROM trials").fetchall()
        except sqlite3.OperationalError:  # killed before the first migration was committed
            found = []
        finally:
            connection.close()
        return {(case, trial): record for case, trial, record in found}

    def executions(self) -> Counter[str]:
        return Counter(self.log.read_text().split()) if self.log.exists() else Counter()


def kill_and_resume(folder: Path, kills: int, seed: int) -> int:
    """Kills until the count is reached or the measurement is complete; checks after every kill. Returns the kills done."""
    bench = Bench(folder)
    rng = random.Random(seed)
    kept: dict[tuple[str, int], bytes] = {}
    done = 0
    while done < kills:
        process = bench.start()
        deadline = time.monotonic() + rng.uniform(0.05, 1.6)
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.005)
        if process.poll() is not None:
            process.communicate()
            break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        done += 1
        now = bench.rows()
        assert kept.items() <= now.items(), "a finished trial was lost or changed"
        kept = now
    _finish(bench, kept)
    return done


def _finish(bench: Bench, kept: dict[tuple[str, int], bytes]) -> None:
    process = bench.start()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()
    report = json.loads(out)
    rows = bench.rows()
    assert kept.items() <= rows.items()
    assert set(rows) == {(f"c{i}", t) for i in range(CASES) for t in range(TRIALS)}
    assert report["gap"]["n_runs"] == CASES * TRIALS
    assert report["gap"]["success"]["point"] == 1.0
    _check_counts(bench, report["measurement"]["interrupted"])


def _check_counts(bench: Bench, interrupted: int) -> None:
    connection = sqlite3.connect(bench.database)
    starts = dict(connection.execute("SELECT case_id, sum(starts) FROM starts GROUP BY case_id").fetchall())
    connection.close()
    executed = bench.executions()
    for i in range(CASES):
        # A start is on disk before the trial runs, so nothing ran that was not counted; a start that was killed before
        # its first line ran is counted all the same.
        assert TRIALS <= executed[f"q{i}"] <= starts[f"c{i}"]
    assert sum(starts.values()) == CASES * TRIALS + interrupted


def test_kill_and_resume(tmp_path: Path) -> None:
    assert kill_and_resume(tmp_path / "m", kills=8, seed=1) >= 3


@pytest.mark.full
@pytest.mark.timeout(1500)
def test_two_hundred_kills(tmp_path: Path) -> None:
    done = 0
    while done < 200:
        done += kill_and_resume(tmp_path / f"m{done}", kills=200 - done, seed=1000 + done)


def test_an_interrupt_keeps_what_is_done_and_exits_130(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "m")
    process = bench.start()
    while len(bench.rows()) < 20:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err.decode()
    assert b"Run the same command again" in err
    kept = bench.rows()
    assert json.loads(out)["gap"]["n_runs"] == len(kept)
    _finish(bench, kept)
