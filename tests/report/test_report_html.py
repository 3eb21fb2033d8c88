"""The report as one HTML file."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from html.parser import HTMLParser

import msgspec
import pytest

from gapless.records.gap import PSEUDO_EXITS
from gapless.records.report import Report
from gapless.records.workflow import FINISH, START, Edge, Shape, Step
from gapless.report import html
from gapless.report.svg.layout import layout

Sample = Callable[[str], Report]
VOID = {"meta", "br"}


class Page(HTMLParser):
    """Elements, attributes and text of a page; every element must be closed in order."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page(report: Report) -> Page:
    return Page(html.render(report))


def test_it_is_one_small_file_that_asks_for_nothing(sample: Sample, kind: str) -> None:
    source = html.render(sample(kind))
    assert len(source.encode()) < 1_500_000
    read = Page(source)
    assert not {"script", "link", "img", "iframe", "object", "embed", "image", "use", "base"} & set(read.tags)
    names = {name for _, name, _ in read.attributes}
    assert not {"src", "href", "srcset", "action", "xlink:href"} & names
    assert not [name for name in names if name.startswith("on")]
    style = source[source.index("<style>") : source.index("</style>")]
    assert not re.search(r"url\(|@import|expression", style)
    assert "http" not in source.replace("http://x.exam", "")  # a step's name


