"""`gapless tools` on two released versions each of servers nobody here wrote: exactly the drift there is, and no other."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gapless.cli.main import cli

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(not (shutil.which("npm") and shutil.which("node")), reason="needs node and npm"),
]
SCOPE = "@modelcontextprotocol"


def installed(folder: Path, package: str, version: str) -> list[str]:
    """The command of one released version, in the test's own folder."""
    home = folder / f"{package}-{version}"
    home.mkdir()
    words = [
        "npm",
        "install",
        "--silent",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--prefix",
        str(home),
    ]
    done = subprocess.run(
        [*words, f"{SCOPE}/{package}@{version}"], capture_output=True, text=True, timeout=240
    )
    if done.returncode:
        pytest.skip(f"npm cannot install {package}: {done.stderr.strip()[-200:]}")
    allowed = [str(folder)] if package == "server-filesystem" else []
    return ["node", str(home / "node_modules" / SCOPE / package / "dist" / "index.js"), *allowed]


def raw(command: list[str]) -> dict[str, Any]:
    """Name -> tool as the server really writes it, asked without gapless and without any SDK."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None

        def said(number: int, method: str, **params: Any) -> Any:
            asked = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            print(json.dumps(asked), file=server.stdin, flush=True)
            for line in server.stdout or ():
                answer = json.loads(line)
                if answer.get("id") == number and "method" not in answer:
                    return answer["result"]
            raise AssertionError(f"{method} was not answered")

        about = {"name": "test", "version": "1"}
        said(1, "initialize", protocolVersion="2025-03-26", capabilities={}, clientInfo=about)
        print(
            json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}),
            file=server.stdin,
            flush=True,
        )
        tools = said(2, "tools/list")["tools"]
        server.kill()
    return {tool["name"]: tool for tool in tools}


def really_changed(old: list[str], new: list[str]) -> set[str]:
    """The tools of which anything at all differs between two releases."""
    before, after = raw(old), raw(new)
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def changes(*words: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(cli, ["tools", *words])
    assert result.stdout, result.output
    return json.loads(result.stdout)["changes"]


def test_two_releases_of_the_file_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    old = installed(tmp_path, "server-filesystem", "2025.7.29")
    new = installed(tmp_path, "server-filesystem", "2025.8.21")
    assert changes("lock", "--json", "--name", "files", "--", *old) == []
    assert changes("diff", "--json", "--name", "files", "--", *old) == []
    (change,) = changes("diff", "--json", "--name", "files", "--", *new)
    assert really_changed(old, new) == {change["tool"]}
    assert (change["tool"], change["kind"]) == ("list_allowed_directories", "description")
    linted = CliRunner().invoke(cli, ["tools", "lint", "--json", "--", *new])
    empty = {i["tool"] for i in json.loads(linted.stdout)["issues"] if i["rule"] == "empty-input-schema"}
    assert "read_file" in empty  # this release really sent `{"$schema": ...}` and nothing else
    assert linted.exit_code == 1


def test_two_releases_of_the_server_with_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    old = installed(tmp_path, "server-everything", "2025.8.4")
    new = installed(tmp_path, "server-everything", "2026.8.31")
    assert changes("lock", "--json", "--name", "all", "--", *old) == []
    assert changes("diff", "--json", "--name", "all", "--", *old) == []
    found = changes("diff", "--json", "--name", "all", "--", *new)
    assert really_changed(old, new) == {change["tool"] for change in found}
    gone = "add longRunningOperation printEnv sampleLLM getTinyImage annotatedMessage getResourceReference startElicitation"
    gone += " getResourceLinks structuredContent"
    new = "get-annotated-message get-env get-resource-links get-resource-reference get-structured-content get-sum get-tiny-image"
    new += " gzip-file-as-resource toggle-simulated-logging toggle-subscriber-updates trigger-long-running-operation"
    new += " simulate-research-query"
    expected = {(name, "breaking", "the tool is gone") for name in gone.split()}
    expected |= {(name, "compatible", "the tool is new") for name in new.split()}
    expected |= {
        ("echo", "compatible", "undeclared fields are now allowed"),
        ("echo", "compatible", "read_only not said -> yes"),
        ("echo", "compatible", "idempotent not said -> yes"),
        ("echo", "compatible", "destructive not said -> no"),
        ("echo", "compatible", "open_world not said -> no"),
        ("echo", "description", "title changed"),
        ("echo", "description", "description changed"),
    }
    said = [(change["tool"], change["kind"], change["said"]) for change in found]
    assert sorted(said) == sorted(expected)
