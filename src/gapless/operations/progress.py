"""What long operations tell while they run; a face decides how to show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gapless.records.trial import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an operation is. Everything counted here is on disk."""

    what: str
    """What is being counted: "trials", "component runs"."""
    done: int
    total: int
    fresh: int
    """How many of `done` were done by this process: what a rate must be computed from."""
    outcomes: dict[Outcome, int] = field(default_factory=dict[Outcome, int])
    """Trials by outcome so far."""
    restarted: int = 0
    """Trials that an earlier process left unfinished."""


Tell = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Tells nobody."""


class Stop:
    """A request to stop that arrives from outside: Ctrl-C, a termination signal, a test."""

    def __init__(self) -> None:
        self.requested = False
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Has a listener called when stopping is requested, now if it already was."""
        self._listeners.append(listener)
        if self.requested:
            listener()

    def request(self) -> None:
        """Asks everything that listens to stop."""
        self.requested = True
        for listener in self._listeners:
            listener()
