"""Errors in the protocol's shape, as clients parse them."""

from __future__ import annotations

from typing import Any

from gapless.testing.fake_llm.wire.events import Event, event

BAD_REQUEST = "invalid_request_error"


class Trouble(Exception):
    """An answer that is an error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = BAD_REQUEST,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
        fault: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.param = param
        self.code = code
        self.headers = headers or {}
        self.fault = fault

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        return {
            "error": {"message": str(self), "type": self.kind, "param": self.param, "code": self.code},
        }


def bad(param: str | None, message: str, code: str | None = None) -> Trouble:
    """Status 400: the request is wrong at `param`."""
    return Trouble(400, message, param=param, code=code)


def script_trouble(message: str, code: str) -> Trouble:
    """Status 500 because the script has no answer; clients are told not to try again."""
    return Trouble(500, message, kind="script_error", code=code, headers={"x-should-retry": "false"})


def fault_trouble(name: str, retry_after_s: float) -> Trouble:
    """The error that a scripted fault answers with: "429", "500", "503" or "529"."""
    if name == "429":
        return Trouble(
            429,
            f"Rate limit reached for requests. Please try again in {retry_after_s:g}s.",
            kind="requests",
            code="rate_limit_exceeded",
            headers={"retry-after": f"{retry_after_s:g}"},
            fault=name,
        )
    if name == "503":
        return Trouble(
            503, "The engine is overloaded. Please try again later.", kind="server_error", fault=name
        )
    if name == "529":
        return Trouble(529, "Overloaded", kind="server_error", fault=name)
    return Trouble(
        500, "The server had an error while processing the request.", kind="server_error", fault=name
    )


def stream_error(endpoint: str) -> Event:
    """What a stream that has begun says when the server fails in the middle of it."""
    said = "The server had an error while processing the request."
    if endpoint == "messages":
        error = {"type": "overloaded_error", "message": "Overloaded"}
        return event({"type": "error", "error": error}, name="error")
    if endpoint == "responses":
        return event({"type": "error", "code": "server_error", "message": said, "param": None}, name="error")
    return event({"error": {"message": said, "type": "server_error", "param": None, "code": None}})
