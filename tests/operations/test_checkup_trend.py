"""Figures of a probe over checkups, one probe alone, probes from Python, and a checkup that is stopped."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from gapless.cli.main import cli
from gapless.errors import UnknownName
from gapless.operations.checkup import CheckupAsk, checkup_into
from gapless.operations.checkup_retrieval import RetrievalAsk
from gapless.operations.checkup_subject import named_subjects, since
from gapless.operations.checkup_trend import trend_of
from gapless.operations.loop import run_sync
from gapless.operations.open import open_store
from gapless.operations.progress import Progress, Stop
from gapless.probes import check, shelf
from gapless.probes.base import Subject
from gapless.records.finding import Checkup, Figure, Finding
from gapless.report.html import render_trend
from gapless.report.trend import changed, render
from gapless.settings import CheckupModelSettings, ServerSettings, locate


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def gapless(*words: str) -> Result:
    return CliRunner().invoke(cli, ["checkup", *words, "--quiet"])


def checkup(at: int, low: float, high: float, subject: str = "app") -> Checkup:
    figure = Figure(name="p50", value=(low + high) / 2, unit="ms", low=low, high=high)
    found = Finding(probe="ttft", layer="model", title="t", status="ok", said="so", figures=(figure,))
    return Checkup(id=f"0{at}", created_at=float(at), findings=(found,), subject=subject)


@pytest.mark.parametrize(("newest", "change"), [((50, 60), "up"), ((1, 5), "down"), ((18, 30), "none")])
def test_a_change_is_one_beyond_both_intervals(newest: tuple[float, float], change: str) -> None:
    found = trend_of([checkup(1, 10, 20), checkup(2, *newest)], "ttft", "t")
    assert [line.change for line in found.lines] == [change]
    other = trend_of([checkup(1, 10, 20), checkup(2, *newest, subject="another")], "ttft", "t")
    assert [line.change for line in other.lines] == ["unknown", "unknown"]


def test_figures_without_an_interval_are_shown_and_not_compared() -> None:
    def counted(at: int, value: float) -> Checkup:
        figure = Figure(name="calls", value=value)
        found = Finding(probe="tool-fuzz", layer="tool", title="t", status="ok", said="so", figures=(figure,))
        return Checkup(id=f"0{at}", created_at=float(at), findings=(found,))

    for now, told in ((32, "49 -> 32"), (49, "")):
        found = trend_of([counted(1, 49), counted(2, now)], "tool-fuzz", "t")
        (line,) = found.lines
        assert (line.change, changed(line)) == ("unknown", told)
        assert "beyond both" not in render([found]) + render_trend([found])


def test_what_was_not_shown_yet_is_not_shown_as_ok() -> None:
    made = [checkup(1, 10, 20), checkup(2, 12, 22)]
    (last,) = made[1].findings
    made[1] = msgspec.structs.replace(made[1], findings=(msgspec.structs.replace(last, undecided="too few"),))
    found = trend_of(made, "ttft", "t")
    assert [point.undecided for point in found.lines[0].points] == ["", "too few"]
    assert [row.split()[2] for row in render([found]).splitlines() if "●" in row] == ["ok", "ok?"]
    page = render_trend([found])
    assert ('class="dot ok"' in page, 'class="dot undecided"' in page) == (True, True)


def test_a_chart_says_its_scale_and_one_value_is_a_row() -> None:
    page = render_trend([trend_of([checkup(1, 10, 20), checkup(2, 12, 22)], "ttft", "t")])
    assert '<p class="scale"><span>22</span><span>10</span></p>' in page
    assert page.count("1970-01-01") == 2 + 2  # the ends of the axis, and what a dot says
    alone = render_trend([trend_of([checkup(1, 10, 20)], "ttft", "t")])
    assert "One checkup so far:" in alone
    assert "10 to 20" in alone
    assert "<circle" not in alone


def test_only_findings_about_the_same_are_compared() -> None:
    def about(what: str, status: Any, at: int) -> Checkup:
        made = checkup(at, 10, 20, subject="")
        (found,) = made.findings
        changed = msgspec.structs.replace(found, subject=what, status=status)
        return msgspec.structs.replace(made, findings=(changed,))

    one, other = about("m, host/v1", "ok", 1), about("another, host/v1", "warn", 2)
    now = about("m, host/v1", "fail", 3)
    (told,) = since([other, one], now.findings)
    assert told.endswith("t: ok -> fail")
    assert since([other], now.findings) == []
    found = trend_of([one, other, now], "ttft", "t")
    assert [(line.subject, len(line.points), line.change) for line in found.lines] == [
        ("m, host/v1", 2, "none"),
        ("another, host/v1", 1, "unknown"),
    ]


def test_a_layer_is_about_what_was_named_and_holds_no_password() -> None:
    model = CheckupModelSettings(url="http://me:hush@host:8000/v1", model="m")
    servers = {"own": ServerSettings(command=("python", "-m", "server", "--token", "hush"))}
    put = named_subjects(
        Subject(model=model, servers=servers), RetrievalAsk(queries=Path("q.jsonl")), locate()
    )

    def of(layer: Any, probe: str = "x") -> str:
        return put(Finding(probe=probe, layer=layer, title="t", status="ok", said="so")).subject

    assert (of("model"), of("context")) == ("m, host:8000/v1", "q.jsonl")
    assert of("tool").startswith("own ")
    assert of("hardware", "interference") == f"{of('hardware')}, {of('model')}"
    assert "hush" not in of("model") + of("tool")


def test_one_probe_alone_and_its_history() -> None:
    for _ in range(2):
        assert gapless("--probe", "tracing-cost").exit_code == 0
    gapless("--probe", "redaction")
    told = json.loads(gapless("--history", "tracing-cost", "--json").stdout)
    (trend,) = told["trends"]
    assert (told["schema"], trend["checkups"]) == ("gapless.trend/1", 2)
    assert len(trend["lines"][0]["points"]) == 2
    page = Path("history.html")
    shown = gapless("--history", "observability", "--html", str(page)).output
    assert "CPU added per step, us" in shown
    assert "●" in shown
    assert "no checkup on record asked this" in shown
    assert "<circle" in page.read_text()
    assert isinstance(gapless("--history", "nowhere").exception, UnknownName)
    assert isinstance(gapless("--probe", "nowhere").exception, UnknownName)


def test_probes_from_python() -> None:
    (found,) = check(Subject(), "redaction")
    assert found.status == "ok"
    (found,) = check(Subject(), "verdicts")
    assert found.status == "not-applicable"
    with pytest.raises(UnknownName, match="no probe 'nowhere'"):
        check(Subject(), "nowhere")


def test_stopping_keeps_what_was_found_and_does_not_wait_for_a_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go, known = threading.Event(), shelf.probe

    def hangs(_: Subject) -> Any:
        let_go.wait(60)
        return []

    monkeypatch.setattr(shelf, "probe", lambda name: hangs if name == "redaction" else known(name))
    stops: list[Stop] = []

    def tell(update: Progress) -> None:
        if update.what == "redaction":
            threading.Timer(0.2, stops[0].request).start()

    async def work(stop: Stop) -> Checkup:
        stops.append(stop)
        ask = CheckupAsk(probes=("tracing-cost", "redaction"))
        return await checkup_into(store, ask, place=locate(), tell=tell, stop=stop)

    begun = time.monotonic()
    with open_store(locate()) as store:
        try:
            made = run_sync(work)
        finally:
            let_go.set()
        assert [one.probe for one in made.findings] == ["tracing-cost"]
        assert not made.complete
        assert [one.id for one in store.checkups.newest(1)] == [made.id]
    assert time.monotonic() - begun < 30
