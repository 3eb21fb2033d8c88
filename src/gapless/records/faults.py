"""What faults do to a workflow: one cell per fault and step."""

from __future__ import annotations

from typing import Literal

from gapless.records.base import Record
from gapless.records.budget import BudgetLine
from gapless.records.estimate import Estimate
from gapless.records.measurement import Measurement

Ending = Literal["survived", "repaired", "escalated", "failed", "asked", "silent", "unjudged"]
"""survived: right, and no contract acted; repaired: right, because one did; escalated: sent to a person; failed: loudly;
asked: an action nobody heard back from is brought to a person; silent: delivered and wrong, or an effect that took place
twice; unjudged: delivered, and nothing says whether it was right."""
ENDINGS: tuple[Ending, ...] = ("silent", "unjudged", "asked", "failed", "escalated", "repaired", "survived")
"""The worst first."""


class FaultCell(Record, frozen=True, kw_only=True):
    """One fault at one step, over several trials."""

    fault: str
    step: str
    endings: dict[Ending, int] = {}
    """How the trials ended that met the fault and end correct without it."""
    n: int = 0
    """How many those are."""
    lost_anyway: int = 0
    """Trials that met the fault and do not end correct without it either: they say nothing about it."""
    unmet: int = 0
    """Trials in which it found nothing to change, or its step did not run."""
    suspected: int = 0
    """Unjudged trials in which a built-in step check fired that was silent without the fault."""
    silent: Estimate
    """Share of the counted trials that end silently wrong; limits are one-sided 95 % claims each."""
    detectable: Literal["detect", "repair", "neither"]
    """What a contract at this boundary can do about the fault."""
    why: str
    """How."""
    examples: tuple[str, ...] = ()
    """Up to three silent trials, as "case#trial"."""
    measurement: str
    """Id of the measurement that holds the trials."""


class FaultMatrix(Record, frozen=True, kw_only=True):
    """Faults x steps."""

    clean: Measurement
    """The same cases without any fault: what every trial is held against."""
    clean_endings: dict[str, int] = {}
    """Its trials by outcome."""
    faults: tuple[str, ...] = ()
    """Rows, in the shelf's order."""
    steps: tuple[str, ...] = ()
    """Columns, in the workflow's order."""
    cells: tuple[FaultCell, ...] = ()
    """Those that were run; a fault that finds nothing to change at a step has no cell there."""
    guarded: bool = False
    """Whether contracts were in force."""
    silent: Estimate
    """Share of silently wrong trials over all cells; limits are one-sided 95 % claims each."""
    totals: dict[Ending, int] = {}
    left_out: tuple[str, ...] = ()
    """What was not run, and how to run it."""
    notes: tuple[str, ...] = ()
    command: str | None = None
    """What runs the matrix again; None where workflow or suite were given as objects, which no command can name."""
    complete: bool = True
    budget: BudgetLine | None = None
    """Whether `max_silent_failures` is kept over all cells; None where no such limit is set."""
