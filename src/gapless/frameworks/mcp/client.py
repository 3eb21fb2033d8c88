"""Asks an MCP server for its tools and calls them: over stdio or streamable HTTP, in the protocol era that both speak.

A server that is a command lives exactly as long as its session. What it wrote to stderr is kept, for a server that
crashes says why there, and MCP itself only sees a connection that closed.
"""

from __future__ import annotations

import asyncio
import logging
import re
import shlex
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar, Token
from typing import IO, Any

from gapless.errors import EndpointError, MissingExtra
from gapless.frameworks.mcp import keyed
from gapless.frameworks.mcp.reading import tools_of
from gapless.frameworks.mcp.tap import Tap
from gapless.frameworks.tools import keys
from gapless.records.tools import Offer, ToolAnswer
from gapless.settings import ServerSettings

START_S, ANSWER_S = 20.0, 20.0
NOBODY = "gapless_no_such_tool"
_MOST_PAGES, _MOST_STDERR, _MOST_SHOWN = 100, 2000, 160
_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
"""What a server's stderr may do to a terminal."""


class Connection:
    """An open session with one server."""

    def __init__(self, client: Any, name: str, noise: _Noise, tap: Tap) -> None:
        self._client, self._name, self._noise, self._tap = client, name, noise, tap

    @property
    def noise(self) -> int:
        """Lines on the server's stdout so far that are no message."""
        return self._noise.lines

    async def offer(self, timeout_s: float = ANSWER_S) -> Offer:
        """The server's tools, all pages of them.

        Raises:
            EndpointError: The server does not answer, or with something else.
        """
        from mcp import MCPError

        try:
            async with asyncio.timeout(timeout_s):
                found, breach = await self._pages()
            tools = tools_of(found)
        except TimeoutError as error:
            said = f"tools/list was not answered within {timeout_s:g} s{self._noise.said()}"
            raise EndpointError(f"{self._name}: {said}") from error
        except MCPError as error:
            raise EndpointError(f"{self._name}: tools/list failed: {error}{self._noise.said()}") from error
        except ValueError as error:
            raise EndpointError(
                f"{self._name}: its tools/list is not as MCP says: {_brief(error)}"
            ) from error
        info = self._client.server_info
        return Offer(
            name=self._name,
            server=f"{info.name} {info.version or ''}".strip() if info is not None else "",
            protocol=self._client.protocol_version,
            tools=tools,
            able=_able(self._client.server_capabilities),
            noise=self.noise,
            breach=breach,
        )

    async def _pages(self) -> tuple[list[Any], str]:
        """The tools as they were sent, and what in them is not as MCP says."""
        from pydantic import ValidationError

        found: list[Any] = []
        breach = ""
        seen: set[str] = set()
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            self._tap.answer = None
            try:
                await self._client.list_tools(cursor=cursor, cache_mode="refresh")
            except ValidationError as error:
                breach = breach or _brief(error)
            page = self._tap.answer
            if page is None:
                raise ValueError(breach or "no tools in it")
            found += page["tools"]
            cursor = page.get("nextCursor")
            if cursor is None:
                return found, breach
            if cursor in seen:
                raise ValueError(f"the cursor {cursor!r} came twice: its pages never end")
            seen.add(cursor)
        raise ValueError(f"over {_MOST_PAGES} pages")

    async def call(self, tool: str, arguments: Mapping[str, Any], timeout_s: float = ANSWER_S) -> ToolAnswer:
        """Calls one tool. However the call ends, that is the answer; nothing is checked against a schema.

        Raises:
            EndpointError: The connection is gone.
        """
        from mcp import MCPError, types
        from mcp.types import CONNECTION_CLOSED, REQUEST_TIMEOUT

        begun, told = time.perf_counter(), list[float]()

        async def note(progress: float, total: float | None, message: str | None) -> None:
            told.append(progress)

        asked = types.CallToolRequest(
            params=types.CallToolRequestParams(name=tool, arguments=dict(arguments))
        )
        try:  # below `Client.call_tool`, which raises where an answer breaks its schema, before anyone sees it
            result = await self._client.session.send_request(
                asked, types.CallToolResult, request_read_timeout_seconds=timeout_s, progress_callback=note
            )
        except MCPError as error:
            ms = (time.perf_counter() - begun) * 1e3
            if error.code == REQUEST_TIMEOUT:
                return ToolAnswer(ended="timeout", text=str(error), progress=tuple(told), ms=ms)
            if error.code == CONNECTION_CLOSED:
                raise EndpointError(f"{self._name}: the connection closed during {tool}") from error
            return ToolAnswer(ended="protocol-error", text=str(error), ms=ms)
        except ValueError as error:  # pydantic's: the result is none that MCP knows
            ms = (time.perf_counter() - begun) * 1e3
            return ToolAnswer(
                ended="protocol-error", text=f"no result that MCP knows: {_brief(error)}", ms=ms
            )
        return ToolAnswer(
            ended="tool-error" if result.is_error else "answered",
            text="\n".join(str(getattr(part, "text", "")) for part in result.content),
            structured=result.structured_content,
            has_structured="structured_content" in result.model_fields_set,
            progress=tuple(told),
            ms=(time.perf_counter() - begun) * 1e3,
        )

    async def unknown(self, timeout_s: float) -> ToolAnswer | None:
        """The answer to a call of a tool that is not offered."""
        return await self.call(NOBODY, {}, timeout_s)

    def cannot(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """Why a call cannot be made: never."""
        return ""

    def differs(self, tool: str, arguments: Mapping[str, Any]) -> bool:
        """Whether wrong arguments are still wrong where they arrive: always, JSON stays JSON."""
        return True


@asynccontextmanager
async def connected(
    server: ServerSettings, name: str, *, start_s: float = START_S, mode: str = "auto"
) -> AsyncGenerator[Connection]:
    """A session with a server; leaving ends it, and the server's process group where it is a command.

    Args:
        server: How to reach it.
        name: What to call it in messages.
        start_s: Seconds that starting and agreeing on a protocol may take.
        mode: "auto", "legacy" (the handshake up to 2025-11-25), or a later revision.

    Raises:
        EndpointError: It cannot be started or reached, crashed, or does not speak MCP; with what it wrote to stderr.
        InvalidSettings: A variable that a header is read from is not set.
        MissingExtra: The library `mcp` is not installed.
    """
    try:
        import mcp
    except ImportError as error:
        raise MissingExtra("Asking MCP servers", "mcp") from error
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as stderr, _Noise() as noise:
        sent = keys.headers(server, name) if server.url else {}
        secrets = keys.hidden(sent)
        tap = Tap(secrets if sent else None)
        client = mcp.Client(tap.over(_transport(server, sent, stderr)), mode=mode)
        try:
            async with asyncio.timeout(start_s):
                await client.__aenter__()
        except TimeoutError as error:
            raise EndpointError(
                _unreachable(name, server, f"no answer within {start_s:g} s", stderr, noise)
            ) from error
        except Exception as error:  # SDK, HTTP client, operating system: each in its own words
            why = _reason(error, secrets.text)
            raise EndpointError(_unreachable(name, server, why, stderr, noise)) from error
        try:
            yield Connection(client, name, noise, tap)
        finally:
            await client.__aexit__(None, None, None)


async def list_tools(
    server: ServerSettings, name: str, *, start_s: float = START_S, mode: str = "auto"
) -> Offer:
    """Opens a session only to ask for the tools.

    Raises:
        EndpointError: As `connected` and `Connection.offer`.
        MissingExtra: The library `mcp` is not installed.
    """
    async with connected(server, name, start_s=start_s, mode=mode) as connection:
        return await connection.offer()


def shown(server: ServerSettings) -> str:
    """A server as one would type it, on one line."""
    typed = server.url or " ".join(shlex.join(server.command).split())
    return typed if len(typed) <= _MOST_SHOWN else f"{typed[:_MOST_SHOWN]}…"


def _able(declared: Any) -> dict[str, Any]:
    return declared.model_dump(by_alias=True, exclude_none=True) if declared is not None else {}


def _transport(server: ServerSettings, sent: dict[str, str], stderr: IO[str]) -> Any:
    from mcp import StdioServerParameters
    from mcp.client.stdio import stdio_client

    if server.url:
        return _over_http(server, server.url, sent)
    command, *args = server.command
    parameters = StdioServerParameters(
        command=command, args=args, env=keys.environment(server), encoding_error_handler="replace"
    )
    return stdio_client(parameters, errlog=stderr)  # pyright: ignore[reportArgumentType]  # any file with a descriptor


@asynccontextmanager
async def _over_http(server: ServerSettings, url: str, sent: dict[str, str]) -> AsyncGenerator[Any]:
    from mcp.client.streamable_http import streamable_http_client

    async with keyed.client(server, sent) as http, streamable_http_client(url, http_client=http) as streams:
        yield streams


class _Noise:
    """Counts what one server writes to stdout besides messages."""

    def __init__(self) -> None:
        self.lines = 0
        self._token: Token[_Noise | None] | None = None

    def said(self) -> str:
        """As the end of a sentence; empty where there was none."""
        return (
            f"; {self.lines} lines on its stdout are no message (logs belong on stderr)" if self.lines else ""
        )

    def __enter__(self) -> _Noise:
        _listen()
        self._token = _noise.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _noise.reset(self._token)


_noise: ContextVar[_Noise | None] = ContextVar("gapless_mcp_noise", default=None)
"""Of the session that the current task belongs to: the SDK's readers inherit it."""


def _heard(record: logging.LogRecord) -> bool:
    noise = _noise.get()
    if noise is None:
        return True  # somebody else's session
    noise.lines += "parse" in record.getMessage()
    return False


def _listen() -> None:
    """The SDK says that a line was no message only to its log, and there with a traceback for each."""
    for name in ("mcp.client.stdio", "mcp.client.streamable_http", "client"):
        logger = logging.getLogger(name)
        if _heard not in logger.filters:
            logger.addFilter(_heard)


def _unreachable(name: str, server: ServerSettings, why: str, stderr: IO[str], noise: _Noise) -> str:
    stderr.seek(0)
    wrote = _CONTROLS.sub("", stderr.read()).strip()
    tail = f"; its stderr ends: {wrote[-_MOST_STDERR:]}" if wrote else ""
    typed = shown(server)
    where = f" ({typed})" if typed != name else ""
    return f"{name}{where}: {why}{noise.said()}{tail}"


def _reason(error: BaseException, masked: Callable[[str], str]) -> str:
    """Why a session did not come about, in words, without the keys that were sent."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    if isinstance(error, FileNotFoundError):
        return "there is no such command"
    if isinstance(error, PermissionError):
        return "the command may not be executed"
    if "closed" in str(error).lower():
        return "it ended before it answered"
    if isinstance(error, ConnectionError) or type(error).__name__ == "ConnectError":
        return f"{_brief(error, masked)}. Does it run, and is that its address, with its path (often /mcp)?"
    return _brief(error, masked)


def _brief(error: BaseException, masked: Callable[[str], str] = str) -> str:
    lines = [line.strip() for line in masked(str(error)).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("For further information")]
    return f"{type(error).__name__}: {' '.join(lines[:4])}"[:400]
