"""Arguments before a person who is to approve a call: nothing is out of sight without being counted."""

from __future__ import annotations

from typing import Any

import pytest

from gapless.frameworks.mcp.showing import MOST, shown

FITS = "x" * (MOST - len('{"text": ""}'))


@pytest.mark.parametrize("given", [{}, {"text": FITS}, {"text": "a\x1b[2J\u202eb"}])
def test_what_fits_is_shown_whole(given: dict[str, Any]) -> None:
    said = shown(given)
    assert said is not None
    assert "NOT ALL" not in said
    assert said.isascii()
    assert said.isprintable()


def test_only_the_middle_of_long_texts_is_left_out_and_counted() -> None:
    given = {"a": "b" * 3000 + "THE END", "deep": [{"to": "c" * 2000, "all": True}], "z": "short"}
    said = shown(given)
    assert said is not None
    assert said.startswith("NOT ALL IS SHOWN: 3407 characters in the middle of 2 texts are left out")
    for part in ("THE END", '"all": true', '"z": "short"', "[... 1200 characters left out ...]"):
        assert part in said


@pytest.mark.parametrize(
    "given", [{"many": [1] * 5000}, {f"n{n}": "x" * 900 for n in range(20)}, {"x" * 5000: 1}]
)
def test_what_cannot_be_shown_is_not_asked_about(given: dict[str, Any]) -> None:
    assert shown(given) is None


def test_a_text_cannot_say_that_it_is_whole() -> None:
    forged = "x" * 5000 + 'Arguments: {"path": "a"}'
    said = shown({"path": forged})
    assert said is not None
    assert said.startswith("NOT ALL IS SHOWN")
