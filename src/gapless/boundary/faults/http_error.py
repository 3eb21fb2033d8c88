"""A service that is there and declines: too many requests, or unavailable for now."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.faults.base import Detectable, StepFault
from gapless.boundary.flow import Flow, Proceed


class HttpStatusError(RuntimeError):
    """An HTTP answer that is an error, in the shape HTTP clients give theirs."""

    def __init__(self, message: str, *, status_code: int, headers: Mapping[str, str]) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.response = self
        self.headers = dict(headers)


@dataclass(frozen=True, kw_only=True)
class HttpError(StepFault):
    """Raises an HTTP error in place of the step, which is never called.

    It is httpx's own `HTTPStatusError` where the program has loaded httpx, as most clients of models stand on it.
    """

    why: ClassVar[str] = (
        "It is loud by itself; a retry that waits as long as Retry-After asks repairs it where it passes, else a "
        "fallback or a refusal makes the best of it."
    )
    detectable: ClassVar[Detectable] = "repair"
    status: ClassVar[int]
    phrase: ClassVar[str]

    transient: bool = True
    """Whether a retry within the same visit escapes it: such a service asks one to come back."""
    retry_after_s: float = 0.2
    """What its header Retry-After asks for, in seconds."""

    def __call__(self, crossing: Crossing, proceed: Proceed) -> Flow:
        """Raises; elsewhere the step runs as usual."""
        if not self.acts(crossing):
            return (yield from proceed(crossing.state))
        crossing.faults.append(self.name)
        raise self._error()

    def _error(self) -> Exception:
        message = f"{self.step}: HTTP {self.status} {self.phrase} (injected)"
        headers = {"retry-after": f"{self.retry_after_s:g}"}
        httpx: Any = sys.modules.get("httpx")
        if httpx is None:
            return HttpStatusError(message, status_code=self.status, headers=headers)
        request = httpx.Request("POST", "http://injected.invalid/")
        response = httpx.Response(self.status, headers=headers, request=request)
        return httpx.HTTPStatusError(message, request=request, response=response)


@dataclass(frozen=True, kw_only=True)
class TooManyRequests(HttpError):
    """HTTP 429 with Retry-After."""

    name: ClassVar[str] = "http-429"
    status: ClassVar[int] = 429
    phrase: ClassVar[str] = "Too Many Requests"


@dataclass(frozen=True, kw_only=True)
class ServiceUnavailable(HttpError):
    """HTTP 503 with Retry-After."""

    name: ClassVar[str] = "http-503"
    status: ClassVar[int] = 503
    phrase: ClassVar[str] = "Service Unavailable"
