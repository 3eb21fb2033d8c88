"""`numeric`: a number is the expected one within a tolerance, or lies in a range."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from gapless.boundary.figures import figures
from gapless.evals.checks.base import MISSING, CheckContext, ValueCheck
from gapless.evals.sameness import close, shown
from gapless.records.trial import Verdict


@dataclass(frozen=True, kw_only=True)
class Numeric(ValueCheck):
    """Passes when the number equals the expected one within a tolerance, or lies between `min` and `max`."""

    name: ClassVar[str] = "numeric"
    example: ClassVar[dict[str, Any]] = {"path": "total", "value": 12, "tol": 0.01}
    shorthand: ClassVar[str | None] = "value"

    value: float | None = None
    """What is expected; the golden output when None."""
    tol: float = 0.0
    """Absolute tolerance."""
    rel: float = 1e-9
    """Relative tolerance: 0.01 is one per cent of the expected value. The wider of the two holds."""
    min: float | None = None
    """The least that is allowed."""
    max: float | None = None
    """The most that is allowed."""
    in_text: bool = False
    """Read the figures inside a text ("EUR 1,200.50", "3.5 million"): one of them must fit."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tol < 0 or self.rel < 0:
            raise ValueError(f"tol is {self.tol:g}, rel is {self.rel:g}; a tolerance is 0 or more")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")

    def judge_value(self, found: Any, context: CheckContext) -> Verdict:
        """Judges one number, or every figure of a text."""
        expected = self._expected(context)
        if expected is None and self.min is None and self.max is None:
            return self.unknown("nothing to compare with: give `value`, `min` or `max`, or a golden number")
        numbers = _in_text(found) if self.in_text and isinstance(found, str) else _number(found)
        if not numbers:
            hint = (
                ""
                if self.in_text or not isinstance(found, str)
                else ". To read figures in texts: in_text: true"
            )
            return self.failed(f"{self.path or 'the value'} is {shown(found)}, which holds no number{hint}")
        if any(self._fits(number, expected) for number in numbers):
            return self.passed(f"is {self._wanted(expected)}")
        seen = ", ".join(f"{number:.15g}" for number in numbers[:5])
        return self.failed(f"{self.path or 'the value'} is {seen}, expected {self._wanted(expected)}")

    def _expected(self, context: CheckContext) -> float | None:
        if self.value is not None:
            return self.value
        golden = self.golden_at(context)
        numbers = _number(golden) if golden is not MISSING else []
        return numbers[0] if numbers else None

    def _fits(self, number: float, expected: float | None) -> bool:
        if expected is not None and not close(
            number, expected, tol=max(self.tol, self.rel * abs(expected)), rel=0.0
        ):
            return False
        return (self.min is None or number >= self.min) and (self.max is None or number <= self.max)

    def _wanted(self, expected: float | None) -> str:
        words: list[str] = []
        if expected is not None:
            slack = max(self.tol, self.rel * abs(expected))
            words.append(f"{expected:.15g}" + (f" within {slack:g}" if slack > 1e-8 * abs(expected) else ""))
        if self.min is not None:
            words.append(f"at least {self.min:g}")
        if self.max is not None:
            words.append(f"at most {self.max:g}")
        return " and ".join(words)


def _number(value: Any) -> list[float]:
    """A number, or a text that is nothing but one."""
    if isinstance(value, bool):
        return []
    if isinstance(value, (int, float, str)):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            return []
        return [number] if math.isfinite(number) else []
    return []


def _in_text(text: str) -> list[float]:
    return [float(value) for figure in figures(text) for value in (figure.value, *figure.also)]
