"""The promise of a guard that looks at what a step hands over: it says what is wrong with it, or nothing.

Guards that act in another way (retry, timeout, idempotency, gate) are middleware of their own; all of them leave a
`Ruling` at the crossing for whatever they did.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from gapless.boundary.crossing import Crossing
from gapless.errors import BoundaryError


@dataclass(frozen=True, slots=True)
class Breach:
    """What is wrong with a handoff."""

    guard: str
    """The guard that found it."""
    reason: str
    """In words, with the offending value and what was allowed."""
    kind: type[BoundaryError] = BoundaryError
    """The error it becomes when nothing repairs it."""

    def error(self, crossing: Crossing) -> BoundaryError:
        """The breach as an exception that names the boundary."""
        return self.kind(f"{crossing.step}: {self.reason}", boundary=crossing.step, attempt=crossing.attempt)


Look = Callable[[Crossing, Any], str | None]
"""A guard of one's own: (crossing, handoff) -> what is wrong with it, or None."""


@dataclass(frozen=True, slots=True)
class Looking:
    """A function as a guard."""

    look: Look

    @property
    def name(self) -> str:
        """The function's name."""
        return str(getattr(self.look, "__name__", "guard"))

    def breach(self, crossing: Crossing, handoff: Any) -> Breach | None:
        """What the function says is wrong."""
        reason = self.look(crossing, handoff)
        return None if reason is None else Breach(self.name, reason)


def name_of(guard: OutputGuard) -> str:
    """A guard as rulings and reports name it: its own `name`, else its class."""
    return str(getattr(guard, "name", type(guard).__name__))


class OutputGuard(Protocol):
    """Looks at a handoff after the step has run, and changes nothing."""

    def breach(self, crossing: Crossing, handoff: Any) -> Breach | None:
        """What is wrong with a handoff; None when nothing is.

        Args:
            crossing: The passage; `crossing.state` is what the step was given.
            handoff: The update the step hands over, live.
        """
        ...
