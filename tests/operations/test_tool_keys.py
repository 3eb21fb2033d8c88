"""Keys for MCP servers at an address: from a variable to the server, and to nobody else."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import guarded_server
import keyed_server
import pytest
from click.testing import CliRunner

from gapless.cli.main import cli
from gapless.errors import EndpointError, InvalidSettings
from gapless.operations.proxy import ProxyAsk, open_proxy
from gapless.records.proxy import ProxySettings
from gapless.settings import Place, Settings, locate

KEY = "Bearer of-the-server-5f2c"
SENT = {"Authorization": "BEHIND_KEY"}


class Behind:
    """A running server that wants the key."""

    def __init__(self, url: str, seen: guarded_server.Effects) -> None:
        self.url, self.seen = url, seen


@pytest.fixture
def behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Behind]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BEHIND_KEY", KEY)
    monkeypatch.setenv("WRONG_KEY", "Bearer wrong-77aa")
    with keyed_server.running(tmp_path / "effects", KEY) as (url, _):
        yield Behind(url, guarded_server.Effects(tmp_path / "effects"))


def tools(*words: str) -> Any:
    return CliRunner().invoke(cli, ["tools", *words])


def name_server(url: str, header: str = "Authorization") -> None:
    Path("gapless.toml").write_text(
        f'[checkup.servers.shop]\nurl = "{url}"\nheaders_env = {{{header} = "BEHIND_KEY"}}\n'
    )


def test_the_key_reaches_the_server_however_it_is_named(behind: Behind) -> None:
    flag = ("--header-env", "Authorization=BEHIND_KEY")
    offered = tools("lint", "--json", *flag, behind.url)
    assert "breach" in offered.stdout, offered.output
    assert tools("lock", "--name", "shop", *flag, behind.url).exit_code == 0
    name_server(behind.url, "X-Api-Key")
    assert tools("diff", "shop").exit_code == 0
    called = tools("call", "shop", "--tool", "look", "--arguments", '{"n": 1}', "--json")
    assert called.exit_code == 0, called.output
    assert behind.seen.count(f"x-api-key: {KEY}") > 0
    assert behind.seen.count("refused") == 0
    assert KEY not in Path("tools.lock.json").read_text() + called.output


def test_a_refused_key_is_said_with_its_variable_and_never_shown(behind: Behind) -> None:
    wrong = tools("lint", "--header-env", "Authorization=WRONG_KEY", behind.url)
    assert isinstance(wrong.exception, EndpointError)
    assert "HTTP 401" in str(wrong.exception)
    assert "Authorization that was read from the variable WRONG_KEY" in str(wrong.exception)
    assert "77aa" not in str(wrong.exception)
    none = tools("lint", behind.url)
    assert "HTTP 401" in str(none.exception)
    assert "no key was named" in str(none.exception)


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("Authorization=NO_SUCH_VARIABLE", "NO_SUCH_VARIABLE is not set"),
        ("Authorization=EMPTY_KEY", "EMPTY_KEY is empty"),
        ("Authorization=BROKEN_KEY", "BROKEN_KEY holds a line break"),
        ("Authorization=Bearer s3cr3t", "never the value"),
        ("Author ization=BEHIND_KEY", "no name of a header"),
    ],
)
def test_what_is_no_key_is_not_sent(pair: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPTY_KEY", "")
    monkeypatch.setenv("BROKEN_KEY", "s3cr3t\r\nX-Other: 1")
    refused = tools("lint", "--header-env", pair, "http://127.0.0.1:9/mcp")
    assert isinstance(refused.exception, InvalidSettings)
    assert said in str(refused.exception)
    assert "s3cr3t" not in str(refused.exception)


def test_a_command_takes_no_header(behind: Behind) -> None:
    words = ("lint", "--header-env", "Authorization=BEHIND_KEY", "--", sys.executable, "-c", "pass")
    assert "is no address" in str(tools(*words).exception)
    Path("gapless.toml").write_text(
        '[checkup.servers.shop]\ncommand = ["true"]\nheaders_env = {Authorization = "BEHIND_KEY"}\n'
    )
    assert "they go with url or openapi" in str(tools("lint", "shop").exception)


def test_the_checkup_sends_it_too(behind: Behind) -> None:
    name_server(behind.url)
    ran = CliRunner().invoke(cli, ["checkup", "--probe", "tool-server", "--json"])
    assert "shop offers" in ran.stdout, ran.output
    assert KEY not in ran.output


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_the_proxy_sends_it(behind: Behind, tmp_path: Path, era: str) -> None:
    from fastmcp import Client

    place = Place(root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path / 'gapless.db'}")
    ask = ProxyAsk(target=behind.url, headers_env=SENT, settings=ProxySettings(record="sync"))
    said = list[str]()
    async with open_proxy(ask, place, said.append) as proxy, Client(proxy.server, mode=era) as client:
        assert (await client.call_tool_mcp("look", {"n": 1})).structured_content == {"n": 1}
        assert proxy.keeper is not None
        assert proxy.keeper.count == 1
    assert behind.seen.count("refused") == 0
    assert KEY.encode() not in (tmp_path / "gapless.db").read_bytes()


async def test_a_key_that_is_refused_later_is_said_too(behind: Behind, tmp_path: Path) -> None:
    from fastmcp import Client

    place = Place(root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path / 'gapless.db'}")
    ask = ProxyAsk(target=behind.url, headers_env=SENT, settings=ProxySettings(record="off"))
    async with open_proxy(ask, place) as proxy:
        (tmp_path / "expired").touch()
        async with Client(proxy.server, mode="2026-07-28") as client:
            told = await client.call_tool_mcp("look", {"n": 1})
            assert told.is_error
            assert "HTTP 401" in told.content[0].text
            assert "read from the variable BEHIND_KEY" in told.content[0].text


def test_a_key_that_the_server_repeats_is_masked(behind: Behind) -> None:
    name_server(behind.url)
    called = tools("call", "shop", "--tool", "repeat", "--arguments", "{}", "--json")
    assert "[redacted]" in called.stdout, called.output
    assert "of-the-server" not in called.output


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_a_key_that_the_server_repeats_passes_no_proxy(
    behind: Behind, tmp_path: Path, era: str
) -> None:
    from fastmcp import Client

    place = Place(root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path / 'gapless.db'}")
    ask = ProxyAsk(target=behind.url, headers_env=SENT, settings=ProxySettings(record="sync"))
    async with open_proxy(ask, place) as proxy, Client(proxy.server, mode=era) as client:
        told = await client.call_tool_mcp("repeat", {})
        assert "not allowed" in told.content[0].text
        assert told.structured_content["sent"]["authorization"] == "[redacted]"
        assert "of-the-server" not in told.content[0].text
    assert b"of-the-server" not in (tmp_path / "gapless.db").read_bytes()


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
def test_the_proxys_own_token_ends_at_the_proxy(behind: Behind, tmp_path: Path, era: str) -> None:
    words = ["--token-env", "PX_TOKEN", "--header-env", "X-Api-Key=BEHIND_KEY", behind.url]
    told, heard = asked_over_http(tmp_path, words, "look", era, n=1)
    assert told == {"n": 1}
    assert behind.seen.count("authorization: Bearer of-the-proxy") == 0
    assert behind.seen.count(f"x-api-key: {KEY}") > 0
    assert behind.seen.count("refused") == 0
    assert "of-the-" not in heard


def asked_over_http(folder: Path, words: list[str], tool: str, era: str, **given: Any) -> tuple[Any, str]:
    """What one tool answers behind a proxy in a process of its own, and what that wrote to stderr after its first line."""
    from fastmcp import Client

    async def ask(url: str) -> Any:
        async with Client(url, mode=era, auth="of-the-proxy") as client:
            return (await client.call_tool_mcp(tool, given)).structured_content

    command = [sys.executable, "-m", "gapless", "proxy", "--json", "--http", "0", *words]
    env = os.environ | {"PX_TOKEN": "of-the-proxy"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder, env=env) as process:
        try:
            assert process.stderr is not None
            answer = asyncio.run(ask(json.loads(process.stderr.readline())["at"]))
        finally:
            process.kill()
        return answer, process.stderr.read()


OTHERS = """
[judge]
api_key_env = "JUDGE_KEY"
[checkup.store]
kind = "pgvector"
place_env = "STORE_PLACE"
[checkup.servers.shop]
url = "http://127.0.0.1:9/mcp"
headers_env = {Authorization = "SHOP_KEY", X-Api-Key = "OWN_KEY"}
[checkup.servers.own]
command = COMMAND
env = ["OWN_KEY"]
withheld = ["ONE_MORE"]
"""
"""Keys of others, and one that the command needs as well."""


def test_a_command_gets_no_key_that_is_not_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = {"JUDGE_KEY", "STORE_PLACE", "SHOP_KEY", "ONE_MORE"}
    for name in (*others, "OWN_KEY", "PX_TOKEN", "OF_NOBODY"):
        monkeypatch.setenv(name, "of-the-proxy")
    monkeypatch.chdir(tmp_path)
    command = guarded_server.command(tmp_path / "effects")
    Path("gapless.toml").write_text(OTHERS.replace("COMMAND", json.dumps(command)))
    typed = asked_over_http(tmp_path, ["--token-env", "PX_TOKEN", "--", *command], "repeat", "legacy")[0]
    assert {"PATH", "OF_NOBODY", "ONE_MORE"} <= {*typed["sent"]}
    assert not {*typed["sent"]} & {*(others - {"ONE_MORE"}), "OWN_KEY", "PX_TOKEN"}
    named = asked_over_http(tmp_path, ["--token-env", "PX_TOKEN", "own"], "repeat", "2026-07-28")[0]
    assert not {*named["sent"]} & {*others, "PX_TOKEN"}
    called = tools("call", "own", "--tool", "repeat", "--json")
    assert "OF_NOBODY" in called.stdout
    assert "OWN_KEY" in called.stdout
    assert not [name for name in others if name in called.stdout]


def test_the_checkups_commands_get_no_key_that_is_not_their_own(tmp_path: Path) -> None:
    from gapless.operations.checkup import CheckupAsk, _servers  # pyright: ignore[reportPrivateUsage]
    from gapless.operations.checkup_model import ModelAsk

    (tmp_path / "gapless.toml").write_text(OTHERS.replace("COMMAND", '["server"]'))
    ask = CheckupAsk(model=ModelAsk(api_key_env="MODEL_KEY"))
    found, _, _ = _servers(ask, ("tool",), locate(tmp_path))
    assert found["own"].withheld == ("JUDGE_KEY", "MODEL_KEY", "ONE_MORE", "SHOP_KEY", "STORE_PLACE")
