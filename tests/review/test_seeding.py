"""Reviews with known answers look like the real ones, reach no workflow, and say how often reviewers are right."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import gapless
from gapless import Contract, Gate, Review, guard
from gapless.boundary.review import Question
from gapless.cli.main import _run
from gapless.errors import BoundaryTimeout, ReviewConflict, StoreError, UsageError
from gapless.operations.open import open_store, pick
from gapless.operations.review import decision, open_inbox, open_seeding
from gapless.operations.reviewers import accuracy
from gapless.operations.seeding import Planted, Wish, seed
from gapless.records.review import Accuracy, Place, ReviewRecord
from gapless.records.value import digest, encode
from gapless.review.inbox import Inbox

HOSTILE = "\x1b[2Jpen\u202e [bold]x[/bold]"
APP = """
import gapless
from gapless import Contract, Gate, Review, guard

PRICES = {"pen": 12, "ink": 25, "cup": 31, "pad": 48, "bag": 57, "hat": 60}

@gapless.step
def price(item):
    wrong = item.endswith("?")
    return {"item": item, "total": 7 if wrong else PRICES.get(item, 90)}

def plain(item):
    return price(item)

shop = guard(plain, {"price": Contract(gate=Gate(signal=lambda crossing: 0.31, below=Review(note="page 4")))})
"""
ITEMS = {"pen": 12, "ink": 25, "cup": 31, "pad": 48, "bag": 57, "hat": 60}


def case(item: str, total: int) -> dict[str, Any]:
    known = {"item": item, "total": total}
    end = [{"numeric": {"path": "total", "value": total}}]
    return {
        "id": item,
        "input": {"item": item},
        "path": ["price"],
        "golden": {"price": known},
        "checks": {"end": end},
    }


CASES = [*(case(item, total) for item, total in ITEMS.items()), *(case(f"{i}?", t) for i, t in ITEMS.items())]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("GAPLESS_DATABASE_URL", raising=False)
    (tmp_path / "seeded_app.py").write_text(APP)
    (tmp_path / "suite.json").write_text(json.dumps(CASES))
    return tmp_path


@pytest.fixture
def measured(folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert _run(["measure", "seeded_app.py:plain", "--suite", "suite.json", "--quiet"]) == 0
    capsys.readouterr()
    return folder


@pytest.fixture
def inbox(measured: Path) -> Iterator[Inbox]:
    opened = open_inbox()
    yield opened
    opened.close()


def ask(inbox: Inbox, number: int, *, step: str = "price", interrupt: bool = True) -> ReviewRecord:
    handoff = {"item": f"real {number}", "total": number}
    question = Question(
        step=step,
        reason="the signal says 0.4, below 0.6",
        note="page 4",
        signal=0.4,
        handoff=handoff,
        given={"item": f"real {number}"},
        subject=digest(encode(handoff)),
    )
    place = Place(thread=f"order-{number}", interrupt=f"{number:032x}" if interrupt else None)
    return inbox.post(question.to_plain(), place)


def plant(count: int | None = None, *, dice: int = 1, **wish: Any) -> Planted:
    seeding = open_seeding()
    try:
        with open_store() as store:
            asked = Wish(count=count, **wish)
            return asyncio.run(seed(store, seeding, pick(store, None), asked, random=random.Random(dice)))
    finally:
        seeding.close()


def measure() -> Accuracy:
    seeding = open_seeding()
    try:
        return asyncio.run(accuracy(seeding))
    finally:
        seeding.close()


def born(identity: str) -> float:
    """The time in a ULID, to the next millisecond."""
    number = 0
    for letter in identity:
        number = number * 32 + "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(letter)
    return ((number >> 80) + 1) / 1000


def planted(inbox: Inbox) -> dict[str, bool]:
    """Id of each seeded review -> whether its handoff is right."""
    seeding = open_seeding()
    found = {review.id: known.right for review, known in seeding.done().items}
    seeding.close()
    return found


def reviewed(inbox: Inbox, who: str, choose: Callable[[bool], str]) -> None:
    """Lets a reviewer decide every seeded review that waits."""
    for review in inbox.list():
        right = planted(inbox).get(review.id)
        if right is not None:
            inbox.decide(review.id, decision(review, choose(right)), who)  # type: ignore[arg-type]


def test_a_seeded_review_shows_nothing_that_a_real_one_does_not(
    inbox: Inbox, capsys: pytest.CaptureFixture[str]
) -> None:
    real = [ask(inbox, number) for number in range(21, 29)]
    plant(4)
    assert _run(["review", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert len(shown) == 12
    assert len({frozenset(review) for review in shown}) == 1
    assert len({frozenset(review["question"]) for review in shown}) == 1
    assert {(review["step"], review["question"]["note"]) for review in shown} == {("price", "page 4")}
    assert all(review["thread"].startswith("order-") and len(review["thread"]) == 8 for review in shown)
    assert len({review["thread"] for review in shown}) == 12
    assert {len(review["interrupt"]) for review in shown} == {32}
    assert all(review["subject"] == digest(encode(review["question"]["handoff"])) for review in shown)
    ours = planted(inbox)
    places = [index for index, review in enumerate(shown) if review["id"] in ours]
    assert len(places) == 4
    assert places != list(range(8, 12))
    assert min(review.created_at for review in real) <= min(review["created_at"] for review in shown)
    assert all(0 <= born(review["id"]) - review["created_at"] < 1 for review in shown)
    for identity in ours:
        for words in (["show", identity], ["show", identity, "--json"]):
            assert _run(["review", *words]) == 0
            out = capsys.readouterr().out.lower()
            assert not [word for word in ("seed", "known", "golden", "damage") if word in out]


def test_where_real_ones_share_a_thread_it_does_too(inbox: Inbox) -> None:
    for number in (1, 2):
        question = ask(inbox, number).question
        inbox.post(question, Place(thread="all orders 7"))
    for review in inbox.list():
        if review.thread != "all orders 7":
            inbox.decide(review.id, decision(review, "approve"), "ann")
    plant(3)
    assert {review.thread for review in inbox.list()} == {"all orders 7"}


def test_a_step_that_was_judged_is_known_though_its_trial_was_not(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "suite.json").write_text(json.dumps([{**one, "checks": {}} for one in CASES]))
    assert _run(["measure", "seeded_app.py:plain", "--suite", "suite.json", "--quiet"]) == 0
    inbox = open_inbox()
    ask(inbox, 21)
    assert plant(4, wrong=0.0).sources == {"its check passed": 4}
    inbox.close()


def test_its_own_gates_words_are_shown_where_it_had_a_gate(
    inbox: Inbox, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["seeded_app.py:shop", "--suite", "suite.json", "--quiet", "--condition", "shadow"]
    assert _run(["measure", *words]) == 0
    ask(inbox, 21)
    plant(3)
    ours = planted(inbox)
    signals = {review.question["signal"] for review in inbox.list() if review.id in ours}
    assert signals == {0.31}


def test_sources_are_recorded_and_right_ones_are_never_beside_their_damaged_selves(inbox: Inbox) -> None:
    for number in range(21, 24):
        ask(inbox, number)
    done = plant(12)
    assert (done.right + done.wrong, done.wanted) == (12, 12)
    assert set(done.sources) <= {
        "its check passed",
        "its check failed",
        "a right handoff damaged by the fault wrong-figure",
    }
    seeding = open_seeding()
    known = [answer for _, answer in seeding.done().items]
    seeding.close()
    assert len({answer.origin for answer in known}) == 12
    assert all(answer.value == answer.case.golden["price"][0] for answer in known)
    with pytest.raises(UsageError, match="no further handoff"):
        plant(1)


def test_only_damage_that_the_suite_can_tell_is_used(inbox: Inbox) -> None:
    ask(inbox, 21)
    done = plant(8, wrong=1.0)
    assert done.wrong == 8
    seeding = open_seeding()
    for review, known in seeding.done().items:
        assert review.question["handoff"] != known.value
    seeding.close()


def test_without_anything_real_nothing_is_seeded(inbox: Inbox) -> None:
    with pytest.raises(UsageError, match="stand alone"):
        plant(1)
    ask(inbox, 21, step="elsewhere")
    with pytest.raises(UsageError, match="elsewhere"):
        plant(1)


def test_a_share_is_kept_not_added_again(inbox: Inbox) -> None:
    for number in range(21, 39):
        ask(inbox, number)
    assert plant(share=0.1).wanted == 2
    assert plant(share=0.1).wanted == 0
    assert len(inbox.list()) == 20
    with pytest.raises(UsageError, match="between 0 and 1"):
        plant(share=1.5)


def test_accuracy_counts_approvals_of_right_ones_and_stops_of_wrong_ones(
    inbox: Inbox, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(inbox, 21)
    plant(6, wrong=0.5)
    reviewed(inbox, "ann", lambda right: "approve")
    found = measure()
    assert (found.overall.right.point, found.overall.wrong.point) == (1.0, 0.0)
    assert found.overall.right.method == "clopper-pearson"
    assert found.overall.right.n_runs + found.overall.wrong.n_runs == 6
    assert found.overall.seconds.point is None
    assert [one.reviewer for one in found.reviewers] == ["ann"]
    assert found.agreement.point is None
    assert _run(["review", "accuracy"]) == 0
    out = capsys.readouterr().out
    assert "3 of 3: 100.0 % (95 % interval 29.2 % to 100.0 %, clopper-pearson)" in out
    assert "none: no handoff was judged by two reviewers" in out
    assert _run(["review", "accuracy", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["overall"]["wrong"]["point"] == 0.0
    assert told["agreement"]["point"] is None


def test_a_kind_that_was_never_seeded_has_no_number(inbox: Inbox) -> None:
    ask(inbox, 21)
    assert measure().overall.right.reason == "never seeded with a right one"
    plant(2, wrong=0.0)
    assert measure().overall.right.reason == "no right one was decided yet"
    reviewed(inbox, "ann", lambda right: "approve")
    assert measure().overall.wrong.point is None
    assert measure().overall.wrong.reason == "never seeded with a wrong one"


def test_an_edit_stops_a_wrong_one_only_if_it_is_right(inbox: Inbox) -> None:
    ask(inbox, 21)
    plant(2, wrong=1.0)
    seeding = open_seeding()
    (first, known), (second, _) = seeding.done().items
    seeding.close()
    edits = {
        first.id: {**known.value, "total": float(known.value["total"])},
        second.id: {"item": "?", "total": 1},
    }
    for review in (first, second):
        inbox.decide(review.id, decision(review, "edit", value=edits[review.id]), "ann")
    found = measure()
    assert (found.overall.wrong.point, found.overall.wrong.n_runs, found.overall.unclear) == (0.5, 2, 0)


def test_two_reviewers_at_once_each_decide_what_the_other_does_not(inbox: Inbox, measured: Path) -> None:
    ask(inbox, 21)
    plant(8)
    url = f"sqlite:///{measured / '.gapless' / 'gapless.db'}"

    def review(who: str) -> None:
        mine = Inbox(url)
        while (taken := mine.take(who)) is not None:
            mine.decide(taken.id, decision(taken, "reject"), who)
        mine.close()

    both = [threading.Thread(target=review, args=(who,)) for who in ("ann", "bob")]
    for one in both:
        one.start()
    for one in both:
        one.join()
    found = measure()
    assert found.waiting == 0
    assert found.overall.right.n_runs + found.overall.wrong.n_runs == 8
    assert (found.overall.right.point, found.overall.wrong.point) == (0.0, 1.0)
    assert found.overall.seconds.n_runs == 8
    assert sum(one.right.n_runs + one.wrong.n_runs for one in found.reviewers) == 8


def test_a_second_opinion_is_asked_of_somebody_else(inbox: Inbox) -> None:
    real = ask(inbox, 21)
    plant(4)
    reviewed(inbox, "ann", lambda right: "approve")
    assert plant(4, again=True).wanted == 4
    assert [review.id for review in iter(lambda: inbox.take("ann"), None)] == [real.id]
    inbox.release(real.id, "ann")
    reviewed(inbox, "bob", lambda right: "approve" if right else "reject")
    found = measure()
    assert found.overall.right.n_runs + found.overall.wrong.n_runs == 8
    assert found.agreement.n_runs == 4
    assert found.agreement.point == found.reviewers[0].right.n_runs / 4
    with pytest.raises(UsageError, match="judged by two"):
        plant(1, again=True)


def test_the_same_reviewer_is_not_counted_twice(inbox: Inbox) -> None:
    ask(inbox, 21)
    plant(2)
    reviewed(inbox, "ann", lambda right: "approve")
    plant(2, again=True)
    reviewed(inbox, "ann", lambda right: "reject")
    found = measure()
    assert (found.repeated, found.overall.right.n_runs + found.overall.wrong.n_runs) == (2, 2)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_lease_that_expires_times_only_who_decides(inbox: Inbox) -> None:
    real = ask(inbox, 21)
    plant(1)
    clock = Clock()
    clock.now = inbox.clock() + 1
    inbox.clock = clock
    inbox.decide(real.id, decision(real, "approve"), "ann")
    taken = inbox.take("ann", 60)
    assert taken is not None
    clock.now += 61
    again = inbox.take("bob", 60)
    assert again is not None
    assert again.id == taken.id
    with pytest.raises(ReviewConflict, match="bob"):
        inbox.decide(taken.id, decision(taken, "approve"), "ann")
    clock.now += 12
    inbox.decide(taken.id, decision(taken, "approve"), "bob")
    (bob,) = measure().reviewers
    assert (bob.reviewer, bob.seconds.n_runs, bob.seconds.point) == ("bob", 1, None)
    assert "from 1 timed decisions" in (bob.seconds.reason or "")
    assert inbox.get(taken.id).taken_at == clock.now - 12


def test_the_time_to_decide_is_a_median_with_limits(inbox: Inbox) -> None:
    ask(inbox, 21)
    plant(7)
    clock = Clock()
    clock.now = inbox.clock() + 1
    inbox.clock = clock
    took = iter([3.0, 1.0, 4.0, 2.0, 9.0, 5.0, 6.0, 0.0])
    while (taken := inbox.take("ann")) is not None:
        clock.now += next(took) if taken.id in planted(inbox) else 100
        inbox.decide(taken.id, decision(taken, "reject"), "ann")
    seconds = measure().overall.seconds
    assert (seconds.point, seconds.low, seconds.high) == pytest.approx((4.0, 1.0, 9.0))


def test_one_that_is_never_decided_says_nothing_and_can_be_taken_out(
    inbox: Inbox, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(inbox, 21)
    plant(3)
    assert measure().waiting == 3
    assert measure().overall.right.point is None
    taken = next(review.id for review in inbox.list() if review.id in planted(inbox))
    while (held := inbox.take("ann")) is not None and held.id != taken:
        inbox.release(held.id, "ann")
        break
    inbox.release(taken, "ann")
    assert _run(["review", "seed", "--withdraw"]) == 0
    assert capsys.readouterr().out == "3 taken out.\n"
    assert [review.thread for review in inbox.list()] == ["order-21"]
    assert measure().waiting == 0


def test_one_that_is_refused_for_its_age_is_no_decision(measured: Path) -> None:
    inbox = open_inbox(expires_s=60, on_expiry="refuse")
    ask(inbox, 21)
    plant(2)
    clock = Clock()
    clock.now = inbox.clock() + 120
    inbox.clock = clock
    assert inbox.list() == []
    found = measure()
    assert (found.lapsed, found.waiting, found.overall.right.point, found.reviewers) == (2, 0, None, ())
    inbox.close()


# -- workflows ----------------------------------------------------------------------------------------------------


def test_a_run_never_meets_a_seeded_review(inbox: Inbox) -> None:
    @gapless.step
    def price(item: str) -> dict[str, Any]:
        return {"item": item, "total": 12}

    gate = Gate(signal=lambda crossing: 0.1, below=Review())
    inbox._timeout_s = 0.05
    careful = guard(lambda item: price(item), {"price": Contract(gate=gate)}, reviewer=inbox.ask)
    with pytest.raises(BoundaryTimeout):
        careful("real")
    plant(12)  # among them the very handoff that the run asks about next, in the same (empty) thread
    ours = planted(inbox)
    twins = [
        r for r in inbox.list() if r.id in ours and r.question["handoff"] == {"item": "pen", "total": 12}
    ]
    assert [(twin.thread, twin.step, twin.interrupt) for twin in twins] == [("", "price", None)]
    for review in inbox.list():
        if review.id in ours:
            inbox.decide(review.id, decision(review, "approve"), "ann")
    with pytest.raises(BoundaryTimeout):
        careful("pen")
    assert all(review.consumed_at is None for review in inbox.list(every=True))
    with inbox.resuming("") as found:
        assert not {review.id for review in found} & set(ours)
    assert measure().overall.right.point == 1.0


def test_a_seeded_review_stays_away_from_runs_when_its_answer_is_lost(inbox: Inbox, measured: Path) -> None:
    ask(inbox, 21)
    plant(2)
    with sqlite3.connect(measured / ".gapless" / "gapless.db") as connection:
        connection.execute("DELETE FROM known_answers")
    for review in inbox.list():
        with inbox.resuming(review.thread) as found:
            assert [one.thread for one in found] == (["order-21"] if review.thread == "order-21" else [])
    assert (measure().unreadable, measure().waiting) == (2, 0)


# -- faces --------------------------------------------------------------------------------------------------------


def test_the_reviewer_is_told_afterwards_only_if_asked(
    inbox: Inbox, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(inbox, 21)
    plant(2, wrong=1.0)
    one, two = planted(inbox)
    real = next(review.id for review in inbox.list() if review.id not in (one, two))
    assert _run(["review", "approve", one]) == 0
    assert "known" not in capsys.readouterr().out
    assert _run(["review", "reject", two, "--tell"]) == 0
    assert "put in with a known answer: wrong" in capsys.readouterr().out
    assert _run(["review", "approve", real, "--tell", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["told"] == "It was a real one."


def test_the_commands_say_what_was_put_in_and_never_which(
    inbox: Inbox, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(inbox, 21)
    assert _run(["review", "seed"]) == 2
    assert _run(["review", "seed", "--count", "1", "--share", "0.5"]) == 2
    capsys.readouterr()
    assert _run(["review", "seed", "--count", "2"]) == 0
    out = capsys.readouterr().out
    assert "were put in" in out
    assert not [identity for identity in planted(inbox) if identity[:14] in out]
    assert _run(["review", "seed", "--count", "40", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["wanted"] == 40
    assert "fewer than asked for" in told["why_fewer"]


def test_hostile_text_stays_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "suite.json").write_text(json.dumps([case(HOSTILE, 90), case(f"{HOSTILE}?", 90)]))
    assert _run(["measure", "seeded_app.py:plain", "--suite", "suite.json", "--quiet"]) == 0
    inbox = open_inbox()
    ask(inbox, 21)
    plant(2)
    capsys.readouterr()
    for identity in planted(inbox):
        assert _run(["review", "show", identity]) == 0
        assert _run(["review", "reject", identity, "--as", HOSTILE, "--tell"]) == 0
    assert _run(["review", "accuracy"]) == 0
    assert not set(capsys.readouterr().out) & {"\x1b", "\u202e"}
    inbox.close()


@pytest.mark.parametrize("bad", [b"", b"\xc1", b"\x81\xa1x\x01", b"garbage"])
def test_damaged_rows_are_counted_and_the_others_stand(inbox: Inbox, measured: Path, bad: bytes) -> None:
    ask(inbox, 21)
    plant(3)
    reviewed(inbox, "ann", lambda right: "approve")
    first, second, _ = planted(inbox)
    with sqlite3.connect(measured / ".gapless" / "gapless.db") as connection:
        connection.execute("UPDATE known_answers SET body = ? WHERE review = ?", (bad, first))
        connection.execute("UPDATE reviews SET question = ? WHERE id = ?", (bad, second))
    found = measure()
    assert (found.unreadable, found.overall.right.n_runs + found.overall.wrong.n_runs) == (2, 1)
    with pytest.raises(StoreError, match=f"review {second} is damaged"):
        inbox.get(second)
    assert inbox.get(first).decided_by == "ann"


def test_a_measurement_that_is_gone_takes_no_answer_with_it(inbox: Inbox, measured: Path) -> None:
    ask(inbox, 21)
    plant(4)
    with sqlite3.connect(measured / ".gapless" / "gapless.db") as connection:
        for table in ("measurements", "trials", "suites", "payloads"):
            connection.execute(f"DELETE FROM {table}")
    reviewed(inbox, "ann", lambda right: "approve" if right else "reject")
    found = measure()
    assert (found.overall.right.point, found.overall.wrong.point) == (1.0, 1.0)
