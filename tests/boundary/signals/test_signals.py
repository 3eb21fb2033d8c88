"""Signals: surer for what is better, None for what is not there, and never anything but that."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.boundary.crossing import Crossing
from gapless.boundary.guards.gate import Gate, Refuse
from gapless.boundary.signals.completeness import Completeness
from gapless.boundary.signals.cue_words import CueWords
from gapless.boundary.signals.evidence_age import EvidenceAge
from gapless.boundary.signals.grounded_share import GroundedShare
from gapless.boundary.signals.latency import Latency
from gapless.boundary.signals.logprob import Logprob, TokenEntropy
from gapless.boundary.signals.namesakes import Namesakes
from gapless.boundary.signals.rank_agreement import RankAgreement
from gapless.boundary.signals.schema_strictness import SchemaStrictness
from gapless.boundary.signals.score_margin import ScoreMargin
from gapless.boundary.signals.score_shape import ScoreShape
from gapless.boundary.signals.self_consistency import SelfConsistency
from gapless.boundary.signals.shelf import SIGNALS, signal
from gapless.boundary.signals.term_coverage import EntityCoverage, TermCoverage
from gapless.errors import UnknownName

NOW = 1_700_000_000.0
DAY = 86_400.0
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}

EVERY: dict[str, Any] = {
    "rank-agreement": RankAgreement(first="dense", second="sparse"),
    "score-margin": ScoreMargin(scores="hits.score"),
    "score-shape": ScoreShape(scores="hits.score", k=3),
    "term-coverage": TermCoverage(query="query", evidence="hits"),
    "entity-coverage": EntityCoverage(query="query", evidence="hits"),
    "cue-words": CueWords(text="hits", topic="topic", cues={"cap": ("shall not exceed", "liability")}),
    "evidence-age": EvidenceAge(dates="hits.at", days=100, clock=lambda: NOW),
    "namesakes": Namesakes(names="hits.supplier", asked="supplier"),
    "schema-strictness": SchemaStrictness(output=SCHEMA),
    "completeness": Completeness(fields=("answer", "sources")),
    "logprob": Logprob(path="logprobs"),
    "token-entropy": TokenEntropy(path="logprobs"),
    "self-consistency": SelfConsistency(resample=lambda crossing: crossing.state["again"]),
    "grounded-share": GroundedShare(text="answer", evidence=("hits",)),
    "latency": Latency(usual_s=1.0),
}


def crossing(handoff: Any = None, state: Any = None, given: Any = None, **more: Any) -> Crossing:
    return Crossing(
        step="x", state=state if state is not None else {}, handoff=handoff, case_input=given, **more
    )


def said(name: str, handoff: Any = None, **more: Any) -> float | None:
    return EVERY[name](crossing(handoff, **more))


def test_the_shelf_is_whole() -> None:
    assert set(EVERY) == set(SIGNALS)
    assert all(isinstance(one, signal(name)) and one.name == name for name, one in EVERY.items())
    with pytest.raises(UnknownName, match="rank-agreement"):
        signal("nope")


def test_rankings_agree_from_the_top() -> None:
    same = {"dense": ["a", "b", "c"], "sparse": ["a", "b", "c"]}
    assert said("rank-agreement", same) == 1
    assert said("rank-agreement", {**same, "sparse": ["x", "y", "z"]}) == 0
    swapped = said("rank-agreement", {**same, "sparse": ["b", "a", "c"]})
    end = said("rank-agreement", {**same, "sparse": ["a", "c", "b"]})
    assert 0 < swapped < end < 1
    assert said("rank-agreement", {"dense": ["a"]}) is None


def test_a_best_result_that_is_ahead() -> None:
    def hits(*scores: Any) -> Any:
        return {"hits": [{"score": score} for score in scores]}

    assert said("score-margin", hits(10, 9, 5)) == 0.5
    assert said("score-margin", hits(5, 5, 5)) == 0
    assert said("score-margin", hits(3)) == 1
    assert said("score-margin", hits(-1, -2)) is None
    assert said("score-margin", hits(1, "2")) is None
    assert said("score-margin", hits(1, math.nan)) is None


def test_scores_that_few_results_have() -> None:
    def shape(*scores: Any) -> float | None:
        return said("score-shape", {"hits": [{"score": score} for score in scores]})

    assert shape(5, 5, 5) == pytest.approx(0)
    assert shape(4, 0, 0) == 1
    assert shape(3) == 1
    assert shape(2, 2, 0) == pytest.approx(1 - math.log(2) / math.log(3))
    assert shape(2, 2, 0, 0, 0) == shape(0, 2, 0, 2, 0) == shape(2, 2, 0)  # the best three
    assert shape(1e308, 1e308, 1) == pytest.approx(1 - math.log(2) / math.log(3))
    for nothing in ((), (0, 0), (1, -1), (1, "2"), (1, math.nan)):
        assert shape(*nothing) is None


def test_what_is_asked_occurs_in_what_was_found() -> None:
    given = {"query": "What is the liability cap of Harlow Chemicals Ltd?"}
    good = {"hits": [{"text": "Harlow Chemicals Ltd: liability is limited; the cap is USD 5."}]}
    poor = {"hits": [{"text": "Harlow Logistics Ltd pays within 30 days."}]}
    assert said("term-coverage", good, given=given) == 1
    assert 0 < said("term-coverage", poor, given=given) < 1
    assert said("entity-coverage", good, given=given) == 1
    assert said("entity-coverage", poor, given=given) == 0
    assert said("entity-coverage", good, given={"query": "what is it?"}) is None
    assert said("term-coverage", good) is None


def test_cue_words_of_the_topic() -> None:
    text = {"hits": ["The Supplier's liability shall not exceed USD 5."]}
    assert said("cue-words", text, given={"topic": "cap"}) == 1
    assert said("cue-words", {"hits": ["liability"]}, given={"topic": "cap"}) == 0.5
    assert said("cue-words", text, given={"topic": "other"}) is None
    assert said("cue-words", text, given={"topic": ["cap"]}) is None


def test_the_oldest_piece_counts() -> None:
    def dated(*ages: float) -> Any:
        return {"hits": [{"at": NOW - age * DAY} for age in ages]}

    assert said("evidence-age", dated(0, 0)) == 1
    assert said("evidence-age", dated(0, 50)) == pytest.approx(0.5)
    assert said("evidence-age", dated(0, 500)) == 0
    assert said("evidence-age", {"hits": [{"at": "no time"}]}) is None


def test_namesakes_compete() -> None:
    def of(*names: str, asked: str | None = "harlow-chemicals") -> float | None:
        return said("namesakes", {"hits": [{"supplier": name} for name in names]}, given={"supplier": asked})

    assert of("harlow-chemicals", "harlow-chemicals") == 1
    assert of("harlow-chemicals", "harlow-chemical") < of("harlow-chemicals", "zephyr") < 1
    assert of("zephyr") == 0
    assert of(asked=None) is None


def test_a_type_and_its_fields() -> None:
    assert said("schema-strictness", {"n": 1}) == 1
    assert said("schema-strictness", {"n": "one"}) == 0.5
    assert said("schema-strictness", {"n": "one", "m": 2}) < 0.5
    assert said("completeness", {"answer": "x", "sources": ["a"]}) == 1
    assert said("completeness", {"answer": "x", "sources": []}) == 0.5


def test_a_models_own_doubt() -> None:
    def tokens(*chances: float, wrapped: bool = False) -> Any:
        content = [
            {
                "logprob": math.log(chance),
                "top_logprobs": [{"logprob": math.log(chance)}, {"logprob": math.log(max(1e-9, 1 - chance))}],
            }
            for chance in chances
        ]
        return {"logprobs": [None, {"content": content}] if wrapped else {"content": content}}

    assert said("logprob", tokens(0.9, 0.9)) == pytest.approx(0.9)
    assert said("logprob", tokens(0.9, 0.9, wrapped=True)) == pytest.approx(0.9)
    assert said("logprob", {"logprobs": [math.log(0.5)]}) == pytest.approx(0.5)
    assert said("logprob", {"logprobs": [0.3]}) is None
    assert said("token-entropy", tokens(0.5)) == pytest.approx(0, abs=1e-6)
    assert (
        said("token-entropy", tokens(0.5))
        < said("token-entropy", tokens(0.9))
        < said("token-entropy", tokens(0.999))
    )
    assert said("token-entropy", {"logprobs": [-0.1]}) is None


def test_the_same_again() -> None:
    assert said("self-consistency", {"n": 1}, state={"again": {"n": 1}}) == 1
    assert said("self-consistency", {"n": 1}, state={"again": {"n": 2}}) == 0
    assert said("self-consistency", {"n": 1}) == 0  # a resample that fails agrees with nothing
    assert SelfConsistency(resample=lambda crossing: 1, n=0)(crossing()) is None


def test_figures_and_names_in_the_evidence() -> None:
    answer = {"answer": "Harlow Chemicals Ltd is capped at USD 5,000 and pays in 30 days."}
    all_there = {"hits": ["Harlow Chemicals Limited: the cap is $5,000; payment within 30 days."]}
    assert said("grounded-share", answer, state=all_there) == 1
    assert (
        0 < said("grounded-share", answer, state={"hits": ["Harlow Chemicals Ltd pays within 30 days."]}) < 1
    )
    assert said("grounded-share", {"answer": "nothing to claim"}, state=all_there) is None


def test_the_time_a_step_took() -> None:
    assert said("latency", took_s=0.5) == 1
    assert said("latency", took_s=4.0) == 0.25
    assert said("latency") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = ("dense", "sparse", "hits", "query", "topic", "supplier", "answer", "sources", "logprobs")


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5),
    st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5),
)
def test_whatever_they_find_they_say_a_number_between_0_and_1_or_nothing(handoff: Any, state: Any) -> None:
    for name, one in EVERY.items():
        value = one(crossing(handoff, state, took_s=3.0))
        assert value is None or (isinstance(value, (int, float)) and 0 <= value <= 1), name


def test_huge_texts_and_hostile_paths() -> None:
    long = {"query": "x " * 300_000, "answer": "USD 5 " * 100_000, "hits": ["y " * 300_000]}
    for name, one in EVERY.items():
        assert one(crossing(long)) is None or 0 <= one(crossing(long)) <= 1, name
    assert TermCoverage(query="__class__", evidence="..")(crossing({"a": "b"})) is None


@pytest.mark.parametrize("name", EVERY)
def test_a_gate_takes_each(name: str) -> None:
    reading = Gate(signal=EVERY[name], below=Refuse()).read(crossing({}))
    assert reading.doubt is not None  # an empty handoff is doubt to each of them, or says nothing
