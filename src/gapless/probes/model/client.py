"""A load client for OpenAI-compatible endpoints: each request with its own times, and the client's own lag beside them.

Every request opens its own connection (`connected_s` is kept apart): an idle connection that a server closes just as it
is used again would count as a fault of the server.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import socket
import ssl
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from gapless.probes.base import ProbeUnavailable
from gapless.probes.model.wire import Exchange, Garbled, events
from gapless.settings import ModelSettings

Trouble = Literal["", "name", "refused", "tls", "timeout", "dropped", "garbled", "status", "stream-error"]
"""Why there is no whole answer: the name is unknown, the port closed, the certificate bad, nothing came in time, the
connection broke off, the bytes are no answer, an HTTP status, or an error inside of the stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where to ask."""

    url: str
    """Base address, up to and including "/v1"."""
    model: str
    key: str | None = None
    timeout_s: float = 60.0
    """Seconds one request may take, its connection included."""
    limit: str = "max_tokens"
    """What the endpoint calls the longest answer."""
    temperature: bool = True
    """Whether it takes a temperature."""

    @classmethod
    def of(cls, settings: ModelSettings) -> Endpoint:
        """The endpoint that settings name.

        Raises:
            ProbeUnavailable: They name none, or its key is not in the environment.
        """
        if settings.url is None or settings.model is None:
            raise ProbeUnavailable("no model is named: url and model under [checkup.model] in gapless.toml")
        key = None
        if settings.api_key_env is not None:
            key = os.environ.get(settings.api_key_env)
            if not key:
                raise ProbeUnavailable(f"the environment variable {settings.api_key_env} holds no key")
            if not (key.isascii() and key.isprintable()):
                raise ProbeUnavailable(f"what {settings.api_key_env} holds cannot stand in a header")
        parts = urlsplit(settings.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ProbeUnavailable(f"{settings.url!r} is no address: https://host/v1 is one")
        return cls(url=settings.url.rstrip("/"), model=settings.model, key=key, timeout_s=settings.timeout_s)


@dataclass(slots=True, kw_only=True)
class Reply:
    """One request and what became of it. Times are seconds on `time.perf_counter()`."""

    intended_s: float
    """When it should have begun; latency counts from here."""
    started_s: float
    connected_s: float | None = None
    ended_s: float = 0.0
    status: int | None = None
    trouble: Trouble = ""
    said: str = ""
    """The error in the server's or the system's words."""
    retry_after: str | None = None
    arrivals: list[float] = field(default_factory=list[float])
    """When each piece of the answer (text or tool call) was there."""
    text: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Tool calls: (name, arguments as text)."""
    finish: str | None = None
    tokens_in: int | None = None
    """Of the prompt, as the server counts them."""
    tokens_out: int | None = None
    """As the server counts them; None where it does not say."""

    @property
    def ok(self) -> bool:
        """Whether a whole answer came."""
        return self.trouble == ""

    @property
    def ttft_ms(self) -> float | None:
        """From the intended start to the first piece."""
        return 1e3 * (self.arrivals[0] - self.intended_s) if self.arrivals else None

    @property
    def total_ms(self) -> float:
        """From the intended start to the end."""
        return 1e3 * (self.ended_s - self.intended_s)

    @property
    def gaps_ms(self) -> list[float]:
        """Between one piece and the next."""
        return [1e3 * (b - a) for a, b in pairwise(self.arrivals)]


async def ask(
    endpoint: Endpoint,
    body: dict[str, Any],
    *,
    intended_s: float | None = None,
    cancel_after: int | None = None,
) -> Reply:
    """Asks once; whatever goes wrong is in the reply, and it ends within the endpoint's time.

    Args:
        endpoint: Where.
        body: Of a chat completion; the model's name is filled in.
        intended_s: When it should have begun; now when None.
        cancel_after: Hang up after so many arrivals of data.
    """
    now = time.perf_counter()
    reply = Reply(intended_s=now if intended_s is None else intended_s, started_s=now)
    exchange = Exchange()
    # A cancelled or failed exchange leaves a future that nobody asks for its exception.
    exchange.done.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        async with asyncio.timeout(endpoint.timeout_s):
            await _exchange(endpoint, body, exchange, reply, cancel_after)
    except TimeoutError:
        what = "connection" if reply.connected_s is None else "answer" if exchange.status is None else "end"
        reply.trouble, reply.said = "timeout", f"no {what} within {endpoint.timeout_s:g} s"
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
    reply.ended_s = time.perf_counter()
    try:
        _read(reply, exchange, cancelled=cancel_after is not None)
    except (AttributeError, TypeError, KeyError, ValueError, IndexError) as error:  # JSON of another shape
        reply.trouble, reply.said = "garbled", f"an answer of another shape: {type(error).__name__}: {error}"
    if endpoint.key is not None:  # servers have been seen to repeat it in their errors
        reply.said = reply.said.replace(endpoint.key, "[key]")
    return reply


