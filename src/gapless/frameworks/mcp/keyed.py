"""The HTTP client for servers that want a key; one that is refused is said with the variable that it came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapless.frameworks.tools import keys
from gapless.settings import ServerSettings

_CONNECT_S, _READ_S = 30.0, 300.0
"""As MCP's own client has them: a server may hold an answer open."""
_NOT_TAKEN = -32600
"""JSON-RPC: an invalid request. Nothing took place, so whoever asks may ask again."""


def client(server: ServerSettings, sent: Mapping[str, str], *, timeout: Any = None, auth: Any = None) -> Any:
    """An HTTP client that MCP's library can use, and that says which variable a key came from where it is refused.

    Args:
        server: Whose keys they are.
        sent: All headers to send.
        timeout: An `httpx2.Timeout`; as MCP's own client has it when None.
        auth: An `httpx2.Auth`.
    """
    import httpx2

    why = keys.said(server.headers_env)
    named = {header.lower() for header in server.headers_env}
    secrets = keys.hidden({header: value for header, value in sent.items() if header.lower() in named})

    class Client(httpx2.AsyncClient):
        """Else MCP's library tells of a refused key only that the server returned an error."""

        async def send(self, request: Any, **how: Any) -> Any:
            answer = await super().send(request, **how)
            if answer.status_code not in keys.REFUSED:
                return answer
            await answer.aclose()
            told = f"HTTP {answer.status_code} {secrets.text(answer.reason_phrase)}: {why}"
            body = {"jsonrpc": "2.0", "id": None, "error": {"code": _NOT_TAKEN, "message": told}}
            return httpx2.Response(answer.status_code, json=body, request=request)

    return Client(headers=dict(sent), timeout=timeout or httpx2.Timeout(_CONNECT_S, read=_READ_S), auth=auth)
