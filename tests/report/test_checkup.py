"""A checkup for people: whose it is comes first, commands can be copied, figures are few, one reason is said once."""

from __future__ import annotations

from typing import Any

from gapless.records.finding import Checkup, Figure, Finding
from gapless.report.checkup import longer, render, render_history, render_markdown
from gapless.report.html import render_checkup

LONG = "gapless tools call --tool order --arguments " + "x" * 120 + " -- python server.py"


def line(probe: str, status: Any, said: str, **more: Any) -> Finding:
    return Finding(probe=probe, layer="tool", title=f"line {probe}", status=status, said=said, **more)


def made(*findings: Finding, **more: Any) -> Checkup:
    return Checkup(id="01", layers=("tool",), findings=findings, **more)


def test_that_the_reference_agent_stands_in_is_said_under_the_headline() -> None:
    one = made(line("a", "fail", "so"), stand_ins=("workflow", "tools (finance)"))
    said = "The reference agent stands in for your workflow and tools (finance)"
    assert said in render(one, width=200).splitlines()[3]
    assert said in render_checkup(one).split("<nav")[0].split("<section")[0]
    assert said in render_markdown(one).split("###")[0]
    assert "stands in" not in render(made(line("a", "fail", "so")))


def test_an_ok_that_is_not_shown_is_marked_and_says_what_would_show_it() -> None:
    one = made(
        line("a", "ok", "7 of 7", undecided="it may be 65 %: 73 in a row would show it", target=">= 95 %"),
        line("b", "ok", "so", target="none"),
    )
    for face in (render(one, width=200), render_markdown(one), render_checkup(one)):
        assert "1 ok? (not shown yet) and 1 ok" in face
        assert face.count("ok?") == (2 if face.startswith("**") else 3)
        assert "it may be 65 %: 73 in a row would show it" in face
    assert "target: >= 95 %" in render(one, width=200)
    assert "target: none" not in render(one, width=200)


def test_a_command_is_one_line_at_any_width() -> None:
    one = made(line("a", "fail", "so", target="t", next_step="Send it again.", command=LONG))
    assert LONG in [row.strip() for row in render(one, width=60).splitlines()]


def test_what_fails_shows_its_figures_and_a_count_that_the_sentence_has_is_not_repeated() -> None:
    figures = (
        Figure(name="calls", value=3),
        *(Figure(name=f"p{n}", value=n, unit="ms", low=1, high=99, spread="n=9") for n in (50, 95, 98, 99)),
    )
    shown = render(made(line("a", "fail", "3 calls", figures=figures)), width=100)
    assert "p50: 50 ms (1 to 99; n=9)" in shown
    assert ("p98" in shown, "p99" in shown, "calls: 3" in shown) == (True, False, False)
    page = render_checkup(made(line("a", "fail", "3 calls", figures=figures)))
    assert "2 more figures" in page
    assert page.index("<details>") < page.lower().index("p99: 99 ms")


def test_one_reason_is_said_once() -> None:
    one = made(*(line(name, "not-applicable", "no tools are named") for name in "abc"), line("d", "ok", "so"))
    for face in (render(one, width=200), render_markdown(one), render_checkup(one)):
        assert face.lower().count("no tools are named") == 1
        assert "line a; line b; line c" in face.lower()
    broken = made(
        line("d", "fail", "no such file"), *(line(n, "not-applicable", "no such file") for n in "ab")
    )
    assert render(broken, width=200).count("no such file") == 1
    assert "2 lines: for the reason above" in render(broken, width=200)


def test_what_does_not_hold_stands_under_a_heading_of_its_own_by_layer() -> None:
    other = Finding(probe="c", layer="model", title="line c", status="fail", said="so")
    both = (line("a", "warn", "so"), line("b", "fail", "so"), line("d", "ok", "so"), other)
    one = Checkup(id="01", layers=("tool", "model"), findings=both)
    listed = render_checkup(one).split("What does not hold</h2>")[1].split("</nav>")[0]
    found = [listed.index(what) for what in ("Tool</h3>", "line b", "line a", "Model</h3>", "line c")]
    assert found == sorted(found)
    assert "line d" not in listed


def test_a_command_is_a_block_of_its_own_on_the_page() -> None:
    page = render_checkup(made(line("a", "fail", "so", target="t", next_step="Send it again.", command=LONG)))
    assert "<p>Send it again.</p>" in page
    assert f"<pre><code>{LONG}</code></pre>" in page


def test_what_was_looked_at_is_named() -> None:
    good, bad = (made(line("a", "ok", "so", subject=f"m, {host}/v1")) for host in ("good", "bad"))
    assert ["m, good/v1" in row for row in render_history([good, bad], width=200).splitlines()] == [
        True,
        False,
    ]
    for face in (render(good, width=200).splitlines()[1], render_checkup(good).split("<h1>")[0]):
        assert "m, good/v1" in face
        assert "this host" not in face
    long = made(line("a", "ok", "so", subject="x" * 200), subject="app.py:graph")
    assert f"app.py:graph; {'x' * 59}…" in render(long, width=200)
    own = made(
        line("a", "ok", "so", subject="finance 1a"), subject="app.py:graph", stand_ins=("tools (finance)",)
    )
    assert "finance 1a" not in render(own, width=200).splitlines()[1]


def test_more_time_is_advised_only_where_it_shows_more() -> None:
    by_time = line("a", "ok", "so", undecided="few")
    by_cases = Finding(probe="c", layer="context", title="line c", status="ok", said="so", undecided="few")
    assert longer(made(by_time, by_cases)).endswith("--seconds 60 shows more.")
    assert longer(made(by_cases)).endswith("More cases would show it.")
    assert longer(made(line("a", "ok", "so"))) == ""
