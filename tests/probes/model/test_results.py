"""Result files of guidellm and aiperf, as they wrote them: the same findings, from the numbers in the file."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
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
            '{"metadata": {"benchmark_phase": "warmup", "request_start_ns": 1, "request_end_ns": 2}, "metrics": {}}',
            "no requests of the prof",
        ),
        ("records.jsonl", '{"metadata": {}, "metrics": {}}', "line 1: a record of aiperf's of another form"),
        (
            "records.jsonl",
            '{"metadata": {"benchmark_phase": "profiling", "request_start_ns": 3, "request_end_ns": 2}, "metrics": {}}',
            "ends 1e-09 s before it begins",
        ),
        ("benchmarks.json", '{"a": ' + "[" * 100_000, "cannot be read"),
        ("benchmarks.json", "[]", "of another form"),
        ("benchmarks.json", '{"metadata": 5, "benchmarks": 5}', "neither guidellm's"),
        (
            "benchmarks.json",
            '{"metadata": {"guidellm_version": 9}, "benchmarks": [1e999]}',
            "other form|cannot be",
        ),
        (
            "benchmarks.json",
            '{"metadata": {"guidellm_version": "\udcff"}, "benchmarks": []}',
            "cannot be read",
        ),
    ],
)
def test_files_that_cannot_be_used_are_said(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ProbeUnavailable, match=said):
        found("ttft", tmp_path / name)


def test_records_without_their_summary_are_read_and_their_version_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").write_bytes(AIPERF.read_bytes())
    finding = found("ttft", tmp_path / "run.jsonl")
    assert "written by aiperf (the file does not say which version)" in finding.said


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    for path, said in ((tmp_path, "it is no file"), (tmp_path / "gone.json", "there is no such file")):
        with pytest.raises(ProbeUnavailable, match=said):
            read_results([path])


def changed(tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """guidellm's file, something of its first benchmark changed, and no other in it."""
    report = json.loads(GUIDELLM.read_text())
    del report["benchmarks"][1:]
    change(report["benchmarks"][0])
    (tmp_path / "benchmarks.json").write_text(json.dumps(report))
    return tmp_path / "benchmarks.json"


def test_guidellms_warm_up_does_not_count_as_in_its_own_figures(tmp_path: Path) -> None:
    def later(benchmark: dict[str, Any]) -> None:
        some = sorted(one["request_end_time"] for one in benchmark["requests"]["successful"])
        benchmark["start_time"] = (some[9] + some[10]) / 2
        benchmark["metrics"]["request_totals"] = {"successful": 25, "errored": 0}
        benchmark["requests"]["errored"] = None

    (load,) = read_results([changed(tmp_path, later)])
    assert (len(load.replies), load.part) == (25, "")


def test_of_a_sample_times_are_told_and_shares_are_not(tmp_path: Path) -> None:
    def halve(benchmark: dict[str, Any]) -> None:
        del benchmark["requests"]["successful"][::2]

    file = changed(tmp_path, halve)
    assert "22 of 40 requests kept in the file" in found("ttft", file).said
    for name in ("whole-answers", "open-loop", "tail-cascade"):
        with pytest.raises(ProbeUnavailable, match="shares and loops cannot be told from a sample"):
            found(name, file)


