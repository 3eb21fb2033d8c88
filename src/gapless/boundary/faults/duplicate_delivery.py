"""A duplicate delivery: the same input reaches the step twice, as queues and retrying callers send it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.faults.base import Detectable, StepFault
from gapless.boundary.flow import Flow, Proceed


@dataclass(frozen=True, kw_only=True)
class DuplicateDelivery(StepFault):
    """Delivers the step's input twice, one after the other; the second answer goes on.

    It stands outside of the step's contract, where deliveries come in: an idempotency key sees the second one, and the
    step runs once. Its label is on every run of the step's own code.
    """

    name: ClassVar[str] = "duplicate-delivery"
    detectable: ClassVar[Detectable] = "repair"
    why: ClassVar[str] = (
        "A step without effect does not mind; an effect takes place twice, unless its contract has an idempotency key: "
        "then the first answer is used again."
    )

    def deliver(self, crossing: Crossing, proceed: Proceed) -> Flow:
        """Everything at this crossing, its contract included, twice. A middleware."""
        if not self.acts(crossing):
            return (yield from proceed(crossing.state))
        state = crossing.state
        yield from proceed(state)
        return (yield from proceed(state))

    def __call__(self, crossing: Crossing, proceed: Proceed) -> Flow:
        """Labels a run of the step itself."""
        if self.acts(crossing):
            crossing.faults.append(self.name)
        return (yield from proceed(crossing.state))
