"""What the context probes make of retrievers of all kinds, good and odd."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from planted_context import Shop, shop

from gapless.probes import check
from gapless.probes.base import ProbeUnavailable, Subject
from gapless.probes.context.alike import near_duplicates
from gapless.probes.context.answers import (
    Answer,
    Answers,
    Found,
    ask,
    ask_all,
    grades,
    label_command,
    named,
    normalised,
    queries_of,
)
from gapless.probes.context.documents import freshness, stored_vectors
from gapless.probes.context.engines import WORDS_ALONE, engines_compared
from gapless.probes.context.labels import query_labels
from gapless.probes.context.manners import filters, retrieval_latency, retriever_answers
from gapless.probes.context.quality import retrieval_quality
from gapless.probes.context.silence import unanswerable
from gapless.probes.context.sweep import SETTINGS, Setting, sweep
from gapless.probes.context.visibility import visibility
from gapless.records.finding import Finding
from gapless.records.labelled_query import LabelledQuery
from gapless.retrievers.base import Document, Hit
from gapless.retrievers.chunking import fixed
from gapless.retrievers.sqlite_store import SqliteStore


def one(probe: Any, subject: Subject) -> Finding:
    (found,) = probe(subject)
    return found


def asked(count: int = 30, **more: Any) -> tuple[LabelledQuery, ...]:
    return tuple(
        LabelledQuery(id=f"q{n}", query=f"question {n}", relevant={f"d{n}": 1}, group=f"q{n}", **more)
        for n in range(count)
    )


def right(query: str) -> list[str]:
    return [f"d{query.split()[1]}"]


class LangChainLike:
    def __init__(self, text: str, **metadata: Any) -> None:
        self.id, self.page_content, self.metadata = None, text, metadata


@pytest.mark.parametrize(
    ("said", "ids"),
    [
        (None, []),
        ([], []),
        (["a", "b"], ["a", "b"]),
        ([1, 2], ["1", "2"]),
        (({"id": n} for n in "ab"), ["a", "b"]),
        ({"documents": [{"document_id": "a"}], "took_ms": 3}, ["a"]),
        ([(LangChainLike("whole text"), 0.3)], ["whole text"]),
        ([Hit(id="a", score=1.0, text="t")], ["a"]),
    ],
)
def test_forms_of_an_answer(said: Any, ids: list[str]) -> None:
    assert [hit.id for hit in normalised(said)] == ids


def test_a_generator_without_an_end_is_left_and_taken_no_further() -> None:
    taken: list[int] = []

    def endless(query: str) -> Any:
        for n in itertools.count():
            taken.append(n)
            yield {"id": f"d{n}"}

    (query,) = asked(1)
    answer = ask(endless, query)
    assert "more than 10,000 documents one by one" in answer.problem
    assert (answer.hung, len(taken)) == (False, 10_001)
    found = one(retriever_answers, Subject(retrieve=endless, labelled=(query,)))
    assert (found.status, "no end is in sight" in found.said) == ("fail", True)
    assert ask(lambda q: ({"id": f"d{n}"} for n in range(10_000)), query).problem == ""
    assert len(ask(lambda q: [f"d{n}" for n in range(10_001)], query).hits) == 10_001


def test_a_search_without_an_end_does_not_hold_up_the_line_on_visibility() -> None:
    class Endless(SqliteStore):
        def search(self, query: str, k: int = 10, **more: Any) -> Any:
            return ({"id": f"d{n}"} for n in itertools.count())

    (found,) = check(Subject(retrieve=Endless().search, leave=True, seconds=0.1), "update-visibility")
    assert "no end is in sight" in found.said


def test_nothing_more_is_taken_from_a_generator_that_was_left_behind() -> None:
    on, ended = threading.Event(), threading.Event()
    more: list[str] = []

    def slow(query: str) -> Any:
        try:
            on.wait(20)
            yield "d0"
            more.append(query)
        finally:
            ended.set()

    (query,) = asked(1)
    assert ask(slow, query, 0.05).hung
    on.set()
    assert ended.wait(20)
    assert not more


def test_fields_of_a_document() -> None:
    (hit,) = normalised(
        [{"id": 7, "content": "t", "score": 1, "metadata": {"a": 1}, "supplier": "x", "indexed_at": 5}]
    )
    assert hit == Found("7", "t", 1.0, {"supplier": "x", "a": 1}, 5.0)
    ((pair,)) = normalised([(LangChainLike("t", source="f"), 0.5)])
    assert (pair.text, pair.score, pair.metadata) == ("t", 0.5, {"source": "f"})


def test_labels_that_say_nothing_of_themselves_are_not_judged(tmp_path: Path) -> None:
    with pytest.raises(ProbeUnavailable, match="none of 30 labels says where it comes from"):
        list(query_labels(Subject(labelled=asked())))
    made = tuple(
        msgspec.structs.replace(label, source="reviewed", reviewer="maria", model="extractive")
        for label in asked()
    )
    found = one(query_labels, Subject(labelled=made))
    assert found.status == "warn"
    assert "30 of 30 labels were reviewed, by maria" in found.said
    assert "30 of 30 labels ask in the words of the passage" in found.said
    edited = tuple(msgspec.structs.replace(label, edited=True) for label in made)
    found = one(query_labels, Subject(labelled=edited))
    assert found.status == "ok"
    assert found.undecided.startswith("whether their passages still stand was not looked at")
    (tmp_path / "a.txt").write_text("words")
    found = one(query_labels, Subject(labelled=edited, texts=tmp_path))
    assert (found.status, found.undecided) == ("ok", "30 of 30 labels do not say which passage it was")
    unseen = (*edited[1:], msgspec.structs.replace(edited[0], source="unreviewed"))
    found = one(query_labels, Subject(labelled=unseen))
    assert (found.status, found.command) == ("warn", "")  # no folder is named: nothing that could be typed
    assert found.next_step.endswith("gapless label --queries FOLDER")


@pytest.mark.parametrize("said", ["text", 3, [{}], [object()], {"a": [], "b": []}])
def test_an_unreadable_answer_is_a_finding(said: Any) -> None:
    found = one(retriever_answers, Subject(retrieve=lambda query: said, labelled=asked()))
    assert found.status == "fail"
    assert "30 of 30 queries fail: TypeError" in found.said


async def wait(query: str) -> list[str]:
    await asyncio.sleep(0)
    return right(query)


def test_a_coroutine_is_awaited() -> None:
    assert one(retriever_answers, Subject(retrieve=wait, labelled=asked())).status == "ok"


def test_a_retriever_that_hangs_is_left_behind() -> None:
    begun = time.monotonic()
    done = ask_all(lambda query: time.sleep(2), asked(), seconds=9, each_s=0.05)
    assert time.monotonic() - begun < 1.5
    assert [answer.problem for answer in done.answers] == ["no answer within 0.05 s"] * 3
    assert done.basis == "3 of 30 queries"


def test_a_retriever_that_leaves_the_program_is_a_finding() -> None:
    def leaves(query: str) -> list[str]:
        raise SystemExit(3)

    found = one(retriever_answers, Subject(retrieve=leaves, labelled=asked()))
    assert "SystemExit: 3" in found.said
    with pytest.raises(ProbeUnavailable, match="no query was answered"):
        list(retrieval_latency(Subject(retrieve=leaves, labelled=asked())))


def test_time_runs_out_and_figures_say_so() -> None:
    def slow(query: str) -> list[str]:
        time.sleep(0.02)
        return right(query)

    found = one(retrieval_quality, Subject(retrieve=slow, labelled=asked(100), seconds=0.02))
    assert "of 100 queries" in found.said
    assert found.said.endswith("100 queries")


def test_each_query_is_asked_once_for_all_probes() -> None:
    calls: list[str] = []

    def count(query: str) -> list[str]:
        calls.append(query)
        return right(query)

    subject = Subject(retrieve=count, labelled=asked())
    for probe in (retriever_answers, retrieval_quality, retrieval_latency):
        one(probe, subject)
    assert len(calls) == 30


@pytest.mark.parametrize(
    "probe", [retriever_answers, retrieval_quality, stored_vectors, visibility, freshness, filters]
)
def test_where_no_retriever_is_named_each_line_gives_the_same_reason(probe: Any) -> None:
    with pytest.raises(ProbeUnavailable, match=r"^no retriever is named: \[checkup\] retriever"):
        list(probe(Subject(labelled=asked(), leave=True)))


@pytest.mark.parametrize(
    "probe", [retriever_answers, retrieval_quality, unanswerable, filters, retrieval_latency]
)
def test_without_a_retriever_or_queries_it_says_what_to_name(probe: Any) -> None:
    with pytest.raises(ProbeUnavailable, match=r"\[checkup\] retriever"):
        list(probe(Subject(labelled=asked())))
    with pytest.raises(ProbeUnavailable, match=r"\[checkup\] queries"):
        list(probe(Subject(retrieve=right)))


def test_where_nothing_was_answered_one_line_says_so_and_no_other_guesses() -> None:
    def down(query: str) -> list[str]:
        raise OSError("down")

    none = LabelledQuery(id="none", query="x 1", group="none", answerable=False)
    subject = Subject(retrieve=down, labelled=(*asked(3), none))
    found = {one.probe: one for one in check(subject, "retriever-answers", *NEED_ANSWERS)}
    assert found["retriever-answers"].status == "fail"
    assert "by hand in Python" in found["retriever-answers"].next_step
    for name in NEED_ANSWERS:
        assert found[name].said == "no query was answered: OSError: down"


NEED_ANSWERS = ("retrieval-quality", "engines-compared", "unanswerable", "near-duplicates")


def test_what_cannot_be_used_fails_once_and_is_referred_to() -> None:
    subject = Subject(no_retriever="no index here.", labelled=asked())
    names = ("retriever-answers", *NEED_ANSWERS, "stored-vectors", "update-visibility", "filters")
    first, *others = check(subject, *names)
    assert (first.status, first.said) == ("fail", "the retriever cannot be used: no index here.")
    assert "gapless.toml" in first.next_step
    for found in others:
        assert found.status == "not-applicable"
        assert found.said == "see retriever-answers"


def test_labels_of_documents_that_there_are_none_of() -> None:
    strangers = tuple(msgspec.structs.replace(q, relevant={f"x{q.id}": 1}) for q in asked())
    found = one(retrieval_quality, Subject(retrieve=right, labelled=strangers))
    assert found.status == "fail"
    assert "30 of 30 ids in `relevant` are of no document that any answer holds, as 'xq0'" in found.next_step
    assert "theirs look like 'd0'" in found.next_step
    some_missed = one(retrieval_quality, Subject(retrieve=lambda query: ["d1"], labelled=asked()))
    assert "ids in `relevant`" not in some_missed.next_step


def test_the_command_that_makes_labels_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    subject = Subject(texts=tmp_path / "my texts", queries=tmp_path / "q.jsonl")
    assert label_command(subject) == "gapless label --queries 'my texts' --out q.jsonl"
    with pytest.raises(ProbeUnavailable, match="gapless label --queries 'my texts' makes some"):
        queries_of(Subject(texts=tmp_path / "my texts"))


def test_nothing_and_doubles_are_found() -> None:
    def odd(query: str) -> list[str]:
        number = int(query.split()[1])
        return [] if number == 3 else ["d9", "d9"] if number == 9 else right(query)

    found = one(retriever_answers, Subject(retrieve=odd, labelled=asked()))
    assert found.status == "warn"
    assert "1 of 30 queries should find something and find nothing, as 'question 3'" in found.said
    assert "1 answer with a document twice, as 'question 9' with 'd9'" in found.said


def test_quality_counts_failures_and_names_the_worst_slice() -> None:
    def partly(query: str) -> list[str]:
        number = int(query.split()[1])
        if number % 2:
            raise OSError("down")
        return [f"d{number}"]

    queries = tuple(
        LabelledQuery(id=q.id, query=q.query, relevant=q.relevant, group=q.group, slice={"odd": str(n % 2)})
        for n, q in enumerate(asked(80))
    )
    found = one(retrieval_quality, Subject(retrieve=partly, labelled=queries))
    figures = {figure.name: figure for figure in found.figures}
    assert figures["recall@5"].value == 0.5  # what failed found nothing
    assert found.status == "fail"
    assert "below target in 1 slice: odd 1, 0.0 %" in found.said
    assert figures["recall@5, odd 0"].value == 1.0


def test_a_target_of_ones_own_and_an_open_interval() -> None:
    few = one(retrieval_quality, Subject(retrieve=right, labelled=asked(8)))
    assert (few.status, few.next_step) == ("ok", "")
    assert few.undecided.endswith("16 in a row would show it")
    eased = one(
        retrieval_quality, Subject(retrieve=right, labelled=asked(8), targets={"retrieval-quality": 0.5})
    )
    assert (eased.status, eased.undecided) == ("ok", "")
    assert "at least 50 %" in eased.target

    def mostly(query: str) -> list[str]:
        return right(query) if int(query.split()[1]) % 4 else []

    missed = one(retrieval_quality, Subject(retrieve=mostly, labelled=asked(40)))
    assert missed.status == "warn"  # three of four, and the interval holds four of five
    assert "label more queries" in missed.next_step


def test_a_slice_that_surely_misses_is_a_warning_though_the_whole_holds() -> None:
    labels = tuple(
        msgspec.structs.replace(q, slice={"kind": "rare" if n < 9 else "usual"})
        for n, q in enumerate(asked(150))
    )

    def blind(query: str) -> list[str]:
        return right(query) if int(query.split()[1]) >= 9 else []

    found = one(retrieval_quality, Subject(retrieve=blind, labelled=labels))
    assert (found.status, found.undecided) == ("warn", "")
    assert "below target in 1 slice: kind rare, 0.0 %" in found.said
    assert "these slices have in common" in found.next_step


def test_quoted_passages_and_documents_cut_in_pieces() -> None:
    quoted = LabelledQuery(id="q", query="q", texts=("the CAP  is five", "audits in May"))
    hits = (
        Found("1", "nothing"),
        Found("2", "Here the cap is\nfive."),
        Found("3", "the cap is five"),
        Found("4", "audits in may"),
    )
    assert named(Answer(quoted, hits)) == ["place-0", "text-0", "place-2", "text-1"]
    assert grades(quoted) == {"text-0": 1, "text-1": 1}
    long = LabelledQuery(id="q", query="q", texts=(" ".join(f"w{n}" for n in range(20)),))
    pieces = [
        " ".join(f"w{n}" for n in part) for part in (range(-5, 6), range(6, 12), range(12, 25), range(9, 25))
    ]
    held = [named(Answer(long, (Found("1", text),))) == ["text-0"] for text in pieces]
    assert held == [
        False,
        True,
        False,
        True,
    ]  # a third of it, a piece from within, less than half, its second half
    whole = LabelledQuery(id="q", query="q", relevant={"a.txt": 1})
    assert named(Answer(whole, (Found("a.txt#3", metadata={"document": "a.txt"}), Found("b")))) == [
        "a.txt",
        "b",
    ]


def test_plain_word_search_stands_beside_a_retriever_that_shows_its_documents() -> None:
    found = one(engines_compared, shop("blind"))
    assert found.status == "warn"
    assert WORDS_ALONE in found.said
    with pytest.raises(ProbeUnavailable, match="documents"):
        list(engines_compared(Subject(retrieve=right, labelled=asked())))


def test_a_score_that_is_no_number_is_a_finding() -> None:
    def nan(query: str) -> list[dict[str, Any]]:
        return [{"id": right(query)[0], "score": float("nan")}]

    none = tuple(
        LabelledQuery(id=f"n{n}", query=f"x {n}", group=f"n{n}", answerable=False) for n in range(20)
    )
    subject = Subject(retrieve=nan, labelled=(*asked(), *none))
    found = one(retriever_answers, subject)
    assert found.status == "warn"
    assert "50 answers with a score that is NaN or infinite" in found.said
    assert "Mend the score" in found.next_step
    assert "there is no score to tell them by" in one(unanswerable, subject).said


def test_engines_differ_in_one_slice_alone() -> None:
    labels = tuple(
        LabelledQuery(
            id=f"q{n}",
            query=f"question {n}",
            relevant={f"d{n}": 1},
            slice={"topic": "ab"[n >= 60]},
            group=f"q{n}",
        )
        for n in range(120)
    )

    def blind_in_b(query: str) -> list[str]:
        return right(query) if int(query.split()[1]) < 60 else ["d0"]

    def blind_in_a(query: str) -> list[str]:
        return right(query) if int(query.split()[1]) >= 60 else ["d119"]

    found = one(
        engines_compared, Subject(retrieve=blind_in_b, labelled=labels, engines={"dense": blind_in_a})
    )
    assert found.status == "warn"
    assert "dense by 100.0 points" in found.said
    assert "in topic b" in found.said
    figures = {figure.name: figure.value for figure in found.figures}
    assert figures["recall@5, in use"] == pytest.approx(0.5)
    assert (figures["recall@5, in use, topic b"], figures["mrr, dense, topic b"]) == (0.0, 1.0)
    assert {"precision@5, dense", "ndcg@10, in use", "ndcg@10, dense, topic a"} <= set(figures)
    assert all(figure.low is not None and figure.high is not None for figure in found.figures)


def test_unanswerable_without_scores_and_without_queries() -> None:
    none = tuple(
        LabelledQuery(id=f"n{n}", query=f"x {n}", group=f"n{n}", answerable=False) for n in range(20)
    )
    found = one(unanswerable, Subject(retrieve=right, labelled=(*asked(), *none)))
    assert found.status == "fail"
    assert (
        "documents are handed over for 20 of 20 unanswerable queries; there is no score to tell them by"
        in found.said
    )
    with pytest.raises(ProbeUnavailable, match=r'no unanswerable query .* "answerable": false'):
        list(unanswerable(Subject(retrieve=right, labelled=asked())))
    with pytest.raises(ProbeUnavailable, match=r"no answerable query .* `relevant`"):
        list(unanswerable(Subject(retrieve=right, labelled=none)))


def test_a_score_that_separates_is_enough_and_few_queries_are_not() -> None:
    def scored(query: str) -> list[dict[str, Any]]:
        return [{"id": "d", "score": 0.9 if query.startswith("question") else 0.1}]

    def none(count: int) -> tuple[LabelledQuery, ...]:
        return tuple(
            LabelledQuery(id=f"n{n}", query=f"x {n}", group=f"n{n}", answerable=False) for n in range(count)
        )

    assert one(unanswerable, Subject(retrieve=scored, labelled=(*asked(), *none(30)))).status == "ok"
    few = one(unanswerable, Subject(retrieve=scored, labelled=(*asked(), *none(4))))
    assert (few.status, "AUROC" in few.undecided) == ("ok", True)  # perfect on four: the limits are wide
    single = one(unanswerable, Subject(retrieve=scored, labelled=(*asked(1), *none(1))))
    assert single.status == "ok"
    assert "has no lower limit: more labelled queries of both kinds" in single.undecided
    assert "AUROC 1.00 (1 of one kind: no interval)" in single.said


def test_files_that_are_newer_or_gone(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("x")
    now = time.time()
    os.utime(tmp_path / "a.txt", (now - 500, now - 500))

    def answer(query: str) -> list[dict[str, Any]]:
        return [{"id": n, "source": f"{n}.txt", "updated_at": now - 100} for n in "abc"]

    subject = Subject(retrieve=answer, labelled=asked(), queries=tmp_path / "queries.jsonl")
    found = one(freshness, subject)
    assert found.status == "warn"  # one of three that were handed over: the interval holds one in ten
    assert "1 of 3 are older than their source, as 'b'" in found.said
    assert "1 of 3 have a source that is gone, as 'c'" in found.said
    assert "among those handed over" in found.said
    with pytest.raises(ProbeUnavailable, match="carry no date"):
        list(freshness(Subject(retrieve=right, labelled=asked())))


def test_where_all_documents_are_shown_the_share_is_counted() -> None:
    made, now = Shop(), time.time()
    made._when = lambda name: now - (900 if name == "apples-Essen" else 3) * 86_400  # type: ignore[method-assign]
    found = one(freshness, Subject(retrieve=made.search, labelled=asked()))
    assert (found.status, found.figures[0].value, found.figures[0].unit) == (
        "warn",
        1,
        "of 40 documents with a date",
    )
    assert [(figure.value, figure.unit) for figure in found.figures if figure.name == "age, median"] == [
        (pytest.approx(3, abs=0.1), "days")
    ]


def test_ages_are_in_the_unit_that_fits_and_milliseconds_are_no_dates() -> None:
    new = Subject(retrieve=lambda q: [{"id": "a", "date": time.time() - 60}], labelled=asked())
    (age,) = (figure for figure in one(freshness, new).figures if figure.name == "age, median")
    assert (age.value, age.unit) == (pytest.approx(60, abs=5), "s")
    ahead = Subject(retrieve=lambda q: [{"id": "a", "date": time.time() * 1000}], labelled=asked())
    found = one(freshness, ahead)
    assert found.status == "warn"
    assert "1 of 1 are dated in the future (seconds since 1970 were expected), as 'a'" in found.said


@pytest.mark.parametrize("date", ["2020-01-01", "2020-01-01T00:00:00+00:00", 1577836800, 1577836800.0])
def test_dates_in_all_forms(date: Any) -> None:
    found = one(freshness, Subject(retrieve=lambda q: [{"id": "a", "date": date}], labelled=asked()))
    assert "1 of 1 are older than 365 days" in found.said


def test_vectors_of_another_size_and_stores_that_have_none() -> None:
    made = Shop()
    made.vectors = lambda ids: {name: np.ones(3 + (name == ids[0])) for name in ids}  # type: ignore[method-assign]
    mixed = one(stored_vectors, Subject(retrieve=made.search, labelled=asked()))
    assert "stored vectors have 3 and 4 numbers" in mixed.said
    made.vectors = lambda ids: np.ones((1, 4))  # type: ignore[method-assign]
    with pytest.raises(ProbeUnavailable, match="gave 1 rows for 40 ids"):
        list(stored_vectors(Subject(retrieve=made.search, labelled=asked())))
    made.vectors = lambda ids: np.ones((len(ids), 3))  # type: ignore[method-assign]
    found = one(stored_vectors, Subject(retrieve=made.search, labelled=asked()))
    assert found.status == "fail"
    assert "have 3 numbers, the model that embeds now gives 4" in found.said
    store = SqliteStore()
    store.upsert([Document("a", "x")])
    with pytest.raises(ProbeUnavailable, match="words alone"):
        list(stored_vectors(Subject(retrieve=store.search)))


def test_a_namesake_that_is_the_same_supplier_is_none() -> None:
    def answer(query: str) -> list[dict[str, Any]]:
        number = query.split()[1]
        return [
            {"id": "x", "text": "one two three", "name": "Harlow Metals"},
            {"id": f"d{number}", "text": "four five six", "name": "Harlow Metals"},
        ]

    assert one(near_duplicates, Subject(retrieve=answer, labelled=asked())).status == "ok"


def test_filters_that_are_ignored_or_not_taken() -> None:
    filtered = asked(filter={"city": "Bergen"})

    def ignores(query: str, filter: Any = None) -> list[dict[str, Any]]:  # noqa: A002
        return [{"id": right(query)[0], "city": "Cadiz"}]

    found = one(filters, Subject(retrieve=ignores, labelled=filtered))
    assert found.status == "fail"
    assert "30 of 30 filtered queries hand over documents that the filter excludes" in found.said
    assert "is not refused: it finds 1 document" in found.said
    with pytest.raises(ProbeUnavailable, match="takes no `filter`"):
        list(filters(Subject(retrieve=right, labelled=filtered)))
    assert ask(right, filtered[0]).problem.startswith("TypeError")


def test_visibility_needs_leave_and_leaves_nothing_behind() -> None:
    store = SqliteStore()
    with pytest.raises(ProbeUnavailable, match="--leave"):
        list(visibility(Subject(retrieve=store.search)))
    found = one(visibility, Subject(retrieve=store.search, leave=True))
    assert found.status == "ok", found.said
    assert {figure.name for figure in found.figures} == {"stored", "changed", "deleted"}
    assert store.documents() == []
    with pytest.raises(ProbeUnavailable, match="upsert"):
        list(visibility(Subject(retrieve=right, leave=True)))


CLAUSES = [
    f"Clause {n}: the {thing} shall be insured."
    for n, thing in enumerate("apples bolts cranes drums flour".split() * 8)
]


def world() -> tuple[dict[str, str], tuple[LabelledQuery, ...]]:
    text = "\n\n".join(f"{clause} {'Other words stand here too. ' * 12}" for clause in CLAUSES)
    queries = tuple(
        LabelledQuery(id=clause, query=clause, texts=(clause.replace(" ", "\n"),), group=clause)
        for clause in CLAUSES
    )
    return {"a.txt": text}, queries


def test_a_sweep_holds_what_is_read_equal_and_recommends_by_interval() -> None:
    texts, queries = world()
    lost = LabelledQuery(id="lost", query="x", texts=("nowhere to be found",), group="lost")
    done = sweep(texts, (*queries, lost), settings=(*SETTINGS, Setting("fixed", 2000)), budget=300)
    assert (done.queries, done.lost, len(done.tried)) == (40, 1, len(SETTINGS) + 1)
    whole = next(one for one in done.tried if one.setting.size == 2000)
    assert whole.told_apart  # two passages hold everything, and a prompt has no room for both
    assert not done.recommended.told_apart
    assert done.recommended.recall.point == pytest.approx(1.0, abs=0.05)
    assert "the best is told apart from 1 of 18 others" in done.advice
    assert (done.best_recall.low or 0) < (
        done.recommended.recall.low or 0
    )  # the best of many looks better than it is
    assert done.recommended.bytes > 0
    assert done.recommended.build_s > 0


def test_a_sweep_counts_the_characters_that_are_read() -> None:
    text = "apples " * 50 + "the bolts of the crane are checked each year by hand " + "flour " * 50
    query = LabelledQuery(
        id="q", query="bolts crane checked", texts=("the bolts of the crane are checked each year by hand",)
    )
    done = sweep({"a": text}, (query,), settings=(Setting("fixed", 55),), budget=55)
    shares = done.tried[0].shares
    assert 0.3 < shares[0] < 0.6  # five of eleven words stand in the first window
    mine = sweep({"a": text}, (query,), settings=(Setting("mine", 200),), forms={"mine": fixed}, budget=200)
    assert mine.recommended.recall.point == 1.0
    with pytest.raises(ValueError, match="no query quotes"):
        sweep({"a": "x"}, (query,))


def test_what_documents_do_not_tell_is_not_called_well() -> None:
    dated = Subject(retrieve=lambda q: [{"id": "a", "indexed_at": time.time()}], labelled=asked())
    found = one(freshness, dated)
    assert ("none of 1 stale, none names a source" in found.said, found.undecided) == (True, "")

    def some(query: str) -> list[dict[str, Any]]:
        number = int(query.split()[1])
        told = {"indexed_at": time.time()} if number < 10 else {}
        return [{"id": f"d{number}", **told, **({"source": __file__} if number < 20 else {})}]

    found = one(freshness, Subject(retrieve=some, labelled=asked(30)))
    assert (found.status, "none of 10 stale" in found.said) == ("ok", True)
    assert found.undecided == (
        "20 of 30 documents carry no date and 10 of 30 documents name no source: with one in each it would show"
    )

    def refuses(query: str, filter: Any = None) -> list[str]:  # noqa: A002
        if filter and set(filter) != {"city"}:
            raise KeyError("no such field")
        return right(query)

    found = one(filters, Subject(retrieve=refuses, labelled=asked(filter={"city": "Bergen"})))
    assert (found.status, "whether the filter was obeyed cannot be seen" in found.undecided) == ("ok", True)
    assert "an unknown field is refused (KeyError)" in found.said


def test_what_was_not_asked_is_not_called_well() -> None:
    def found(probe: Any, answered: int, **more: Any) -> Finding:
        labels = asked(30, **more)
        subject = Subject(retrieve=shows, labelled=labels)
        answers = tuple(Answer(label, (Found(label.id, metadata={"city": "Bergen"}),)) for label in labels)
        subject.memo["answers/"] = Answers(answers[:answered], 30)
        return one(probe, subject)

    def shows(query: str, filter: Any = None) -> list[str]:  # noqa: A002
        raise KeyError("no such field")

    for probe, more in ((retriever_answers, {}), (filters, {"filter": {"city": "Bergen"}})):
        few = found(probe, 3, **more)
        assert few.status == "ok", few.said
        assert few.undecided == "27 of 30 queries were not asked: more time (--seconds) would show it"
        assert found(probe, 30, **more).undecided == ""


def test_a_filter_holds_where_a_list_has_the_value() -> None:
    def topical(query: str, filter: Any = None) -> list[dict[str, Any]]:  # noqa: A002
        if filter and set(filter) != {"topics"}:
            raise KeyError("no such field")
        return [{"id": right(query)[0], "topics": ["fruit", "trade"]}]

    found = one(filters, Subject(retrieve=topical, labelled=asked(filter={"topics": "trade"})))
    assert (found.status, found.undecided) == ("ok", "")
    found = one(filters, Subject(retrieve=topical, labelled=asked(filter={"topics": "tools"})))
    assert found.status == "fail"


def test_filtered_queries_that_fail_are_not_called_well() -> None:
    def refuses_all(query: str, filter: Any = None) -> list[str]:  # noqa: A002
        if filter:
            raise KeyError("no such field")
        return right(query)

    plain, filtered = asked(2), asked(3, filter={"city": "Bergen"})
    labels = (*plain, *(msgspec.structs.replace(q, id=f"f{q.id}") for q in filtered))
    found = one(filters, Subject(retrieve=refuses_all, labelled=labels))
    assert found.status == "fail"
    assert "3 of 3 filtered queries fail: KeyError" in found.said

    def never_ends(query: str, filter: Any = None) -> list[dict[str, Any]]:  # noqa: A002
        if filter and "city" not in filter:
            time.sleep(0.3)
        return [{"id": right(query)[0], "city": "Bergen"}]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("gapless.probes.context.manners.ask", lambda *said: ask(*said, 0.05))
        found = one(filters, Subject(retrieve=never_ends, labelled=filtered))
    assert (found.status, "is not refused: it does not end" in found.said) == ("warn", True)


def test_latency_of_few_queries_is_judged_by_the_highest_quantile_there_is() -> None:
    def timed(*ms: float) -> Finding:
        answers = tuple(Answer(q, ms=took) for q, took in zip(asked(len(ms)), ms, strict=True))
        subject = Subject(retrieve=right, labelled=asked(len(ms)))
        subject.memo["answers/"] = Answers(answers, len(ms))
        return one(retrieval_latency, subject)

    quick = timed(*[5.0] * 30)
    assert (quick.status, [figure.name for figure in quick.figures]) == ("ok", ["p50", "p75"])
    assert quick.undecided == "p95 is not estimable from n=30: n of at least 72 would show it"
    assert timed(*[5.0] * 72).undecided == ""
    assert (
        timed(*[5.0] * 20, *[900.0] * 10).status == "fail"
    )  # p95 lies among the slow ones, whatever its upper limit
    assert timed(*[5.0] * 29, 900.0).status == "ok"
    assert timed(*[900.0] * 30).status == "fail"
    assert [figure.name for figure in timed(5.0, 6.0).figures] == ["slowest"]
    assert timed(5.0, 900.0).status == "warn"


def test_doubles_cannot_be_seen_without_texts() -> None:
    with pytest.raises(ProbeUnavailable, match="without text and without a name"):
        list(near_duplicates(Subject(retrieve=lambda query: ["d1", "d2"], labelled=asked())))


def test_near_duplicates_of_few_answers_are_not_called_rare() -> None:
    def two(query: str) -> list[dict[str, Any]]:
        number = query.split()[1]
        return [{"id": f"d{number}", "text": "one two"}, {"id": "x", "text": "three four"}]

    found = one(near_duplicates, Subject(retrieve=two, labelled=asked(10)))
    assert (found.status, "in a row would show it" in found.undecided) == ("ok", True)


def test_an_engine_that_may_be_better_is_told_with_how_many_queries_would_show_it() -> None:
    def luckier(query: str) -> list[str]:
        return right(query)

    def misses(at: int) -> Any:
        return lambda query: [] if int(query.split()[1]) in range(at) else right(query)

    def held(missed: int, of: int) -> Finding:
        return one(
            engines_compared, Subject(retrieve=misses(missed), labelled=asked(of), engines={"dense": luckier})
        )

    within = held(2, 60)
    assert within.status == "ok"
    assert (
        within.undecided == "the lead of dense may be as high as 8.01 points: about 473 queries would show it"
    )
    looks = held(4, 60)
    assert (looks.status, "do not yet tell the two apart" in looks.next_step) == ("warn", True)
    sure = held(12, 60)
    assert (sure.status, sure.next_step.startswith("Use it")) == ("warn", True)
    assert (held(0, 200).status, held(0, 200).undecided) == ("ok", "")
