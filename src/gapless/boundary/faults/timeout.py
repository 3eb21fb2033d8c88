"""A tool that does not answer in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.faults.base import Detectable, StepFault
from gapless.boundary.flow import Flow, Proceed, Sleep


@dataclass(frozen=True, kw_only=True)
class Timeout(StepFault):
    """Raises TimeoutError in place of the step, which is never called: it had no effect in the world.

    The wait is shortened to `wait_s`, so that a measurement need not sit through it: a trial's latency is then
    shorter than a real timeout would make it, by `after_s - wait_s` for each attempt.
    """

    name: ClassVar[str] = "timeout"
    detectable: ClassVar[Detectable] = "repair"
    why: ClassVar[str] = (
        "It is loud by itself; a retry repairs it where the fault is transient, else a fallback or a refusal makes "
        "the best of it."
    )

    after_s: float = 8.0
    """Seconds that the error says it waited."""
    wait_s: float = 0.05
    """Seconds that it really waits, never more than `after_s`."""

    def __call__(self, crossing: Crossing, proceed: Proceed) -> Flow:
        """Waits, then raises; elsewhere the step runs as usual."""
        if not self.acts(crossing):
            return (yield from proceed(crossing.state))
        yield Sleep(min(self.wait_s, self.after_s))
        crossing.faults.append(self.name)
        raise TimeoutError(f"{self.step}: no answer after {self.after_s:g} s")
