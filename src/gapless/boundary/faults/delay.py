"""A delay: the step answers, only later than usual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.faults.base import Detectable, StepFault
from gapless.boundary.flow import Flow, Proceed, Sleep


@dataclass(frozen=True, kw_only=True)
class Delay(StepFault):
    """Waits before the step runs."""

    name: ClassVar[str] = "delay"
    detectable: ClassVar[Detectable] = "repair"
    why: ClassVar[str] = (
        "It harms only where somebody waits no longer: a time limit with a retry repairs a passing one, and a deadline "
        "keeps one slow step from using up everybody's time."
    )

    seconds: float = 1.0
    """How much later the step answers."""

    def __call__(self, crossing: Crossing, proceed: Proceed) -> Flow:
        """Waits, then runs the step."""
        if self.acts(crossing):
            crossing.faults.append(self.name)
            yield Sleep(self.seconds)
        return (yield from proceed(crossing.state))
