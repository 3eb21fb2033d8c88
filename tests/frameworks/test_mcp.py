"""The door to MCP: both eras, both transports, pages; and servers that crash, hang, flood, or are not there."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
import tool_server
import uvicorn

from gapless.errors import EndpointError
from gapless.frameworks.mcp.client import connected, list_tools
from gapless.records.tools import Offer
from gapless.settings import ServerSettings


@pytest.fixture(autouse=True)
def nobody_stays() -> Iterator[None]:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    yield
    assert not [
        child for child in psutil.Process().children(recursive=True)
        if child.pid not in before and child.status() != psutil.STATUS_ZOMBIE
    ]  # fmt: skip


@contextmanager
def over_http(defect: str = "") -> Iterator[str]:
    app = tool_server.build(defect).streamable_http_app()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


def asked(server: ServerSettings, start_s: float = 20.0, mode: str = "auto") -> Offer:
    return asyncio.run(list_tools(server, "orders", start_s=start_s, mode=mode))


def refused(server: ServerSettings, start_s: float = 20.0) -> str:
    with pytest.raises(EndpointError) as caught:
        asked(server, start_s)
    return str(caught.value)


@pytest.mark.parametrize(("mode", "protocol"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
def test_tools_are_listed_in_either_era(mode: str, protocol: str) -> None:
    found = asked(tool_server.command(), mode=mode)
    assert (found.server, found.protocol, found.noise) == ("orders 1.0", protocol, 0)
    assert [tool.name for tool in found.tools] == ["search_orders"]
    assert found.tools[0].input_schema == tool_server.described()["inputSchema"]
    assert found.tools[0].annotations.read_only is True


def test_tools_are_listed_and_called_over_http() -> None:
    async def visit(url: str) -> None:
        async with connected(ServerSettings(url=f"{url}/mcp"), "orders") as connection:
            assert [tool.name for tool in (await connection.offer()).tools] == ["search_orders"]
            answer = await connection.call("search_orders", {"query": "x"})
            assert (answer.ended, answer.structured) == ("answered", {"orders": ["A-1"]})

    with over_http() as url:
        asyncio.run(visit(url))


def test_every_page_is_read_and_pages_that_never_end_are_said_to() -> None:
    assert [tool.name for tool in asked(tool_server.command("paged")).tools] == [
        "search_0",
        "search_1",
        "search_2",
    ]
    assert "its pages never end" in refused(tool_server.command("endless"))


def test_however_a_call_ends_is_its_answer() -> None:
    async def calls() -> list[str]:
        async with connected(tool_server.command(), "orders") as connection:
            good = await connection.call("search_orders", {"query": "x"})
            wrong = await connection.call("search_orders", {"query": 1})
            return [good.ended, wrong.ended, wrong.text]

    assert asyncio.run(calls()) == ["answered", "tool-error", "query must be a string"]


def test_an_answer_that_breaks_its_schema_is_still_seen() -> None:
    async def call() -> object:
        async with connected(tool_server.command("other-than-declared"), "orders") as connection:
            return (await connection.call("search_orders", {"query": "x"})).structured

    assert asyncio.run(call()) == {"orders": "none"}


def test_a_call_ends_with_its_time() -> None:
    async def call() -> tuple[str, float]:
        async with connected(tool_server.command("blocks"), "orders") as connection:
            begun = time.monotonic()
            ended = (await connection.call("search_orders", {"query": "x"}, 0.3)).ended
            return ended, time.monotonic() - begun

    ended, took = asyncio.run(call())
    assert ended == "timeout"
    assert took < 5


def test_a_server_that_crashes_at_its_start_says_why() -> None:
    said = refused(tool_server.command("crash"))
    assert "it ended before it answered" in said
    assert "cannot open the order book: no key" in said


def test_a_server_that_hangs_is_left() -> None:
    assert "no answer within 2 s" in refused(tool_server.command("hang"), 2)


def test_a_server_that_floods_its_stdout_is_left_and_counted(capfd: pytest.CaptureFixture[str]) -> None:
    said = refused(tool_server.command("flood"), 2)
    assert "lines on its stdout are no message" in said
    assert "Traceback" not in capfd.readouterr().err


def test_a_line_that_is_no_message_is_counted_and_no_more() -> None:
    found = asked(tool_server.command("chatty"))
    assert found.noise == 1
    assert len(found.tools) == 1


def test_noise_belongs_to_the_server_that_made_it() -> None:
    async def both() -> list[int]:
        asks = (list_tools(tool_server.command(defect), "orders") for defect in ("chatty", ""))
        return [offer.noise for offer in await asyncio.gather(*asks)]

    assert asyncio.run(both()) == [1, 0]
    logger = logging.getLogger("mcp.client.stdio")
    record = logger.makeRecord(logger.name, logging.ERROR, "", 0, "Failed to parse", (), None)
    assert logger.filter(record)  # outside of our sessions the SDK's log is as it was


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("gapless-no-such-command",), "there is no such command"),
        ((sys.prefix,), "may not be executed"),
        ((sys.executable, "-c", ""), "it ended before it answered"),
        ((sys.executable, "-c", "print('{}')"), "it ended before it answered"),
    ],
)
def test_commands_that_are_no_server(command: tuple[str, ...], said: str) -> None:
    assert said in refused(ServerSettings(command=command))


def test_addresses_where_no_server_is() -> None:
    assert "127.0.0.1:1" in refused(ServerSettings(url="http://127.0.0.1:1/mcp"))
    with over_http() as url:
        assert refused(ServerSettings(url=f"{url}/elsewhere"))


def test_an_address_that_never_answers() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        said = refused(ServerSettings(url=f"http://127.0.0.1:{silent.getsockname()[1]}/mcp"), 1)
    assert "no answer within 1 s" in said


async def test_small_answers_are_sent_at_once() -> None:
    from gapless.frameworks.mcp.front import _listening

    seen: list[int] = []

    def met(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs = writer.get_extra_info("socket")
        seen.append(theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    with _listening("127.0.0.1", 0) as listening:
        async with await asyncio.start_server(met, sock=listening):
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            assert await reader.read() == b""
            writer.close()
    assert [bool(one) for one in seen] == [True]
