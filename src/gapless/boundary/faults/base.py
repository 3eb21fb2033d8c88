"""The promise of a fault: a middleware that acts at one step, and says so only when it really changed something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Literal, Protocol

from gapless.boundary.crossing import Crossing
from gapless.boundary.faults.handoff import change
from gapless.boundary.flow import Flow, Proceed
from gapless.errors import InvalidSettings
from gapless.records.seed import seed_of

Detectable = Literal["detect", "repair", "neither"]


class Fault(Protocol):
    """A failure that can be injected at a step; it is a `boundary.flow.Middleware`."""

    name: ClassVar[str]
    """Kind of the fault, as the trace shows it."""
    detectable: ClassVar[Detectable]
    """Whether a contract at this boundary can repair it, only detect it, or neither."""

    @property
    def step(self) -> str:
        """Address of the step it acts at."""
        ...

    @property
    def rate(self) -> float:
        """Share of trials that meet it in weather, 0 to 1."""
        ...

    def __call__(self, crossing: Crossing, proceed: Proceed) -> Flow:
        """Runs the crossing with the fault, if it acts here."""
        ...


@dataclass(frozen=True, kw_only=True)
class StepFault:
    """What every fault has: where and how often it acts.

    A trial that meets a fault meets it at every visit and every attempt of the step, as one meets weather: a plain
    retry does not help. `transient=True` limits it to the first attempt of each visit.
    """

    name: ClassVar[str]
    detectable: ClassVar[Detectable]
    why: ClassVar[str]
    """One sentence: what a contract can do about it, and by what means."""

    step: str
    """Address of the step it acts at."""
    rate: float = 1.0
    """Share of trials that meet it in weather, 0 to 1."""
    transient: bool = False
    """Whether a retry within the same visit escapes it."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.rate <= 1.0:
            raise InvalidSettings(
                f"{self.name}@{self.step}: rate is {self.rate:g}, allowed is 0 to 1. A rate is a share of trials."
            )

    def acts(self, crossing: Crossing) -> bool:
        """Whether the fault acts at this crossing."""
        return crossing.step == self.step and not (self.transient and crossing.attempt > 1)

    def random(self, crossing: Crossing) -> Random:
        """Seeded random numbers of this fault alone at this crossing."""
        return Random(seed_of(crossing.seed, "fault", self.name))


@dataclass(frozen=True, kw_only=True)
class FieldFault(StepFault):
    """A fault that changes one field of what the step hands over, on a copy."""

    field: str
    """Dotted path into the update: "retrieved", "assessment.total", "messages.-1.content"; "" is all of it."""

    def __call__(self, crossing: Crossing, proceed: Proceed) -> Flow:
        """Runs the step, then changes the field; where there is nothing to change, nothing is recorded."""
        output = yield from proceed(crossing.state)
        if not self.acts(crossing):
            return output
        random = self.random(crossing)
        changed, found = change(output, self.field, lambda value: self.changed(value, random))
        if found:
            crossing.faults.append(self.name)
        return changed

    def changed(self, value: Any, random: Random) -> Any:
        """The field's value after the fault; `handoff.UNCHANGED` when there is nothing to change."""
        raise NotImplementedError


Replace = Callable[[Any], Any]
"""Another version of an item, or None when it has none."""
