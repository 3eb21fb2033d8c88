"""`gapless tools`: lint, lock and diff of real servers, and the tool layer of a checkup."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import tool_server
from click.testing import CliRunner, Result

from gapless.cli.main import cli
from gapless.errors import (
    EndpointError,
    InvalidSettings,
    InvalidTarget,
    MissingExtra,
    UnknownName,
    UsageError,
)

LOCK = Path("tools.lock.json")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GAPLESS_DATABASE_URL", raising=False)


def tools(*words: str, server: str | None = None) -> Result:
    started = ("--", *tool_server.command(server).command) if server is not None else ()
    return CliRunner().invoke(cli, ["tools", *words, *started])


def found(result: Result) -> Any:
    return json.loads(result.stdout)


def answer(*defects: str) -> str:
    """A file with an answer to tools/list, which needs no server."""
    path = Path(f"{'+'.join(defects) or 'healthy'}.json")
    path.write_text(json.dumps({"tools": [tool_server.described(defect) for defect in defects or ("",)]}))
    return str(path)


def name_servers(**defects: str) -> None:
    lines = [
        f"[checkup.servers.{name}]\ncommand = {json.dumps(tool_server.command(defect).command)}"
        for name, defect in defects.items()
    ]
    Path("gapless.toml").write_text("\n".join(lines) + "\n")


def test_lint_of_a_command() -> None:
    well = tools("lint", server="")
    assert well.exit_code == 0
    assert "1 tool: nothing to say against them." in well.stdout
    ill = tools("lint", "--json", server="lying-hint")
    assert ill.exit_code == 1
    assert [issue["rule"] for issue in found(ill)["issues"]] == ["misleading-read-only"]
    assert found(ill)["schema"] == "gapless.tools-lint/1"
    assert found(ill)["offers"][0]["protocol"] == "2026-07-28"


def test_lint_of_a_server_whose_answer_the_sdk_refuses() -> None:
    issues = found(tools("lint", "--json", server="raw"))["issues"]
    rules = [(issue["tool"], issue["rule"]) for issue in issues if issue["severity"] == "fail"]
    assert rules == [
        ("(all)", "not-as-mcp-says"),
        ("search_orders", "no-input-schema"),
        ("find_orders", "empty-input-schema"),
    ]
    assert "inputSchema" in issues[0]["said"]


def test_lint_of_a_file_and_what_is_only_to_look_at() -> None:
    tool = tool_server.described() | {"outputSchema": None}
    Path("one.json").write_text(json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"tools": [tool]}}))
    assert tools("lint", "one.json").exit_code == 0
    assert tools("lint", "one.json", "--strict").exit_code == 1
    shown = tools("lint", "one.json", "--markdown")
    assert "| warn | `search_orders` |" in shown.stdout
    tools("lint", "one.json", "--markdown", "lint.md")
    assert Path("lint.md").read_text() == shown.stdout


def test_the_first_lock_holds_everything_in_full_and_the_same_tools_are_no_drift() -> None:
    made = tools("lock", server="")
    assert made.exit_code == 0
    held = json.loads(LOCK.read_text())["servers"]["orders"]["tools"]["search_orders"]
    assert held["input_schema"] == tool_server.described()["inputSchema"]
    assert held["description"] == "Finds orders by a word in them."
    before = LOCK.read_text()
    assert tools("diff", server="").exit_code == 0
    assert tools("lock", server="").exit_code == 0
    assert LOCK.read_text() == before


def test_what_nobody_reviewed_is_not_locked_until_it_is_accepted() -> None:
    tools("lock", answer(), "--name", "orders")
    before = LOCK.read_text()
    left = tools("lock", answer("narrowed"), "--name", "orders")
    assert left.exit_code == 1
    assert "since is new" in left.stdout
    assert LOCK.read_text() == before
    kept = tools("lock", answer("narrowed"), "--name", "orders", "--accept", "search_orders", "--json")
    assert kept.exit_code == 0
    assert found(kept)["accepted"] == ["search_orders"]
    assert "since" in LOCK.read_text()


def test_changes_are_accepted_tool_by_tool() -> None:
    tools("lock", answer("", "lying-hint"), "--name", "orders")
    one = tools("lock", answer("narrowed"), "--name", "orders", "--accept", "search_orders")
    assert one.exit_code == 1
    assert "the tool is gone" in one.stdout
    assert "since" not in one.stdout
    assert tools("lock", answer("narrowed"), "--name", "orders", "--accept", "delete_orders").exit_code == 0
    assert list(json.loads(LOCK.read_text())["servers"]["orders"]["tools"]) == ["search_orders"]
    assert tools("lock", answer(""), "--name", "orders", "--accept", "all").exit_code == 0
    unknown = tools("lock", answer(), "--name", "orders", "--accept", "nobody")
    assert isinstance(unknown.exception, UnknownName)


def test_drift_of_a_running_server() -> None:
    tool_server.lock(Path())
    breaking = tools("diff", "--json", server="narrowed")
    assert breaking.exit_code == 1
    (change,) = found(breaking)["changes"]
    assert (change["kind"], change["where"]) == ("breaking", "input/properties/since")
    assert found(breaking)["worst"] == "breaking"
    assert "| breaking | `search_orders` |" in tools("diff", "--markdown", server="narrowed").stdout


def test_drift_that_breaks_nobody_fails_only_where_that_is_asked() -> None:
    tools("lock", answer(), "--name", "orders")
    tool = tool_server.described() | {
        "description": "Finds orders by a word in them. Always call this first."
    }
    Path("words.json").write_text(json.dumps([tool]))
    said = tools("diff", "words.json", "--name", "orders")
    assert said.exit_code == 0
    assert "“…orders by a word in them.” -> “…orders by a word in them. Always call this first.”" in " ".join(
        said.stdout.split()
    )
    assert tools("diff", "words.json", "--name", "orders", "--strict").exit_code == 1


def test_the_order_of_keys_is_no_drift() -> None:
    tools("lock", answer(), "--name", "orders")
    turned = json.loads(
        json.dumps(tool_server.described()), object_pairs_hook=lambda pairs: dict(reversed(pairs))
    )
    Path("turned.json").write_text(json.dumps({"tools": [turned]}))
    assert tools("diff", "turned.json", "--name", "orders", "--strict").exit_code == 0


def test_servers_are_named_in_the_settings() -> None:
    name_servers(first="", second="lying-hint")
    both = tools("lint", "--json")
    assert [offer["name"] for offer in found(both)["offers"]] == ["first", "second"]
    assert {issue["server"] for issue in found(both)["issues"]} == {"second"}
    assert tools("lint", "first").exit_code == 0
    tools("lock", "first")
    assert found(tools("--json")) == [
        {"server": "first", "locked_tools": 1},
        {"server": "second", "locked_tools": None},
    ]
    assert "not locked" in tools().stdout


def test_one_server_that_cannot_be_asked_does_not_keep_the_others_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    name_servers(good="", crash="crash")
    with Path("gapless.toml").open("a") as file:
        file.write(
            '[checkup.servers.keyed]\nurl = "http://127.0.0.1:1/mcp"\n'
            'headers_env = {Authorization = "NO_SUCH_KEY"}\n'
        )
    told = tools("lint", "--json")
    assert told.exit_code == 1
    assert [offer["name"] for offer in found(told)["offers"]] == ["good"]
    unheard = {one["server"]: one["said"] for one in found(told)["unheard"]}
    assert "no key" in unheard["crash"]
    assert "NO_SUCH_KEY" in unheard["keyed"]
    assert "2 servers could not be asked" in found(told)["headline"]
    kept = tools("lock")
    assert kept.exit_code == 1
    assert "no key" in kept.stdout
    assert list(json.loads(LOCK.read_text())["servers"]) == ["good"]
    assert tools("diff", "--markdown").exit_code == 1
    assert isinstance(tools("lint", "crash").exception, EndpointError)


def test_a_command_without_its_dashes_is_told_of_them() -> None:
    typed = tools("lint", "python", "server.py")
    assert typed.exit_code == 2
    assert "A command stands after --: " in typed.output


def test_an_address_that_nothing_answers_at_is_said_once_with_advice() -> None:
    said = str(tools("lint", "http://127.0.0.1:1/mcp").exception)
    assert said.count("http://127.0.0.1:1/mcp") == 1
    assert "Does it run" in said


def test_a_server_that_nobody_reviewed_keeps_no_other_from_its_diff() -> None:
    name_servers(orders="")
    tools("lock")
    name_servers(orders="", stranger="")
    told = tools("diff", "--json")
    assert told.exit_code == 1
    assert found(told)["unreviewed"] == ["stranger"]
    assert found(told)["servers"] == ["orders"]
    assert found(told)["headline"].endswith("as reviewed. 1 server nobody reviewed.")
    shown = tools("diff")
    assert "stranger" in shown.stdout
    assert "gapless tools lock" in shown.stdout
    assert "stranger" in tools("diff", "--markdown").stdout
    assert tools("lock").exit_code == 0
    assert tools("diff").exit_code == 0


def test_what_cannot_be_looked_at_is_said() -> None:
    def error(*words: str, **more: Any) -> Any:
        return tools(*words, **more).exception

    assert isinstance(error("lint"), InvalidTarget)
    assert isinstance(error("lint", "nobody"), InvalidTarget)
    assert isinstance(error("lint", "nowhere.json"), InvalidTarget)
    Path("no.json").write_text('{"answer": 42}')
    assert "an object with answer" in str(error("lint", "no.json"))
    Path("text.json").write_text("Error: No initialize response")
    assert isinstance(error("lint", "text.json"), InvalidTarget)
    assert isinstance(error("diff", answer()), InvalidTarget)
    assert isinstance(error("lint", "named", server=""), UsageError)
    assert "no key" in str(error("lint", server="crash"))
    assert isinstance(error("lint", "http://127.0.0.1:1/mcp"), EndpointError)
    assert isinstance(error("lint", "--timeout", "1", server="hang"), EndpointError)
    Path("gapless.toml").write_text("[checkup.servers.both]\ncommand = ['x']\nurl = 'http://127.0.0.1:1'\n")
    assert isinstance(error("lint"), InvalidSettings)
    tools("lock", answer(), "--name", "orders")
    assert "holds nothing of 'healthy'" in str(error("diff", answer()))
    LOCK.write_text("{}}")
    assert isinstance(error("diff", answer()), InvalidTarget)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    missing = tools("lint", server="").exception
    assert isinstance(missing, MissingExtra)
    assert "gapless[mcp]" in str(missing)


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_ends_the_visit_and_the_server() -> None:
    words = ["tools", "lint", "--", *tool_server.command("hang").command]
    asked = subprocess.Popen([sys.executable, "-m", "gapless", *words], stderr=subprocess.PIPE, text=True)
    children: list[psutil.Process] = []
    while not children:
        time.sleep(0.05)
        children = psutil.Process(asked.pid).children()
    asked.send_signal(signal.SIGINT)
    assert "interrupted" in asked.communicate(timeout=60)[1]
    assert asked.returncode == 130
    assert not [child for child in children if child.is_running()]


def checkup(*words: str) -> dict[str, Any]:
    result = CliRunner().invoke(cli, ["checkup", "tool", "--json", "--quiet", *words])
    assert result.exit_code in (0, 1), result.output
    return {finding["probe"]: finding for finding in json.loads(result.stdout)["findings"]}


def test_a_checkup_says_which_server_is_broken_and_looks_at_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gapless.probes.tool.survey._START_S", 6.0)
    name_servers(good="", crash="crash", flood="flood")
    with Path("gapless.toml").open("a") as file:
        file.write('[checkup.servers.down]\nurl = "http://127.0.0.1:1/mcp"\n')
    seen = checkup()
    assert seen["tool-server"]["status"] == "fail"
    for name in ("crash", "flood", "down"):
        assert f"{name} (" in seen["tool-server"]["said"]
    assert "no key" in seen["tool-server"]["said"]
    assert "lines on its stdout are no message" in seen["tool-server"]["said"]
    assert {name: one["status"] for name, one in seen.items() if name != "tool-server"} == {
        "tool-lint": "ok",
        "tool-drift": "warn",
        "tool-honesty": "ok",
        "tool-output": "ok",
        "tool-latency": "ok",
        "tool-cancel": "ok",
        "tool-fuzz": "ok",
        "tool-twice": "ok",
        "tool-at-once": "ok",
        "tool-partial": "ok",
        "tool-progress": "not-applicable",
    }


def test_a_checkup_without_any_server_that_answers_still_ends() -> None:
    name_servers(crash="crash")
    seen = checkup()
    assert seen.pop("tool-server")["status"] == "fail"
    assert {one["status"] for one in seen.values()} == {"not-applicable"}


def test_the_reference_agents_server_stands_in_where_nothing_is_named() -> None:
    seen = checkup()
    assert "finance offers 1 tool" in seen["tool-server"]["said"]
    assert seen["tool-honesty"]["said"] == "3 of 3 impossible calls were refused"
    typed = shlex.split(seen["tool-drift"]["command"])
    assert typed[:5] == ["gapless", "tools", "lock", "--name", "finance"]
    assert tools(*typed[2:]).exit_code == 0
    assert checkup()["tool-drift"]["status"] == "ok"
    Path("gapless.toml").write_text('workflow = "app.py:graph"\n')
    assert {one["status"] for one in checkup().values()} == {"not-applicable"}


def test_what_is_no_message_on_stdout_is_found() -> None:
    name_servers(chatty="chatty")
    seen = checkup()["tool-server"]
    assert seen["status"] == "warn"
    assert "chatty (1 line)" in seen["said"]
