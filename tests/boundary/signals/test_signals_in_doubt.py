"""What is partly there, out of date or out of bounds never makes a signal surer: it is doubt, or refused when declared."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.boundary.crossing import Crossing
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
from gapless.boundary.signals.term_coverage import EntityCoverage, TermCoverage
from gapless.errors import InvalidContract

NOW = 1_700_000_000.0
DAY = 86_400.0
AGE = EvidenceAge(dates="hits.at", days=100, clock=lambda: NOW)
MESSAGES = "messages.response_metadata.logprobs"


def crossing(handoff: Any = None, state: Any = None, case_input: Any = None, **more: Any) -> Crossing:
    return Crossing(step="x", state=state, handoff=handoff, case_input=case_input, **more)


def hits(*held: Any) -> dict[str, Any]:
    return {"hits": list(held)}


@pytest.mark.parametrize(
    ("signal", "partly"),
    [
        (AGE, hits({"at": NOW}, {"text": "undated"})),
        (ScoreMargin(scores="hits.score"), hits({"score": 9.0}, {"text": "no score"})),
        (Namesakes(names="hits.name"), hits({"name": "harlow"}, {"text": "of nobody"})),
        (RankAgreement(first="hits.id", second="hits.id"), hits({"id": "a"}, {"text": "no id"})),
        (TokenEntropy(path="hits"), hits({"logprob": -1}, {"top_logprobs": [-0.01, -9.0]})),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_piece_without_what_is_asked_is_not_passed_over(signal: Any, partly: Any) -> None:
    assert signal(crossing(partly)) is None


def test_a_field_that_only_some_items_have_is_not_complete() -> None:
    text = Completeness(fields=("hits.text",))
    assert text(crossing(hits({"text": "a"}, {}))) == 0
    assert text(crossing(hits({"text": "a"}, {"text": "b"}))) == 1


def test_what_a_step_left_out_is_not_taken_from_an_earlier_one() -> None:
    answer = Completeness(fields=("answer",))
    assert answer(crossing({}, {"answer": "of before"})) == 0
    assert answer(crossing({"answer": None}, {"answer": "of before"})) == 0
    old = {"hits": [{"score": 9}, {"score": 1}]}
    assert ScoreMargin(scores="hits.score")(crossing({"hits": []}, old)) is None
    assert ScoreMargin(scores="hits.score")(crossing({"hits": None}, old)) is None
    assert ScoreMargin(scores="hits.score")(crossing({}, old)) == pytest.approx(8 / 9)


@pytest.mark.parametrize(
    "stamp", [NOW * 1000, NOW + 2 * DAY, math.inf, -math.inf, math.nan, 10**400, True, "soon", None]
)
def test_evidence_of_an_unknown_age_is_not_fresh(stamp: Any) -> None:
    assert AGE(crossing(hits({"at": NOW}, {"at": stamp}))) is None


def test_clocks_may_differ_by_a_day() -> None:
    assert AGE(crossing(hits({"at": NOW + DAY / 2}))) == 1


def test_a_name_nobody_gave_matches_nothing() -> None:
    asked = Namesakes(names="hits.name", asked="supplier")
    assert asked(crossing(hits({"name": "zephyr"}))) is None
    assert asked(crossing(hits({"name": "Zephyr  Ltd"}), {"supplier": "zephyr ltd"})) == 1
    assert asked(crossing(hits({"name": "zephyr"}), {"supplier": "harlow"})) == 0


def test_a_text_is_no_evidence_for_itself() -> None:
    claim = {"answer": "The cap is USD 5,000.", "hits": "USD 5,000"}
    everything = GroundedShare(text="answer", evidence=("",))
    declared = GroundedShare(text="answer", evidence=("hits",))
    assert everything(crossing(claim, {"hits": "USD 9"})) == 0
    assert declared(crossing(claim, {"hits": "USD 9"})) == 0
    assert (
        declared(crossing(claim)) == declared(crossing(claim, {"hits": []})) == 1
    )  # one step that both finds and answers
    assert declared(crossing({"answer": "The cap is USD 5,000."})) is None
    assert declared(crossing({"answer": "The cap is USD 5,000."}, {"hits": [{"cap": 5000}]})) == 1


def test_a_later_message_without_log_probabilities_is_not_as_sure_as_the_one_before() -> None:
    sure = {"response_metadata": {"logprobs": {"content": [{"logprob": -0.01}], "refusal": None}}}
    assert Logprob(path=MESSAGES)(crossing({"messages": [sure]})) == pytest.approx(0.99, abs=0.001)
    assert Logprob(path=MESSAGES)(crossing({"messages": [sure, {"response_metadata": {}}]})) is None
    assert (
        Logprob(path="messages.-1.response_metadata.logprobs")(crossing({"messages": [{}, sure]})) is not None
    )


def test_alternatives_cut_short_do_not_look_sure() -> None:
    def of(*chances: float) -> float | None:
        listed = [{"logprob": math.log(chance) if chance else -math.inf} for chance in chances]
        return TokenEntropy(path="tokens")(crossing({"tokens": [{"logprob": -1, "top_logprobs": listed}]}))

    assert of(0.1, 0.0001) < 0.6 < of(0.99, 0.0001)
    assert of(1, 0) == 1  # a grammar that leaves one choice
    assert of(0.25, 0.25, 0.25, 0.25) == pytest.approx(0)


def test_one_id_twice_is_one_id() -> None:
    ranked = RankAgreement(first="dense", second="sparse")
    assert ranked(crossing({"dense": ["a", "a", "b"], "sparse": ["a", "b", "b"]})) == 1
    assert ranked(crossing({"dense": [["a"]], "sparse": [["a"]]})) is None


def test_cue_words_without_topics_count_from_the_beginning_of_a_word() -> None:
    cues = CueWords(text="hits", cues=("indemnif", "cap"), enough=2)
    assert cues(crossing({"hits": "It indemnifies up to the cap."})) == 1
    assert cues(crossing({"hits": "It escapes."})) == 0


def test_nothing_handed_over_says_nothing() -> None:
    assert SchemaStrictness(output={"type": "object"})(crossing()) is None
    assert SelfConsistency(resample=lambda crossing: None)(crossing()) is None


@pytest.mark.parametrize("value", [b"bytes", {"half": "\ud800"}])
def test_what_cannot_be_json_is_not_held_against_a_schema(value: Any) -> None:
    assert SchemaStrictness(output={"type": "object"})(crossing(value)) in (None, 1.0)
    assert SchemaStrictness(output={"type": "string"})(crossing(b"bytes")) is None


@pytest.mark.parametrize("took", [math.nan, math.inf, -1.0, "1", True])
def test_a_time_that_is_none(took: Any) -> None:
    assert Latency(usual_s=1)(crossing(took_s=took)) is None


@pytest.mark.parametrize(
    ("declare", "says"),
    [
        (lambda: EvidenceAge(dates="d", days=0), r"EvidenceAge\(days=0\)"),
        (lambda: EvidenceAge(dates="d", days=math.nan), r"days=nan"),
        (lambda: ScoreMargin(scores="s", k=1), r"ScoreMargin\(k=1\): it is 2 or more"),
        (lambda: ScoreShape(scores="s", k=1), r"ScoreShape\(k=1\): it is 2 or more"),
        (lambda: RankAgreement(first="a", second="b", k=0), r"k=0"),
        (lambda: CueWords(text="t", cues=("a",), enough=0), r"enough=0"),
        (lambda: Latency(usual_s=-1), r"usual_s=-1"),
        (lambda: SchemaStrictness(output={"type": "nope"}), "no JSON Schema"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_when_it_is_declared(
    declare: Callable[[], object], says: str
) -> None:
    with pytest.raises(InvalidContract, match=says):
        declare()


def test_lists_in_lists_and_what_contains_itself_come_to_an_end() -> None:
    deep: list[Any] = []
    for _ in range(3_000):
        deep = [deep]
    round_: dict[str, Any] = {}
    round_["content"] = [round_]
    for value in (deep, round_):
        for signal in signals("a.b", "a"):
            said = signal(crossing({"a": value}))
            assert said is None or 0 <= said <= 1, signal


def test_thousands_of_names_are_told_apart_in_time() -> None:
    many = [{"name": f"harlow {number} " + "x" * 500} for number in range(5_000)]
    assert Namesakes(names="hits.name")(crossing({"hits": many})) == 0


def signals(*paths: str) -> list[Any]:
    """Each signal at each path."""
    return [
        signal
        for path in paths
        for signal in (
            RankAgreement(first=path, second=path),
            ScoreMargin(scores=path),
            TermCoverage(query=path, evidence=path),
            EntityCoverage(query=path, evidence=path),
            CueWords(text=path, topic=path, cues={"a": ("b",)}),
            EvidenceAge(dates=path, days=1, clock=lambda: NOW),
            Namesakes(names=path, asked=path),
            ScoreShape(scores=path),
            Namesakes(names=path),
            SchemaStrictness(output={"required": ["a"]}),
            Completeness(fields=(path, "a")),
            Logprob(path=path),
            TokenEntropy(path=path),
            SelfConsistency(resample=lambda crossing: crossing.state["a"]),
            GroundedShare(text=path, evidence=(path, "")),
            Latency(usual_s=1),
        )
    ]


ATOM = (
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=20)
    | st.binary(max_size=4)
    | st.sampled_from(["Harlow Ltd owes USD 5 and 7 %.", "2024-02-30", "2024-05-01T10:00:00Z", "a", "\x00", "\ud800"])
)  # fmt: skip
KEYS = st.sampled_from(["a", "b", "content", "logprob", "top_logprobs", "-1", ""])
VALUE = st.recursive(
    ATOM,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4) | st.tuples(inner, inner)
    ),
    max_leaves=16,
)
EVERYWHERE = signals("", "a", "a.b", "a.-1.b", "a.a.a")


@settings(deadline=None, max_examples=150)
@given(
    handoff=VALUE | st.fixed_dictionaries({"a": VALUE}),
    state=VALUE,
    case_input=VALUE,
    took=st.none() | st.floats(),
)
def test_at_any_place_in_anything_they_say_a_number_between_0_and_1_or_nothing(
    handoff: Any, state: Any, case_input: Any, took: float | None
) -> None:
    here = crossing(handoff, state, case_input, took_s=took)
    for signal in EVERYWHERE:
        said = signal(here)
        assert said is None or (isinstance(said, (int, float)) and 0 <= said <= 1), signal
        assert repr(signal(here)) == repr(said), signal  # the same again
