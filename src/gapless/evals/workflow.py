"""What the harness needs of a workflow; the frameworks provide it."""

from __future__ import annotations

from typing import Any, Protocol

from gapless.boundary.ending import Ending, StepPaused
from gapless.records.workflow import Shape

__all__ = ["Ending", "StepPaused", "Workflow"]


class Workflow(Protocol):
    """A workflow that can be run and recorded. It reports its steps to `boundary.session.current_session`."""

    @property
    def target(self) -> str:
        """As the user named it: "app.py:graph"."""
        ...

    @property
    def fingerprint(self) -> str:
        """Digest of its code and shape: another version is another measurement."""
        ...

    @property
    def shape(self) -> Shape:
        """Its steps and boundaries."""
        ...

    async def run(self, value: Any, *, trial: str) -> Ending:
        """Runs it on a case's input. `trial` is unique to this trial (a thread id for checkpointers)."""
        ...

    async def run_step(self, step: str, golden: Any) -> Any:
        """Runs one step alone, with its own retries, on the state before it; returns the update it hands over.

        Raises:
            StepPaused: The step asked for a person: its verdict is unknown.
        """
        ...

    def state_before(self, step: str, value: Any, golden: dict[str, Any]) -> Any:
        """The golden state before a step: the case's input and the golden updates of the planned steps before it.

        Args:
            step: The step that will run.
            value: The case's input.
            golden: Step -> golden update, in the order of the planned path, only the steps before `step`.
        """
        ...
