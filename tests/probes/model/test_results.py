"""Result files of guidellm and aiperf, as they wrote them: the same findings, from the numbers in the file."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from gapless.probes.base import ProbeUnavailable, Subject
from gapless.probes.model.results.shelf import read_results
from gapless.probes.shelf import probe
from gapless.records.finding import Finding

FILES = Path(__file__).parent / "files"
GUIDELLM, AIPERF = FILES / "guidellm.json", FILES / "profile_export.jsonl"
SUMMARY = FILES / "profile_export_aiperf.json"


def found(name: str, *files: Path, **more: Any) -> Finding:
    (finding,) = probe(name)(Subject(results=files, **more))
    return finding


def figure(finding: Finding, name: str) -> float:
    return next(one.value for one in finding.figures if one.name == name)


def test_guidellms_requests_have_the_times_that_it_wrote_down() -> None:
    """guidellm computes these by itself; ours count from the scheduled arrival where there is a schedule."""
    closed, scheduled = read_results([GUIDELLM])
    benchmarks = json.loads(GUIDELLM.read_text())["benchmarks"]
    theirs = benchmarks[0]["requests"]["successful"]
    assert len(closed.ok) == len(theirs) == 35
    for key, ours in (
        ("time_to_first_token_ms", [reply.ttft_ms for reply in closed.ok]),
        ("inter_token_latency_ms", [gap for reply in closed.ok for gap in reply.gaps_ms]),
    ):
        assert sorted(map(float, ours)) == pytest.approx(sorted(one[key] for one in theirs), abs=1e-3)  # type: ignore[arg-type]
    late = benchmarks[1]["requests"]["successful"]
    assert sorted(reply.total_ms for reply in scheduled.ok) == pytest.approx(
        sorted(1e3 * one["request_scheduled_latency"] for one in late), abs=1e-3
    )
    assert all(one["request_scheduled_latency"] > one["request_latency"] for one in late)


def test_aiperfs_requests_have_the_times_that_it_wrote_down() -> None:
    (load,) = read_results([AIPERF])
    summary = json.loads(SUMMARY.read_text())
    assert len(load.ok) == summary["request_count"]["avg"] == 72
    gaps = [gap for reply in load.ok for gap in reply.gaps_ms]
    assert statistics.mean(gaps) == pytest.approx(summary["inter_chunk_latency"]["avg"], rel=1e-6)
    # Ours count from when the request was due, aiperf's from when it was begun.
    lines = [json.loads(line) for line in AIPERF.read_text().splitlines()]
    waited = [
        line["metrics"]["time_to_first_token"]["value"]
        + (line["metadata"]["request_start_ns"] - line["metadata"]["credit_issued_ns"]) / 1e6
        for line in lines
        if "time_to_first_token" in line["metrics"]
    ]
    assert sorted(r.ttft_ms for r in load.ok) == pytest.approx(sorted(waited), abs=1e-3)  # type: ignore[type-var]


@pytest.mark.parametrize("file", [AIPERF, SUMMARY])
def test_either_of_aiperfs_files_leads_to_the_other(file: Path) -> None:
    finding = found("ttft", file)
    assert finding.status == "ok"
    assert "poisson at 8 a second, from profile_export.jsonl, written by aiperf 0.13.0" in finding.said
    assert 50 < figure(finding, "first token p50") < 100


def test_findings_say_whose_times_they_are_and_name_each_run() -> None:
    finding = found("inter-token", GUIDELLM)
    assert finding.status == "ok"
    assert finding.said.count("from guidellm.json, written by guidellm 0.8.1") == 2
    assert 10 < figure(finding, "between, mean of an answer p50, concurrent, 2 at a time") < 16
    assert 10 < figure(finding, "between, mean of an answer p50, constant at 8 a second") < 16
    assert not any("lag" in one.name for one in finding.figures)


def test_failed_requests_count_against_goodput_and_are_told_by_their_status() -> None:
    assert "8 x status 503" in found("whole-answers", AIPERF).said
    assert "10 x status 503" in found("whole-answers", GUIDELLM).said
    good = found("open-loop", AIPERF)
    assert (good.status, round(figure(good, "goodput"), 2)) == ("fail", 0.9)
    assert found("tail-cascade", AIPERF).status == "fail"
    strict = found("end-to-end", AIPERF, targets={"end-to-end": 50.0})
    assert strict.status == "fail"


def test_other_lines_still_need_an_endpoint() -> None:
    with pytest.raises(ProbeUnavailable, match="no model is named"):
        found("streaming", AIPERF)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("benchmarks.csv", "a,b", "without its requests"),
        ("benchmarks.json", "{oops", "cannot be read"),
        ("benchmarks.json", "{}", "neither guidellm's"),
        ("profile_export.jsonl", "", "cannot be read"),
        (
            "profile_export_aiperf.json",
            '{"aiperf_version": "0.13.0"}',
            "profile_export.jsonl belongs beside it",
        ),
        ("benchmarks.json", '{"metadata": {"guidellm_version": "9"}, "benchmarks": [{}]}', "of another form"),
        ("benchmarks.json", '{"metadata": {"guidellm_version": "9"}, "benchmarks": []}', "keeps no requests"),
        (
            "records.jsonl",
            '{"metadata": {"benchmark_phase": "warmup"}, "metrics": {}}',
            "no requests of the prof",
        ),
    ],
)
def test_files_that_cannot_be_used_are_said(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ProbeUnavailable, match=said):
        found("ttft", tmp_path / name)


def test_records_without_their_summary_are_read_and_their_version_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").write_bytes(AIPERF.read_bytes())
    finding = found("ttft", tmp_path / "run.jsonl")
    assert "written by aiperf (the file does not say which version)" in finding.said
