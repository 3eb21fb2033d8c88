from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.errors import UsageError
from gapless.retrievers.chunking import FORMS, fixed, recursive, semantic, sentence
from gapless.retrievers.texts import Collection, passages, read_texts

TEXTS = st.text(alphabet="ab .!\n", max_size=200)
SIZES = st.integers(1, 12).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1)))


@pytest.mark.parametrize("form", FORMS)
@given(text=TEXTS, sizes=SIZES)
@settings(max_examples=150, deadline=None)
def test_no_word_is_lost_and_spans_are_true(form: str, text: str, sizes: tuple[int, int]) -> None:
    size, overlap = sizes
    chunks = FORMS[form](text, size, overlap)
    covered: set[int] = set()
    for chunk in chunks:
        assert chunk.text == text[chunk.start : chunk.end]
        assert chunk.text.strip() == chunk.text != ""
        covered |= set(range(chunk.start, chunk.end))
    assert {at for at, sign in enumerate(text) if not sign.isspace()} <= covered
    for places in ([chunk.start for chunk in chunks], [chunk.end for chunk in chunks]):
        assert places == sorted(set(places))  # none is a mere piece of its neighbour
    if form != "sentence":
        assert all(len(chunk.text.split()) <= size for chunk in chunks)


def test_overlap_repeats() -> None:
    text = " ".join(str(n) for n in range(10))
    assert [chunk.text for chunk in fixed(text, 4, 2)] == ["0 1 2 3", "2 3 4 5", "4 5 6 7", "6 7 8 9"]
    said = "One two. Three four. Five six."
    assert [chunk.text for chunk in sentence(said, 4, 2)] == ["One two. Three four.", "Three four. Five six."]


def test_what_is_repeated_leaves_room_for_something_new() -> None:
    said = "One two three. Four five six. One two three four five six seven eight."
    assert [chunk.text for chunk in sentence(said, 8, 3)] == [
        "One two three. Four five six.",
        "One two three four five six seven eight.",
    ]


def test_recursive_keeps_paragraphs() -> None:
    text = "One two three.\n\nFour five. Six seven eight nine."
    assert [chunk.text for chunk in recursive(text, 5)] == [
        "One two three.",
        "Four five.",
        "Six seven eight nine.",
    ]


class Subjects:
    """Embeds a sentence as what it is about: ships, or else."""

    def embed(self, texts: list[str]) -> Any:
        return np.asarray([[1.0, 0.0] if "ship" in text else [0.0, 1.0] for text in texts], dtype=np.float32)


def test_semantic_cuts_where_the_subject_changes() -> None:
    text = "A ship sails. The ship lands. The cap is five. It is high."
    cut = semantic(Subjects(), breaks=0.33)
    assert [chunk.text for chunk in cut(text, 50, 0)] == [
        "A ship sails. The ship lands.",
        "The cap is five. It is high.",
    ]
    assert [chunk.text for chunk in cut(text, 3, 0)][:2] == ["A ship sails.", "The ship lands."]
    assert cut("", 5, 0) == []
    assert len(cut("Only one.", 5, 0)) == 1
    with pytest.raises(ValueError, match="allowed is a share"):
        semantic(Subjects(), breaks=2)


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (5, 5), (5, -1)])
def test_sizes_that_cannot_be(size: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="allowed are a size from 1"):
        fixed("a", size, overlap)


def test_a_folder_of_texts(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no text is there"):
        read_texts(tmp_path)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.md").write_text("Goods travel by ship.")
    (tmp_path / "a.txt").write_text("The cap is five.\n\nAudits are held in May.")
    (tmp_path / "c.pdf").write_bytes(b"%PDF")
    texts = read_texts(tmp_path)
    assert list(texts) == ["a.txt", "deep/b.md"]
    collection = Collection(passages(texts, size=5))
    assert collection.search("audits in may")[0].id == "a.txt#2"
    assert collection.search("ship")[0].metadata == {"document": "deep/b.md"}
    assert collection.engines() == {}
    assert collection.vectors(["a.txt#1"]) == {}
    with pytest.raises(UsageError, match="nothing is embedded"):
        collection.embed(["a"])
    (tmp_path / "latin.txt").write_bytes(b"Gr\xf6\xdfe")
    with pytest.raises(UsageError, match="no UTF-8"):
        read_texts(tmp_path)
