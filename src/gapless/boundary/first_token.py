"""Waiting for the first token of a model that a step asks: whoever sees one says so, and the step's contract hears it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar


class FirstToken:
    """What one attempt of a step waits for. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen = False
        self._hear: Callable[[], None] | None = None
        self._outer = awaited.get()  # a step round this one waits for the same token

    @property
    def seen(self) -> bool:
        """Whether a token has come."""
        return self._seen

    def when_seen(self, hear: Callable[[], None]) -> None:
        """Calls `hear` once, when the first token comes; at once if it has come already."""
        with self._lock:
            self._hear = hear
            seen = self._seen
        if seen:
            hear()

    def see(self) -> None:
        """A token has come."""
        with self._lock:
            first, self._seen = not self._seen, True
            hear = self._hear
        if first and hear is not None:
            hear()
        if first and self._outer is not None:
            self._outer.see()


awaited: ContextVar[FirstToken | None] = ContextVar("gapless_first_token", default=None)
"""What the step that is running here waits for; None where its contract has no `ttft_s`."""


def token_came() -> None:
    """A model has begun to answer inside the step that is running here."""
    waiting = awaited.get()
    if waiting is not None:
        waiting.see()
