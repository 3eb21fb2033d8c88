"""Records HTTP requests made through httpx inside a step: method, address and bodies, never a header."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import httpx

from gapless.frameworks.calls import PendingCall, begin_call
from gapless.records.value import omitted
from gapless.trace.recorder import MAX_PAYLOAD_BYTES, current_step

_SECRETS = ("key", "token", "secret", "password", "signature", "sig", "auth", "credential")
_TEXT_LIMIT = 65_536
_originals: dict[type[Any], Any] = {}
_users = 0
_lock = threading.Lock()


@contextmanager
def watched_httpx() -> Generator[None]:
    """Watches every httpx client for as long as somebody is inside; requests outside of a step are not looked at."""
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            _install()
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _uninstall()


def _install() -> None:
    for client, wrap in ((httpx.Client, _watch), (httpx.AsyncClient, _watch_async)):
        _originals[client] = client.send
        cast("Any", client).send = wrap(client.send)


def _uninstall() -> None:
    for client, original in _originals.items():
        if getattr(client.send, "gapless", False):  # somebody may have put a wrapper of their own round ours
            client.send = original


def _watch(send: Any) -> Any:
    def watched(self: httpx.Client, request: httpx.Request, **kwargs: Any) -> httpx.Response:
        pending = _begin(request)
        if pending is None:
            return send(self, request, **kwargs)
        try:
            response: httpx.Response = send(self, request, **kwargs)
        except BaseException as error:
            pending.end(error=error)
            raise
        pending.end(_answer(response, streamed=bool(kwargs.get("stream"))))
        return response

    cast("Any", watched).gapless = True
    return watched


def _watch_async(send: Any) -> Any:
    async def watched(self: httpx.AsyncClient, request: httpx.Request, **kwargs: Any) -> httpx.Response:
        pending = _begin(request)
        if pending is None:
            return await send(self, request, **kwargs)
        try:
            response: httpx.Response = await send(self, request, **kwargs)
        except BaseException as error:
            pending.end(error=error)
            raise
        pending.end(_answer(response, streamed=bool(kwargs.get("stream"))))
        return response

    cast("Any", watched).gapless = True
    return watched


def _begin(request: httpx.Request) -> PendingCall | None:
    if current_step.get() is None:
        return None
    url = request.url.copy_with(username=None, password=None, fragment=None)
    for name in {name for name, _ in url.params.multi_items() if _is_secret(name)}:
        url = url.copy_set_param(name, "redacted")
    try:
        body = _body(request.content)
    except httpx.RequestNotRead:
        body = None
    name = f"{request.method} {url.host}{url.path}"
    return begin_call("http", name, {"method": request.method, "url": str(url), "body": body})


def _answer(response: httpx.Response, *, streamed: bool) -> dict[str, Any]:
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
