"""The ledger on disk: an action runs once, across threads, processes and kills; in doubt somebody is asked."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

import gapless
from gapless import Contract, guard
from gapless.errors import StoreError
from gapless.stores.ledger import DurableLedger

DYING = """
import os, signal, sys
from pathlib import Path
import gapless
from gapless import Contract, guard
from gapless.operations.review import open_ledger

@gapless.step
def pay(order: str) -> dict:
    with Path("paid.log").open("a") as log:
        log.write(order + "\\n")
    if sys.argv[1] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return {"paid": order}

careful = guard(pay, {"pay": Contract(effect=True, idempotency_key=lambda crossing: "order 17")}, ledger=open_ledger())
print(careful("17"))
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


def test_killed_between_reserve_and_consume_the_next_run_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GAPLESS_DATABASE_URL", raising=False)

    def run(how: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", DYING, how]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    assert run("die").returncode == -signal.SIGKILL
    for _ in range(2):
        assert "DuplicateEffect" in run("live").stderr
    assert (tmp_path / "paid.log").read_text() == "17\n"
    ledger = DurableLedger(f"sqlite:///{tmp_path / '.gapless' / 'gapless.db'}")
    (open_action,) = ledger.asked()
    ledger.consume(open_action.scope, open_action.action, {"paid": "17"})
    assert ledger.asked() == []
    assert run("live").stdout == "{'paid': '17'}\n"
    assert (tmp_path / "paid.log").read_text() == "17\n"


def test_an_action_is_reserved_by_one_of_many(url: str) -> None:
    start, told = threading.Barrier(6), []

    def reserve() -> None:
        ledger = DurableLedger(url)
        start.wait()
        told.append(ledger.reserve("t", "a").status)
        ledger.close()

    DurableLedger(url).close()
    threads = [threading.Thread(target=reserve) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["new", *["open"] * 5]


def test_what_certainly_did_not_happen_is_released_and_what_happened_stays(url: str) -> None:
    ledger = DurableLedger(url)
    ledger.reserve("t", "a")
    ledger.release("t", "a")
    assert ledger.reserve("t", "a").status == "new"
    ledger.consume("t", "a", {"paid": 1})
    ledger.release("t", "a")
    assert (ledger.reserve("t", "a").status, ledger.reserve("t", "a").value) == ("done", {"paid": 1})
    assert ledger.reserve("another thread", "a").status == "new"


@pytest.mark.parametrize(
    "value", [{"messages": [AIMessage("paid")]}, Command(update={"a": 1}, goto="b"), {"ids": {1, 2}}]
)
def test_an_answer_that_is_no_plain_data_is_kept_by_a_serializer_or_asked_about(url: str, value: Any) -> None:
    ledger = DurableLedger(url)
    ledger.reserve("t", "a")
    ledger.consume("t", "a", value)
    assert ledger.reserve("t", "a").status == "open"
    assert [action.action for action in ledger.asked()] == ["a"]
    keeping = DurableLedger(url, serializer=InMemorySaver().serde)
    keeping.reserve("t", "b")
    keeping.consume("t", "b", value)
    again = keeping.reserve("t", "b")
    assert (again.status, again.value) == ("done", value)
    assert ledger.reserve("t", "b").status == "open"  # without the serializer it cannot be read


def test_a_step_under_a_durable_ledger_runs_once_in_any_process(url: str) -> None:
    ran: list[str] = []

    @gapless.step
    def pay(order: str) -> dict[str, str]:
        ran.append(order)
        return {"paid": order}

    contract = Contract(effect=True, idempotency_key=lambda crossing: "order 17")
    for _ in range(2):
        assert guard(pay, {"pay": contract}, ledger=DurableLedger(url))("17") == {"paid": "17"}
    assert ran == ["17"]


def test_a_ledger_that_is_gone_lets_nothing_happen(url: str, tmp_path: Path) -> None:
    ran: list[str] = []

    @gapless.step
    def pay(order: str) -> dict[str, str]:
        ran.append(order)
        return {"paid": order}

    ledger = DurableLedger(url)
    for file in tmp_path.glob("ledger.db*"):
        file.unlink()
    contract = Contract(effect=True, idempotency_key=lambda crossing: "order 17")
    with pytest.raises(StoreError):
        guard(pay, {"pay": contract}, ledger=ledger)("17")
    assert ran == []


def test_an_answer_that_must_not_be_kept_is_asked_about(url: str, tmp_path: Path) -> None:
    from gapless.trace.redaction import Redaction

    ledger = DurableLedger(url, mask=Redaction(["*.ssn"]).value)
    ledger.reserve("t", "a")
    ledger.consume("t", "a", {"ssn": "078-05-1120"})
    assert ledger.reserve("t", "a").status == "open"
    ledger.close()
    assert b"078-05" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())
