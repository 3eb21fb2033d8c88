"""The confidence gate: a signal below its threshold sends the handoff to a person, to another step, or nowhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec

from gapless.boundary.crossing import Crossing
from gapless.boundary.review import Decision
from gapless.errors import InvalidContract
from gapless.records.calibration import SignalModel

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
    """Lets a handoff pass when its confidence reaches the threshold.

    One `signal` and a threshold picked by hand promise nothing. With `calibrated`, the threshold comes from a file that
    `gapless calibrate` wrote, with a stated guarantee; several `signals` become one probability by the model in it. The file
    is read when the workflow is guarded. Until there is one, and from the moment on that the workflow is another than the
    one it was made for, everything is doubt.
    """

    name: ClassVar[str] = "gate"

    signal: Signal | None = None
    signals: Mapping[str, Signal] = field(default_factory=dict[str, Signal])
    """Several, by name; only with `calibrated`."""
    at_least: float | None = None
    """Lowest signal that passes; 0.6 when left out. Not with `calibrated`."""
    below: Destination = field(default_factory=Review)
    """Where doubt goes."""
    scale: tuple[float, float] = (0.0, 1.0)
    """What the one signal may say; anything outside is doubt, however large."""
    calibrated: str | None = None
    """The file with its threshold, beside `gapless.toml` or in the current folder: "gates.json"."""
    depends_on: tuple[str, ...] = ()
    """Files whose content the certificate rests on besides the code, as patterns: prompts, an index. A change voids it."""
    bound: Bound | None = field(default=None, compare=False, repr=False)
    """What the file says; filled in when the workflow is guarded."""

    def __post_init__(self) -> None:
        if (self.signal is None) == (not self.signals):
            raise InvalidContract("Gate: either one signal=, or several signals={name: function}.")
        if self.signals and self.calibrated is None:
            raise InvalidContract(
                "Gate(signals=...): several signals become one number by a model; name its file: calibrated='gates.json'."
            )
        if self.calibrated is not None and self.at_least is not None:
            raise InvalidContract(
                "Gate: the threshold stands in the calibrated file, or in at_least; not in both."
            )
        low, high = self.scale
        if not low < high or not low <= self._by_hand <= high:
            raise InvalidContract(
                f"Gate(at_least={self.at_least!r}): the threshold lies within the scale {self.scale}."
            )

    @property
    def _by_hand(self) -> float:
        if self.at_least is not None:
            return self.at_least
        return 0.6 if self.scale == (0.0, 1.0) else self.scale[0]

    def read(self, crossing: Crossing) -> Reading:
        """What the signals say, and whether that is enough. One that raises, is no number or out of range is doubt."""
        if self.signals:
            return self._several(crossing)
        assert self.signal is not None
        value, trouble = _said(self.signal, crossing, "the signal")
        if trouble is not None or value is None:
            return Reading(None, trouble or "the signal says nothing")
        low, high = self.scale
        if not low <= value <= high:
            return Reading(value, f"the signal says {value:g}, outside {low:g} to {high:g}")
        return self._judged(value, "the signal says", {})

    def _several(self, crossing: Crossing) -> Reading:
        parts: dict[str, float | None] = {}
        troubles: list[str] = []
        for name, signal in self.signals.items():
            parts[name], trouble = _said(signal, crossing, f"the signal {name!r}")
            troubles += [] if trouble is None else [trouble]
        model = self.bound.model if self.bound is not None else None
        value = model.probability(parts) if model is not None and not troubles else None
        if troubles:
            return Reading(None, troubles[0], parts)
        if value is None and model is not None:
            return Reading(None, "none of its signals says anything", parts)
        return self._judged(value, "the confidence is", parts)

    def _judged(self, value: float | None, says: str, parts: dict[str, float | None]) -> Reading:
        threshold = self._by_hand
        if self.calibrated is not None:
            if self.bound is None:
                return Reading(
                    value, f"{self.calibrated} was not read: the workflow was not put under `guard`", parts
                )
            if self.bound.void is not None or self.bound.threshold is None:
                return Reading(value, self.bound.void or "no threshold is certified", parts)
            threshold = self.bound.threshold
        if value is None or value < threshold:
            said = "unknown" if value is None else f"{value:.4g}"
            return Reading(value, f"{says} {said}, below {threshold:g}", parts)
        return Reading(value, None, parts)


def _said(signal: Signal, crossing: Crossing, what: str) -> tuple[float | None, str | None]:
    """A signal's number, or why it is none; both None where it says nothing."""
    try:
        said: Any = signal(crossing)
    except Exception as error:  # the user's signal may raise anything
        return None, f"{what} failed: {type(error).__name__}: {error}"
    if said is None:
        return None, None
    if isinstance(said, bool) or not isinstance(said, (int, float)) or not math.isfinite(said):
        return None, f"{what} says {said!r}, which is no number"
    return float(said), None


@dataclass(frozen=True, slots=True)
class Bound:
    """What a gate's file says, read once."""

    threshold: float | None = None
    """Lowest confidence that passes; None: none is certified."""
    model: SignalModel | None = None
    fingerprint: str = ""
    """Of the workflow as it is now."""
    certificate: str | None = None
    """Digest of the threshold, its model and what they were certified for."""
    void: str | None = None
    """Why nothing passes."""


class Reading(msgspec.Struct, frozen=True):
    """A gate's reading."""

    signal: float | None
    doubt: str | None
    """Why the handoff is doubtful; None when it may pass."""
    signals: dict[str, float | None] = {}
    """What each of several signals said."""
