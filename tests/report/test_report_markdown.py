"""The report as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from gapless.records.report import Report
from gapless.report import markdown, text
from gapless.report.marked import block, code, prose, table

Sample = Callable[[str], Report]
OURS = (
    "<details><summary>What this report stands on</summary>",
    "</details>",
    "<!-- -->",
    "<code>",
    "</code>",
)


def tokens(source: str) -> Iterator[Token]:
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(source):
        yield token
        yield from token.children or ()


def words(source: str) -> str:
    kinds = ("text", "text_special", "code_inline", "code_block", "fence", "softbreak")
    return "".join(token.content or " " for token in tokens(source) if token.type in kinds)


def test_nothing_in_it_is_a_link_a_picture_or_foreign_html(sample: Sample, kind: str) -> None:
    source = markdown.render(sample(kind))
    for token in tokens(source):
        assert token.type not in ("link_open", "image", "s_open")
        if token.type in ("html_inline", "html_block"):
            assert token.content.strip() in OURS
    assert "\x1b" not in source
    assert "\u202e" not in source
    source.encode()


def test_every_table_has_as_many_cells_as_it_has_columns(sample: Sample, kind: str) -> None:
    columns = cells = 0
    for token in tokens(markdown.render(sample(kind))):
        columns = 0 if token.type == "table_open" else columns + (token.type == "th_open")
        cells = 0 if token.type == "tr_open" else cells + (token.type in ("td_open", "th_open"))
        assert token.type != "tr_close" or cells == columns
    assert columns or sample(kind).gap.n_runs == 0


def test_it_says_what_the_terminal_says(sample: Sample) -> None:
    source = markdown.render(sample("labelled"))
    assert source.startswith("## gapless: 50 of 60 trials end correct, S = 83.3 % (95 % interval 72.0-90.7)")
    for title in (
        "From the steps alone to the whole",
        "Where it is lost",
        "Slices",
        "Latency",
        "Weather",
        "Next",
    ):
        assert f"\n### {title}\n" in source
    assert "| **P, predicted** | 85.7 % (77.1-93.5) |" in source
    assert "| `retrieve` → `assess` | context | 6.7 | 2.6-15.9 | 40 % | " in source
    assert "```sh\ngapless label 'c22#0' --measurement 01M84HVT0J8K11GNBRTPJGKP2P\n```" in source
    assert "not estimable from 60 trials" in source
    assert "- Run table digest: `" + "a" * 32 + "`" in source


def test_without_labels_nothing_is_called_a_loss(sample: Sample) -> None:
    source = markdown.render(sample("unlabelled"))
    assert "### Suspected, without labels" in source
    assert "Where it is lost" not in source


def test_hostile_names_stay_words(sample: Sample) -> None:
    read = words(markdown.render(sample("hostile")))
    assert "<script>alert(1)</script>" in read
    assert "<img src=x onerror=alert(1)>" in read
    read = words(markdown.render(sample("awful")))
    assert "a|b`c``d | ---" in read
    assert "![i](www.x.example)" in read
    assert "n" * 79 + "…" in read
    assert "n" * 100 not in read


@pytest.mark.parametrize(
    "name",
    [
        "plain",
        "a|b",
        "`",
        "``x`",
        "a\\|b",
        " spaced ",
        "",
        "<b>&amp;",
        "*_~[x](y)",
        "#1",
        "é",
        "-",
        "1. x",
        "$x$",
    ],
)
def test_a_name_is_read_back_as_it_was(name: str) -> None:
    assert words(code(name)) == name
    assert words(prose(name)).strip() == name.strip()
    read = words(table(("", "b"), [(code(name), "2")]))
    assert read == f"b{name}2"


def test_nobody_is_mentioned_and_nothing_is_linked() -> None:
    assert "@team" not in prose("@team")
    assert "http://" not in prose("http://x.example")
    assert "www." not in prose("www.x.example")


def test_a_command_with_a_fence_in_it_stays_one_block() -> None:
    fences = [token for token in tokens(block("gapless label '```\n# x'")) if token.type == "fence"]
    assert [token.content for token in fences] == ["gapless label '```\n# x'\n"]


def test_a_terminal_keeps_awful_names_short(sample: Sample) -> None:
    shown = text.render(sample("awful"), width=100, color=False)
    assert max(len(line) for line in shown.splitlines()) <= 100
    assert len(shown.splitlines()) < 170
    assert "\x1b" not in shown
    shown.encode()