async def _exchange(
    endpoint: Endpoint, body: dict[str, Any], exchange: Exchange, reply: Reply, cancel_after: int | None
) -> None:
    parts = urlsplit(endpoint.url)
    secure = parts.scheme == "https"
    host = parts.hostname or ""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(
        lambda: exchange,
        host,
        parts.port or (443 if secure else 80),
        ssl=_certificates() if secure else None,
    )
    try:
        reply.connected_s = time.perf_counter()
        transport.write(_request(endpoint, parts.path, parts.netloc, body))
        while cancel_after is not None and not exchange.done.done() and len(exchange.parts) < cancel_after:
            exchange.changed.clear()
            await exchange.changed.wait()
        if cancel_after is None or exchange.done.done():
            await exchange.done
    finally:
        transport.abort()


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Verifies certificates against the system's; reading those takes milliseconds, so once."""
    return ssl.create_default_context()


def _request(endpoint: Endpoint, path: str, host: str, body: dict[str, Any]) -> bytes:
    data = json.dumps({"model": endpoint.model} | body).encode()
    lines = [
        f"POST {path}/chat/completions HTTP/1.1",
        f"host: {host.rpartition('@')[2]}",
        "content-type: application/json",
        "accept: text/event-stream, application/json",
        "connection: close",
        f"content-length: {len(data)}",
    ]
    if endpoint.key is not None:
        lines.append(f"authorization: Bearer {endpoint.key}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + data


def _read(reply: Reply, exchange: Exchange, *, cancelled: bool) -> None:
    reply.status = exchange.status
    reply.retry_after = exchange.headers.get("retry-after")
    if exchange.status is not None and exchange.status != 200:
        whole = b"".join(piece for _, piece in exchange.parts)
        reply.trouble, reply.said = "status", f"{exchange.status}: {_error_in(whole)}"
        return
    if exchange.status is None:
        if not reply.trouble:
            reply.trouble, reply.said = "dropped", "the connection broke off before an answer"
        return
    stream = "event-stream" in exchange.headers.get("content-type", "")
    read = _read_stream if stream else _read_whole
    done = read(reply, exchange)
    if reply.trouble or cancelled:
        return
    if not exchange.complete or not done:
        reply.trouble = "dropped"
        reply.said = f"the answer broke off after {len(reply.arrivals)} pieces, without its end"


def _read_stream(reply: Reply, exchange: Exchange) -> bool:
    """Reads the events; whether the stream said that it is over."""
    calls: dict[int, list[str]] = {}
    pieces: list[str] = []
    ended = False
    for at, data in events(exchange.parts):
        if data == b"[DONE]":
            ended = True
            continue
        event = _json(data)
        if not isinstance(event, dict):
            reply.trouble, reply.said = "garbled", f"an event that is no JSON object: {data[:60]!r}"
            return False
        if event.get("error"):
            reply.trouble, reply.said = "stream-error", _error_in(data)
            return False
        reply.tokens_out = (event.get("usage") or {}).get("completion_tokens", reply.tokens_out)
        for choice in event.get("choices") or []:
            reply.finish = choice.get("finish_reason") or reply.finish
            if _add(choice.get("delta") or {}, pieces, calls):
                reply.arrivals.append(at)
    reply.text = "".join(pieces)
    reply.calls = [(name, arguments) for _, (name, arguments) in sorted(calls.items())]
    return ended or reply.finish is not None


def _add(delta: dict[str, Any], pieces: list[str], calls: dict[int, list[str]]) -> bool:
    """Adds a piece of the answer; whether there was anything in it."""
    text = delta.get("content") or ""
    pieces.append(text)
    for call in delta.get("tool_calls") or []:
        made = calls.setdefault(int(call.get("index") or 0), ["", ""])
        function = call.get("function") or {}
        made[0] += function.get("name") or ""
        made[1] += function.get("arguments") or ""
    return bool(text or delta.get("tool_calls") or delta.get("reasoning_content") or delta.get("refusal"))


def _read_whole(reply: Reply, exchange: Exchange) -> bool:
    """Reads an answer that came in one piece; whether it could be read."""
    whole = _json(b"".join(piece for _, piece in exchange.parts))
    if not isinstance(whole, dict) or not whole.get("choices"):
        if exchange.complete:
            reply.trouble, reply.said = "garbled", "status 200 without an answer in it"
        return False
    choice = whole["choices"][0]
    message = choice.get("message") or {}
    reply.text = message.get("content") or ""
    functions = [call.get("function") or {} for call in message.get("tool_calls") or []]
    reply.calls = [(f.get("name") or "", f.get("arguments") or "") for f in functions]
    reply.finish = choice.get("finish_reason")
    usage = whole.get("usage") or {}
    reply.tokens_in, reply.tokens_out = usage.get("prompt_tokens"), usage.get("completion_tokens")
    reply.arrivals = [exchange.parts[-1][0]]
    return True


def _json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _error_in(data: bytes) -> str:
    """The message in an error's body, else its beginning."""
    body = _json(data)
    error = body.get("error", body) if isinstance(body, dict) else None
    said = error.get("message") if isinstance(error, dict) else error
    return str(said or data[:200].decode("utf-8", "replace") or "no reason given")[:200]
