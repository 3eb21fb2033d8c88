"""What the proxy needs of fastmcp that fastmcp keeps to itself, in one place: a new version of it is checked here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import anyio
from fastmcp.client import Client
from fastmcp.client.transports.base import TransportOptions
from fastmcp.server.context import Context
from fastmcp.server.dependencies import get_context
from fastmcp.server.providers import proxy as fastmcp_proxy
from mcp import types
from mcp.shared.message import SessionMessage
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from gapless.frameworks.mcp.approval import Answered
from gapless.frameworks.mcp.tap import Tap
from gapless.trace.secrets import Secrets

_PASSED_ON = (
    types.ToolListChangedNotification,
    types.ResourceListChangedNotification,
    types.PromptListChangedNotification,
    types.ResourceUpdatedNotification,
)


def connection_of(context: Any) -> Any:
    """What stays the same through all requests of one client; None where each request stands for itself."""
    return getattr(context.session, "_connection", None)


def relay(kind: Any, transport: Any, mode: str, heard: Callable[[], None]) -> Any:
    """A client of the server behind that passes everything the server sends on to the client in front.

    Args:
        kind: `ProxyClient`, or its subclass for sessions that are kept.
        transport: How the server is reached.
        mode: The protocol era.
        heard: Called when the server says that its tools have changed.
    """
    holder: list[Any] = []

    async def message(told: Any) -> None:
        if isinstance(told, types.ToolListChangedNotification):
            heard()
        if isinstance(told, _PASSED_ON):
            restore: Any = getattr(fastmcp_proxy, "_restore_request_context")  # noqa: B009
            restore(getattr(holder[0], "_proxy_rc_ref"))  # noqa: B009
            await _passed_on(get_context(), told)

    client = kind(transport, mode=mode, message_handler=message)
    holder.append(client)
    return client


def mask(transport: Any, secrets: Secrets) -> None:
    """Has a transport mask keys in all that the server sends: it may repeat them, in whatever it answers."""
    connect = transport.connect_session

    def masked(*, transport_options: Any = None, **more: Any) -> Any:
        options = transport_options or TransportOptions()
        kind: Any = options.session_class

        class Masked(kind):
            def __init__(self, read: Any, write: Any, **how: Any) -> None:
                super().__init__(Tap(secrets).seen(read), write, **how)

        return connect(transport_options=replace(options, session_class=Masked), **more)

    transport.connect_session = masked


async def _passed_on(front: Any, told: Any) -> None:
    """Tells the client in front, also after the request was answered that the connection was last used for."""
    session = front.session
    if session.protocol_version not in MODERN_PROTOCOL_VERSIONS and not session.can_send_request:
        # The request is over, and what is sent with it is dropped. A session of the older era has a channel of its own.
        await session.send_notification(told)
    else:
        await front.send_notification(told)


def another(client: Any) -> Any:
    """A client of the same session, for one request.

    `ProxyClient.new` gives each its own place for the request in front; in a session that is shared the server's
    questions then went to whoever came first. The plain `Client.new` shares that place.
    """
    return Client.new(client)


class Continued(Context):
    """The request in front, with other answers and another state than it carries: those that are meant for the server."""

    def __init__(self, server: Any, meant: Answered) -> None:
        super().__init__(server)
        self._meant = meant

    @property
    def input_responses(self) -> Any:
        """The client's answers to what the server asked."""
        return self._meant.responses

    @property
    def request_state(self) -> str | None:
        """The server's own state."""
        return self._meant.state


def stash(client: Any, front: Any) -> None:
    """Notes with a client for which request in front it works, so that what the server sends finds its way."""
    put: Any = getattr(fastmcp_proxy, "_stash_proxy_request_context")  # noqa: B009
    put(client, front)


def handler(proxy: Any, method: str) -> Any:
    """What answers a method now; None where nothing does."""
    entry = proxy._mcp_server.get_request_handler(method)
    return entry.handler if entry is not None else None


def handle(proxy: Any, method: str, params: Any, answering: Any) -> None:
    """Has a method answered by something else."""
    proxy._mcp_server.add_request_handler(method, params, answering)


async def over_stdio(proxy: Any, lines: Any) -> None:
    """`FastMCP.run_stdio_async` with a stdin of ours: its own reader cannot be stopped, and would hold up Ctrl-C."""
    from fastmcp.server.context import reset_transport, set_transport
    from mcp.server.stdio import stdio_server

    token = set_transport("stdio")
    try:
        async with proxy._lifespan_manager(), stdio_server(stdin=lines) as (read, write):
            inner = proxy._mcp_server
            await inner.run(read, write, inner.create_initialization_options())
    finally:
        reset_transport(token)


def handshake_only(proxy: Any) -> None:
    """Has clients that try the newer era first go back to the older one.

    The SDK's loop settles on the era of the first request, whatever is answered to it: that one must not get there.
    """
    inner = proxy._mcp_server
    run = inner.run

    async def run_older(read: Any, write: Any, *args: Any, **more: Any) -> None:
        passed_on, relayed = anyio.create_memory_object_stream[Any](0)

        async def relay() -> None:
            async with passed_on:
                async for item in read:
                    asked = getattr(item, "message", None)
                    if isinstance(asked, types.JSONRPCRequest) and asked.method == "server/discover":
                        error = types.ErrorData(code=types.METHOD_NOT_FOUND, message="Method not found")
                        told = types.JSONRPCError(jsonrpc="2.0", id=asked.id, error=error)
                        await write.send(SessionMessage(told))
                    else:
                        await passed_on.send(item)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(relay)
            await run(relayed, write, *args, **more)
            tasks.cancel_scope.cancel()

    inner.run = run_older
