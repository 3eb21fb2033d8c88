"""The report in a real browser: quiet, nothing asked for, nothing cut off, legible in light and dark."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gapless.records.report import Report
from gapless.report import html

Sample = Callable[[str], Report]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        shutil.which("chromium") is None, reason="no Chromium on this machine (apt-get install chromium)"
    ),
]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
CONTRAST = """() => {
  const channel = c => (c /= 255) <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
  const light = c => .2126 * channel(c[0]) + .7152 * channel(c[1]) + .0722 * channel(c[2]);
  const rgb = s => s.match(/[\\d.]+/g).map(Number);
  const paper = light(rgb(getComputedStyle(document.body).backgroundColor));
  const ratio = (a, b) => (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  let least = 21;
  for (const e of document.querySelectorAll('h1,h2,h3,p,li,th,td,dt,dd,small,b,span,svg text.tick')) {
    const style = getComputedStyle(e);
    const ink = e instanceof SVGElement ? style.fill : style.color;
    if (e.textContent.trim()) least = Math.min(least, ratio(light(rgb(ink)), paper));
  }
  for (const text of document.querySelectorAll('svg .step-name, svg .step-lost')) {
    const box = text.parentNode.querySelector('rect');
    least = Math.min(least, ratio(light(rgb(getComputedStyle(text).fill)), light(rgb(getComputedStyle(box).fill))));
  }
  return least;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield running
        running.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_asked_for_and_nothing_is_cut_off(
    browser: Any, sample: Sample, samples: Any, tmp_path: Path, width: int, scheme: str
) -> None:
    kinds = ("labelled", "agent", "unlabelled", "hostile", "awful", "empty", "caused", "caused-hostile")
    pages = {kind: html.render(sample(kind)) for kind in kinds}
    pages["causes"] = html.render_causes(samples.causes_of())
    pages["causes-awful"] = html.render_causes(samples.causes_of(samples.AWFUL, bare=1, groups=6))
    for kind, source in pages.items():
        file = tmp_path / f"{kind}.html"
        file.write_text(source, encoding="utf-8")
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        said: list[str] = []
        page.on("console", lambda message, said=said: said.append(message.text))
        page.on("pageerror", lambda error, said=said: said.append(str(error)))
        page.on("request", lambda request, said=said: said.append(request.url))
        page.goto(file.as_uri())
        assert said == [file.as_uri()]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CONTRAST) >= 4.5
        picture = page.screenshot(path=str(tmp_path / f"{kind}-{width}-{scheme}.png"), full_page=True)
        assert picture.startswith(b"\x89PNG")
        page.close()


def test_it_prints_with_everything_on_paper(browser: Any, sample: Sample, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(html.render(sample("labelled")), encoding="utf-8")
    page = browser.new_page(color_scheme="dark")
    page.goto(file.as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(CONTRAST) >= 4.5
    seen = "[...document.querySelectorAll('.appendix dd')].every(e => e.checkVisibility())"
    assert page.evaluate(seen)  # folded on a screen, open on paper
    page.emulate_media(media="screen")
    assert not page.evaluate(seen)
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.close()
