"""Records HTTP requests made through httpx, or its successor httpx2, inside a step: method, address and bodies, never a header."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, cast

from gapless.boundary.first_token import FirstToken, awaited
from gapless.frameworks.calls import PendingCall, begin_call
from gapless.records.value import omitted
from gapless.trace.recorder import MAX_PAYLOAD_BYTES, current_step

_SECRETS = ("key", "token", "secret", "password", "signature", "sig", "auth", "credential")
_TEXT_LIMIT = 65_536
LIBRARIES = ("httpx", "httpx2")
"""The same interface twice: LangChain and MCP use the first, the OpenAI package from version 3 on the second."""
_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-[0-9a-f]{2}(?:-|$)"
)
"""W3C Trace Context, section 3.2.2."""
_originals: dict[type[Any], Any] = {}
_users = 0
_STREAMS = ("text/event-stream", "application/x-ndjson", "application/jsonl")
"""How model servers stream their answers."""
_lock = threading.Lock()


@contextmanager
def watched_httpx() -> Generator[None]:
    """Watches every httpx client for as long as somebody is inside; requests outside of a step are not looked at."""
    global _users
    with _lock:
        _users += 1
        _install()
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _uninstall()


def _install() -> None:
    for library in (sys.modules[name] for name in LIBRARIES if name in sys.modules):
        for client, wrap in ((library.Client, _watch), (library.AsyncClient, _watch_async)):
            if client not in _originals:
                _originals[client] = client.send
                client.send = wrap(client.send)


def _uninstall() -> None:
    for client, original in _originals.items():
        if getattr(client.send, "gapless", False):  # somebody may have put a wrapper of their own round ours
            client.send = original
    _originals.clear()


def _watch(send: Any) -> Any:
    def watched(self: Any, request: Any, **kwargs: Any) -> Any:
        with _on_record(request, streamed=bool(kwargs.get("stream"))) as answered:
            return answered(send(self, request, **kwargs))

    cast("Any", watched).gapless = True
    return watched


def _watch_async(send: Any) -> Any:
    async def watched(self: Any, request: Any, **kwargs: Any) -> Any:
        with _on_record(request, streamed=bool(kwargs.get("stream"))) as answered:
            return answered(await send(self, request, **kwargs))

    cast("Any", watched).gapless = True
    return watched


@contextmanager
def _on_record(request: Any, *, streamed: bool) -> Generator[Callable[[Any], Any]]:
    """One request inside of it, on record however it ends; its answer passes through what is given."""
    pending = _begin(request)
    answers: list[Any] = []

    def answered(response: Any) -> Any:
        answers.append(_heard(response))
        return answers[0]

    try:
        yield answered
    except BaseException as error:
        if pending is not None:
            pending.end(error=error, traced=_traced(request))
        raise
    if pending is not None:
        (response,) = answers
        found = _answer(response, streamed=streamed)
        pending.end(found, traced=_traced(request), ahead_s=_ahead_s(response.headers))


def _heard(response: Any) -> Any:
    """The answer; where the running step waits for a first token, the first bytes of a stream of events are one."""
    waiting = awaited.get()
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if waiting is not None and not response.is_stream_consumed and kind in _STREAMS:
        library = sys.modules[type(response).__module__.partition(".")[0]]
        response.stream = _listening(library)(response.stream, waiting)
    return response


@lru_cache(maxsize=len(LIBRARIES))
def _listening(library: Any) -> type[Any]:
    """The library's own kind of stream, which says when its first bytes come."""

    class Listening(library.SyncByteStream, library.AsyncByteStream):
        def __init__(self, inner: Any, waiting: FirstToken) -> None:
            self._inner, self._waiting = inner, waiting

        def __iter__(self) -> Iterator[bytes]:
            for chunk in self._inner:
                self._waiting.see()
                yield chunk

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for chunk in self._inner:
                self._waiting.see()
                yield chunk

        def close(self) -> None:
            self._inner.close()

        async def aclose(self) -> None:
            await self._inner.aclose()

    return Listening


def _begin(request: Any) -> PendingCall | None:
    if current_step.get() is None:
        return None
    url = request.url.copy_with(username=None, password=None, fragment=None)
    for name in {name for name, _ in url.params.multi_items() if _is_secret(name)}:
        url = url.copy_set_param(name, "redacted")
    try:
        body = _body(request.content)
    except RuntimeError:  # RequestNotRead: a stream belongs to whoever reads it
        body = None
    name = f"{request.method} {url.host}{url.path}"
    asked = {"method": request.method, "url": str(url), "body": body}
    return begin_call("http", name, asked)


def _traced(request: Any) -> bool:
    """Whether a request that was sent carried a `traceparent` that its receiver has to heed.

    Asked afterwards: OpenTelemetry puts the header in where the client hands the request to its transport.
    """
    found = _TRACEPARENT.match(request.headers.get("traceparent", ""))
    return (
        found is not None
        and found["version"] != "ff"
        and bool(found["trace"].strip("0") and found["span"].strip("0"))
    )


def _ahead_s(headers: Any) -> float | None:
    """By how much the other side's clock is ahead; what a cache answers says when it was stored, and not the time."""
    said = headers.get("date")
    if said is None or "age" in headers:
        return None
    try:
        date = parsedate_to_datetime(said)
    except ValueError:
        return None
    # Without a zone it is UTC (RFC 9110, section 5.6.7), which datetime would take for this machine's own.
    return (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp() - time.time()


def _answer(response: Any, *, streamed: bool) -> dict[str, Any]:
    # a stream belongs to whoever reads it
    return {"status": response.status_code, "body": None if streamed else _body(response.content)}


def _body(content: bytes) -> Any:
    if not content:
        return None
    if len(content) > MAX_PAYLOAD_BYTES:
        return omitted(f"larger than {MAX_PAYLOAD_BYTES} bytes", len(content))
    try:
        return json.loads(content)
    except ValueError:
        return content[:_TEXT_LIMIT].decode("utf-8", errors="replace")


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in _SECRETS)
