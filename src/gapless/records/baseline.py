"""A workflow held against one plain prompt: is it worth its steps?"""

from __future__ import annotations

from typing import Literal

from gapless.records.base import Record
from gapless.records.estimate import Estimate

PROMPT_ONLY = "prompt-only"
"""The condition under which the prompt is measured."""
BaselineVerdict = Literal["ship the prompt", "keep the workflow", "undecided", "no evidence"]


class PromptBaseline(Record, frozen=True, kw_only=True):
    """The same cases and end checks, answered by the workflow and by one prompt."""

    verdict: BaselineVerdict
    reason: str
    """The figures that decided, in words."""
    measurement: str = ""
    """Id of the prompt's measurement."""
    model: str | None = None
    """Who answered the prompt, as far as it is known."""
    stakes: Literal["high", "low"] = "high"
    margin: float = 0.03
    """By how much the workflow must be better."""
    cases: int = 0
    """Cases that both have answered."""
    unshared: int = 0
    """Cases that only one of them has answered: left out."""
    workflow: Estimate
    """S of the workflow on the shared cases."""
    prompt: Estimate
    """S of the prompt on the shared cases."""
    prompt_at_least: float | None = None
    """One-sided 95 % lower bound of the prompt's S."""
    difference: Estimate
    """Workflow minus prompt, paired by case."""
    more_cases: int | None = None
    """About how many more cases would decide; None where it is decided, or where no number would."""
    cost_in: Literal["tokens", "milliseconds"] | None = None
    """What the costs are counted in, per trial; None where neither is known for both."""
    workflow_cost: float | None = None
    prompt_cost: float | None = None
    notes: tuple[str, ...] = ()
    """What the comparison leaves out."""
