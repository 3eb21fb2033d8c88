"""What holds for every face of a report: terminal, HTML, Markdown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from gapless.records.gap import ALL_TOOLS, ToolUse
from gapless.records.report import Report
from gapless.report import html, markdown, text

FACES: dict[str, Callable[[Report], str]] = {
    "html": html.render,
    "markdown": markdown.render,
    "text": lambda report: text.render(report, width=100, color=False),
}


@pytest.fixture(params=list(FACES))
def face(request: pytest.FixtureRequest) -> Callable[[Report], str]:
    return FACES[request.param]


def test_the_level_of_an_interval_is_its_own(face: Callable[[Report], str], samples: Any) -> None:
    said = face(samples.labelled(level=0.9)).replace("\u00a0", " ")
    assert "90 % interval" in said
    assert "95 %" not in said.replace("95 %</text>", "").replace("95 %   ", "")


def test_tools_are_counted_and_not_rated(face: Callable[[Report], str], samples: Any) -> None:
    report = samples.labelled()
    rows = (
        ToolUse(tool=ALL_TOOLS, n_calls=30, n_trials=20, n_errors=3, n_error_trials=2, n_empty=4),
        ToolUse(tool="<b>search</b>", n_calls=30, n_trials=20, n_errors=3, n_error_trials=2, n_empty=4),
    )
    said = face(msgspec.structs.replace(report, gap=msgspec.structs.replace(report.gap, tools=rows)))
    assert "no rate stands here" in " ".join(said.split())
    assert "search" in said
    assert "no rate stands here" not in face(report)


def test_weights_are_explained_beside_the_counts(face: Callable[[Report], str], samples: Any) -> None:
    said = " ".join(face(samples.grouped()).split())
    assert "In the rates each group counts the same, however many trials it has" in said


def test_where_p_minus_s_is_no_news_it_says_what_would_tell(
    face: Callable[[Report], str], samples: Any
) -> None:
    said = " ".join(face(samples.labelled()).split())
    assert "benchmark cases per step would tell" in said
