"""`golden`: a step handed over what it should have; the default for a step that has a golden output and no check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, cast

from gapless.evals.checks.base import MISSING, BaseCheck, CheckContext
from gapless.evals.pointer import kind
from gapless.evals.sameness import difference, shown
from gapless.records.trial import Verdict


@dataclass(frozen=True, kw_only=True)
class Golden(BaseCheck):
    """Passes when every key of the golden update is there with an equal value; further keys do not matter.

    Numbers may differ by 1e-9 of their size. Chat messages are compared by what they say and call, not by their ids.
    """

    name: ClassVar[str] = "golden"
    example: ClassVar[dict[str, Any]] = {"ignore": ["trace_id"], "tol": 0.001}

    ignore: tuple[str, ...] = ()
    """Keys of the golden update that are not compared."""
    tol: float = 0.0
    """Absolute tolerance of numbers."""

    def judge(self, context: CheckContext) -> Verdict:
        """Compares key by key; the reason is the first difference."""
        golden = context.golden
        if golden is MISSING:
            return self.unknown(
                f"the case has no golden output for visit {context.visit} of {context.where!r}"
            )
        if not isinstance(golden, dict):
            words = difference(context.value, golden, tol=self.tol)
            return self.passed() if words is None else self.failed(words)
        if not isinstance(context.value, dict):
            return self.failed(
                f"handed over {kind(context.value)}, expected an object with {shown(list(golden))}"
            )
        for key, expected in cast("dict[str, Any]", golden).items():
            if key in self.ignore:
                continue
            if key not in context.value:
                return self.failed(f"{key} is missing, expected {shown(expected)}")
            words = difference(context.value[key], expected, tol=self.tol, place=key)
            if words is not None:
                return self.failed(words)
        return self.passed()
