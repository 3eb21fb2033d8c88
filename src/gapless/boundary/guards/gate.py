"""The confidence gate: a signal below its threshold sends the handoff to a person, to another step, or nowhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from gapless.boundary.crossing import Crossing
from gapless.boundary.review import Decision
from gapless.errors import InvalidContract

Signal = Callable[[Crossing], float | None]
"""How sure the crossing looks, higher is surer; `crossing.handoff` is what was handed over. None is doubt."""


@dataclass(frozen=True, slots=True)
class Goto:
    """The workflow goes on at another step; the edges of the judged step are not followed."""

    step: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """The trial ends loudly with this value."""

    value: Any = None


@dataclass(frozen=True, slots=True)
class Review:
    """A person decides: approve, edit or reject. The step is not run again for it."""

    note: str = ""
    """What the reviewer is told besides the reason."""
    rejected: Goto | Refuse = Refuse()
    """Where a handoff goes that the reviewer rejects."""

    @staticmethod
    def approve(question: dict[str, Any], note: str = "") -> dict[str, Any]:
        """The answer that lets a handoff pass as it is.

        Args:
            question: What the interrupt, or the reviewer of a function, was given; the answer is bound to it.
            note: For the record.
        """
        return Decision(subject=question["subject"], choice="approve", note=note).to_plain()

    @staticmethod
    def edit(question: dict[str, Any], value: Any, note: str = "") -> dict[str, Any]:
        """The answer that hands over another update instead; it has to keep to the contract as well."""
        return Decision(subject=question["subject"], choice="edit", value=value, note=note).to_plain()

    @staticmethod
    def reject(question: dict[str, Any], note: str = "") -> dict[str, Any]:
        """The answer that sends a handoff where `rejected` says; by default the trial ends loudly."""
        return Decision(subject=question["subject"], choice="reject", note=note).to_plain()


Destination = Review | Goto | Refuse


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Lets a handoff pass when its signal reaches the threshold."""

    name: ClassVar[str] = "gate"

    signal: Signal
    at_least: float = 0.6
    """Lowest signal that passes. Picked by hand it promises nothing; `gapless calibrate` states what it is worth."""
    below: Destination = field(default_factory=Review)
    """Where doubt goes."""
    scale: tuple[float, float] = (0.0, 1.0)
    """What the signal may say; anything outside is doubt, however large."""

    def __post_init__(self) -> None:
        low, high = self.scale
        if not low < high or not low <= self.at_least <= high:
            raise InvalidContract(
                f"Gate(at_least={self.at_least!r}): the threshold lies within the scale {self.scale}."
            )

    def read(self, crossing: Crossing) -> Reading:
        """What the signal says, and whether that is enough. A signal that raises, is no number or out of range is doubt."""
        try:
            said: Any = self.signal(crossing)
        except Exception as error:
            return Reading(None, f"the signal failed: {type(error).__name__}: {error}")
        if said is None:
            return Reading(None, "the signal says nothing")
        if isinstance(said, bool) or not isinstance(said, (int, float)) or not math.isfinite(said):
            return Reading(None, f"the signal says {said!r}, which is no number")
        value = float(said)
        low, high = self.scale
        if not low <= value <= high:
            return Reading(value, f"the signal says {value:g}, outside {low:g} to {high:g}")
        if value < self.at_least:
            return Reading(value, f"the signal says {value:g}, below {self.at_least:g}")
        return Reading(value, None)


@dataclass(frozen=True, slots=True)
class Reading:
    """A gate's reading."""

    signal: float | None
    doubt: str | None
    """Why the handoff is doubtful; None when it may pass."""
