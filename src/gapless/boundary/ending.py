"""How a run ends when it does not raise: what every framework adapter returns and the harness reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run of a workflow ended, when it did not raise."""

    output: Any
    """The final output: a graph's final state, a function's return value. Live, not yet plain."""
    paused: bool = False
    """Whether it waits for a person: the trial is escalated for good."""


class StepPaused(Exception):
    """What `run_step` raises when the step alone asked for a person: its verdict is unknown, not a failure."""
