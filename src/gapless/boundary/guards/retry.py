"""Retry policy: which failures are tried again, how often, and how long is waited between two attempts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from random import Random
from time import time
from typing import Any, ClassVar

from gapless.errors import (
    BoundaryError,
    BoundaryTimeout,
    BrokenGuard,
    DuplicateEffect,
    IncompleteResult,
    InvalidContract,
    LowConfidence,
    SchemaBreach,
)

_TRANSIENT_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_NEVER = (LowConfidence, DuplicateEffect, BrokenGuard)


def transient(error: BaseException) -> bool:
    """Whether an error may be gone the next time: lost connections, time limits, HTTP 408/409/425/429/5xx, a broken answer.

    Mistakes in code (TypeError, KeyError, ...) and refusals are not: they come back, and cost twice.
    """
    if isinstance(error, _NEVER):
        return False
    if isinstance(error, (ConnectionError, TimeoutError, BoundaryTimeout, SchemaBreach, IncompleteResult)):
        return True
    if type(error) is BoundaryError:  # the breach of a guard of the user's own
        return True
    status = _status(error)
    if status is not None:
        return status in _TRANSIENT_STATUS
    return any(kind.__name__ in ("TransportError", "APIConnectionError") for kind in type(error).__mro__)


@dataclass(frozen=True, slots=True)
class Retry:
    """How a step is tried again. A step with an effect needs an idempotency key, or `safe=True`."""

    name: ClassVar[str] = "retry"

    attempts: int = 3
    """Calls in all, the first included."""
    backoff_s: float = 0.5
    """Wait before the second attempt, in seconds."""
    factor: float = 2.0
    """What the wait is multiplied by from one attempt to the next."""
    max_s: float = 30.0
    """Longest wait, in seconds."""
    jitter: bool = True
    """Whether the wait is drawn evenly between 0 and its length ("full jitter"), seeded per crossing."""
    budget_s: float | None = None
    """Seconds for all attempts and waits together."""
    on: Callable[[BaseException], bool] = transient
    """Which failures are worth another attempt."""
    safe: bool = False
    """Declares that running the step twice does no harm, although it has an effect."""

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise InvalidContract(
                f"Retry({self.attempts}): attempts counts the first call too and is 1 or more."
            )
        if self.backoff_s < 0 or self.factor < 1 or self.max_s < 0:
            raise InvalidContract("Retry: backoff_s and max_s are 0 or more, factor is 1 or more.")
        if self.budget_s is not None and not self.budget_s > 0:
            raise InvalidContract(f"Retry(budget_s={self.budget_s!r}): a budget is above 0.")

    @property
    def longest_waits_s(self) -> float:
        """All waits together at their longest, in seconds, where nobody asks for longer ones."""
        return sum(
            min(self.max_s, self.backoff_s * self.factor**failed) for failed in range(self.attempts - 1)
        )

    def wait_s(self, failed: int, error: BaseException, random: Random) -> float:
        """Seconds to wait after the failed-th attempt; what the other side asks for (Retry-After) counts if it is longer."""
        longest = min(self.max_s, self.backoff_s * self.factor ** (failed - 1))
        wait = random.uniform(0.0, longest) if self.jitter else longest
        asked = retry_after_s(error)
        return wait if asked is None else max(wait, asked)


def retry_after_s(error: BaseException) -> float | None:
    """What a Retry-After header beside the error asks for, in seconds; None where there is none."""
    headers: Any = getattr(getattr(error, "response", error), "headers", None)
    told = headers.get("retry-after") if hasattr(headers, "get") else getattr(error, "retry_after", None)
    if told is None:
        return None
    try:
        seconds = float(told)
    except (TypeError, ValueError):
        try:
            seconds = parsedate_to_datetime(str(told)).timestamp() - time()
        except (TypeError, ValueError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _status(error: BaseException) -> int | None:
    for holder in (error, getattr(error, "response", None)):
        status = getattr(holder, "status_code", None)
        if isinstance(status, int):
            return status
    return None
