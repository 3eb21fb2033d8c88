"""What people read: every face of every kind of report, honest in words, safe with hostile names."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from gapless.records.report import Report
from gapless.report import html, text
from gapless.report import json as machine

_spec = importlib.util.spec_from_file_location("report_samples", Path(__file__).with_name("samples.py"))
assert _spec is not None
assert _spec.loader is not None
samples: Any = importlib.util.module_from_spec(_spec)
sys.modules["report_samples"] = samples
_spec.loader.exec_module(samples)

ROOT = Path(__file__).parents[2]
KINDS = pytest.mark.parametrize("kind", list(samples.ALL))


def report(kind: str) -> Report:
    return samples.ALL[kind]()


@KINDS
@pytest.mark.parametrize("width", [80, 120])
def test_text_fits_and_says_the_headline(kind: str, width: int) -> None:
    shown = text.render(report(kind), width=width, color=False)
    for line in shown.splitlines():
        assert len(line) <= width or line.startswith("  gapless ")
    assert " ".join(report(kind).headline.split()[:4]) in " ".join(shown.split())
    assert "\x1b" not in shown


@KINDS
def test_json_follows_its_published_schema(kind: str) -> None:
    body = json.loads(machine.render(report(kind)))
    jsonschema_rs.validator_for(machine.schema()).validate(body)
    assert body["schema"] == "gapless.report/1"
    keys = {"point", "low", "high", "level", "method", "n_runs", "n_cases", "n_groups", "reason"}
    assert set(body["gap"]["success"]) == keys
    assert set(body["gap"]["compounding"]["interaction_loss"]) == keys


def test_the_published_schema_is_the_one_that_is_used() -> None:
    published = json.loads((ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8"))
    assert published == machine.schema()


@KINDS
def test_html_is_one_small_file_that_asks_for_nothing(kind: str) -> None:
    page = html.render(report(kind))
    assert len(page) < 1_500_000
    assert not re.search(r"(src|href)\s*=", page)
    assert "http" not in page
    assert "<script" not in page
    assert "@import" not in page


def test_names_cannot_run_code_or_break_the_page() -> None:
    page = html.render(report("hostile"))
    assert "&lt;script&gt;" in page
    assert "<b>" not in page.replace("<b>", "", page.count("<dd><b>"))
    assert "[bold]red[/bold]" in text.render(report("hostile"), width=120, color=False)


def test_words_are_honest() -> None:
    assert "Never measured" in text.render(report("empty"), width=100, color=False)
    full = text.render(report("all-correct"), width=100, color=False)
    assert "60 of 60" in full
    assert "100.0 %" not in full.split("Latency")[0].replace("100.0 points", "")
    suspected = report("unlabelled")
    assert "suspected" in suspected.headline
    assert "gapless label" in suspected.next_steps[0].command
    assert "No label yet" in suspected.headline
    assert "P is not estimable" in " ".join(report("no-benchmark").gap.notes)
    for kind in samples.ALL:
        assert "significant" not in html.render(report(kind)).lower()


@pytest.mark.browser
@pytest.mark.skipif(
    shutil.which("chromium") is None, reason="no Chromium on this machine (apt-get install chromium)"
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_in_a_browser_nothing_is_asked_for_and_nothing_overflows(
    tmp_path: Path, width: int, scheme: Any
) -> None:
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=[*flags, "--disable-sync"]
        )
        for kind in ("labelled", "unlabelled", "hostile", "empty"):
            file = tmp_path / f"{kind}.html"
            file.write_text(html.render(report(kind)), encoding="utf-8")
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            said: list[str] = []
            page.on("console", lambda message, said=said: said.append(message.text))
            page.on("request", lambda request, said=said: said.append(request.url))
            page.goto(file.as_uri())
            assert said == [file.as_uri()]
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.close()
        browser.close()
