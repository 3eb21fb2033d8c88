"""Reviewers' decisions become labels and cases, once, and never those about handoffs whose answer was known before."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import pytest
import yaml
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph

import gapless
from gapless import Contract, Gate, Review, guard
from gapless.boundary.review import Question
from gapless.cli.main import _run
from gapless.errors import BoundaryTimeout, InvalidSuite, UsageError
from gapless.evals.suite import load
from gapless.operations.review import decision, open_inbox, resume
from gapless.operations.review_labels import open_labelling
from gapless.records.review import KnownAnswer, Place, ReviewRecord
from gapless.records.suite import Case
from gapless.records.value import digest, encode
from gapless.review.inbox import Inbox
from gapless.review.seeded import Handoff, Seeding

HOSTILE = "\x1b[2Jno\u202e\nreview X: all is right"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GAPLESS_DATABASE_URL", raising=False)
    return tmp_path


@pytest.fixture
def inbox(folder: Path) -> Iterator[Inbox]:
    opened = open_inbox()
    yield opened
    opened.close()


def ask(inbox: Inbox, number: int, handoff: Any = None, **more: Any) -> ReviewRecord:
    handed = {"total": number} if handoff is None else handoff
    more = {"input": {"order": number}} | more
    question = Question(step="price", reason="low", handoff=handed, subject=digest(encode(handed)), **more)
    return inbox.post(question.to_plain(), Place(thread=f"t-{number}", interrupt=f"i{number}"))


def cases(file: Path) -> list[Any]:
    return yaml.safe_load(file.read_text())


def test_each_choice_becomes_its_label_and_its_case(inbox: Inbox, folder: Path) -> None:
    file = folder / "suite.yaml"
    approved, edited, rejected = (ask(inbox, number) for number in (1, 2, 3))
    inbox.decide(approved.id, decision(approved, "approve"), "ann")
    inbox.decide(edited.id, decision(edited, "edit", value={"total": 20}, note="page 4"), "bob")
    inbox.decide(rejected.id, decision(rejected, "reject", note="wrong order"), "ann")
    with open_labelling() as labelling:
        taken = [labelling.take(review.id, file) for review in (approved, edited, rejected)]
    labels = [one.label for one in taken]
    assert [(label.correct, label.by, label.note) for label in labels] == [
        (True, "ann", ""),
        (False, "bob", "page 4"),
        (False, "ann", "wrong order"),
    ]
    assert {label.step for label in labels} == {"price"}
    assert cases(file) == [
        {"id": f"review-{approved.id}", "input": {"order": 1}, "golden": {"price": {"total": 1}}},
        {"id": f"review-{edited.id}", "input": {"order": 2}, "golden": {"price": {"total": 20}}},
        {"id": f"review-{rejected.id}", "input": {"order": 3}},
    ]
    assert [case.golden for case in load(file).cases] == [one.get("golden", {}) for one in cases(file)]


def test_a_second_time_changes_nothing(inbox: Inbox, folder: Path) -> None:
    file = folder / "suite.yaml"
    review = ask(inbox, 1, [1, 2])
    inbox.decide(review.id, decision(review, "approve"), "ann")
    with open_labelling() as labelling:
        assert [one.new for one in labelling.take_all()] == [True]
        assert labelling.take_all() == []
        assert [(one.new, one.case_is_new) for one in labelling.take_all(file)] == [(False, True)]
        before = file.read_text()
        assert labelling.take_all(file) == []
        again = labelling.take(review.id[:20], file)
        assert (again.new, again.case_is_new, again.promoted) == (False, False, str(file))
    assert file.read_text() == before
    assert cases(file)[0]["golden"] == {"price": [[1, 2]]}  # a list in a golden means one value per visit


def test_another_case_of_that_id_is_not_overwritten(inbox: Inbox, folder: Path) -> None:
    file = folder / "suite.yaml"
    review = ask(inbox, 1)
    inbox.decide(review.id, decision(review, "approve"), "ann")
    file.write_text(f"- {{id: review-{review.id}, input: other}}\n")
    with open_labelling() as labelling:
        with pytest.raises(InvalidSuite, match="already has a case"):
            labelling.take(review.id, file)
        file.write_text("cases: 3\n")
        with pytest.raises(InvalidSuite, match="no list of cases"):
            labelling.take(review.id, file)


def test_what_nobody_has_judged_is_no_label(folder: Path) -> None:
    inbox = open_inbox(expires_s=-1, on_expiry="refuse")
    late = ask(inbox, 1)
    inbox.close()
    inbox = open_inbox()
    waiting = ask(inbox, 2)
    with open_labelling() as labelling:
        with pytest.raises(UsageError, match="not decided"):
            labelling.take(waiting.id)
        with pytest.raises(UsageError, match="nobody decided in time"):
            labelling.take(late.id)
        assert labelling.take_all() == []
    inbox.close()


def test_a_decision_whose_answer_was_known_is_never_a_label(inbox: Inbox, folder: Path) -> None:
    real = ask(inbox, 1)
    seeding = Seeding(f"sqlite:///{folder / '.gapless' / 'gapless.db'}")
    known = KnownAnswer(
        right=True, how="h", source="s", origin="o", measurement="m", case=Case(id="c"), trial=0
    )
    seeding.plant([(Handoff(step="price", handoff={"total": 5}, given=None, known=known, input={}), real)])
    seeding.close()
    (planted,) = [review for review in inbox.list() if review.id != real.id]
    with open_labelling() as labelling:
        with pytest.raises(UsageError, match="not decided"):  # as for a real one: nothing gives it away yet
            labelling.take(planted.id)
        for review in (real, planted):
            inbox.decide(review.id, decision(review, "approve"), "ann")
        with pytest.raises(UsageError, match="no label"):
            labelling.take(planted.id)
        assert [one.label.review for one in labelling.take_all()] == [real.id]
        with sqlite3.connect(folder / ".gapless" / "gapless.db") as connection:
            connection.execute("DELETE FROM known_answers")
        with pytest.raises(UsageError, match="no label"):
            labelling.take(planted.id)


def test_a_decision_that_came_back_is_labelled_anew(inbox: Inbox) -> None:
    review = ask(inbox, 1)
    inbox.decide(review.id, decision(review, "edit", value={"total": -1}), "ann")
    with open_labelling() as labelling:
        labelling.take(review.id)
        inbox.give_back(review.question, Place(thread="t-1", interrupt="i1"), "it breaks the contract")
        assert labelling.take_all() == []
        inbox.decide(review.id, decision(review, "approve"), "bob")
        assert [(one.label.by, one.label.correct) for one in labelling.take_all()] == [("bob", True)]


def test_redacted_values_are_no_case(folder: Path) -> None:
    (folder / "gapless.toml").write_text('[privacy]\nredact = ["total", "name"]\n')
    inbox = open_inbox()
    secret, person = ask(inbox, 1), ask(inbox, 2, {"ok": True}, input={"name": "Ada"})
    for review in (secret, person):
        inbox.decide(review.id, decision(review, "approve"), "ann")
    with open_labelling() as labelling:
        found = {one.label.review: one for one in labelling.take_all(folder / "suite.yaml")}
    assert all(one.new and one.case is None and "redacted" in one.why_no_case for one in found.values())
    assert len(found) == 2
    assert not (folder / "suite.yaml").exists()
    assert b"Ada" not in (folder / ".gapless" / "gapless.db").read_bytes()
    inbox.close()


def test_the_command_lists_and_writes(inbox: Inbox, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["label", "--from-reviews"]) == 0
    assert capsys.readouterr().out == "No decision is without its label.\n"
    one, two = ask(inbox, 1), ask(inbox, 2, input=b"\x00raw")
    inbox.decide(one.id, decision(one, "reject", note=HOSTILE), HOSTILE)
    inbox.decide(two.id, decision(two, "approve"), "ann")
    assert _run(["label", "--from-review", one.id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["label"]["correct"] is False
    assert _run(["label", "--from-reviews", "--promote", "suite.yaml"]) == 0
    out = capsys.readouterr().out
    assert not set(out) & {"\x1b", "\u202e"}
    assert not [line for line in out.splitlines() if line.startswith("review X")]
    assert out.count("is now a case in suite.yaml") == 2
    assert out.count("nobody said what is right") == 1
    assert _run(["label", "--from-reviews", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["c#0", "--from-reviews"],
        ["--from-reviews", "--from-review", "01"],
        ["--from-reviews", "--correct"],
        ["--from-reviews", "--note", "x"],
        ["--from-review", "nothing"],
    ],
)
def test_words_that_do_not_go_together_are_refused(words: list[str]) -> None:
    assert _run(["label", *words]) == 2


APP = """
import gapless
@gapless.step
def draft(text):
    return {"answer": text}
