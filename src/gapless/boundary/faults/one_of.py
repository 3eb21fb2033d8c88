"""One of several variants of a fault: another field in each trial."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from gapless.boundary.crossing import Crossing
from gapless.boundary.faults.base import Detectable, FieldFault
from gapless.boundary.flow import Flow, Proceed
from gapless.records.seed import seed_of


@dataclass(frozen=True)
class OneOf:
    """Acts as one of its variants, as the trial's seed chooses, so that several trials try several fields.

    Nobody outside of a step knows which of its fields the next one lives on.
    """

    variants: tuple[FieldFault, ...]
    """Faults of one kind at one step; at least one."""

    @property
    def name(self) -> str:
        """As the variants'."""
        return self.variants[0].name

    @property
    def detectable(self) -> Detectable:
        """As the variants'."""
        return self.variants[0].detectable

    @property
    def why(self) -> str:
        """As the variants'."""
        return self.variants[0].why

    @property
    def step(self) -> str:
        """As the variants'."""
        return self.variants[0].step

    @property
    def rate(self) -> float:
        """Share of trials that meet it in weather, 0 to 1."""
        return self.variants[0].rate

    def __call__(self, crossing: Crossing, proceed: Proceed) -> Flow:
        """Runs the crossing with the variant of this trial."""
        chosen = Random(seed_of(crossing.seed, "one-of", self.name)).choice(self.variants)
        return (yield from chosen(crossing, proceed))
