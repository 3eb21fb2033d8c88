"""`gapless proxy` between clients and servers that do what nobody should: it stays up, and says what it can."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import family
import pytest
import raw_server

HELLO = {"protocolVersion": "2025-06-18", "capabilities": {"roots": {"listChanged": True}}}
HELLO["clientInfo"] = {"name": "test", "version": "1"}


class Proxy:
    """The proxy in a process of its own before the raw server, spoken to by hand."""

    def __init__(self, process: subprocess.Popen[bytes], heard: Path) -> None:
        self.process, self._heard = process, heard

    def send(self, raw: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(raw + b"\n")
        self.process.stdin.flush()

    def tell(self, method: str, number: Any = None, **params: Any) -> None:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
        self.send(json.dumps(message if number is None else message | {"id": number}).encode())

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message that is wanted; others are passed over."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told = json.loads(line)
            if wanted(told):
                return told
        raise AssertionError("it ended before it answered")

    def ask(self, number: Any, method: str, **params: Any) -> dict[str, Any]:
        self.tell(method, number, **params)
        return self.until(lambda told: told.get("id") == number)

    def call(self, number: Any, tool: str, **arguments: Any) -> str:
        told = self.ask(number, "tools/call", name=tool, arguments=arguments)
        return told["result"]["content"][0]["text"] if "result" in told else told["error"]["message"]

    def hears(self, method: str) -> bool:
        """Whether the server behind comes to hear something."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if self._heard.exists() and method in self._heard.read_text(encoding="utf-8").splitlines():
                return True
            time.sleep(0.02)
        return False


@pytest.fixture
def proxy(tmp_path: Path) -> Generator[Proxy]:
    heard = tmp_path / "heard"
    words = [sys.executable, "-m", "gapless", "proxy", "--json", "--", *raw_server.command(heard)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, cwd=tmp_path, env=os.environ)
    with family.ended(process):
        made = Proxy(process, heard)
        made.ask(0, "initialize", **HELLO)
        made.tell("notifications/initialized")
        yield made


MALFORMED = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"[1, 2]",
    b'"text"',
    b"{}",
    b'{"jsonrpc": "1.0", "id": 7, "method": "ping"}',
    b'{"jsonrpc": "2.0", "id": {}, "method": "ping"}',
    b'{"jsonrpc": "2.0", "id": 8, "method": 5}',
    b'{"jsonrpc": "2.0", "id": 9, "method": "tools/call"}',
    b'{"jsonrpc": "2.0", "id": 10, "method": "tools/call", "params": []}',
    b'{"jsonrpc": "2.0", "id": 11, "method": "tools/call", "params": {"name": 5}}',
    b'{"jsonrpc": "2.0", "id": 12, "method": "tools/call", "params": {"name": "twice", "arguments": [1]}}',
    b'{"jsonrpc": "2.0", "id": 13, "method": "no/such/method", "params": {}}',
    b'{"jsonrpc": "2.0", "id": 14, "result": {}}',
    b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 999}}',
    b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {}}',
    b'{"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": "?", "progress": 1}}',
    b"\xff\xfe\x00",
    b"{" * 20_000,
    b"[" * 100_000,
    b'{"jsonrpc": "2.0", "id": 15, "method": "' + b"x" * 1_000_000 + b'"}',
    b'{"jsonrpc": "2.0", "id": 16, "method": "ping", "params": {"_meta": "\\ud800"}}',
]


def test_messages_that_are_none_disturb_nobody(proxy: Proxy) -> None:
    for raw in MALFORMED:
        proxy.send(raw)
    assert proxy.call("after", "twice") == "first"
    assert proxy.call("again", "strange_id") == "for you"


@pytest.mark.parametrize("tool", ["strange_id", "no_id", "garbage"])
def test_a_server_that_answers_nobody_is_waited_for(proxy: Proxy, tool: str) -> None:
    assert proxy.call(1, tool) == "for you"
    assert proxy.call(2, "twice") == "first"
    assert proxy.call(3, "twice") == "first"


def test_a_large_answer_passes_whole(proxy: Proxy) -> None:
    assert len(proxy.call(1, "large", mb=20)) == 20_000_000
    assert proxy.call(2, "twice") == "first"


def test_names_that_only_look_like_a_tool_are_none(proxy: Proxy) -> None:
    assert proxy.call(1, raw_server.COMPOSED) == f"{raw_server.COMPOSED} answered"
    assert "Unknown tool" in proxy.call(2, raw_server.DECOMPOSED)
    assert "Unknown tool" in proxy.call(3, f"{raw_server.COMPOSED}\u200b")
    assert proxy.call(4, "gapless_no_such_tool") == "gapless_no_such_tool answered"


def test_a_call_that_the_client_cancels_is_cancelled_behind(proxy: Proxy, tmp_path: Path) -> None:
    proxy.tell("tools/call", 1, name="wait", arguments={})
    assert proxy.hears("tools/call")
    proxy.tell("notifications/cancelled", requestId=1)
    assert proxy.hears("notifications/cancelled")
    assert proxy.call(2, "twice") == "first"
    assert errors_kept(proxy, tmp_path) == ["CancelledError"]


def test_a_client_that_goes_in_the_middle_of_a_call_is_on_record(proxy: Proxy, tmp_path: Path) -> None:
    proxy.tell("tools/call", 1, name="wait", arguments={})
    assert proxy.hears("tools/call")
    assert errors_kept(proxy, tmp_path) == ["CancelledError"]


def errors_kept(proxy: Proxy, folder: Path) -> list[str]:
    """What the record says of calls that failed, after the proxy has ended."""
    from gapless.operations.open import open_store
    from gapless.settings import Place, Settings

    assert proxy.process.stdin is not None
    proxy.process.stdin.close()
    assert proxy.process.wait(30) == 0
    file = folder / ".gapless" / "gapless.db"
    with open_store(Place(root=str(folder), settings=Settings(), database=f"sqlite:///{file}")) as store:
        records = [one for made in store.measurements() for one in store.records(made.id)]
    return [one.error.type for one in records if one.error is not None]


def test_what_is_told_between_the_two_reaches_the_other_side(proxy: Proxy) -> None:
    awaited = {"notifications/resources/updated", "notifications/resources/list_changed"}
    proxy.tell("resources/subscribe", 1, uri="test://watched")
    while awaited:  # in either order: each is passed on by itself
        told = proxy.until(lambda told: told.get("method") in awaited)
        awaited.remove(told["method"])
        assert told["method"].endswith("list_changed") or told["params"]["uri"] == "test://watched"
    proxy.tell("notifications/roots/list_changed")
    assert proxy.hears("notifications/roots/list_changed")
