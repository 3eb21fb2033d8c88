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
from gapless.settings import Place, Settings

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


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
def test_the_proxys_own_token_ends_at_the_proxy(behind: Behind, tmp_path: Path, era: str) -> None:
    from fastmcp import Client

    async def ask(url: str) -> Any:
        async with Client(url, mode=era, auth="of-the-proxy") as client:
            return (await client.call_tool_mcp("look", {"n": 1})).structured_content

    words = ["--json", "--http", "0", "--token-env", "PX_TOKEN", "--header-env", "X-Api-Key=BEHIND_KEY"]
    command = [sys.executable, "-m", "gapless", "proxy", *words, behind.url]
    env = os.environ | {"PX_TOKEN": "of-the-proxy"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=env) as process:
        try:
            assert process.stderr is not None
            told = json.loads(process.stderr.readline())
            assert asyncio.run(ask(told["at"])) == {"n": 1}
        finally:
            process.kill()
        heard = process.stderr.read()
    assert behind.seen.count("authorization: Bearer of-the-proxy") == 0
    assert behind.seen.count(f"x-api-key: {KEY}") > 0
    assert behind.seen.count("refused") == 0
    assert "of-the-" not in heard
