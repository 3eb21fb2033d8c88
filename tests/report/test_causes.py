"""Cause and suspicion in every face: two things, never confused, and never more than the interval carries."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from gapless.records.estimate import Estimate
from gapless.records.replay import Causes, Interaction, StepCause
from gapless.records.report import Report
from gapless.report import causal, html, markdown, text
from gapless.report import causes as faces
from gapless.report import json as machine
from gapless.report.appendix import METHODS_MEAN, methods
from gapless.report.html import render_causes
from gapless.report.sections.causes import HOLDS_IF, WHICH
from gapless.report.view import headline

Sample = Callable[[str], Report]


def rate(point: float, low: float | None, high: float | None, reason: str | None = None) -> Estimate:
    return Estimate(
        point=point, low=low, high=high, n_runs=40, n_cases=20, n_groups=20, reason=reason,
        method="expanded cluster bootstrap",
    )  # fmt: skip


def row(step: str, share: Estimate, suspected: Estimate | None = None, **more: Any) -> StepCause:
    return StepCause(
        step=step, share=share, effect=rate(0.5, 0.3, 0.7), suspected=suspected or Estimate(), **more
    )


def found(*rows: StepCause, **more: Any) -> Causes:
    given: dict[str, Any] = {
        "measurement": "01M8", "lost": 60, "sampled": 40, "sampled_cases": 20, "sampled_groups": 20, "reps": 2,
        "replays": 320, "verdict_noise": rate(0.0, 0.0, 0.168),
    }  # fmt: skip
    return Causes(**(given | more), rows=rows)


CLEAR = row("assess", rate(0.536, 0.41, 0.671), rate(0.15, 0.07, 0.3), receivers=("draft",), first=0.999)
OTHER = row("draft", rate(0.464, 0.33, 0.59), rate(0.6, 0.4, 0.8), receivers=("__end__",), first=0.001)


def test_the_headline_says_where_and_how_sure() -> None:
    said = causal.headline(found(CLEAR, OTHER, unseen=rate(0.25, 0.1, 0.4)))
    assert said == (
        "Replay places 53.6 % (41.0-67.1) of the lost success at assess -> draft. 320 reruns of 40 of 60 lost trials, "
        "20 cases. Checks suspect draft most often: 60.0 % (40.0-80.0) of these trials."
    )


def test_a_lead_that_resamples_doubt_is_no_lead() -> None:
    said = causal.headline(found(msgspec.structs.replace(CLEAR, first=0.62), OTHER))
    assert "at assess -> draft; in 62 % of resamples it is the largest." in said


def test_a_share_not_told_from_zero_is_not_claimed() -> None:
    said = causal.headline(found(row("assess", rate(0.2, -0.05, 0.4)), row("draft", rate(0.1, -0.1, 0.3))))
    assert said.startswith(
        "Replay does not tell where the success is lost: the largest share, 20.0 % (-5.0 to 40.0)"
    )
    assert "not distinguishable from zero" in said


def test_one_group_says_nothing_of_others() -> None:
    said = causal.headline(
        found(row("assess", rate(1.0, None, None)), sampled_groups=1, sampled_cases=1, sampled=3)
    )
    assert said.startswith("In one case, replay places all of the lost success at assess: it says nothing")


def test_few_groups_are_called_few() -> None:
    said = causal.headline(
        found(row("assess", rate(0.9, 0.3, 1.0, "few cases")), sampled_groups=4, sampled_cases=9)
    )
    assert "4 groups of 9 cases: few, so that the intervals are wide." in said


def test_nothing_placed_says_why() -> None:
    never = "the golden output never rescues"
    bare = row("assess", Estimate(reason=never))
    said = causal.headline(found(bare, not_estimable={"assess": never}))
    assert said.startswith(f"Replay places no loss: {never}.")
    assert causal.headline(found(sampled=0, replays=0)) == "No lost trial was replayed yet."
    assert causal.headline(found(sampled=0, lost=0)) == "No trial was lost: there is nothing to replay."


def test_what_cannot_be_told_apart_is_named_together() -> None:
    merged = msgspec.structs.replace(CLEAR, together_with=("retrieve",))
    bare = row("retrieve", Estimate(reason="no golden output"))
    mine = found(bare, merged, not_estimable={"retrieve": "no golden output: what is lost there is in ..."})
    assert "at assess -> draft or before it, at retrieve." in causal.headline(mine)
    said = faces.render(mine, width=100, color=False)
    assert "The share of assess holds that of retrieve" in said
    assert "retrieve has no share: no golden output" in said


def test_checks_that_saw_nothing_are_told() -> None:
    blind = row("assess", rate(0.5, 0.4, 0.6), rate(0.0, 0.0, 0.1))
    assert "No step's check failed: 40 of 40; at least 83.0 % of these trials." in causal.headline(
        found(blind, unseen=rate(1.0, 0.83, 1.0))
    )
    said = causal.headline(found(CLEAR, unseen=rate(0.85, 0.7, 0.95)))
    assert said.endswith("of these trials; in 85.0 % of them no check failed.")


def test_what_is_left_is_verdict_noise_only_where_the_last_step_has_a_share() -> None:
    assert causal.rest(found(CLEAR, OTHER)) == causal.NOISE
    assert causal.rest(found(CLEAR, row("deliver", Estimate(reason="no golden output")))) == causal.REST


def test_every_face_says_which_is_which(samples: Any) -> None:
    mine = samples.causes_of()
    plain = " ".join(faces.render(mine, width=100, color=False).split())
    assert WHICH in plain
    assert HOLDS_IF in plain
    marked = faces.render_markdown(mine)
    assert "| Step | Cause, from replay (95 %) | Largest | Suspicion, from checks (95 %) |" in marked
    page = render_causes(mine)
    assert page.count('<th class="cause">') == page.count('<th class="suspicion">') == 1
    assert page.count('class="bar-cause"') == 5  # four steps and the verdict noise
    assert page.count('class="bar-suspicion"') == 5  # four steps, and where no check failed
    style = page[page.index("<style>") : page.index("</style>")]
    cause, suspicion = (re.search(rf"\.bar-{kind} {{([^}}]*)}}", style) for kind in ("cause", "suspicion"))
    assert cause is not None
    assert suspicion is not None
    assert cause[1] != suspicion[1]
    assert "dasharray" in suspicion[1]  # told apart without colour too


def test_colours_differ_in_a_terminal(samples: Any) -> None:
    said = faces.render(samples.causes_of(), width=100, color=True)
    assert "\x1b[31m" in said
    assert "\x1b[33m" in said
    assert "\x1b[" not in faces.render(samples.causes_of(), width=100, color=False)


@pytest.mark.parametrize("width", [60, 80, 140])
def test_nothing_is_wider_than_the_terminal(samples: Any, width: int) -> None:
    for mine in (samples.causes_of(), samples.causes_of(samples.AWFUL), samples.causes_of(bare=3, groups=3)):
        assert max(map(len, faces.render(mine, width=width, color=False).splitlines())) <= width


def test_machines_get_every_key(samples: Any) -> None:
    mine = samples.causes_of()
    body = json.loads(faces.render_json(mine))
    assert body["schema"] == "gapless.causes/1"
    assert body["headline"] == causal.headline(mine)
    assert set(body) == {"schema", "headline", *Causes.__struct_fields__}
    assert body["rows"][2]["share"]["low"] == mine.rows[2].share.low


def test_a_loss_that_needs_two_bad_inputs_has_a_table() -> None:
    both = (
        Interaction(step="retrieve", value=rate(0.4, 0.2, 0.6)),
        Interaction(step="assess", value=rate(0.3, 0.1, 0.5)),
    )
    mine = found(CLEAR, interactions=both)
    for said in (
        faces.render(mine, width=100, color=False),
        faces.render_markdown(mine),
        render_causes(mine),
    ):
        assert re.search(r"40\\?\.0 points \(20\.0 to 60\.0\)", said)


class Words(HTMLParser):
    """Tags and text of a page."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.words = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.mark.parametrize("names", ["HOSTILE", "AWFUL"])
