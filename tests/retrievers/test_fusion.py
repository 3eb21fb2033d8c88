from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from gapless.retrievers.base import Document, Hit
from gapless.retrievers.dense import Dense, Part, sentences
from gapless.retrievers.hybrid import Hybrid, fuse
from gapless.retrievers.remembering import Remembering


class Fixed:
    """A search engine that always answers the same."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def search(self, query: str, k: int) -> list[Hit]:
        return [Hit(id=name, score=1.0, text=name) for name in self.names[:k]]


class Letters:
    """Embeds a text as its share of the letters a, b and c."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.append(list(texts))
        counts = np.asarray([[text.count(letter) + 1e-3 for letter in "abc"] for text in texts]).reshape(
            -1, 3
        )
        return (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)


def test_fusion_adds_reciprocal_ranks_and_keeps_them() -> None:
    hits = Hybrid({"words": Fixed("a", "b", "c"), "meaning": Fixed("c", "a")}).search("?", 3)
    assert [hit.id for hit in hits] == ["a", "c", "b"]
    assert hits[0].ranks == {"words": 1, "meaning": 2}
    assert hits[0].score == pytest.approx(1 / 61 + 1 / 62)
    assert hits[2].ranks == {"words": 2}


def test_ties_follow_the_first_arm() -> None:
    hits = fuse({"x": Fixed("b", "a").search("", 9), "y": Fixed("a", "b").search("", 9)}, k=2)
    assert [hit.id for hit in hits] == ["b", "a"]


def test_weights_and_depth() -> None:
    arms = {"x": Fixed("a", "b"), "y": Fixed("b", "a")}
    assert Hybrid(arms, weights={"x": 1, "y": 2}).search("", 1)[0].id == "b"
    assert {hit.id for hit in Hybrid({"x": Fixed("a", "b")}, depth=1).search("", 1)} == {"a"}


def test_a_document_scores_as_its_best_part() -> None:
    documents = [Document("ab", "a b"), Document("c", "c"), Document("none", "-")]
    parts = [Part("a", (0,)), Part("b", (0, 1)), Part("c", (1,))]
    engine = Dense(documents, Letters(), parts=parts)
    assert engine.scores("b").round(2).tolist() == [1.0, 1.0, -1.0]
    hits = engine.search("c", 2)
    assert [hit.id for hit in hits] == ["c", "ab"]
    assert hits[0].ranks == {"dense": 1}


def test_dense_search_without_documents() -> None:
    assert Dense([], Letters()).search("a", 3) == []


def test_sentences_lose_no_word() -> None:
    text = "1. Term. This agreement lasts for three years; it renews. " + "word " * 450
    pieces = sentences(text)
    assert " ".join(pieces).split() == text.split()
    assert max(len(piece.split()) for piece in pieces) == 200
    assert sentences("  ") == []


def test_vectors_are_remembered_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPLESS_CACHE", str(tmp_path))
    first, second = Letters(), Letters()
    texts = ["a", "bb"]
    vectors = Remembering(first, "letters").embed(texts)
    assert Remembering(second, "letters").known(texts)
    assert (Remembering(second, "letters").embed(texts) == vectors).all()
    assert second.asked == []
    assert not Remembering(second, "other").known(texts)
    assert not Remembering(second, "letters").known(["ab", "b"])


def test_damaged_vectors_are_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPLESS_CACHE", str(tmp_path))
    vectors = Remembering(Letters(), "letters").embed(["a", "b"])
    (file,) = (tmp_path / "embeddings").iterdir()
    file.write_bytes(file.read_bytes()[:90])
    assert (Remembering(Letters(), "letters").embed(["a", "b"]) == vectors).all()


def test_a_single_text_is_embedded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPLESS_CACHE", str(tmp_path))
    letters = Letters()
    remembering = Remembering(letters, "letters")
    remembering.embed(["a"])
    remembering.embed(["a"])
    assert letters.asked == [["a"]]
    assert not (tmp_path / "embeddings").exists()
