"""Serves a proxy to its clients: over stdio to one, or over streamable HTTP to many."""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
import logging
import socket
from collections.abc import Callable, Generator
from typing import Any

from gapless.errors import UsageError

PATH = "/mcp"
_CHATTY = ("mcp.shared", "mcp.server", "fastmcp", "FastMCP", "uvicorn", "httpx", "httpx2")
_READERS = ("mcp.client", "client")
"""By whose log the lines are counted that are no message, when the server is looked at."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address. A name is not looked up: any but `localhost` may lead elsewhere.

    Example:
        >>> is_loopback("127.0.0.2"), is_loopback("127.0.0.1.example.com"), is_loopback("0.0.0.0")
        (True, False, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextlib.contextmanager
def quiet(names: tuple[str, ...] = _CHATTY) -> Generator[None]:
    """A proxy speaks on stdout and stderr for its server: what libraries log of every request stays out of both."""
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


async def over_stdio(proxy: Any) -> None:
    """Serves one client, until it closes the proxy's stdin."""
    from gapless.frameworks.mcp import private
    from gapless.frameworks.mcp.stdin import Lines

    with quiet(_READERS):
        await private.over_stdio(proxy, Lines())


async def over_http(
    proxy: Any,
    *,
    host: str,
    port: int,
    token: str | None,
    hosts: tuple[str, ...],
    ready: Callable[[str], None],
) -> None:
    """Serves clients at an address, until the task is cancelled. Requests with a foreign Host or Origin are refused.

    Args:
        proxy: What `gapless.frameworks.mcp.proxy.build` made.
        host: Where to listen.
        port: 0 takes a free one.
        token: What clients have to send as `Authorization: Bearer TOKEN`; None lets everybody in who can reach it.
        hosts: Further names under which clients may ask for it.
        ready: Told the address once it is there.

    Raises:
        UsageError: It cannot listen there.
    """
    import uvicorn
    from starlette.middleware import Middleware

    known = None if host in ("0.0.0.0", "::") and not hosts else [host, *hosts]  # noqa: S104  # compared, not bound
    inner = [Middleware(_Token, token=token)] if token is not None else []
    app = proxy.http_app(
        path=PATH,
        middleware=inner,
        host_origin_protection=True if known is not None else "auto",
        allowed_hosts=known,
    )
    with _listening(host, port) as listening, quiet(_READERS):
        shown = f"[{host}]" if ":" in host else host
        config = uvicorn.Config(app, log_level="critical", lifespan="on", timeout_graceful_shutdown=2)
        address = f"http://{shown}:{listening.getsockname()[1]}{PATH}"
        await _server(config, lambda: ready(address)).serve(sockets=[listening])


@contextlib.contextmanager
def _listening(host: str, port: int) -> Generator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP: only then does asyncio send small answers at once (TCP_NODELAY), some 40 ms sooner than they would be else.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((host, port))
            made.listen(256)
        except OSError as error:
            raise UsageError(
                f"{host}:{port}: cannot listen there ({error.strerror}). Name another port; 0 takes a free one."
            ) from error
        yield made
    finally:
        made.close()


def _server(config: Any, told: Callable[[], None]) -> Any:
    import uvicorn

    class Server(uvicorn.Server):
        """uvicorn, but signals stay with whoever runs the loop."""

        @contextlib.contextmanager
        def capture_signals(self) -> Generator[None]:
            yield

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                told()

    return Server(config)


class _Token:
    """Lets in who knows the token, and takes it off the request: it is the proxy's, not the server's behind it."""

    def __init__(self, app: Any, token: str) -> None:
        self._app, self._token = app, token.encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        kind, _, given = said.partition(b" ")
        if kind.lower() == b"bearer" and hmac.compare_digest(given.strip(), self._token):
            kept = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
            await self._app({**scope, "headers": kept}, receive, send)
            return
        headers = [(b"content-type", b"text/plain"), (b"www-authenticate", b"Bearer")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send(
            {"type": "http.response.body", "body": b"a token is needed: Authorization: Bearer TOKEN\n"}
        )
