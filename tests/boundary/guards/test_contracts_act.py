"""What a contract does at a crossing: attempts, time, repair, fallback, effects, doubt; the same sync and async."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from gapless.boundary.contract import Contract
from gapless.boundary.crossing import Crossing
from gapless.boundary.flow import Sleep, adrive, compose, drive
from gapless.boundary.guarding import Guarding, Mode, Passed, Watch
from gapless.boundary.guards.complete import Complete
from gapless.boundary.guards.gate import Gate, Goto, Refuse
from gapless.boundary.guards.retry import Retry, retry_after_s, transient
from gapless.errors import (
    BoundaryError,
    BoundaryTimeout,
    BrokenGuard,
    DuplicateEffect,
    IncompleteResult,
    InvalidContract,
    PolicyConflict,
    RetriesExhausted,
    SchemaBreach,
)

QUICK = Retry(3, backoff_s=0.001)
NUMBER = {"type": "number"}


class Bench:
    """One step under one contract, run through sync or async driving."""

    def __init__(self, contract: Contract, *, mode: Mode = "guarded", use_async: bool = False) -> None:
        self.watch = Watch(mode=mode)
        self.guarding = Guarding(contract, self.watch, lambda output: output, lambda _, other: other)
        self.use_async = use_async

    def run(self, step: Callable[[Any], Any], state: Any = None, faults: tuple[Any, ...] = ()) -> Passed:
        crossing = Crossing(step="tool", state=state if state is not None else {"id": 1})

        def inner(given: Any) -> Any:
            one = Crossing(step="tool", state=given, attempt=crossing.attempt)
            return compose((self.guarding.within, *faults), one)

        async def awaited(given: Any) -> Any:
            done = step(given)
            return await done if asyncio.iscoroutine(done) else done

        async def attempt(given: Any) -> Any:
            return await adrive(inner(given), awaited)

        outer = compose((self.guarding.around,), crossing)
        if self.use_async:
            return asyncio.run(adrive(outer, attempt))
        return drive(outer, lambda given: drive(inner(given), step))

    @property
    def actions(self) -> list[tuple[str, str]]:
        return [(ruling.guard, ruling.action) for ruling in self.watch.rulings]


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def bench(request: pytest.FixtureRequest) -> Callable[..., Bench]:
    return lambda contract, **options: Bench(contract, use_async=request.param, **options)


def failing(times: int, error: Exception, then: Any = 1.0) -> Callable[[Any], Any]:
    left = [times]

    def step(state: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise error
        return then

    return step


def test_what_keeps_to_the_contract_passes_without_a_ruling(bench: Any) -> None:
    at = bench(Contract(output=NUMBER, retry=QUICK, timeout_s=5))
    assert at.run(lambda _: 2.0) == Passed(2.0)
    assert at.actions == []


def test_a_lost_connection_is_tried_again_and_said(bench: Any) -> None:
    at = bench(Contract(retry=QUICK))
    assert at.run(failing(2, ConnectionError("gone"))).output == 1.0
    assert at.actions == [("retry", "retry")] * 2
    assert "gone" in at.watch.rulings[0].reason


def test_attempts_end(bench: Any) -> None:
    with pytest.raises(RetriesExhausted, match="3 attempts failed") as caught:
        bench(Contract(retry=QUICK)).run(failing(9, ConnectionError("gone")))
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_a_mistake_in_code_is_not_tried_again(bench: Any) -> None:
    ran: list[int] = []

    def step(state: Any) -> Any:
        ran.append(1)
        raise KeyError("typo")

    with pytest.raises(KeyError):
        bench(Contract(retry=QUICK)).run(step)
    assert len(ran) == 1


def test_a_broken_answer_is_worth_another_attempt(bench: Any) -> None:
    answers = iter(["text", 3.0])
    at = bench(Contract(output=NUMBER, retry=QUICK))
    assert at.run(lambda _: next(answers)).output == 3.0
    assert at.actions == [("schema", "refuse"), ("retry", "retry")]


def test_a_breach_that_nothing_mends_fails_loudly_with_its_own_name(bench: Any) -> None:
    with pytest.raises(SchemaBreach, match="tool: ") as caught:
        bench(Contract(output=NUMBER)).run(lambda _: "text")
    assert caught.value.boundary == "tool"


def test_a_repair_is_looked_at_again(bench: Any) -> None:
    at = bench(Contract(output=NUMBER, repair=lambda crossing, handoff, breach: float(handoff)))
    assert at.run(lambda _: "3").output == 3.0
    assert at.actions == [("schema", "repair")]
    for bad in (lambda *_: "still text", lambda *_: None, lambda *_: 1 / 0):
        with pytest.raises(SchemaBreach):
            bench(Contract(output=NUMBER, repair=bad)).run(lambda _: "x")


def test_a_fallback_answers_when_all_else_failed_and_keeps_to_the_contract_too(bench: Any) -> None:
    at = bench(Contract(output=NUMBER, fallback=lambda crossing, error: 0.0))
    assert at.run(failing(1, KeyError("no"))).output == 0.0
    assert at.actions == [("fallback", "fallback")]
    with pytest.raises(KeyError):
        bench(Contract(output=NUMBER, fallback=lambda *_: "text")).run(failing(1, KeyError("no")))
    with pytest.raises(KeyError):
        bench(Contract(fallback=lambda *_: 1 / 0)).run(failing(1, KeyError("no")))


def test_a_guard_that_crashes_counts_as_doubt(bench: Any) -> None:
    def crashing(crossing: Crossing, handoff: Any) -> str | None:
        raise RuntimeError("in the guard")

    with pytest.raises(BrokenGuard, match="'crashing' crashed: RuntimeError: in the guard"):
        bench(Contract(guards=(crashing,), retry=QUICK, repair=lambda *_: 1)).run(lambda _: 1)


def test_a_function_is_a_guard(bench: Any) -> None:
    def positive(crossing: Crossing, handoff: Any) -> str | None:
        return None if handoff > 0 else f"{handoff} is not above 0"

    answers = iter([-1, 3])
    at = bench(Contract(guards=(positive,), retry=QUICK))
    assert at.run(lambda _: next(answers)).output == 3
    assert at.actions == [("positive", "refuse"), ("retry", "retry")]
    assert Contract(guards=(positive,), retry=QUICK).names == ("positive", "retry")


def test_a_hanging_step_is_given_up(bench: Any) -> None:
    over = threading.Event()

    def hang(state: Any) -> Any:
        over.wait(5)

    async def ahang(state: Any) -> Any:
        await asyncio.sleep(5)

    at = bench(Contract(timeout_s=0.05))
    began = time.monotonic()
    with pytest.raises(BoundaryTimeout, match=r"within 0\.05 s") as caught:
        at.run(ahang if at.use_async else hang)
    assert time.monotonic() - began < 2
    assert caught.value.limit_s == pytest.approx(0.05)
    assert at.actions == [("timeout", "refuse")]
    over.set()


def test_a_delay_in_the_world_counts_against_the_limit(bench: Any) -> None:
    def slow(crossing: Crossing, proceed: Any) -> Any:
        yield Sleep(5.0)
        return (yield from proceed(crossing.state))

    ran: list[int] = []
    with pytest.raises(BoundaryTimeout):
        bench(Contract(timeout_s=0.05)).run(ran.append, faults=(slow,))
    assert ran == []


def test_a_deadline_travels_and_cuts_attempts_and_waits(bench: Any) -> None:
    at = bench(Contract(deadline_s=0.1, retry=Retry(50, backoff_s=0.03, factor=1, jitter=False)))
    began = time.monotonic()
    with pytest.raises(BoundaryError):
        at.run(failing(99, ConnectionError("gone")))
    assert time.monotonic() - began < 0.5
    assert at.watch.rulings[-1].action == "refuse"
    later = Guarding(Contract(timeout_s=60), at.watch, lambda o: o, lambda _, o: o)
    assert (at.watch.limit(later.contract) or 0) < 0.1


def test_a_step_s_own_timeout_error_is_its_own(bench: Any) -> None:
    with pytest.raises(TimeoutError, match="upstream"):
        bench(Contract(timeout_s=5)).run(failing(1, TimeoutError("upstream")))


def test_what_the_other_side_asks_to_wait_is_waited() -> None:
    answer = SimpleNamespace(status_code=429, headers={"retry-after": "7"})
    error = RuntimeError("too many")
    error.response = answer  # type: ignore[attr-defined]
    assert transient(error)
    assert retry_after_s(error) == 7.0
    assert QUICK.wait_s(1, error, Crossing(step="x", state=None).rng()) == 7.0
    answer.headers = {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}
    assert retry_after_s(error) == 0.0
    answer.headers = {"retry-after": "soon"}
    assert retry_after_s(error) is None
    answer.status_code = 404
    assert not transient(error)


def test_an_action_takes_place_once(bench: Any) -> None:
    paid: list[Any] = []

    def pay(state: Any) -> Any:
        paid.append(state)
        return {"receipt": len(paid)}

    at = bench(Contract(effect=True, idempotency_key="id"))
    assert at.run(pay).output == at.run(pay).output == {"receipt": 1}
    assert at.run(pay, state={"id": 2}).output == {"receipt": 2}
    assert len(paid) == 2
    assert at.actions == [("idempotency", "replay")]


def test_an_action_nobody_heard_back_from_is_not_repeated(bench: Any) -> None:
    async def hang(state: Any) -> Any:
        await asyncio.sleep(5)

    at = bench(Contract(effect=True, idempotency_key="id", timeout_s=0.02))
    with pytest.raises(BoundaryTimeout):
        at.run(hang if at.use_async else lambda _: time.sleep(0.2))
    with pytest.raises(DuplicateEffect, match="Look whether it took place"):
        at.run(lambda _: 1)


def test_an_action_that_failed_before_it_began_may_be_tried_again(bench: Any) -> None:
    at = bench(Contract(effect=True, idempotency_key="id"))
    with pytest.raises(ConnectionError):
        at.run(failing(1, ConnectionError("refused")))
    assert at.run(lambda _: 5).output == 5


def test_an_action_without_a_name_is_refused(bench: Any) -> None:
    with pytest.raises(InvalidContract, match="not in the state"):
        bench(Contract(idempotency_key="missing")).run(lambda _: 1)
    with pytest.raises(PolicyConflict, match="idempotency_key"):
        Contract(effect=True, retry=Retry(3))
    assert Contract(effect=True, retry=Retry(3, safe=True)).retry


def test_doubt_goes_where_the_gate_says(bench: Any) -> None:
    contract = Contract(gate=Gate(signal=lambda crossing: crossing.handoff, below=Goto("help")))
    at = bench(contract)
    assert at.run(lambda _: 0.9) == Passed(0.9, signal=0.9)
    doubtful = at.run(lambda _: 0.3)
    assert (doubtful.below, doubtful.signal) == (Goto("help"), 0.3)
    assert "0.3" in str(doubtful.doubt)
    assert at.actions == [("gate", "proceed"), ("gate", "goto")]


def test_the_first_of_several_guards_that_objects_decides(bench: Any) -> None:
    with pytest.raises(IncompleteResult):
        bench(Contract(output={"type": "object"}, complete=Complete(fields=("a",)))).run(lambda _: {})


def test_in_the_baseline_guards_only_look(bench: Any) -> None:
    at = bench(
        Contract(output=NUMBER, retry=QUICK, gate=Gate(signal=lambda _: 0.0, below=Refuse())), mode="baseline"
    )
    assert at.run(lambda _: "text") == Passed("text", signal=0.0)
    assert at.actions == [("schema", "proceed"), ("gate", "refuse")]


def test_in_the_shadow_guards_act_and_gates_let_pass(bench: Any) -> None:
    contract = Contract(retry=QUICK, gate=Gate(signal=lambda _: 0.0))
    at = bench(contract, mode="shadow")
    assert at.run(failing(1, ConnectionError())) == Passed(1.0, signal=0.0)
    assert at.actions == [("retry", "retry"), ("gate", "review")]


@pytest.mark.parametrize(
    "declare",
    [
        lambda: Contract(timeout_s=0),
        lambda: Contract(deadline_s=-1),
        lambda: Contract(output={"type": 7}),
        lambda: Retry(0),
        lambda: Retry(2, factor=0.5),
        lambda: Retry(2, budget_s=0),
        lambda: Complete(at_least={"a": 0}),
    ],
)
def test_a_contract_that_cannot_hold_is_refused_when_it_is_made(declare: Callable[[], Any]) -> None:
    with pytest.raises(InvalidContract):
        declare()
