from __future__ import annotations

import doctest

import pytest

from gapless.retrievers import dense, expansion, hybrid, pooling
from gapless.retrievers.base import Document, Hit
from gapless.retrievers.bm25 import Bm25, words
from gapless.retrievers.dense import Part
from gapless.retrievers.expansion import Expanded, Feedback, Wordings
from gapless.retrievers.hybrid import highest
from gapless.retrievers.pooling import Pooled, sentences_across, windows

CLAUSES = [
    Document("audit", "The supplier keeps books and records and the buyer may inspect them."),
    Document("rights", "All rights of the parties in the marks stay as they are."),
    Document("term", "This agreement ends after three years unless it is renewed."),
]
KNOWN = Wordings({"Audit Rights": ["may inspect the books and records"], "Term": ["ends after years"]})


@pytest.mark.parametrize("module", [dense, expansion, hybrid, pooling])
def test_examples_in_the_docstrings(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


def test_a_wording_finds_what_the_question_does_not() -> None:
    engine = Bm25(CLAUSES)
    assert engine.search("audit rights", 1)[0].id == "rights"
    hits = Expanded(engine, KNOWN, k0=1, own_weight=0.2).search("Audit rights?", 3)
    assert hits[0].id == "audit"
    assert hits[0].ranks == {"wording 1": 1}
    assert {hit.id for hit in hits} >= {"audit", "rights"}


def test_a_topic_is_named_by_its_words_side_by_side() -> None:
    assert KNOWN.of("rights to audit") == ()
    assert KNOWN.of("the AUDIT-RIGHTS, and the term") == (
        "may inspect the books and records",
        "ends after years",
    )
    assert Wordings({"": ["never"]}).of("anything") == ()
    plain = Bm25(CLAUSES)
    unknown = Expanded(plain, KNOWN).search("marks of the parties", 3)
    assert [hit.id for hit in unknown] == [hit.id for hit in plain.search("marks of the parties", 3)]


def test_feedback_by_hand() -> None:
    documents = [Document("a", "cat dog"), Document("b", "dog bird"), Document("c", "fish fish fish fish")]
    engine = Feedback(documents, first=1, terms=2, own=0.6, common=1.0)
    # the first document for "cat" is a, half of it "cat" and half "dog"
    assert engine.widened("cat") == pytest.approx({"cat": 0.6 + 0.4 * 0.5, "dog": 0.4 * 0.5})
    assert [hit.id for hit in engine.search("cat", 9)] == ["a", "b"]
    assert [hit.id for hit in Bm25(documents).search("cat", 9)] == ["a"]


def test_feedback_adds_nothing_where_nothing_is_found_and_no_common_words() -> None:
    engine = Feedback(CLAUSES, own=0.5)
    assert engine.widened("zebra") == {"zebra": 1.0}
    assert engine.search("zebra", 3) == []
    assert engine.search("", 3) == []
    assert Feedback([]).search("audit", 3) == []
    added = set(engine.widened("books")) - {"books"}
    assert "inspect" in added
    assert "and" in added  # in one document of three
    assert "the" not in added  # in two of three
    assert sum(engine.widened("books").values()) == pytest.approx(1)


def test_only_the_querys_own_words_are_plain_word_search() -> None:
    plain, own = Bm25(CLAUSES), Feedback(CLAUSES, own=1.0)
    query = "the books of the parties"
    before, after = plain.search(query, 3), own.search(query, 3)
    assert [hit.id for hit in after] == [hit.id for hit in before]
    for one, other in zip(before, after, strict=True):
        assert other.score == pytest.approx(one.score / len(words(query)))


def test_a_passage_scores_as_its_best_sentence() -> None:
    documents = [Document("a", ""), Document("b", ""), Document("c", "")]
    parts = [
        Part("insurance cover", (0, 1)),
        Part("insurance and many other words", (1,)),
        Part("none", (2,)),
    ]
    hits = Pooled(documents, Bm25, parts=parts).search("insurance", 9)
    assert [hit.id for hit in hits] == ["a", "b"]
    assert hits[0].score == hits[1].score  # the shared sentence is the best of both
    assert hits[0].ranks == {"pooled": 1}
    assert Pooled([], Bm25).search("insurance", 3) == []
    assert Pooled(documents, Bm25, parts=parts).search("zebra", 3) == []


def test_sentences_know_their_windows() -> None:
    text = (
        "one two three four five six seven eight. nine ten eleven twelve thirteen fourteen fifteen sixteen."
    )
    cut, parts = windows(text, 10), sentences_across(text, 10)
    assert [len(window.split()) for window in cut] == [10, 6]
    assert [part.owners for part in parts] == [(0,), (0, 1)]
    assert windows("", 10) == []
    assert sentences_across("", 10) == []


def test_the_highest_score_counts_and_ranks_are_kept() -> None:
    found = {
        "x": [Hit("a", 3.0, "a"), Hit("b", 2.0, "b")],
        "y": [Hit("b", 3.0, "b"), Hit("a", 1.0, "a"), Hit("c", 0.5, "c")],
    }
    hits = highest(found, k=2)
    assert [(hit.id, hit.score) for hit in hits] == [("a", 3.0), ("b", 3.0)]  # ties by first seen
    assert hits[1].ranks == {"x": 2, "y": 1}
    assert highest({}, k=3) == []