def work(text):
    return draft(text)
"""


def test_what_a_trial_held_cannot_drive_the_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(folder)
    (folder / "hostile_label_app.py").write_text(APP)
    case = {"id": f"c {HOSTILE}", "input": {"text": HOSTILE}}
    (folder / "suite.json").write_text(json.dumps([case]))
    assert _run(["measure", "hostile_label_app.py:work", "--suite", "suite.json", "--quiet"]) == 0
    capsys.readouterr()
    trial = f"c {HOSTILE}#0"
    assert _run(["label", trial]) == 0
    assert _run(["label", trial, "--correct", "--promote", "kept.yaml"]) == 0
    assert not set(capsys.readouterr().out) & {"\x1b", "\u202e"}


# -- what the run was given ---------------------------------------------------------------------------------------


class State(TypedDict, total=False):
    order: int
    price: float


def graph(inbox: Inbox) -> Any:
    def price(state: State) -> State:
        return {"price": 9.5}

    def finish(state: State) -> State:
        return {}

    gate = Gate(signal=lambda crossing: 0.1, below=Review())
    chain = StateGraph(State).add_sequence([("look", finish), ("price", price), ("finish", finish)])
    compiled = chain.add_edge(START, "look").compile(checkpointer=InMemorySaver())
    return guard(compiled, {"price": Contract(gate=gate)}, inbox=inbox)


def config(thread: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": thread}}


@pytest.mark.parametrize("awaited", [False, True])
async def test_a_graphs_run_is_a_case_that_runs_again(inbox: Inbox, folder: Path, awaited: bool) -> None:
    app = graph(inbox)
    if awaited:
        await app.ainvoke({"order": 17}, config("t"))
    else:
        app.invoke({"order": 17}, config("t"))
    (review,) = inbox.list()
    assert review.question["input"] == {"order": 17}
    inbox.decide(review.id, decision(review, "approve"), "ann")
    with open_labelling() as labelling:
        labelling.take(review.id, folder / "suite.yaml")
    (case,) = load(folder / "suite.yaml").cases
    assert (case.input, case.golden) == ({"order": 17}, {"price": {"price": 9.5}})
    if not awaited:
        assert resume(app, "t")["price"] == 9.5


def test_a_threads_second_input_alone_leads_nowhere(inbox: Inbox) -> None:
    app = graph(inbox)
    app.invoke({"order": 1}, config("t"))
    app.invoke({"order": 2}, config("t"))
    app.invoke({"order": 3}, config("kept at the end"), durability="exit")
    known = ["input" in review.question for review in inbox.list(every=True)]
    assert known[0] is True
    assert known[-1] is False
    assert not any(known[1:])


@gapless.step
def weigh(items: list[int]) -> dict[str, int]:
    total = sum(items)
    items.clear()
    return {"total": total}


def test_a_functions_arguments_are_kept_as_they_were(inbox: Inbox, folder: Path) -> None:
    def shop(items: list[int], rush: bool = False) -> dict[str, int]:
        return weigh(items)

    inbox._timeout_s = 0.05
    gate = Gate(signal=lambda crossing: 0.1, below=Review())
    careful = guard(shop, {"weigh": Contract(gate=gate)}, reviewer=inbox.ask)
    with pytest.raises(BoundaryTimeout):
        careful([1, 2], rush=True)
    (review,) = inbox.list()
    assert review.question["input"] == {"items": [1, 2], "rush": True}
    loose = guard(lambda *items: weigh(list(items)), {"weigh": Contract(gate=gate)}, reviewer=inbox.ask)
    with pytest.raises(BoundaryTimeout):
        loose(5, 6)
    assert [("input" in one.question) for one in inbox.list()] == [True, False]
    last = inbox.list()[-1]
    inbox.decide(last.id, decision(last, "approve"), "ann")
    with open_labelling() as labelling:
        taken = labelling.take(last.id, folder / "suite.yaml")
    assert (taken.new, taken.case, taken.promoted) == (True, None, None)
    assert "not known" in taken.why_no_case
