"""One question over HTTP, on a connection of its own; what the dialects of the protocol share.

Every request opens its own connection (`connected_s` is kept apart): an idle connection that a server closes just as it
is used again would count as a fault of the server.
"""

from __future__ import annotations

import asyncio
import functools
import json
import socket
import ssl
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Self, cast
from urllib.parse import urlsplit

import msgspec

from gapless.probes.model.endpoints.base import Question, Reply
from gapless.probes.model.endpoints.wire import Exchange, Garbled


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpEndpoint(ABC):
    """An address that answers; how a question is written and an answer read is the dialect's."""

    url: str
    """Base address, up to and including "/v1"."""
    model: str
    key: str | None = None
    timeout_s: float = 60.0
    temperature: bool = True

    @property
    def where(self) -> str:
        """The host."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    @property
    def through(self) -> str:
        """Nothing: the bytes are ours."""
        return ""

    @property
    def sampling(self) -> str:
        """Temperature 0, where it takes one."""
        return "temperature 0" if self.temperature else "it takes no temperature"

    @abstractmethod
    def written(self, question: Question) -> tuple[str, dict[str, str], dict[str, Any]]:
        """Path below the base address, headers, and body of a question."""

    @abstractmethod
    def read_stream(self, reply: Reply, exchange: Exchange) -> bool:
        """Reads the events into the reply; whether the stream said that it is over."""

    @abstractmethod
    def read_whole(self, reply: Reply, body: dict[str, Any]) -> bool:
        """Reads an answer that came in one piece; whether it is one."""

    async def settle(self, question: Question) -> tuple[Self, Reply]:
        """Asks as it is."""
        return self, await self.ask(question)

    async def ask(
        self, question: Question, *, intended_s: float | None = None, cancel_after: int | None = None
    ) -> Reply:
        """Asks once; whatever goes wrong is in the reply, and it ends within the endpoint's time."""
        now = time.perf_counter()
        reply = Reply(intended_s=now if intended_s is None else intended_s, started_s=now)
        exchange = Exchange()
        # A cancelled or failed exchange leaves a future that nobody asks for its exception.
        exchange.done.add_done_callback(lambda done: done.cancelled() or done.exception())
        await self._met(question, exchange, reply, cancel_after)
        reply.ended_s = time.perf_counter()
        try:
            self._read(reply, exchange, cancelled=cancel_after is not None)
        except (AttributeError, TypeError, ValueError, LookupError) as error:  # JSON of another shape
            reply.trouble = "garbled"
            reply.said = f"an answer of another shape: {type(error).__name__}: {error}"
        if self.key is not None:  # servers have been seen to repeat it in their errors
            reply.said = reply.said.replace(self.key, "[key]")
        return reply

    async def _met(
        self, question: Question, exchange: Exchange, reply: Reply, cancel_after: int | None
    ) -> None:
        """Makes the exchange, and says what the system raised in it."""
        try:
            async with asyncio.timeout(self.timeout_s):
                await self._exchange(question, exchange, reply, cancel_after)
        except TimeoutError:
            what = (
                "connection" if reply.connected_s is None else "answer" if exchange.status is None else "end"
            )
            reply.trouble, reply.said = "timeout", f"no {what} within {self.timeout_s:g} s"
        except ssl.SSLError as error:
            reply.trouble, reply.said = "tls", str(error)
        except socket.gaierror as error:
            reply.trouble, reply.said = "name", str(error)
        except ConnectionRefusedError as error:
            reply.trouble, reply.said = "refused", str(error)
        except Garbled as error:
            reply.trouble, reply.said = "garbled", str(error)
        except OSError as error:
            reply.trouble, reply.said = "dropped", str(error) or type(error).__name__

    async def _exchange(
        self, question: Question, exchange: Exchange, reply: Reply, cancel_after: int | None
    ) -> None:
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: exchange,
            parts.hostname or "",
            parts.port or (443 if secure else 80),
            ssl=_certificates() if secure else None,
        )
        try:
            reply.connected_s = time.perf_counter()
            transport.write(self._request(question))
            while (
                cancel_after is not None and not exchange.done.done() and len(exchange.parts) < cancel_after
            ):
                exchange.changed.clear()
                await exchange.changed.wait()
            if cancel_after is None or exchange.done.done():
                await exchange.done
        finally:
            transport.abort()

    def _request(self, question: Question) -> bytes:
        path, headers, body = self.written(question)
        data = json.dumps(body).encode()
        sent = {
            "host": self.where,
            "content-type": "application/json",
            "accept": "text/event-stream, application/json",
            "connection": "close",
            "content-length": str(len(data)),
        } | headers
        parts = urlsplit(self.url)
        query = f"?{parts.query}" if parts.query else ""
        lines = [f"POST {parts.path}{path}{query} HTTP/1.1", *(f"{k}: {v}" for k, v in sent.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + data

    def _read(self, reply: Reply, exchange: Exchange, *, cancelled: bool) -> None:
        reply.status = exchange.status
        reply.retry_after = exchange.headers.get("retry-after")
        if exchange.status is not None and exchange.status != 200:
            reply.trouble, reply.said = "status", f"{exchange.status}: {error_in(_body(exchange))}"
            return
        if exchange.status is None:
            if not reply.trouble:
                reply.trouble, reply.said = "dropped", "the connection broke off before an answer"
            return
        stream = "event-stream" in exchange.headers.get("content-type", "")
        done = self.read_stream(reply, exchange) if stream else self._read_body(reply, exchange)
        if reply.trouble or cancelled:
            return
        if not exchange.complete or not done:
            reply.trouble = "dropped"
            reply.said = f"the answer broke off after {len(reply.arrivals)} pieces, without its end"

    def _read_body(self, reply: Reply, exchange: Exchange) -> bool:
        whole = decoded(_body(exchange))
        if not isinstance(whole, dict) or not self.read_whole(reply, cast("dict[str, Any]", whole)):
            if exchange.complete:
                reply.trouble, reply.said = "garbled", "status 200 without an answer in it"
            return False
        reply.arrivals = [exchange.parts[-1][0]]
        return True


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Verifies certificates against the system's; reading those takes milliseconds, so once."""
    return ssl.create_default_context()


def _body(exchange: Exchange) -> bytes:
    return b"".join(piece for _, piece in exchange.parts)


def decoded(data: bytes) -> Any:
    """The JSON value; None where it is none."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def event_of(reply: Reply, data: bytes) -> dict[str, Any] | None:
    """An event of a stream as an object; None, with the reason in the reply, where it is none."""
    event = decoded(data)
    if not isinstance(event, dict):
        reply.trouble, reply.said = "garbled", f"an event that is no JSON object: {data[:60]!r}"
        return None
    return cast("dict[str, Any]", event)


def error_in(data: bytes) -> str:
    """The message in an error's body, else its beginning."""
    body = decoded(data)
    error = body.get("error", body) if isinstance(body, dict) else None
    said = error.get("message") if isinstance(error, dict) else error
    return str(said or data[:200].decode("utf-8", "replace") or "no reason given")[:200]
