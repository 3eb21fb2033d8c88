"""The connections to the server behind a proxy: clients in front never share one over which the server asks back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gapless.frameworks.mcp import keyed
from gapless.frameworks.tools import keys
from gapless.settings import ServerSettings

LEGACY = "legacy"


class Upstream:
    """Makes the client for each request, in the era that the request came in.

    Up to 2025-11-25 a session belongs to one client in front: the server asks it for input, and may remember it. From
    2026-07-28 on each request stands for itself; a command is then one process for all, an address is called each time.
    """

    def __init__(self, server: ServerSettings, name: str, heard: Callable[[], None]) -> None:
        self._server, self._heard = server, heard
        self._headers = keys.headers(server, name)
        self._secrets = keys.hidden(self._headers)
        self._kept: dict[Any, Any] = {}
        self._lost: dict[Any, list[Any]] = {}

    def client(self) -> Any:
        """The client for the request that is being answered."""
        from gapless.frameworks.mcp import private

        mode, connection = self._front()
        if self._server.url and mode != LEGACY:
            return self._relay(mode)
        key: Any = connection if connection is not None else mode
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = self._relay(mode)
            if connection is not None:
                connection.exit_stack.push_async_callback(self._leave, key)
        return kept if self._server.url else private.another(kept)

    def _front(self) -> tuple[str, Any]:
        """The era of the request that is being answered, and the connection it belongs to; None in the newer era."""
        from fastmcp.server.dependencies import get_context
        from mcp_types.version import MODERN_PROTOCOL_VERSIONS

        from gapless.frameworks.mcp import private

        context = get_context()
        version = context.request_context.protocol_version if context.request_context is not None else LEGACY
        mode = version if version in MODERN_PROTOCOL_VERSIONS else LEGACY
        return mode, private.connection_of(context) if mode == LEGACY else None

    def lost(self) -> None:
        """The connection of the request in front broke during a call: the next request makes another."""
        self._heard()
        if not self._server.url:
            return  # a command's transport sees for itself that its process is gone
        mode, connection = self._front()
        key: Any = connection if connection is not None else mode
        client = self._kept.pop(key, None)
        if client is not None:  # other calls of the same client may still wait on it
            self._lost.setdefault(key, []).append(client)

    def masked(self, text: str) -> str:
        """Words of the connection without the keys that were sent."""
        return self._secrets.text(text)

    async def close(self) -> None:
        """Ends every session, and the processes of commands."""
        for key in [*self._kept, *self._lost]:
            await self._leave(key)

    async def _leave(self, key: Any) -> None:
        kept = self._kept.pop(key, None)
        for client in (*([kept] if kept is not None else []), *self._lost.pop(key, ())):
            await _end(client)

    def _relay(self, mode: str) -> Any:
        from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
        from fastmcp.server.providers.proxy import ProxyClient, StatefulProxyClient

        from gapless.frameworks.mcp import private

        if self._server.url:
            kind = ProxyClient if mode != LEGACY else StatefulProxyClient
            transport = StreamableHttpTransport(
                self._server.url, headers=self._headers, httpx_client_factory=self._http
            )
            if self._headers:
                private.mask(transport, self._secrets)
            return private.relay(kind, transport, mode, self._heard)
        command, *args = self._server.command
        transport = StdioTransport(command, args, env=keys.environment(self._server), keep_alive=True)
        return private.relay(ProxyClient, transport, mode, self._heard)

    def _http(
        self, headers: dict[str, str] | None = None, timeout: Any = None, auth: Any = None, **_: Any
    ) -> Any:
        # `follow_redirects` is not taken: MCP's library follows within the host, and takes keys to no other.
        return keyed.client(self._server, headers or {}, timeout=timeout, auth=auth)


async def _end(client: Any) -> None:
    """Ends a session even where whoever does so is being cancelled; a command gets its time to go."""
    import anyio

    with anyio.CancelScope(shield=True), suppress(Exception):
        await client.close()
