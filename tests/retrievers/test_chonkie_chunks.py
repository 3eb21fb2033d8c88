"""chonkie's chunkers, with sizes in words: every passage stands where it says, no word is lost, nothing is fetched."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.errors import MissingExtra
from gapless.retrievers import chonkie_chunks

TEXTS = st.text(alphabet="ab .!\né漢", max_size=200)


class Flat:
    def embed(self, texts: list[str]) -> Any:
        rows = np.asarray([[1.0, text.count("a"), text.count("b")] for text in texts], dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


FORMS = chonkie_chunks.forms(Flat())


@pytest.mark.parametrize("form", FORMS)
@given(text=TEXTS, size=st.integers(2, 12))
@settings(max_examples=80, deadline=None)
def test_spans_are_true_and_no_word_is_lost(form: str, text: str, size: int) -> None:
    chunks = FORMS[form](text, size, 0)
    covered: set[int] = set()
    for chunk in chunks:
        assert chunk.text == text[chunk.start : chunk.end]
        assert chunk.text.strip() == chunk.text != ""
        covered |= set(range(chunk.start, chunk.end))
    assert {at for at, sign in enumerate(text) if not sign.isspace()} <= covered


def test_sizes_are_words_and_overlap_repeats() -> None:
    text = " ".join(str(n) for n in range(10))
    assert [one.text for one in FORMS["chonkie token"](text, 4, 2)] == [
        "0 1 2 3",
        "2 3 4 5",
        "4 5 6 7",
        "6 7 8 9",
    ]
    said = "One two three four five. " * 8
    assert max(len(one.text.split()) for one in FORMS["chonkie sentence"](said, 12, 6)) <= 12
    for name in chonkie_chunks.WHOLE:
        with pytest.raises(ValueError, match="repeats nothing"):
            FORMS[name](text, 4, 2)


def test_without_it_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "chonkie semantic" not in chonkie_chunks.forms()
    monkeypatch.setattr(chonkie_chunks, "at_hand", lambda: False)
    with pytest.raises(MissingExtra, match=r"pip install 'gapless\[chunking\]'"):
        chonkie_chunks.forms()


def test_nothing_is_asked_of_a_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert FORMS["chonkie semantic"]("A ship sails. " * 30, 20, 0)
