"""`gapless review` at a terminal: what it prints is safe and whole, exit codes are stable, the dialogue leases and decides."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from gapless.boundary.review import Question
from gapless.cli.main import _run
from gapless.errors import UsageError
from gapless.operations.review import edited, open_inbox, open_ledger
from gapless.records.review import Place, ReviewRecord

HOSTILE = "\x1b[2Jtotal\u202e82 [bold]x[/bold] \x9b31m"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GAPLESS_DATABASE_URL", raising=False)
    return tmp_path


def put(
    handoff: Any, *, reason: str = "the signal says 0.4", subject: str = "d1", **how: Any
) -> ReviewRecord:
    inbox = open_inbox(**how)
    question = Question(
        step="price", reason=reason, note="page 4", signal=0.4, handoff=handoff, subject=subject
    )
    done = inbox.post(question.to_plain(), Place(thread="order-17", interrupt=f"i-{subject}"))
    inbox.close()
    return done


def run(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = _run(["review", *words])
    out, err = capsys.readouterr()
    return code, out, err


def test_an_empty_inbox_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys=capsys)[:2] == (0, "Nothing waits for a person.\n")
    assert json.loads(run("--json", capsys=capsys)[1]) == []


def test_hostile_content_is_shown_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    review = put({HOSTILE: [HOSTILE]}, reason=HOSTILE)
    for words in ([], ["show", review.id], ["list", "--all"]):
        code, out, _ = run(*words, capsys=capsys)
        assert code == 0
        assert not set(out) & {"\x1b", "\x9b", "\u202e"}
        assert "[bold]x" in out
    code, out, _ = run("reject", review.id, "--note", HOSTILE, "--as", HOSTILE, capsys=capsys)
    assert code == 0
    assert "\x1b" not in out


def test_nothing_is_cut_that_a_person_is_asked_to_approve(capsys: pytest.CaptureFixture[str]) -> None:
    review = put({"text": "long " * 2000 + "end", "word": "w" * 5000, "rows": list(range(500))})
    out = run("show", review.id, capsys=capsys)[1]
    assert out.count("long") == 2000
    assert out.count("w") >= 5000
    assert "499" in out


def test_exit_codes_are_stable(capsys: pytest.CaptureFixture[str]) -> None:
    review = put({"total": 8200})
    assert run("show", "nothing", capsys=capsys)[0] == 2
    assert run("edit", review.id, capsys=capsys)[0] == 2
    assert run("edit", review.id, "--set", "total=8200", capsys=capsys)[0] == 2
    assert run("approve", review.id[:20], "--as", "ann", capsys=capsys)[0] == 0
    code, _, err = run("reject", review.id, "--as", "bob", capsys=capsys)
    assert (code, "approve by ann" in err) == (2, True)
    done = json.loads(run("show", review.id, "--json", capsys=capsys)[1])
    assert (done["standing"], done["decided_by"]) == ("decided", "ann")


def test_overdue_reviews_ring_a_bell(capsys: pytest.CaptureFixture[str]) -> None:
    put(1)
    assert run("--overdue", capsys=capsys)[0] == 0
    put(2, subject="d2", expires_s=-1)
    code, out, _ = run("--overdue", capsys=capsys)
    assert (code, "overdue" in out) == (1, True)


def test_the_dialogue_takes_one_after_the_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    for number in range(4):
        put({"total": number}, subject=f"d{number}")
    told = io.BytesIO(b"a\ns\ne\ntotal=x\n\nr\nno\n")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(told))
    code, out, _ = run("next", "--as", "ann", capsys=capsys)
    assert code == 0
    assert out.rstrip().endswith("Nothing else waits for a person.")
    inbox = open_inbox()
    decided = [(review.decision or {}).get("choice") for review in inbox.list(every=True)]
    assert sorted(decided, key=str) == [None, "approve", "edit", "reject"]
    assert [review.leased_by for review in inbox.list()] == [None]
    inbox.close()


def test_leaving_the_dialogue_gives_the_lease_back(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    put({"total": 1})
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert run("next", capsys=capsys)[0] == 130
    inbox = open_inbox()
    assert inbox.take("bob") is not None
    inbox.close()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("total=12", {"total": 12, "rows": [{"a": 1}]}),
        ('total="12"', {"total": "12", "rows": [{"a": 1}]}),
        ("rows.0.a=[x, y]", {"total": 1, "rows": [{"a": ["x", "y"]}]}),
    ],
)
def test_edits_go_where_they_are_told(change: str, expected: Any) -> None:
    review = put({"total": 1, "rows": [{"a": 1}]})
    assert edited(review, [change]) == expected
    assert review.question["handoff"]["total"] == 1


@pytest.mark.parametrize(
    "change", ["total", "=1", "rows.3.a=1", "other.deep=1", "totl=12", "total.x=1", "total=[", "total=1"]
)
def test_edits_that_lead_nowhere_are_refused(change: str) -> None:
    review = put({"total": 1, "rows": [{"a": 1}]})
    with pytest.raises(UsageError):
        edited(review, [change])


def test_a_file_takes_the_handoffs_place(folder: Path) -> None:
    review = put({"total": 1})
    (folder / "edit.json").write_text('{"total": 5}')
    assert edited(review, ["more=1"], folder / "edit.json") == {"total": 5, "more": 1}
    with pytest.raises(UsageError, match="cannot be read"):
        edited(review, file=folder / "missing.json")


def test_effects_in_doubt_are_listed_and_settled(capsys: pytest.CaptureFixture[str]) -> None:
    ledger = open_ledger()
    assert run("actions", capsys=capsys)[1] == "No effect is in doubt.\n"
    for action in ("aa1", "aa2", "bb"):
        ledger.reserve(HOSTILE, action, f"pay{HOSTILE}")
    ledger.consume(HOSTILE, "bb", {1, 2})  # it took place, and what it handed over could not be kept
    code, out, _ = run("actions", capsys=capsys)
    assert (code, out.count("  pay"), out.count("  begun 20"), "\x1b" in out) == (0, 3, 3, False)
    assert run("settle", "aa", "--not-happened", capsys=capsys)[0] == 2
    assert run("settle", "aa1", "--happened", capsys=capsys)[0] == 2
    assert run("settle", "aa1", "--happened", "--value", "{receipt: 17}", capsys=capsys)[0] == 0
    assert run("settle", "aa2", "--not-happened", capsys=capsys)[0] == 0
    assert run("settle", "bb", "--not-happened", "--json", capsys=capsys)[0] == 0
    assert json.loads(run("actions", "--json", capsys=capsys)[1]) == []
    assert ledger.reserve(HOSTILE, "aa1").value == {"receipt": 17}
    assert ledger.reserve(HOSTILE, "aa2").status == "new"
    ledger.close()


def test_an_action_of_an_earlier_version_has_no_step(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from gapless import Contract, guard, step
    from gapless.errors import DuplicateEffect

    @step
    def pay(order: str) -> dict[str, str]:
        return {"paid": order}

    ledger = open_ledger()
    ledger.reserve("", "old")
    careful = guard(pay, {"pay": Contract(effect=True, idempotency_key=lambda crossing: "17")}, ledger=ledger)
    assert careful("17") == {"paid": "17"}
    with sqlite3.connect(folder / ".gapless" / "gapless.db") as connection:
        connection.execute("UPDATE ledger SET status = 'open' WHERE step = 'pay'")
    with pytest.raises(DuplicateEffect):
        careful("17")
    out = run("actions", capsys=capsys)[1]
    assert out.count("step not known") == 1
    assert out.count("  pay  begun") == 1
    assert {action.get("step") for action in json.loads(run("actions", "--json", capsys=capsys)[1])} == {
        None,
        "pay",
    }
    ledger.close()


AWAITED = """
from typing import TypedDict
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from gapless import Contract, Gate, Review, guard
from gapless.operations.review import open_inbox

class State(TypedDict, total=False):
    total: int

async def price(state: State) -> State:
    return {"total": 5}

gate = Gate(signal=lambda crossing: 0.1, below=Review())
graph = StateGraph(State).add_node(price).add_edge(START, "price").compile(checkpointer=InMemorySaver())
graph = guard(graph, {"price": Contract(gate=gate)}, inbox=open_inbox())
"""


def test_a_graph_that_is_awaited_goes_on(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio
    import importlib

    (folder / "awaited_app.py").write_text(AWAITED)
    monkeypatch.syspath_prepend(folder)
    graph = importlib.import_module("awaited_app").graph
    asyncio.run(graph.ainvoke({}, {"configurable": {"thread_id": "t"}}))
    (waiting,) = json.loads(run("--json", capsys=capsys)[1])
    assert run("approve", waiting["id"], capsys=capsys)[0] == 0
    code, out, _ = run("resume", "t", "--workflow", "awaited_app.py:graph", "--async", capsys=capsys)
    assert (code, out) == (0, "t went on.\n  total: 5\n")
    assert run("resume", "t", "--workflow", "awaited_app.py:graph", "--async", capsys=capsys)[0] == 2
