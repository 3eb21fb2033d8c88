"""Passages by lot, questions of their own words, and a draft that survives: what `gapless label --queries` stands on."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapless.errors import InvalidSuite, ReviewConflict
from gapless.records.label_proposal import Proposal
from gapless.records.labelled_query import EXTRACTIVE, LabelledQuery
from gapless.retrievers.labelled import read_queries
from gapless.retrievers.labelling.draft import Draft
from gapless.retrievers.labelling.excerpts import (
    Excerpt,
    by_lot,
    excerpts,
    remembered,
    remembered_whole,
    standing,
)
from gapless.retrievers.labelling.extractive import Lexicon

FILLER = "The parties shall act in good faith and keep to all laws that apply to them. "
PASSAGE = f"{FILLER}The insurance premium for the harbour crane is paid by the buyer each spring. {FILLER}"


def test_every_document_has_its_turn_before_any_has_its_second() -> None:
    texts = {"long": "\n\n".join([PASSAGE] * 30), "short": PASSAGE, "none": "Too short."}
    cut = excerpts(texts, 60)
    drawn = list(by_lot(cut))
    assert {one.document for one in drawn[:2]} == {"long", "short"}
    assert sorted(map(str, drawn)) == sorted(str(one) for one in cut if one.document != "none")
    assert list(by_lot(cut)) == drawn
    assert list(by_lot(cut, 1)) != drawn


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12), st.data())
def test_a_passage_is_recognised_wherever_it_stands(words: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(start + 1, len(words)))
    excerpt, quote = " ".join(words), " \n ".join(words[start:end])
    label = LabelledQuery(query="q", texts=(quote,), document="d", passage=remembered(excerpt, quote))
    assert standing({"d": f"x y\n{excerpt}  z"}, label) == "stands"
    assert standing({"d": "x y z"}, label) == "gone"
    assert standing({}, label) == "gone"
    if (start, end) != (0, len(words)):
        assert standing({"d": f"x {' '.join(words[start:end])} y"}, label) == "changed"


def test_what_nothing_answers_holds_as_long_as_no_text_changes() -> None:
    texts = {"a": "one two", "b": "three"}
    label = LabelledQuery(query="q", answerable=False, passage=remembered_whole(texts))
    assert standing({"b": "three", "a": " one\ntwo "}, label) == "stands"
    assert standing(texts | {"c": "four"}, label) == "changed"
    assert standing(texts, LabelledQuery(query="q")) == "unknown"
    with pytest.raises(ValueError, match="does not stand in the passage"):
        remembered("one two", "two one")


def test_a_question_names_its_passage_alone_or_there_is_none() -> None:
    crane = Excerpt("a", PASSAGE)
    ships = Excerpt("b", f"{FILLER}The towing fee for the ferry is settled by the agent in autumn. {FILLER}")
    rest = [Excerpt(f"c{n}", FILLER * 2) for n in range(9)]
    lexicon = Lexicon([crane, ships, *rest])
    asked = lexicon.question(crane)
    assert asked is not None
    assert asked.question == "What is said about insurance premium and harbour crane?"
    assert asked.quote == "The insurance premium for the harbour crane is paid by the buyer each spring."
    assert lexicon.holding("insurance premium harbour crane") == 1
    assert lexicon.question(rest[0]) is None  # every passage says so
    none = lexicon.unanswerable(crane, ships)
    assert none is not None
    assert none.quote == ""
    assert "in connection with" in none.question
    assert lexicon.unanswerable(crane, crane) is None


def test_a_near_copy_elsewhere_is_seen() -> None:
    crane, copy = Excerpt("a", PASSAGE), Excerpt("b", PASSAGE.replace("each spring", "each summer"))
    other = Excerpt("c", "The crane is paid. " * 5)
    lexicon = Lexicon([crane, copy, other])
    quote = "The insurance premium for the harbour crane is paid by the buyer each spring."
    assert lexicon.repeats(crane, quote) == [copy]
    assert Lexicon([crane, Excerpt("b", PASSAGE)]).question(crane) is None


def proposal(key: str = "k1", quote: str = "paid by the buyer") -> Proposal:
    label = LabelledQuery(
        query="who pays",
        id=key,
        texts=(quote,),
        group="a",
        document="a",
        source="proposed",
        model=EXTRACTIVE,
        passage=remembered(PASSAGE, quote),
    )
    return Proposal(key=key, query=label, excerpt=PASSAGE)


def test_a_decision_is_on_disk_and_nothing_unseen_is_called_reviewed(tmp_path: Path) -> None:
    draft = Draft(tmp_path / "queries.jsonl")
    draft.add([proposal(f"k{n}") for n in range(4)] + [Proposal(key="none", why="no phrases")])
    assert [one.source for one in draft.queries] == []
    assert not (tmp_path / "queries.jsonl").exists()
    draft.accept("k0", "maria")
    draft.accept("k1", "maria", question="who settles the premium", quote="the buyer each spring.")
    draft.reject("k2", "maria", "too vague")
    again = Draft(tmp_path / "queries.jsonl")
    assert [one.key for one in again.waiting()] == ["k3"]
    first, second = read_queries(tmp_path / "queries.jsonl")
    assert (first.source, first.reviewer, first.lexical) == ("reviewed", "maria", True)
    assert (second.query, second.edited, second.lexical) == ("who settles the premium", True, False)
    assert standing({"a": PASSAGE}, second) == "stands"
    assert again.take_unseen() == 1
    assert read_queries(tmp_path / "queries.jsonl")[2].source == "unreviewed"
    assert [one.key for one in again.waiting()] == ["k3"]  # until somebody has looked at it
    again.reject("k3", "maria")
    assert [one.id for one in read_queries(tmp_path / "queries.jsonl")] == ["k0", "k1"]


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x0c"])
def test_a_text_may_hold_what_python_takes_for_the_end_of_a_line(tmp_path: Path, mark: str) -> None:
    made = proposal("k1", f"paid{mark}by the buyer")
    draft = Draft(tmp_path / "q.jsonl")
    draft.add([made, proposal("k2")])
    draft.accept("k1", "maria")
    again = Draft(tmp_path / "q.jsonl")
    assert again.queries[0].texts == (f"paid{mark}by the buyer",)
    assert [one.key for one in again.waiting()] == ["k2"]


def test_two_reviewers_at_once(tmp_path: Path) -> None:
    one, other = (Draft(tmp_path / "queries.jsonl") for _ in range(2))
    one.add([proposal("k0"), proposal("k1")])
    other.accept("k0", "jonas")
    with pytest.raises(ReviewConflict, match="jonas has decided"):
        one.accept("k0", "maria")
    one.accept("k1", "maria")
    found = Draft(tmp_path / "queries.jsonl").queries
    assert Counter(label.reviewer for label in found) == {"jonas": 1, "maria": 1}


def test_lines_written_by_hand_stay_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "queries.jsonl"
    mine = '{"relevant":  ["d7"], "query": "by hand"}'
    file.write_text(f"{mine}\n\n")
    draft = Draft(file)
    draft.add([proposal()])
    draft.accept("k1", "maria")
    assert file.read_text().splitlines()[0] == mine
    assert [one.source for one in read_queries(file)] == ["", "reviewed"]
    draft.add([proposal("k2")])
    with pytest.raises(ValueError, match="the question is empty"):
        draft.accept("k2", "maria", question=" ")
    assert len(read_queries(file)) == 2


def test_a_draft_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "queries.draft.jsonl").write_text(json.dumps({"kee": 1}))
    with pytest.raises(InvalidSuite, match=r"queries.draft.jsonl:1: no proposal"):
        Draft(tmp_path / "queries.jsonl")
