"""What is left of a workflow that is killed at every moment of every step."""

from __future__ import annotations

from typing import Literal

from gapless.records.base import Record

Moment = Literal["before", "after", "uncommitted", "committed", "approving", "approved"]
"""before: the step is about to act; after: it has acted, and nobody knows; uncommitted: it has ended, and its checkpoint is not
written; committed: the checkpoint is written, and the next step has not begun; approving, approved: right before and right
after a person's decision is taken in."""
CrashEnd = Literal["ended", "asked", "failed", "paused", "lost", "never there"]
"""ended: it came to an end after it was resumed; asked: it stopped at an action nobody heard back from; failed: loudly; paused:
it waits for a person that this command cannot answer for; lost: nothing was left to resume, and nobody knows of the run; never
there: the run does not pass this moment."""


class CrashCell(Record, frozen=True, kw_only=True):
    """One kill, and everything after it."""

    guarded: bool
    """Whether contracts were in force, with a durable ledger and inbox."""
    durability: str
    """LangGraph's durability mode; "none" for a function, which has no checkpoints."""
    step: str
    moment: Moment
    end: CrashEnd
    restarted: bool = False
    """Whether nothing was left to resume, so that the caller had to begin again."""
    found: bool = False
    """Whether the run that was accepted is known after the crash, although nothing is left of it."""
    resumes: int = 0
    """Processes that it took after the kill."""
    doubled: tuple[str, ...] = ()
    """Effects that took place more often than in a run that nobody kills."""
    repeated: tuple[str, ...] = ()
    """Other steps that ran again."""
    approvals_doubled: int = 0
    """Decisions that were taken in twice."""
    delivered: int = 0
    """How often an answer came out."""
    same: bool | None = None
    """Whether the answer is that of a run that nobody kills; None where none came out."""
    reason: str = ""
    """What it stopped with, where it did not end."""


class CrashTable(Record, frozen=True, kw_only=True):
    """All kills of one workflow."""

    target: str
    case: str
    checkpointer: str
    """"sqlite", "postgres", or "none" for a function."""
    effects: tuple[str, ...] = ()
    """Steps that change the world."""
    cells: tuple[CrashCell, ...] = ()
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    complete: bool = True

    @property
    def harm(self) -> tuple[CrashCell, ...]:
        """Kills under contracts after which something took place twice, or a run was lost without a trace."""
        return tuple(cell for cell in self.cells if cell.guarded and harmful(cell))


def harmful(cell: CrashCell) -> bool:
    """Whether an effect or a decision counted twice, an answer came out twice, or the run is lost and nobody knows."""
    lost = cell.end == "lost" or (cell.restarted and not cell.found)
    return bool(cell.doubled or cell.approvals_doubled or cell.delivered > 1 or lost)
