"""`gapless crash`: a small graph is killed at every moment, bare and under contracts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import family
import psutil
import pytest
from click.testing import CliRunner

from gapless.cli.main import cli
from gapless.operations.crash import CrashAsk, crash
from gapless.records.crash import CrashCell, CrashTable

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills processes")

APP = """
from typing import TypedDict
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
import gapless
from gapless import Contract, Gate, Review, guard

class State(TypedDict, total=False):
    order: str
    price: float
    paid: float

def price(state: State) -> State:
    return {"price": 9.5}

def pay(state: State) -> State:
    return {"paid": state["price"]}

plain = StateGraph(State).add_sequence([price, pay]).add_edge(START, "price").compile(checkpointer=InMemorySaver())
app = guard(plain, {"pay": Contract(effect=True, idempotency_key="order")})
gated = guard(app, {"price": Contract(gate=Gate(signal=lambda crossing: 0.1, below=Review()))})

@gapless.step(effect=True)
def bill(order: str) -> str:
    return f"billed {order}"

def shop(order: str) -> str:
    return bill(order)

careful = guard(shop, {"bill": Contract(effect=True, idempotency_key="order")})
"""


ASKED = ("crash_app.py:app", "--suite", "cases.jsonl", "--step", "pay", "--durability", "exit")


def prepare(folder: Path) -> None:
    (folder / "crash_app.py").write_text(APP)
    (folder / "agent_app.py").write_text(AGENT)
    (folder / "cases.jsonl").write_text(json.dumps({"id": "a", "input": {"order": "o1"}}))


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path)
    yield
    left = [
        child for child in psutil.Process().children(recursive=True) if "crash_child" in str(child.cmdline())
    ]
    assert not left, "a process was left behind"


@dataclass(frozen=True)
class GoneOn:
    """A command that was killed after its first cells, and the same command afterwards."""

    folder: Path
    kept: dict[Path, int]
    """The cells that were done when it was killed, and when each was written."""
    told: Any


@pytest.fixture(scope="module")
def all_lives(tmp_path_factory: pytest.TempPathFactory) -> GoneOn:
    folder = tmp_path_factory.mktemp("gone-on")
    prepare(folder)
    command = [sys.executable, "-m", "gapless", "crash", *ASKED, "--jobs", "1", "--json"]
    first = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(folder.glob(".gapless/crash/*/*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    family.end(first)
    kept = {path: path.stat().st_mtime_ns for path in folder.glob(".gapless/crash/*/*.json")}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return GoneOn(folder, kept, run(*ASKED, "--json", "--quiet"))


@pytest.fixture
def killed_and_gone_on(all_lives: GoneOn, monkeypatch: pytest.MonkeyPatch) -> GoneOn:
    monkeypatch.chdir(all_lives.folder)
    return all_lives


async def table(target: str, *steps: str, **more: Any) -> CrashTable:
    return await crash(f"crash_app.py:{target}", "cases.jsonl", ask=CrashAsk(steps=steps, **more))


def declare(step: str) -> None:
    Path("gapless.toml").write_text(f"[steps.{step}]\neffect = true\n")


def cell(found: CrashTable, moment: str, *, guarded: bool, durability: str = "exit") -> CrashCell:
    wanted = (moment, guarded, durability)
    return next(one for one in found.cells if (one.moment, one.guarded, one.durability) == wanted)


@pytest.mark.usefixtures("killed_and_gone_on")
async def test_an_effect_takes_place_once_under_contracts_and_twice_without() -> None:
    found = await table("app", "pay", durabilities=("exit",))
    assert found.complete
    assert found.effects == ("pay",)
    bare = cell(found, "after", guarded=False)
    assert bare.doubled == ("pay",)
    assert bare.restarted
    assert not bare.found, "under durability exit nothing is left, and nobody knows"
    kept = cell(found, "after", guarded=True)
    assert kept.end == "asked"
    assert kept.doubled == ()
    assert kept.found
    assert cell(found, "uncommitted", guarded=False).doubled == ("pay",)
    done = cell(found, "uncommitted", guarded=True)
    assert (done.end, done.doubled, done.same, done.delivered) == ("ended", (), True, 1)
    assert found.harm == ()


async def test_kills_made_before_a_step_was_declared_to_act_are_not_counted_again() -> None:
    before = cell(await table("plain", "pay", durabilities=("exit",)), "after", guarded=False)
    assert ("pay" in before.repeated, before.doubled) == (True, ())
    declare("pay")
    declared = cell(await table("plain", "pay", durabilities=("exit",)), "after", guarded=False)
    assert declared.doubled == ("pay",)


async def test_a_step_that_ended_runs_again_where_the_kill_comes_before_its_commit() -> None:
    found = await table("app", "price", durabilities=("sync",))
    assert cell(found, "uncommitted", guarded=True, durability="sync").repeated == ("price",)
    committed = cell(found, "committed", guarded=True, durability="sync")
    assert (committed.end, committed.repeated) == ("ended", ())
    assert {one.end for one in found.cells} == {"ended"}


async def test_a_decision_counts_once_wherever_the_process_dies() -> None:
    found = await table("gated", "price", durabilities=("sync",))
    moments = {one.moment: one for one in found.cells if one.guarded}
    assert {"approving", "approved"} <= set(moments)
    assert all(one.approvals_doubled == 0 and one.end in ("ended", "never there") for one in moments.values())
    assert moments["approved"].repeated == (), "the judged step does not run again for its approval"


async def test_a_function_runs_again_and_its_effect_does_not() -> None:
    found = await crash("crash_app.py:careful", "cases.jsonl")
    assert cell(found, "after", guarded=False, durability="none").doubled == ("bill",)
    asked = cell(found, "after", guarded=True, durability="none")
    assert (asked.end, asked.doubled) == ("asked", ())


def run(*args: str) -> Any:
    return CliRunner().invoke(cli, ["crash", *args])


def test_the_command_goes_on_after_a_kill_and_says_what_came_of_it(killed_and_gone_on: GoneOn) -> None:
    told = killed_and_gone_on.told
    assert told.exit_code == 0, told.output
    body = json.loads(told.stdout)
    assert body["schema"] == "gapless.crash/1"
    assert body["harm"] == 0
    assert len(body["cells"]) == 8
    kept = killed_and_gone_on.kept
    assert kept
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items()), (
        "what was done is not done again"
    )
    text = run(*ASKED, "--quiet").stdout
    assert "pay took place twice" in text
    assert "0 with an effect doubled" in text
    assert "| `pay` |" in run(*ASKED, "--quiet", "--markdown").stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["crash_app.py:app", "--suite", "cases.jsonl", "--step", "nowhere"], "no step"),
        (["crash_app.py:app", "--suite", "cases.jsonl", "--case", "b"], "no case"),
        (["crash_app.py:nothing", "--suite", "cases.jsonl"], "nothing"),
    ],
)
def test_what_cannot_be_run_is_refused(args: list[str], said: str) -> None:
    done = CliRunner().invoke(cli, ["crash", *args], standalone_mode=False)
    assert said in str(done.exception)


def test_a_run_that_left_nothing_is_listed_for_people(tmp_path: Path) -> None:
    from gapless.operations.review import open_ledger

    ledger = open_ledger()
    ledger.accept("thread-7", "run 01")
    ledger.close()
    listed = CliRunner().invoke(cli, ["review", "actions"])
    assert "(run)" in listed.stdout
    assert "thread-7" in listed.stdout
    assert CliRunner().invoke(cli, ["review", "settle", "run 01", "--not-happened"]).exit_code == 0
    assert "No effect is in doubt" in CliRunner().invoke(cli, ["review", "actions"]).stdout


@pytest.mark.full
async def test_on_postgresql_as_on_sqlite(tmp_path: Path) -> None:
    pgserver = pytest.importorskip(
        "pgserver", reason="pgserver, which brings a PostgreSQL, has no wheel for this Python"
    )
    with pgserver.get_server(tmp_path / "pg", cleanup_mode="stop") as server:
        found = await table("app", "pay", checkpointer=server.get_uri())
    assert found.checkpointer == "postgres"
    assert found.complete
    assert found.harm == ()
    assert cell(found, "after", guarded=False, durability="sync").doubled == ("pay",)
    assert cell(found, "after", guarded=True, durability="sync").end == "asked"
    assert {one.durability for one in found.cells} == {"sync", "async", "exit"}


AGENT = """
from contract_risk.demo import Demo
DEMO = Demo()
DEMO.prepare(lambda _: None, None)
app = DEMO.guarded()
SUITE = DEMO.suite(10)
"""


@pytest.mark.full
async def test_the_reference_agent_doubles_and_loses_nothing() -> None:
    found = await crash("agent_app.py:app", "agent_app.py:SUITE", ask=CrashAsk())
    assert found.complete
    assert found.effects == ("deliver",)
    assert found.harm == ()
    assert {one.end for one in found.cells if one.guarded} <= {"ended", "asked"}
    assert any(one.doubled for one in found.cells if not one.guarded)
