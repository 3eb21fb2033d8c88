"""Users' text made safe to show."""

from __future__ import annotations

import pytest

from gapless.cli.benchmark import _line  # pyright: ignore[reportPrivateUsage]
from gapless.operations.benchmark import ComponentRate
from gapless.records.estimate import Estimate
from gapless.records.report import NextStep
from gapless.report.printable import isolated, printable


@pytest.mark.parametrize(
    "mark", ["\x1b", "\x07", "\x9b", "\x7f", "\u200f", "\u200e", "\u061c", "\u202e", "\u2067", "\ud800"]
)
def test_no_control_character_survives(mark: str) -> None:
    shown = printable(f"a{mark}b")
    assert shown == "a\ufffdb"
    shown.encode()


def test_letters_of_every_script_survive() -> None:
    for text in ("naïve", "שלום", "سلام", "日本語", "👩‍🔬", "e\u0301"):
        assert printable(text) == text


def test_what_nobody_reads_is_cut_and_commands_are_not() -> None:
    assert len(printable("x" * 10_000)) == 200
    assert len(printable("x " * 10_000)) == 2000
    assert printable(NextStep(why="y" * 500, command="x" * 10_000)).command == "x" * 10_000
    assert len(printable(NextStep(why="y" * 500, command="x")).why) == 200


def test_a_name_from_right_to_left_does_not_turn_what_follows() -> None:
    shown = isolated("שלום עולם -> سلام: 5.0 points")
    assert shown == "\u2068שלום עולם\u2069 -> \u2068سلام\u2069: 5.0 points"


def test_a_benchmark_that_never_failed_is_a_bound() -> None:
    perfect = Estimate(point=1.0, low=0.839, high=1.0, n_runs=20)
    row = ComponentRate(step="find\x1b[2J", layer="tool", layer_guessed=True, rate=perfect, unknown=0)
    said = _line(row)
    assert "20 of 20; at least 83.9 %" in said
    assert "100" not in said
    assert "\x1b" not in said
