"""Requests that fastmcp's proxy answers by itself, or not at all, and that are the server's to answer."""

from __future__ import annotations

from typing import Any

from fastmcp.server.context import Context
from fastmcp.server.dependencies import bind_request_context
from mcp import types

from gapless.frameworks.mcp import private
from gapless.frameworks.mcp.upstream import Upstream

_RELAYED: dict[str, tuple[Any, Any, Any]] = {
    "completion/complete": (types.CompleteRequest, types.CompleteRequestParams, types.CompleteResult),
    "resources/subscribe": (types.SubscribeRequest, types.SubscribeRequestParams, types.EmptyResult),
    "resources/unsubscribe": (types.UnsubscribeRequest, types.UnsubscribeRequestParams, types.EmptyResult),
    "logging/setLevel": (types.SetLevelRequest, types.SetLevelRequestParams, types.EmptyResult),
}
"""Method -> its request, that one's parameters, and the result."""


def add(proxy: Any, upstream: Upstream) -> None:
    """Passes these on; what the server cannot answer, it refuses itself."""
    for method, (request, params, result) in _RELAYED.items():
        private.handle(proxy, method, params, _relayed(proxy, upstream, method, request, result))


def declared(result: Any, behind: Any) -> Any:
    """What the proxy says of itself at the beginning, with no capability that the server behind does not have.

    Args:
        result: fastmcp's InitializeResult or DiscoverResult.
        behind: The server's own capabilities.
    """
    ours = result.capabilities
    held = {
        name: getattr(behind, name) for name in ("tools", "prompts", "resources", "completions", "logging")
    }
    kept = {name: value if getattr(ours, name) is not None else None for name, value in held.items()}
    return result.model_copy(update={"capabilities": ours.model_copy(update=kept)})


def _relayed(proxy: Any, upstream: Upstream, method: str, request: Any, result: Any) -> Any:
    before = private.handler(proxy, method)

    async def relay(ctx: Any, params: Any) -> Any:
        with bind_request_context(ctx):
            async with Context(proxy) as front:
                client = upstream.client()
                private.stash(client, front)
                async with client:
                    asked = request(params=params.model_copy(update={"meta": None}))
                    answer = await client.session.send_request(asked, result)
        if method == "logging/setLevel" and before is not None:
            await before(ctx, params)  # fastmcp's own memory of it, by which it filters what it passes on
        return answer

    return relay
