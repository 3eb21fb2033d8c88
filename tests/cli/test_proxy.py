"""`gapless proxy` as clients start it: over stdio and HTTP, until somebody ends it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import family
import guarded_server
import psutil
import pytest
from click.testing import CliRunner

from gapless.cli.main import cli

PROXY = (sys.executable, "-m", "gapless", "proxy", "--json")
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


@contextmanager
def started(folder: Path, *words: str, **more: Any) -> Generator[subprocess.Popen[str]]:
    """The proxy in a process of its own, ready; nothing of it is left afterwards."""
    command = [*PROXY, *words, "--", *guarded_server.command(folder / "effects")]
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=folder, env=os.environ | more
    )
    with family.ended(process):
        yield process


def ask(process: subprocess.Popen[str], number: int, method: str, **params: Any) -> Any:
    """One request over stdio, and what is answered; notifications in between are passed over."""
    assert process.stdin is not None
    assert process.stdout is not None
    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()
    while line := process.stdout.readline():
        told = json.loads(line)
        if told.get("id") == number:
            return told
    raise AssertionError("it ended before it answered")


def address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("{"):
            return json.loads(line)["at"]
    raise AssertionError("it ended before it listened")


def gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=20)[1]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, "eof"])
def test_the_end_of_the_proxy_is_the_end_of_the_server(tmp_path: Path, how: Any) -> None:
    with started(tmp_path) as process:
        assert ask(process, 1, "initialize", **HELLO)["result"]["serverInfo"]["name"] == "guarded"
        below = psutil.Process(process.pid).children(recursive=True)
        assert below
        if how == "eof":
            assert process.stdin is not None
            process.stdin.close()
        else:
            process.send_signal(how)
        assert process.wait(20) == (0 if how == "eof" else 130)
        assert gone(below)


def test_a_killed_proxy_leaves_its_action_in_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    effects = guarded_server.Effects(tmp_path / "effects")
    meta = {"gapless/idempotency-key": "k"}
    with started(tmp_path) as process:
        ask(process, 1, "initialize", **HELLO)
        assert process.stdin is not None
        call = {"name": "wait", "arguments": {}, "_meta": meta}
        process.stdin.write(
            json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call}) + "\n"
        )
        process.stdin.flush()
        until = time.monotonic() + 20
        while not effects.count("wait") and time.monotonic() < until:
            time.sleep(0.05)
        below = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        assert gone(below)
    with started(tmp_path) as process:
        ask(process, 1, "initialize", **HELLO)
        told = ask(process, 2, "tools/call", **call)["result"]
        assert told["isError"]
        assert "never reported back" in told["content"][0]["text"]
    assert effects.count("wait") == 1
    runner = CliRunner(env={"GAPLESS_DATABASE_URL": f"sqlite:///{tmp_path / '.gapless' / 'gapless.db'}"})
    monkeypatch.chdir(tmp_path)
    (action,) = json.loads(runner.invoke(cli, ["review", "actions", "--json"]).output)
    assert action["step"] == "wait"
    settled = ["review", "settle", action["action"], "--happened", "--value", "'it took place'"]
    assert runner.invoke(cli, settled).exit_code == 0
    with started(tmp_path) as process:
        ask(process, 1, "initialize", **HELLO)
        told = ask(process, 2, "tools/call", **call)["result"]
        assert (told["content"][0]["text"], told.get("isError", False)) == ("it took place", False)
    assert effects.count("wait") == 1


def status(url: str, **headers: str) -> int:
    """The HTTP status of an initialize request."""
    import httpx2

    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
    accepted = {"accept": "application/json, text/event-stream"}
    sent = accepted | {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.post(url, json=body, headers=sent, timeout=20).status_code


def test_strangers_do_not_come_in_over_http(tmp_path: Path) -> None:
    words = ("--http", "0", "--token-env", "PX_TOKEN", "--allow-host", "proxy.example")
    with started(tmp_path, *words, PX_TOKEN="secret") as process:
        url = address(process)
        right = {"authorization": "Bearer secret"}
        assert status(url) == 401
        assert status(url, authorization="Bearer wrong") == 401
        assert status(url, **right) == 200
        assert status(url, host="evil.example", **right) == 421
        assert status(url, origin="http://evil.example", **right) == 403
        assert status(url, host="proxy.example", **right) == 200


def test_two_clients_are_kept_apart(tmp_path: Path) -> None:
    from fastmcp import Client
    from fastmcp.client.elicitation import ElicitResult

    def person(word: str) -> Any:
        async def answer(message: str, response_type: Any, params: Any, context: Any) -> Any:
            return ElicitResult(action="accept", content={"word": word})

        return answer

    async def both(url: str) -> list[str]:
        async with (
            Client(url, mode="legacy", elicitation_handler=person("one")) as one,
            Client(url, mode="legacy", elicitation_handler=person("two")) as two,
        ):
            calls = [client.call_tool_mcp("delete_asking", {}) for client in (one, two, one, two)]
            return [told.content[0].text for told in await asyncio.gather(*calls)]

    with started(tmp_path, "--http", "0", "--approve", "never") as process:
        said = asyncio.run(both(address(process)))
    assert said == [f"deleted with {word}" for word in ("one", "two", "one", "two")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--http", "eighty", "x"), "allowed is [HOST:]PORT"),
        (("--token-env", "NO_SUCH_VARIABLE", "x"), "not set, or empty"),
        (("answer.json",), "a proxy stands before an MCP server"),
        ((), "no server is named"),
        (("x", "--", "y"), "name one server"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    from gapless.errors import UsageError

    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["proxy", *words])
    assert isinstance(result.exception, UsageError)
    assert said in str(result.exception)


def test_beyond_this_machine_a_token_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = [*PROXY, "--http", "0.0.0.0:0", "--", *guarded_server.command(tmp_path / "effects")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "a token is needed" in done.stderr


def test_a_server_that_crashes_ends_the_proxy_with_its_words(tmp_path: Path) -> None:
    command = [*PROXY, "--", sys.executable, "-c", "import sys; sys.exit('no key')"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 3
    assert "no key" in done.stderr
    assert "Traceback" not in done.stderr
