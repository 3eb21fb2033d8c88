"""One HTTP exchange, bounded in time and in size, without proxies, never led on to another host."""

from __future__ import annotations

import asyncio
import http.client
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from urllib.parse import urljoin, urlsplit

from gapless.frameworks.tools.aside import aside

MOST_BYTES = 8 * 1024 * 1024
_MOST_HOPS, _CHUNK = 3, 65536
_READS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    reason: str
    media: str
    body: bytes
    led_to: str = ""
    """Where it redirects to, which was not followed."""

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None


@dataclass(slots=True)
class _Line:
    """The connection in use, so that whoever gives up can hang up."""

    connection: http.client.HTTPConnection | None = None
    given_up: bool = False

    def hang_up(self) -> None:
        self.given_up = True
        live = self.connection.sock if self.connection is not None else None
        if live is not None:
            with suppress(OSError):
                live.shutdown(socket.SHUT_RDWR)


async def exchange(request: Request, timeout_s: float) -> Reply:
    """Sends a request and reads the whole answer. A redirect within the same origin is followed where nothing is changed by it.

    Raises:
        TimeoutError: It took longer; the connection is closed then.
        OSError: The address cannot be reached, or TLS failed.
        http.client.HTTPException: What came back is no HTTP, or too much.
    """
    line, until = _Line(), time.monotonic() + timeout_s
    try:
        async with asyncio.timeout(timeout_s):
            return await aside(lambda: _follow(request, line, until))
    finally:
        line.hang_up()


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address.

    Example:
        >>> origin("https://api.test/v1") == origin("https://API.test:443/v2")
        True
    """
    parts = urlsplit(url)
    return (
        parts.scheme,
        (parts.hostname or "").lower(),
        parts.port or {"http": 80, "https": 443}.get(parts.scheme),
    )


def _follow(request: Request, line: _Line, until: float) -> Reply:
    url, hops = request.url, 0
    while True:
        reply, location = _once(request, url, line, until)
        if not location:
            return reply
        following = urljoin(url, location)
        elsewhere = origin(following) != origin(request.url)
        if elsewhere or request.method not in _READS or hops == _MOST_HOPS:
            return replace(reply, led_to=following)
        url, hops = following, hops + 1


def _once(request: Request, url: str, line: _Line, until: float) -> tuple[Reply, str]:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_left(until))
    line.connection = connection
    if line.given_up:
        raise TimeoutError
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(request.method, target, request.body, dict(request.headers))
        answer = connection.getresponse()
        moved = answer.headers.get("Location", "") if 300 <= answer.status < 400 else ""
        media = answer.headers.get("Content-Type", "")
        return Reply(answer.status, answer.reason, media, _read(answer, connection, until)), moved
    finally:
        connection.close()


def _read(answer: http.client.HTTPResponse, connection: http.client.HTTPConnection, until: float) -> bytes:
    found = bytearray()
    while chunk := answer.read1(_CHUNK):
        found += chunk
        if len(found) > MOST_BYTES:
            raise http.client.HTTPException(f"the answer is over {MOST_BYTES} bytes")
        if connection.sock is not None:
            connection.sock.settimeout(_left(until))
    return bytes(found)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
