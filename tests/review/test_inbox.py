"""The inbox: questions are filed once, leased to one reviewer, decided once, consumed once, whatever the clock does."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gapless
from gapless import Contract, Gate, Review, guard
from gapless.boundary.review import Question
from gapless.errors import (
    BoundaryTimeout,
    LowConfidence,
    PolicyConflict,
    ReviewConflict,
    SchemaBreach,
    StoreError,
    UnknownName,
    UsageError,
)
from gapless.operations.review import decision
from gapless.records.review import Place
from gapless.review.inbox import EXPIRY, Inbox


class Clock:
    """A clock that goes where it is told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'inbox.db'}"


@pytest.fixture
def inbox(url: str, clock: Clock) -> Inbox:
    return Inbox(url, clock=clock)


def asked(step: str = "price", handoff: Any = None, subject: str = "d1") -> dict[str, Any]:
    return Question(step=step, reason="low", handoff=handoff, subject=subject).to_plain()


def at(interrupt: str = "i1", thread: str = "t") -> Place:
    return Place(thread=thread, interrupt=interrupt)


def test_a_question_is_filed_once_however_often_it_is_asked(inbox: Inbox) -> None:
    first, again = inbox.post(asked(), at()), inbox.post(asked(), at())
    assert first.id == again.id
    assert inbox.post(asked(), at("i2")).id != first.id  # another visit of the same step
    assert len(inbox.list()) == 2


def test_another_handoff_at_the_same_place_closes_the_question_before_it(inbox: Inbox) -> None:
    before = inbox.post(asked(subject="d1"), at())
    inbox.post(asked(subject="d2"), at())
    assert [review.subject for review in inbox.list()] == ["d2"]
    with pytest.raises(ReviewConflict, match="ran again"):
        inbox.decide(before.id, decision(before, "approve"), "ann")


def test_the_second_decision_names_who_decided_first(inbox: Inbox) -> None:
    review = inbox.post(asked(), at())
    inbox.decide(review.id, decision(review, "approve"), "ann")
    with pytest.raises(ReviewConflict, match="approve by ann"):
        inbox.decide(review.id, decision(review, "reject"), "bob")
    assert inbox.get(review.id).decision == decision(review, "approve")
    with pytest.raises(UnknownName):
        inbox.decide("01NOTHING", decision(review, "approve"), "bob")


def test_a_lease_keeps_others_away_until_it_ends(inbox: Inbox, clock: Clock) -> None:
    review = inbox.post(asked(), at())
    assert inbox.take("ann", 60) is not None
    assert inbox.take("bob") is None
    with pytest.raises(ReviewConflict, match="looked at by ann, for 60 s"):
        inbox.decide(review.id, decision(review, "approve"), "bob")
    clock.now += 61
    taken = inbox.take("bob")
    assert taken is not None
    assert taken.leased_by == "bob"
    with pytest.raises(ReviewConflict, match="bob"):  # ann thought too long
        inbox.decide(review.id, decision(review, "approve"), "ann")
    inbox.release(review.id, "bob")
    inbox.decide(review.id, decision(review, "approve"), "ann")


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_a_clock_that_jumps_frees_a_lease_and_never_decides_twice(
    inbox: Inbox, clock: Clock, jump: float
) -> None:
    review = inbox.post(asked(), at())
    assert inbox.take("ann", 600) is not None
    clock.now += jump
    assert inbox.take("bob", 600) is not None
    inbox.decide(review.id, decision(review, "reject"), "bob")
    with pytest.raises(ReviewConflict, match="reject by bob"):
        inbox.decide(review.id, decision(review, "approve"), "ann")


def test_a_review_that_is_too_old_is_refused(url: str, clock: Clock) -> None:
    inbox = Inbox(url, clock=clock, expires_s=60, on_expiry="refuse")
    review = inbox.post(asked(), at())
    clock.now += 60
    assert inbox.list() == []
    late = inbox.get(review.id)
    assert (late.decided_by, (late.decision or {})["choice"]) == (EXPIRY, "reject")
    with pytest.raises(ReviewConflict, match="expiry"):
        inbox.decide(review.id, decision(review, "approve"), "ann")


