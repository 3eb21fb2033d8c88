"""A step that never answers, as far as anybody can wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.faults.base import Detectable, StepFault
from gapless.boundary.flow import Flow, Proceed, Sleep


@dataclass(frozen=True, kw_only=True)
class Hang(StepFault):
    """Waits in place of the step, longer than the trial may take; then it fails, so that no thread is held for good.

    Unlike `Timeout`, which is an answer that says so, nothing at all comes back here: whoever sets no limit waits.
    """

    name: ClassVar[str] = "hang"
    detectable: ClassVar[Detectable] = "repair"
    why: ClassVar[str] = (
        "Only a time limit sees it. With one, a fallback answers or the trial fails loudly and early; without one, it "
        "waits until somebody gives up."
    )

    for_s: float = 60.0
    """Seconds until it fails by itself; more than any limit that should notice it."""

    def __call__(self, crossing: Crossing, proceed: Proceed) -> Flow:
        """Waits; elsewhere the step runs as usual."""
        if not self.acts(crossing):
            return (yield from proceed(crossing.state))
        crossing.faults.append(self.name)
        yield Sleep(self.for_s)
        raise ConnectionAbortedError(f"{self.step}: hung for {self.for_s:g} s, and nobody gave it up")
