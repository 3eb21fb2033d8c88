"""`latency`: how long a trial or a step took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from gapless.evals.checks.base import BaseCheck, CheckContext
from gapless.records.trial import Verdict


@dataclass(frozen=True, kw_only=True)
class Latency(BaseCheck):
    """Passes when the trial (at "end") or the step took at most `max_ms`, retries and visits included."""

    name: ClassVar[str] = "latency"
    example: ClassVar[dict[str, Any]] = {"max_ms": 8000}
    shorthand: ClassVar[str | None] = "max_ms"

    max_ms: float
    """Most milliseconds allowed."""
    step: str | None = None
    """At "end": the time spent in this step instead of in the whole trial."""

    def __post_init__(self) -> None:
        if self.max_ms <= 0:
            raise ValueError(f"max_ms is {self.max_ms:g}; it must be above 0")

    @property
    def steps(self) -> tuple[str, ...]:
        """Steps that the check names."""
        return (self.step,) if self.step is not None else ()

    def judge(self, context: CheckContext) -> Verdict:
        """Judges the duration; the score is milliseconds."""
        took = context.elapsed_ms
        if self.step is not None:
            spent = [event.ms for event in context.events if event.step == self.step]
            if not spent:
                return self.unknown(f"step {self.step!r} did not run")
            took = sum(spent)
        words = f"{took:.0f} ms, allowed are {self.max_ms:g}"
        return self.passed(words, took) if took <= self.max_ms else self.failed(words, took)
