"""Every fault of the shelf, fitted to what a step usually hands over."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from gapless.boundary.crossing import Crossing
from gapless.boundary.faults.duplicate_delivery import DuplicateDelivery
from gapless.boundary.faults.http_error import TooManyRequests
from gapless.boundary.faults.older_dates import OlderDates
from gapless.boundary.faults.shelf import KINDS, SHELF, Usual, fitted
from gapless.boundary.flow import compose, drive
from gapless.boundary.guards.retry import retry_after_s, transient


def handoff(n: int) -> dict[str, Any]:
    return {
        "docs": [
            {
                "id": f"{n}-{i}",
                "text": f"The cap is USD {n}{i},000 for everybody.",
                "at": "2026-02-2" + str(i),
            }
            for i in range(4)
        ],
        "answer": f"The liability of supplier {n} is capped at USD {n},000.",
        "count": n,
    }


HANDOFFS = tuple(handoff(n) for n in range(1, 6))
FITTED = fitted(Usual("retrieve", HANDOFFS, 5.0))
LOUD = {"hang", "timeout", "exception", "http-429", "http-503"}


def cross(fault: Any, output: Any, **place: Any) -> tuple[Any, list[str]]:
    crossing = Crossing(**{"step": "retrieve", "state": {}, "seed": 7, **place})
    return drive(compose((fault,), crossing), lambda _: output), crossing.faults


CHANGING = [fault for fault in FITTED if fault.name not in LOUD | {"delay", "duplicate-delivery"}]
"""Those that change the value that is handed over."""


def test_the_shelf_is_whole_where_there_is_something_to_break() -> None:
    assert [fault.name for fault in FITTED] == list(SHELF)
    assert [kind.name for kind in KINDS] == list(SHELF)
    assert all(kind.why.endswith(".") for kind in KINDS)


@pytest.mark.parametrize("fault", CHANGING, ids=lambda f: f.name)
def test_a_fault_changes_a_copy_the_same_way_each_time_and_says_so(fault: Any) -> None:
    given = copy.deepcopy(HANDOFFS[1])
    changed, said = cross(fault, given)
    assert changed != HANDOFFS[1]
    assert given == HANDOFFS[1]
    assert said == [fault.name]
    assert cross(fault, given)[0] == changed
    untouched, quiet = cross(fault, given, step="another")
    assert untouched is given
    assert quiet == []


@pytest.mark.parametrize("fault", CHANGING, ids=lambda f: f.name)
def test_a_fault_says_nothing_where_there_is_nothing_to_change(fault: Any) -> None:
    changed, said = cross(fault, None)
    assert changed is None
    assert said == []


@pytest.mark.parametrize(
    ("handoffs", "left_out"),
    [
        (
            (3, 4),
            {"empty", "partial-answer", "truncated-stream", "renamed-field", "stale-evidence", "reordered"},
        ),
        (("yes", "no"), {"wrong-figure", "truncated-stream", "missing-field"}),
        (({"docs": []}, {"docs": []}), {"other-answer", "namesake", "partial-answer", "wrong-figure"}),
        ((), {"empty", "other-answer"}),
    ],
)
def test_what_cannot_strike_is_left_out(handoffs: tuple[Any, ...], left_out: set[str]) -> None:
    found = {fault.name for fault in fitted(Usual("retrieve", handoffs, 5.0))}
    assert not found & left_out
    assert found >= LOUD


def test_declined_requests_look_as_clients_raise_them() -> None:
    with pytest.raises(Exception, match="429") as raised:
        cross(TooManyRequests(step="retrieve", retry_after_s=0.5), {})
    assert transient(raised.value)
    assert retry_after_s(raised.value) == 0.5
    assert cross(TooManyRequests(step="retrieve"), {"ok": 1}, attempt=2) == ({"ok": 1}, [])


def test_leap_days_become_days_that_are() -> None:
    fault = OlderDates(step="retrieve", field="", years=3)
    assert fault.changed([{"at": "2024-02-29T10:00"}], None) == [{"at": "2021-02-28T10:00"}]  # type: ignore[arg-type]


def test_a_duplicate_is_delivered_outside_of_everything_else() -> None:
    calls: list[int] = []

    def contract(crossing: Any, proceed: Any) -> Any:
        calls.append(1)
        return (yield from proceed(crossing.state))

    fault = DuplicateDelivery(step="retrieve")
    crossing = Crossing(step="retrieve", state={})
    assert drive(compose((fault.deliver, contract), crossing), lambda _: len(calls)) == 2


def test_another_field_is_struck_in_each_trial() -> None:
    fault = next(fault for fault in FITTED if fault.name == "missing-field")
    gone: set[str] = set()
    for seed in range(40):
        changed, _ = cross(fault, HANDOFFS[1], seed=seed)
        gone |= set(HANDOFFS[1]) - set(changed)
        gone |= {
            f"docs.{key}"
            for key in HANDOFFS[1]["docs"][0]
            if "docs" in changed and key not in changed["docs"][0]
        }
    assert gone == {"docs", "answer", "count", "docs.id", "docs.text", "docs.at"}