def test_what_was_on_its_way_when_the_run_ended_lasted_at_least_so_long_and_failed_nothing(
    tmp_path: Path,
) -> None:
    def stall(benchmark: dict[str, Any]) -> None:
        end = benchmark["end_time"]
        times = {"request_start": end - 9.0, "resolve_start": end - 9.0, "resolve_end": end}
        benchmark["requests"]["incomplete"] = [{"info": {"timings": times}}] * 4
        benchmark["requests"]["errored"] = None
        benchmark["metrics"]["request_totals"]["errored"] = 0

    file = changed(tmp_path, stall)
    (load,) = read_results([file])
    assert (len(load.replies), len(load.given_up)) == (35, 4)
    assert "4 more given up by its writer" in load.how
    assert found("whole-answers", file).said == "all of 35 answers were whole"
    assert found("end-to-end", file, targets={"end-to-end": 5000.0}).status == "fail"
    assert round(figure(found("open-loop", file), "goodput"), 3) == round(35 / 39, 3)


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        (
            {"time_to_first_token": {"value": -5000.0, "unit": "ms"}},
            "a token 5000 ms before what comes before it",
        ),
        (
            {"inter_chunk_latency": {"value": [-1000.0, 1.0], "unit": "ms"}},
            "a token 1000 ms before what comes",
        ),
        ({"time_to_first_token": {"value": 9e6, "unit": "ms"}}, "s after the end of its request"),
    ],
)
def test_times_that_cannot_be_are_counted_and_no_line_is_a_plain_ok(
    tmp_path: Path, metrics: dict[str, Any], said: str
) -> None:
    turn = iter(range(1000))
    file = lines(tmp_path, lambda one: next(turn) < 3 and one["metrics"].update(metrics))
    n = len(AIPERF.read_text().splitlines())
    for name in ("ttft", "end-to-end", "open-loop", "whole-answers"):
        finding = found(name, file)
        assert finding.status != "ok" or f"3 of {n} requests have impossible times" in finding.undecided
    (load,) = read_results([file])
    assert said in load.impossible
    with pytest.raises(ProbeUnavailable, match="requests have impossible times"):
        read_results([lines(tmp_path, lambda one: one["metrics"].update(metrics))])


def lines(tmp_path: Path, change: Callable[[dict[str, Any]], object], *, cut: int = 0) -> Path:
    """aiperf's records, each changed; so many bytes of the last are missing."""
    made = [json.loads(line) for line in AIPERF.read_text().splitlines()]
    for one in made:
        change(one)
    text = "".join(json.dumps(one) + "\n" for one in made)
    (tmp_path / "profile_export.jsonl").write_text(text[: len(text) - cut])
    (tmp_path / SUMMARY.name).write_bytes(SUMMARY.read_bytes())
    return tmp_path / "profile_export.jsonl"


def test_what_aiperf_cancelled_is_no_failure(tmp_path: Path) -> None:
    """It writes its own status 499 into those records."""

    def cancel(one: dict[str, Any]) -> None:
        if one.get("error"):
            one["error"] = {"code": 499, "type": "RequestCancellationError", "message": "Request cancelled"}
            one["metadata"]["was_cancelled"] = True

    finding = found("whole-answers", lines(tmp_path, cancel))
    assert finding.said == "all of 72 answers were whole"


def test_each_phase_of_aiperf_is_a_load(tmp_path: Path) -> None:
    def halve(one: dict[str, Any]) -> None:
        one["metadata"]["profiling_index"] = one["metadata"]["session_num"] % 2

    first, second = read_results([lines(tmp_path, halve)])
    assert (len(first.replies), len(second.replies)) == (40, 40)
    assert first.how.startswith("poisson at 8 a second, ")


def test_a_record_that_was_cut_off_with_the_run_is_left_out_and_said(tmp_path: Path) -> None:
    (load,) = read_results([lines(tmp_path, lambda _: None, cut=100)])
    assert len(load.replies) == 79
    assert "its last line cut off" in load.how


def test_answers_that_were_not_streamed_have_no_first_token_and_are_judged_at_their_end(
    tmp_path: Path,
) -> None:
    def whole(one: dict[str, Any]) -> None:
        one["metrics"] = {
            "request_latency": one["metrics"].get("request_latency", {"value": 1, "unit": "ms"})
        }

    file = lines(tmp_path, whole)
    for name in ("ttft", "inter-token"):
        with pytest.raises(ProbeUnavailable, match="no times came"):
            found(name, file)
    assert figure(found("open-loop", file), "goodput") == 0.9
    assert figure(found("open-loop", file, targets={"ttft": 100.0}), "goodput") == 0.0


def test_an_unknown_unit_is_refused(tmp_path: Path) -> None:
    def weeks(one: dict[str, Any]) -> None:
        one["metrics"]["time_to_first_token"] = {"value": 1, "unit": "weeks"}

    with pytest.raises(ProbeUnavailable, match="Invalid enum value 'weeks'"):
        read_results([lines(tmp_path, weeks)])
