"""`trajectory`: the steps a trial went through."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from gapless.evals.checks.base import BaseCheck, CheckContext
from gapless.records.trial import Verdict

Mode = Literal["exact", "in_order", "any_order", "superset", "subset"]


@dataclass(frozen=True, kw_only=True)
class Trajectory(BaseCheck):
    """Passes when the executed steps agree with the planned path.

    exact: the same steps in the same order. in_order: the planned ones in their order, others in between. any_order: the
    same steps in any order. superset: at least the planned ones. subset: nothing but planned ones. Retries count once,
    every visit of a loop counts.
    """

    name: ClassVar[str] = "trajectory"
    example: ClassVar[dict[str, Any]] = {"path": ["retrieve", "draft"], "mode": "in_order", "max_steps": 8}
    shorthand: ClassVar[str | None] = "mode"

    path: list[str] | None = None
    """The planned steps; the case's `path` when None."""
    mode: Mode = "exact"
    """How executed and planned steps are compared."""
    max_steps: int | None = None
    """Most visits of steps; on its own it needs no path."""

    def __post_init__(self) -> None:
        if self.max_steps is not None and self.max_steps < 1:
            raise ValueError(f"max_steps is {self.max_steps}, the least is 1")

    @property
    def steps(self) -> tuple[str, ...]:
        """Steps that the check names."""
        return tuple(self.path or ())

    def judge(self, context: CheckContext) -> Verdict:
        """Judges the executed steps; routers count only when the planned path names them."""
        planned = tuple(self.path) if self.path is not None else context.case.path
        if not context.events:
            return self.unknown("no step was recorded")
        executed = _executed(context, frozenset(planned or ()))
        if self.max_steps is not None and len(executed) > self.max_steps:
            return self.failed(f"{len(executed)} steps, allowed are {self.max_steps}: {_arrows(executed)}")
        if planned is None:
            if self.max_steps is not None:
                return self.passed(f"{len(executed)} steps")
            return self.unknown("no planned path: give the case or the check a `path`")
        if _agrees(self.mode, executed, planned):
            return self.passed(_arrows(executed))
        return self.failed(f"went {_arrows(executed)}, planned ({self.mode}) {_arrows(planned)}")


def _executed(context: CheckContext, named: frozenset[str]) -> tuple[str, ...]:
    visits = {
        (event.step, event.branch, event.visit): None
        for event in context.events
        if not event.router or event.step in named
    }
    return tuple(step for step, _, _ in visits)


def _agrees(mode: Mode, executed: tuple[str, ...], planned: tuple[str, ...]) -> bool:
    if mode == "exact":
        return executed == planned
    if mode == "in_order":
        following = iter(executed)
        return all(step in following for step in planned)
    have, want = Counter(executed), Counter(planned)
    if mode == "any_order":
        return have == want
    return want <= have if mode == "superset" else have <= want


def _arrows(steps: tuple[str, ...]) -> str:
    return " -> ".join(steps) if steps else "(no step)"
