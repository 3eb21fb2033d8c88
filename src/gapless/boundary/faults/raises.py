"""A step that raises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.faults.base import Detectable, StepFault
from gapless.boundary.flow import Flow, Proceed


class InjectedError(RuntimeError):
    """Raised on purpose, in place of a step."""


@dataclass(frozen=True, kw_only=True)
class Raises(StepFault):
    """Raises an error in place of the step, which is never called."""

    name: ClassVar[str] = "exception"
    detectable: ClassVar[Detectable] = "repair"
    why: ClassVar[str] = (
        "It is loud by itself, unless the workflow catches it and goes on with nothing; a fallback answers for it, and a "
        "retry does where such errors pass."
    )

    def __call__(self, crossing: Crossing, proceed: Proceed) -> Flow:
        """Raises; elsewhere the step runs as usual."""
        if not self.acts(crossing):
            return (yield from proceed(crossing.state))
        crossing.faults.append(self.name)
        raise InjectedError(f"{self.step}: an error was injected here")
