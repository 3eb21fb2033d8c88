"""One passage of one boundary, as middleware sees it while it happens."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec


def _as_recorded(handoff: Any, routing: Any) -> Any:
    return handoff


class Crossing(msgspec.Struct):
    """A step that is about to run, or has just run. Live objects: nothing here is copied or serialised."""

    step: str
    """The step's address."""
    state: Any
    """What the step is given; a middleware may hand on another."""
    visit: int = 1
    attempt: int = 1
    branch: int | None = None
    """Index among parallel visits of one superstep; None when not fanned out."""
    router: bool = False
    """Whether this is a conditional edge's decision."""
    case_input: Any = None
    """The case's input: signals may read it, goldens stay out of reach."""
    seed: int = 0
    """Seed of this crossing: the same case, trial, step, visit and attempt always get the same."""
    handoff: Any = None
    """What the step hands over, once it has run: what guards and signals look at."""
    took_s: float | None = None
    """Seconds the attempt that succeeded took, once it has run under a contract with a gate."""
    faults: list[str] = []
    """Faults that were injected at this crossing, for the record only."""
    effect: bool = False
    """Whether the step itself is declared to change the world."""
    behind_s: float = 0.0
    """Seconds by which the trial's time is behind the clock: a replay takes place when its recording did."""
    rebuilt: Callable[[Any, Any], Any] = _as_recorded
    """Makes the step's output of a handoff, and of where it sent the run, as they were recorded."""

    def rng(self) -> random.Random:
        """Seeded random numbers for this crossing."""
        return random.Random(self.seed)
