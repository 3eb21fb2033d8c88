"""What the idempotency guard needs to remember: which action was started, and what came of it."""

from __future__ import annotations

import threading
from typing import Any, Protocol

from gapless.records.action import Entry

__all__ = ["Entry", "KeyLedger", "Ledger", "MemoryLedger"]


class Ledger(Protocol):
    """Durable where it is to survive a crash; safe to use from several threads and processes."""

    def reserve(self, scope: str, action: str, step: str = "") -> Entry:
        """Says what is known of an action of a step, and reserves a new one, in one indivisible step."""
        ...

    def release(self, scope: str, action: str) -> None:
        """Gives a reservation back: the action certainly did not take place."""
        ...

    def consume(self, scope: str, action: str, value: Any) -> None:
        """Notes that the action took place and what it handed over."""
        ...


class KeyLedger(Ledger, Protocol):
    """One that also knows what the keys of clients stand for."""

    def bind(self, scope: str, key: str, meaning: str) -> str:
        """What a key stands for: what it was first bound to, which is `meaning` if it is new, in one indivisible step."""
        ...


class MemoryLedger:
    """A ledger for one process: enough within one trial of a measurement, not across a crash."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Entry] = {}
        self._bound: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def reserve(self, scope: str, action: str, step: str = "") -> Entry:
        """Says what is known of an action of a step, and reserves a new one."""
        with self._lock:
            found = self._known.get((scope, action))
            if found is None:
                self._known[scope, action] = Entry("open")
                return Entry("new")
            return found

    def release(self, scope: str, action: str) -> None:
        """Gives a reservation back."""
        with self._lock:
            self._known.pop((scope, action), None)

    def consume(self, scope: str, action: str, value: Any) -> None:
        """Notes that the action took place."""
        with self._lock:
            self._known[scope, action] = Entry("done", value)

    def bind(self, scope: str, key: str, meaning: str) -> str:
        """What a key stands for: what it was first bound to."""
        with self._lock:
            return self._bound.setdefault((scope, key), meaning)
