"""What the proxy says and records where somebody goes, stays silent, or wrote nonsense: servers, clients, people, locks."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import guarded_server
import keyed_server
import msgspec
import pytest
import raw_server

from gapless.errors import InvalidTarget
from gapless.frameworks.mcp.approval import UNANSWERED, Approvals
from gapless.operations.open import open_store
from gapless.operations.proxy import ProxyAsk, open_proxy
from gapless.operations.tools import ToolsAsk, lock_tools
from gapless.operations.tools_lock import LOCK, read_lock, write_lock
from gapless.records.proxy import ProxySettings
from gapless.records.tools import LockedServer, ToolSchema, ToolsLock
from gapless.records.trial import TrialRecord
from gapless.settings import Place, Settings

ERAS = pytest.mark.parametrize("era", ["legacy", "2026-07-28"])


def place_at(folder: Path) -> Place:
    return Place(root=str(folder), settings=Settings(), database=f"sqlite:///{folder / 'gapless.db'}")


def recorded(folder: Path) -> list[TrialRecord]:
    with open_store(place_at(folder)) as store:
        return [one for made in store.measurements() for one in store.records(made.id)]


@ERAS
async def test_an_address_that_dies_during_a_call(tmp_path: Path, era: str) -> None:
    from fastmcp import Client

    effects = guarded_server.Effects(tmp_path / "effects")
    with keyed_server.running(tmp_path / "effects", "") as (url, _):
        async with (
            open_proxy(ProxyAsk(target=url), place_at(tmp_path)) as proxy,
            Client(proxy.server, mode=era) as client,
        ):
            died = await client.call_tool_mcp("die", {})
            assert died.is_error
            assert "may have taken place" in died.content[0].text
            gone = await client.call_tool_mcp("pay", {})
            assert gone.is_error
            assert "gapless proxy: pay: the server behind the proxy cannot be reached" in gone.content[0].text
    assert (effects.count("die"), effects.count("pay")) == (1, 0)
    assert [one.outcome for one in recorded(tmp_path)] == ["failed", "failed"]


async def test_a_question_that_nobody_answers_is_on_record(tmp_path: Path) -> None:
    """In the newer era the client is asked by a result, and may never come back."""
    from fastmcp import Client
    from mcp import types

    ask = ProxyAsk(command=guarded_server.command(tmp_path / "effects"))
    async with (
        open_proxy(ask, place_at(tmp_path)) as proxy,
        Client(proxy.server, mode="2026-07-28", elicitation_handler=_never) as client,
    ):
        params = types.CallToolRequestParams(name="delete", arguments={"n": 1})
        asked = await client.session.send_request(
            types.CallToolRequest(params=params), types.InputRequiredResult
        )
        assert asked.input_requests
    (one,) = recorded(tmp_path)
    assert one.error is not None
    assert "a person was asked, and did not answer" in one.error.message
    assert [(ruling.guard, ruling.action) for ruling in one.rulings] == [("approval", "refuse")]
    assert one.outcome == "escalated"
    assert guarded_server.Effects(tmp_path / "effects").count("delete") == 0


async def test_a_client_that_goes_while_a_person_is_asked_is_on_record(tmp_path: Path) -> None:
    from fastmcp import Client

    asked = asyncio.Event()

    async def silent(*_: Any) -> Any:
        asked.set()
        await asyncio.sleep(60)

    ask = ProxyAsk(command=guarded_server.command(tmp_path / "effects"))
    async with (
        open_proxy(ask, place_at(tmp_path)) as proxy,
        Client(proxy.server, mode="legacy", elicitation_handler=silent) as client,
    ):
        call = asyncio.create_task(client.call_tool_mcp("delete", {"n": 1}))
        await asyncio.wait_for(asked.wait(), 20)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    (one,) = recorded(tmp_path)
    assert one.error is not None
    assert "a person was asked, and did not answer" in one.error.message
    assert guarded_server.Effects(tmp_path / "effects").count("delete") == 0


@ERAS
async def test_of_calls_at_the_same_time_each_waits_for_its_own_answer(tmp_path: Path, era: str) -> None:
    from fastmcp import Client
    from fastmcp.client.elicitation import ElicitResult

    all_asked = asyncio.Event()
    asked: list[str] = []
    answers = {
        '{"n": 0}': ElicitResult(action="accept", content={"approve": True}),
        '{"n": 1}': ElicitResult(action="accept", content={"approve": False}),
        '{"n": 2}': ElicitResult(action="decline"),
        '{"n": 3}': ElicitResult(action="cancel"),
    }

    async def person(message: str, *_: Any) -> Any:
        asked.append(message)
        if len(asked) == len(answers):
            all_asked.set()
        await all_asked.wait()
        return next(answer for shown, answer in answers.items() if message.endswith(shown))

    ask = ProxyAsk(command=guarded_server.command(tmp_path / "effects"))
    async with (
        open_proxy(ask, place_at(tmp_path)) as proxy,
        Client(proxy.server, mode=era, elicitation_handler=person) as client,
    ):
        ended = await asyncio.gather(*(client.call_tool_mcp("delete", {"n": n}) for n in range(4)))
    assert [one.is_error for one in ended] == [False, True, True, True]
    words = ("did not approve", "declined", "left the question without an answer")
    assert all(word in one.content[0].text for word, one in zip(words, ended[1:], strict=True))
    assert guarded_server.Effects(tmp_path / "effects").count("delete") == 1


async def test_a_person_who_says_nothing_is_not_waited_for_for_ever() -> None:
    class Silent:
        def check_client_capability(self, able: Any) -> bool:
            return True

        async def elicit(self, *_: Any, **__: Any) -> Any:
            await asyncio.sleep(60)

    context = SimpleNamespace(session=Silent(), request_id=1, request_state=None, input_responses=None)
    approvals = Approvals("shop", patience_s=0.05)
    answered = await approvals.ask(context, ToolSchema(name="delete"), {"n": 1}, modern=False)
    assert (answered.go, answered.why) == (False, UNANSWERED)


async def _never(*_: Any) -> Any:
    raise AssertionError("nobody was to be asked here")


NONSENSE: list[bytes] = [
    b"",
    b"null",
    b"[]",
    b"{",
    b'{"servers": 5}',
    b'{"servers": {"raw": null}}',
    b'{"servers": {"raw": {"tools": {"twice": "reviewed"}}}}',
    b'{"servers": {"raw": {"tools": {"twice": {"name": 5}}}}}',
    b"\xff\xfe\x00",
    b"[" * 100_000,
]


@pytest.mark.parametrize("written", NONSENSE, ids=lambda raw: raw[:24].decode("latin-1") or "empty")
async def test_a_lock_that_is_none_ends_the_proxy_with_its_name(tmp_path: Path, written: bytes) -> None:
    (tmp_path / LOCK).write_bytes(written)
    ask = ProxyAsk(command=raw_server.command(tmp_path / "heard"))
    with pytest.raises(InvalidTarget, match=LOCK):
        async with open_proxy(ask, place_at(tmp_path)):
            pass


@pytest.mark.parametrize(
    "schema", [5, "text", [], {"type": 5}, {"properties": []}, {"$ref": "#/nowhere"}, None]
)
async def test_a_locked_schema_that_is_none_disturbs_no_other_tool(tmp_path: Path, schema: Any) -> None:
    from fastmcp import Client

    file = tmp_path / LOCK
    await lock_tools(ToolsAsk(command=raw_server.command(tmp_path / "heard")), place_at(tmp_path))
    lock = read_lock(file)
    assert lock is not None
    (server,) = lock.servers.values()
    tools = server.tools | {"twice": msgspec.structs.replace(server.tools["twice"], input_schema=schema)}
    write_lock(file, ToolsLock(servers={"raw": LockedServer(server="raw", tools=tools)}))
    ask = ProxyAsk(command=raw_server.command(tmp_path / "heard"))
    async with open_proxy(ask, place_at(tmp_path)) as proxy, Client(proxy.server, mode="legacy") as client:
        told = (await client.call_tool_mcp("twice", {})).content[0].text
        assert told == "first" or told.startswith("gapless proxy: twice: the tool has changed")
        assert (await client.call_tool_mcp(raw_server.COMPOSED, {})).content[0].text.endswith("answered")


async def test_a_name_that_looks_like_a_locked_one_is_not_reviewed(tmp_path: Path) -> None:
    from fastmcp import Client

    await lock_tools(ToolsAsk(command=raw_server.command(tmp_path / "heard")), place_at(tmp_path))
    lock = read_lock(tmp_path / LOCK)
    assert lock is not None
    tools: dict[str, ToolSchema] = dict(lock.servers["raw"].tools)
    was = tools.pop(raw_server.COMPOSED)
    tools[raw_server.DECOMPOSED] = msgspec.structs.replace(was, name=raw_server.DECOMPOSED)
    write_lock(tmp_path / LOCK, ToolsLock(servers={"raw": LockedServer(server="raw", tools=tools)}))
    ask = ProxyAsk(command=raw_server.command(tmp_path / "heard"))
    async with open_proxy(ask, place_at(tmp_path)) as proxy, Client(proxy.server, mode="legacy") as client:
        assert raw_server.COMPOSED in proxy.hidden
        assert raw_server.COMPOSED not in [tool.name for tool in await client.list_tools()]
        told = await client.call_tool_mcp(raw_server.COMPOSED, {})
        assert "nobody has reviewed it" in told.content[0].text


async def test_two_proxies_share_a_store(tmp_path: Path) -> None:
    from fastmcp import Client

    command = guarded_server.command(tmp_path / "effects")
    ask = ProxyAsk(command=command, settings=ProxySettings(record="sync"))
    key = {"gapless/idempotency-key": "one"}
    async with (
        open_proxy(ask, place_at(tmp_path)) as first,
        open_proxy(ask, place_at(tmp_path)) as second,
        Client(first.server, mode="legacy") as one,
        Client(second.server, mode="legacy") as other,
    ):
        calls = [client.call_tool_mcp("look", {"n": n}) for n in range(20) for client in (one, other)]
        assert not any(told.is_error for told in await asyncio.gather(*calls))
        await one.call_tool_mcp("pay", {"n": 1}, meta=key)
        again = await other.call_tool_mcp("pay", {"n": 1}, meta=key)
        assert (again.meta or {}).get("gapless/replayed") is True
    assert guarded_server.Effects(tmp_path / "effects").count("pay") == 1
    assert len(recorded(tmp_path)) == 42


def test_malformed_requests_over_http(tmp_path: Path) -> None:
    import json
    import subprocess

    import httpx2

    command = [sys.executable, "-m", "gapless", "proxy", "--json", "--http", "0", "--"]
    command += guarded_server.command(tmp_path / "effects")
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=os.environ
    ) as process:
        try:
            assert process.stderr is not None
            url = json.loads(process.stderr.readline())["at"]
            sent = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
            with httpx2.Client(timeout=30) as client:
                for raw in (b"", b"{", b"null", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"jsonrpc": "2.0"}'):
                    assert 400 <= client.post(url, content=raw, headers=sent).status_code < 500
                assert client.post(url, content=b"{}").status_code in (400, 406, 415)
                assert client.put(url, content=b"{}").status_code == 405
                wrong = {"mcp-session-id": "no-such-session"}
                ping = b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}'
                assert 400 <= client.post(url, content=ping, headers=sent | wrong).status_code < 500
                hello = {"protocolVersion": "2025-06-18", "capabilities": {}}
                hello["clientInfo"] = {"name": "test", "version": "1"}
                body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
                assert client.post(url, json=body, headers=sent).status_code == 200
        finally:
            process.terminate()
            process.wait(20)