@pytest.mark.parametrize("bare", [None, 1, 3])
def test_names_stay_words(samples: Any, names: str, bare: int | None) -> None:
    steps = getattr(samples, names)
    mine = msgspec.structs.replace(
        samples.causes_of(steps, bare=bare), unsettled={steps[0]: 3}, notes=tuple(steps)
    )
    page = Words(render_causes(mine))
    assert not {"script", "img", "b>"} & page.tags
    for said in (page.words, faces.render(mine, width=100, color=False), faces.render_markdown(mine)):
        assert not {"\x1b", "\u202e", "\u200f", "\x00"} & set(said)
        assert "n" * 300 not in said
    marked = faces.render_markdown(mine)
    outside = re.sub(r"`[^`\n]*`", "", marked)  # in code nothing is markup, a link or a mention
    assert not re.search(
        r"(?<!\\)<script|(?<!-->)@?everyone|(?<!\\)\]\(|://", outside.replace("<!-- -->", "-->")
    )
    assert all(line.startswith("| ") for line in marked.splitlines() if line.count(" | ") > 2)


def test_the_report_has_it_in_every_face(sample: Sample) -> None:
    report = sample("caused")
    assert report.gap.causes is not None
    first = next(causal.sentences(report.gap.causes))
    assert first in report.headline == headline(report.gap)
    assert "Cause and suspicion" in text.render(report, width=100, color=False)
    assert "### Cause and suspicion" in markdown.render(report)
    page = html.render(report)
    assert page.count("<h2>Cause and suspicion</h2>") == 1
    assert 'class="bar-cause"' in page
    body = json.loads(machine.render(report))
    assert body["gap"]["causes"]["rows"][2]["step"] == "assess"
    used = {name: what for name, _, what in methods(report.gap)}
    assert "causes" in used["expanded cluster bootstrap"]
    assert set(used) <= set(METHODS_MEAN)


def test_the_report_has_what_stands_behind_the_shares(sample: Sample) -> None:
    report = sample("caused")
    assert report.gap.causes is not None
    both = (Interaction(step="assess", value=rate(0.4, 0.2, 0.6)),)
    gap = msgspec.structs.replace(
        report.gap, causes=msgspec.structs.replace(report.gap.causes, interactions=both)
    )
    mine = msgspec.structs.replace(report, gap=gap)
    for said in (text.render(mine, width=100, color=False), markdown.render(mine), html.render(mine)):
        assert "Reruns in both arms" in said
        assert "Golden outputs in every combination" in said


def test_a_report_without_replays_says_nothing_of_causes(sample: Sample) -> None:
    report = sample("labelled")
    assert report.gap.causes is None
    for said in (text.render(report, width=100, color=False), markdown.render(report), html.render(report)):
        assert "Cause and suspicion" not in said
        assert "Replay places" not in said


def test_one_lost_trial_is_one_lost_trial() -> None:
    assert causal.stands_on(found(lost=1, sampled=1, sampled_cases=1, sampled_groups=1, replays=2)) == (
        "2 reruns of 1 lost trial, 1 case."
    )