def test_it_is_readable_without_pictures(sample: Sample, kind: str) -> None:
    read = page(sample(kind))
    assert read.tags.count("h1") == 1
    levels = [int(tag[1]) for tag in read.tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    for tag, name, _ in read.attributes:
        assert (tag, name) != ("svg", "viewbox") or "title" in read.tags
    said = {(tag, name) for tag, name, _ in read.attributes}
    assert ("html", "lang") in said


def test_a_picture_is_named_or_hidden(sample: Sample) -> None:
    source = html.render(sample("labelled"))
    for opening in re.findall(r"<svg[^>]*>", source):
        assert 'aria-hidden="true"' in opening or 'role="img" aria-label="' in opening
    assert "<svg" in source


def test_hostile_names_stay_words(sample: Sample) -> None:
    for kind in ("hostile", "hostile-unlabelled"):
        read = page(sample(kind))
        assert "<script>alert(1)</script>" in read.text
        assert "script" not in read.tags
        assert "b" not in {tag for tag, _, _ in read.attributes}
    source = html.render(sample("hostile"))
    assert "<img" not in source
    assert "&lt;img src=x onerror=alert(1)&gt;" in source
    assert "\x1b" not in source
    assert "\u202e" not in source


def test_sections_of_a_labelled_report(sample: Sample) -> None:
    read = page(sample("labelled")).text
    titles = (
        "From the steps alone to the whole",
        "Do this next",
        "The workflow",
        "Where it is lost",
        "Outcomes as rates",
        "Slices",
        "Latency",
        "Weather",
        "Notes",
        "And then",
        "What this report stands on",
    )
    places = [read.index(title) for title in titles]
    assert places == sorted(places)
    for fact in (
        "83.3 % (72.0–90.7",
        "wilson",
        "order statistics",
        "f" * 32,
        "d" * 32,
        "a" * 32,
        "gapless 0.1.0",
    ):
        assert fact in read
    assert "not estimable from 60 trials" in read
    assert "2 trials were restarted after a crash." in read


def test_only_methods_that_were_used_are_named(sample: Sample) -> None:
    read = page(sample("labelled")).text
    assert "Wilson score interval for one rate" in read
    assert "t-wilson" not in read
    assert "t-wilson" in page(sample("repeated")).text


def test_without_labels_nothing_is_called_a_loss(sample: Sample) -> None:
    read = page(sample("unlabelled")).text
    assert "Where something is suspected" in read
    assert "Where it is lost" not in read
    assert "no end verdict: nothing says yet which answers were right" in read


def test_what_has_no_verdict_is_neither_delivered_nor_lost(sample: Sample) -> None:
    read = page(sample("half-judged")).text
    assert "Delivered and judged" in read
    assert "S, either way between 31.7 % and 88.3 %" in read
    assert "S, measured" not in read
    assert "everything that was lost or has no verdict" in read
    assert "Delivered" not in page(sample("unlabelled")).text


def test_no_report_overclaims(sample: Sample, kind: str) -> None:
    read = page(sample(kind)).text.lower()
    assert "significant" not in read
    assert "root cause" not in read


def test_the_workflow_is_drawn_with_its_loops_and_reviews(sample: Sample) -> None:
    source = html.render(sample("agent"))
    for name in ("understand", "agent", "tools", "check/figures", "human_review", "draft", "start", "end"):
        assert f">{name}</text>" in source
    assert "should_continue</text>" not in source
    assert "agent to tools (decided at run time)" in source
    assert "tools to agent" in source
    assert "box review" in source
    assert 'class="edge heat4' in source


def test_a_workflow_too_large_to_read_is_not_drawn(sample: Sample) -> None:
    report = sample("labelled")
    shape = Shape(steps=tuple(Step(name=f"s{i}") for i in range(80)))
    m = msgspec.structs.replace(report.measurement, shape=shape)
    source = html.render(msgspec.structs.replace(report, measurement=m))
    assert 'class="graph"' not in source
    assert "Not drawn: 80 steps are more than the 40 that a picture can show legibly." in source


def test_a_workflow_too_wide_to_read_says_so(sample: Sample) -> None:
    report = sample("labelled")
    steps = tuple(Step(name=f"s{i}") for i in range(20))
    edges = [Edge(source=a, target=b) for step in steps for a, b in ((START, step.name), (step.name, FINISH))]
    m = msgspec.structs.replace(report.measurement, shape=Shape(steps=steps, edges=tuple(edges)))
    source = html.render(msgspec.structs.replace(report, measurement=m))
    assert 'class="graph"' not in source
    assert "Not drawn: about 20 of its 20 steps and ways stand side by side" in source


def test_a_rate_that_is_no_plain_share_is_explained(sample: Sample) -> None:
    read = page(sample("grouped")).text
    assert "41 groups of 60 cases, each group counting the same" in read
    assert "In the rates each group counts the same, however many trials it has" in read
    assert (
        "Groups hold different numbers of trials (1 to 20): each group counts the same, so S is not the plain share"
        in read
    )
    assert "Weighting each group counts the same" in read
    assert "In the rates" not in page(sample("labelled")).text


def test_a_long_name_is_cut_with_the_whole_of_it_in_reach(sample: Sample) -> None:
    source = html.render(sample("awful"))
    assert "n" * 60 not in re.sub(r'title="[^"]*"|<title>[^<]*</title>|aria-label="[^"]*"', "", source)
    assert 'title="' + "n" * 199 + "…" in source
    assert "\u2068שלום עולם\u2069" in source


def test_methods_say_why_more_trials_can_widen_an_interval(sample: Sample) -> None:
    said = "a second trial per case can widen an interval below 40 units"
    read = page(samples_of_few(sample)).text
    assert said in read
    assert said not in page(sample("labelled")).text


def samples_of_few(sample: Sample) -> Report:
    report = sample("repeated")
    success = msgspec.structs.replace(report.gap.success, method="korn-graubard")
    return msgspec.structs.replace(report, gap=msgspec.structs.replace(report.gap, success=success))


def test_losses_at_no_step_are_named_beside_the_drawing(sample: Sample) -> None:
    report = sample("agent")
    assert any(row.exit in PSEUDO_EXITS for row in report.gap.boundaries)
    assert "Placed at no step: (escalation) 2.5 points." in page(report).text


@pytest.mark.parametrize("loops", [False, True])
def test_no_two_steps_share_a_place(loops: bool) -> None:
    steps = tuple(Step(name=name) for name in "abcdefg")
    pairs = [(START, "a"), ("a", "b"), ("a", "c"), ("a", "d"), ("b", "g"), ("c", "g"), ("d", "e"), ("a", "g")]
    pairs += [("g", FINISH), *([("g", "a"), ("e", "e"), ("c", "b")] if loops else [])]
    plan = layout(Shape(steps=steps, edges=tuple(Edge(source=a, target=b) for a, b in pairs)))
    assert len(set(plan.places.values())) == len(steps) + 2
    for route in plan.routes:
        if not route.back:
            assert plan.places[route.edge.source][0] < plan.places[route.edge.target][0]
        assert not set(route.via) & set(plan.places.values())
    assert any(route.back for route in plan.routes) == loops
