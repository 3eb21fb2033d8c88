"""`gapless ingest` and `gapless export` as they are typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gapless.cli.export import _split
from gapless.errors import UsageError

LINE = '{"kind":"run","case":"c","trial":0,"outcome":"wrong","steps":[{"node":"a","ok":false}]}\n'


def gapless(folder: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gapless", *words]
    return subprocess.run(command, cwd=folder, input=given, capture_output=True, text=True)


def test_a_table_goes_in_and_comes_out(tmp_path: Path) -> None:
    taken = gapless(tmp_path, "ingest", "-", "--json", given=LINE)
    assert taken.returncode == 0, taken.stderr
    body = json.loads(taken.stdout)
    assert (body["schema"], body["known"], body["components"]) == ("gapless.ingest/1", False, 0)
    (measurement,) = body["measurements"]
    assert (measurement["arm"], measurement["runs"], measurement["cases"]) == ("A", 1, 1)
    shown = gapless(tmp_path, "export")
    assert json.loads(shown.stdout)["outcome"] == "wrong"
    written = gapless(tmp_path, "export", measurement["id"][:20], "out.jsonl", "--json")
    assert json.loads(written.stdout) == {"measurement": measurement["id"], "file": "out.jsonl", "lines": 1}
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == shown.stdout
    again = gapless(tmp_path, "ingest", "-", given=LINE)
    assert again.stdout == f"{measurement['id']}  A  1 trial of 1 case, known already\n"
    assert f"gapless report {measurement['id']}" in again.stderr


def test_a_bad_line_is_said_in_one_sentence(tmp_path: Path) -> None:
    refused = gapless(tmp_path, "ingest", "-", given=LINE + LINE)
    assert refused.returncode == 3
    assert refused.stderr.startswith(
        "gapless: standard input, line 2: case 'c', trial 0 of arm 'A' was there before."
    )
    assert "importer-error" in refused.stderr
    assert not refused.stdout
    unknown = gapless(tmp_path, "ingest", "-", "--format", "csv", given=LINE)
    assert unknown.returncode == 2
    assert "Formats: run-table, tau-bench" in unknown.stderr


@pytest.mark.parametrize(
    ("words", "split"),
    [
        ((), (None, "-")),
        (("01M8",), ("01M8", "-")),
        (("runs.jsonl",), (None, "runs.jsonl")),
        (("-",), (None, "-")),
        (("01M8", "-"), ("01M8", "-")),
    ],
)
def test_a_single_word_is_an_id_or_a_file(words: tuple[str, ...], split: tuple[str | None, str]) -> None:
    assert _split(words) == split


def test_three_words_are_too_many() -> None:
    with pytest.raises(UsageError, match="at most an ID and a FILE"):
        _split(("a", "b", "c"))
