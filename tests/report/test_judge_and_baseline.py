"""What a report says of a model that judged, and of one plain prompt: in the headline, in a section, in the next step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gapless.gap.analyse import analyse
from gapless.gap.baseline import Terms, held_against
from gapless.gap.judged import Judged
from gapless.gap.table import Table
from gapless.records.gap import Gap
from gapless.records.measurement import Measurement
from gapless.records.trial import Outcome, Run
from gapless.records.workflow import Shape
from gapless.report import html, markdown, text
from gapless.report.headline import sentences
from gapless.report.next_steps import next_steps
from gapless.report.sections.baseline import baseline as baseline_section
from gapless.report.sections.judge import judge as judge_section
from gapless.report.view import build

MEASUREMENT = Measurement(
    id="01TEST", key="k", target="app.py:agent", fingerprint="f", suite="s", suite_digest="d"
)
HOSTILE = "<script>alert(1)</script>"


def run(number: int, outcome: Outcome, label: bool | None = None, why: str = "") -> Run:
    said: Outcome = outcome if label is None else "correct" if label else "wrong"
    judged = None if label is None else outcome
    decided = () if outcome == "failed" else ("llm_judge",)
    return Run(
        case=f"c{number}",
        trial=0,
        group=f"c{number}",
        outcome=said,
        decided=decided,
        judged=judged,
        why=why,
        ms=1.0,
    )


def gap_of(runs: list[Run], models: tuple[str, ...] = ("judge-1",), **more: Any) -> Gap:
    judged = Judged()
    table = Table.of(judged.of(runs))
    gap = analyse(table, [], Shape())
    return msgspec.structs.replace(gap, judge=judged.quality(table, models=models), **more)


def test_an_unmeasured_judge_stands_in_the_first_sentence_whatever_it_says() -> None:
    for outcomes in (["correct"] * 30, ["wrong"] * 30, ["correct"] * 20 + ["wrong"] * 10, ["correct"]):
        gap = gap_of([run(i, outcome) for i, outcome in enumerate(outcomes)])  # type: ignore[arg-type]
        first, second, *_ = sentences(gap)
        assert first.startswith("As an unmeasured judge sees it, ")
        assert "None" not in first
        assert "`gapless judge` draws trials to label" in second
        assert next(step.command for step in next_steps(MEASUREMENT, gap)) == "gapless judge 01TEST"


def test_labels_of_one_kind_do_not_measure_it() -> None:
    gap = gap_of([run(i, "correct", True if i < 12 else None) for i in range(40)])
    first, second, *_ = sentences(gap)
    assert first.startswith("As an unmeasured judge")
    assert "among 12 labelled trials people called no answer wrong" in second


def test_a_judge_by_chance_is_called_so_and_corrects_nothing() -> None:
    labels = [True, False] * 10
    runs = [run(i, "correct" if i % 4 < 2 else "wrong", labels[i]) for i in range(20)]
    gap = gap_of([*runs, *(run(20 + i, "correct") for i in range(20))])
    first, second, *_ = sentences(gap)
    assert first.startswith("As a judge no better than chance sees it")
    assert "say nothing about S" in second
    section = judge_section(gap)
    assert section is not None
    assert "no better than chance" in dict(section.rows)["S corrected for its errors"]


def test_few_labels_that_tell_nothing_headline_no_number() -> None:
    runs = [run(i, "correct" if i % 5 else "wrong", i % 4 > 0 if i < 8 else None) for i in range(60)]
    gap = gap_of(runs)
    first, second, *_ = sentences(gap)
    assert first.startswith("As a judge not told from chance sees it")
    assert "8 labelled trials do not tell it from chance: S may be anything" in second
    assert next(step.command for step in next_steps(MEASUREMENT, gap)) == "gapless judge 01TEST"


def test_where_people_judged_everything_the_judge_is_not_in_the_headline() -> None:
    runs = [run(i, "correct" if i % 3 else "wrong", bool(i % 3)) for i in range(30)]
    assert "judge" not in " ".join(sentences(gap_of(runs)))


def test_a_silent_judge_says_why() -> None:
    runs = [run(i, "unjudged", why="llm_judge: it is down") for i in range(10)]
    gap = gap_of(runs)
    assert "The judge gave no verdict on 10 trials, mostly: llm_judge: it is down." in sentences(gap)
    section = judge_section(gap)
    assert section is not None
    assert section.rows == (("No verdict", "10 trials"),)
    assert "counts as no success" in section.under


def test_no_model_no_word() -> None:
    gap = analyse([run(i, "correct") for i in range(5)], [], Shape())
    assert judge_section(gap) is None
    assert baseline_section(gap) is None


@pytest.mark.parametrize("face", [html, markdown, text], ids=lambda face: face.__name__.rpartition(".")[2])
def test_every_face_shows_both_and_names_stay_text(face: Any, tmp_path: Path) -> None:
    ours = Table.of(run(i, "correct") for i in range(60))
    theirs = Table.of(run(i, "correct" if i % 2 else "wrong") for i in range(60))
    found = msgspec.structs.replace(held_against(ours, theirs, Terms()), model=HOSTILE)
    runs = [run(i, "correct" if i % 5 else "wrong", bool(i % 6) if i < 30 else None) for i in range(60)]
    gap = gap_of(runs, models=(HOSTILE,), baseline=found)
    shown = face.render(build(MEASUREMENT, gap))
    assert "S corrected for its errors" in shown
    assert "Workflow minus prompt, paired by case" in shown
    assert "eep the workflow" in shown
    if face is html:
        assert HOSTILE not in shown