def test_a_review_that_is_too_old_goes_to_the_head_of_the_list(url: str, clock: Clock) -> None:
    Inbox(url, clock=clock).post(asked(), at("old"))
    clock.now += 1
    inbox = Inbox(url, clock=clock, expires_s=60)
    urgent = inbox.post(asked(), at("urgent"))
    clock.now += 60
    assert inbox.list()[0].id == urgent.id
    assert inbox.list()[0].standing(clock.now) == "overdue"
    inbox.decide(urgent.id, decision(urgent, "approve"), "ann")


RACER = Path(__file__).parent / "racing_reviewer.py"


def test_two_reviewers_racing_never_get_the_same_review_and_decide_each_once(url: str) -> None:
    inbox = Inbox(url)
    for number in range(8):
        inbox.post(asked(subject=f"d{number}"), at(f"i{number}"))
    racers = [
        subprocess.Popen(
            [sys.executable, str(RACER), url, who], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for who in ("ann", "bob")
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    told = [json.loads(racer.communicate(timeout=60)[0]) for racer in racers]
    # Each takes one before it decides any, so that the quicker one may leave nothing to take.
    taken = [one["taken"] for one in told if one["taken"] is not None]
    assert len(taken) == len(set(taken)) >= 1
    assert sum(one["decided"] for one in told) == 8
    assert inbox.list() == []


def test_threads_racing_for_leases_and_decisions_each_win_once(url: str) -> None:
    inbox = Inbox(url)
    posted = [inbox.post(asked(subject=f"d{number}"), at(f"i{number}")).id for number in range(4)]
    start, taken, decided = threading.Barrier(8), [], []

    def reviewer(who: str) -> None:
        start.wait()
        got = inbox.take(who)
        if got is None:
            return
        taken.append(got.id)
        for _ in range(2):
            try:
                decided.append(inbox.decide(got.id, decision(got, "approve"), who).id)
            except ReviewConflict:
                continue

    threads = [threading.Thread(target=reviewer, args=(f"r{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(posted)
    assert sorted(decided) == sorted(posted)


@pytest.mark.parametrize("loss", ["deleted", "replaced"])
def test_a_database_that_disappears_mid_decision_takes_no_decision(
    inbox: Inbox, tmp_path: Path, loss: str
) -> None:
    review = inbox.post(asked(), at())
    for file in tmp_path.glob("inbox.db*"):
        file.unlink()
    if loss == "replaced":
        Inbox(f"sqlite:///{tmp_path / 'inbox.db'}")
    with pytest.raises(StoreError, match="deleted, moved or replaced"):
        inbox.decide(review.id, decision(review, "approve"), "ann")
    with pytest.raises(StoreError):
        inbox.settle(asked(), at(), decision(review, "approve"))


def test_an_answer_past_the_inbox_counts_once_and_may_not_contradict_it(inbox: Inbox) -> None:
    review = inbox.post(asked(), at())
    inbox.settle(asked(), at(), decision(review, "approve"))
    assert inbox.get(review.id).consumed_at is not None
    other = inbox.post(asked(), at("i2"))
    inbox.decide(other.id, decision(other, "reject"), "ann")
    with pytest.raises(ReviewConflict, match="ann decided"):
        inbox.settle(asked(), at("i2"), decision(other, "approve"))
    assert inbox.get(other.id).consumed_at is None


# -- functions ----------------------------------------------------------------------------------------------------


@gapless.step
def price(item: str) -> dict[str, float]:
    return {"price": 9.5, "sure": 0.1}


@gapless.step
async def aprice(item: str) -> dict[str, float]:
    return {"price": 9.5, "sure": 0.1}


def shop(item: str) -> dict[str, float]:
    return price(item)


async def ashop(item: str) -> dict[str, float]:
    return await aprice(item)


def doubtful(**more: Any) -> Contract:
    return Contract(gate=Gate(signal=lambda crossing: crossing.handoff["sure"], below=Review()), **more)


SCHEMA = {"type": "object", "properties": {"price": {"type": "number", "minimum": 0}}}


def decide_soon(url: str, decide: Callable[[Any], dict[str, Any]]) -> threading.Thread:
    def decides() -> None:
        inbox = Inbox(url)
        for _ in range(400):
            waiting = inbox.list()
            if waiting:
                inbox.decide(waiting[0].id, decide(waiting[0]), "ann")
                return
            threading.Event().wait(0.02)

    thread = threading.Thread(target=decides)
    thread.start()
    return thread


def test_a_function_waits_for_its_reviewer(url: str) -> None:
    reviewing = decide_soon(url, lambda review: decision(review, "edit", value={"price": 8.0}))
    careful = guard(shop, {"price": doubtful()}, reviewer=Inbox(url, timeout_s=20).ask)
    assert careful("pen") == {"price": 8.0}
    reviewing.join()
    assert [r.standing(0) for r in Inbox(url).list(every=True)] == ["consumed"]


async def test_an_async_function_awaits_its_reviewer(url: str) -> None:
    reviewing = decide_soon(url, lambda review: decision(review, "reject", note="too dear"))
    careful = guard(ashop, {"aprice": doubtful()}, reviewer=Inbox(url, timeout_s=20).wait)
    with pytest.raises(LowConfidence, match="too dear"):
        await careful("pen")
    await asyncio.to_thread(reviewing.join)


def test_a_function_whose_reviewer_is_late_uses_the_decision_next_time_and_only_once(url: str) -> None:
    inbox = Inbox(url, timeout_s=0.1)
    careful = guard(shop, {"price": doubtful()}, reviewer=inbox.ask)
    with pytest.raises(BoundaryTimeout, match="stays in the inbox"):
        careful("pen")
    review = inbox.list()[0]
    inbox.decide(review.id, decision(review, "approve"), "ann")
    assert careful("pen") == {"price": 9.5, "sure": 0.1}
    with pytest.raises(BoundaryTimeout):  # the approval was for one handoff
        careful("pen")
    assert len(inbox.list()) == 1


def test_an_edit_that_breaks_the_contract_is_not_handed_over(url: str) -> None:
    reviewing = decide_soon(url, lambda review: decision(review, "edit", value={"price": -1}))
    careful = guard(shop, {"price": doubtful(output=SCHEMA)}, reviewer=Inbox(url, timeout_s=20).ask)
    with pytest.raises(SchemaBreach):
        careful("pen")
    reviewing.join()


def test_an_inbox_for_a_function_is_its_reviewer(inbox: Inbox) -> None:
    with pytest.raises(PolicyConflict, match=r"inbox\.ask"):
        guard(shop, {"price": doubtful()}, inbox=inbox)


def test_a_measured_trial_that_would_ask_is_escalated_and_nobody_is_asked(
    inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GAPLESS_DATABASE_URL", raising=False)
    careful = guard(shop, {"price": doubtful()}, reviewer=inbox.ask)
    report = gapless.measure_sync(careful, [{"id": "a", "input": "pen"}])
    assert report.gap.outcomes["escalated"] == 1
    assert inbox.list() == []


def test_what_must_not_be_kept_is_not_shown_and_not_edited_in(url: str, tmp_path: Path) -> None:
    from gapless.trace.redaction import Redaction

    inbox = Inbox(url, mask=Redaction(["*.ssn"]).value)
    secret = {"ssn": "078-05-1120", "total": 5}
    question = Question(step="price", reason="078-05-1120?", handoff=secret, given=secret, subject="d1")
    review = inbox.post(question.to_plain(), at())
    assert review.question["handoff"] == {"ssn": "[redacted]", "total": 5}
    for value in ({"ssn": "[redacted]", "total": 6}, {"ssn": "111-22-3333", "total": 6}):
        with pytest.raises(UsageError, match="written down"):
            inbox.decide(review.id, decision(review, "edit", value=value), "ann")
    inbox.settle(question.to_plain(), at(), decision(review, "edit", value={"ssn": "111-22-3333"}))
    inbox.close()
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"078-05" not in kept
    assert b"111-22" not in kept


def test_evidence_that_is_too_large_is_left_out_and_said_so(inbox: Inbox) -> None:
    question = Question(step="price", reason="low", given="x" * 2_000_000, subject="d1")
    given = inbox.post(question.to_plain(), at()).question["given"]
    assert given["bytes"] > 2_000_000
