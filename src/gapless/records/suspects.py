"""What is suspected of lost trials that cannot be run again: step visits in order, with scores and reasons in words."""

from __future__ import annotations

from typing import Literal

from gapless.records.base import Record
from gapless.records.estimate import Estimate
from gapless.records.trial import Outcome
from gapless.records.workflow import Layer


class Suspect(Record, frozen=True, kw_only=True):
    """One visit of one step in a lost trial. It is suspected; nobody has tried whether another output saves the trial."""

    step: str
    visit: int = 1
    """Counts arrivals at the step within the trial."""
    branch: int | None = None
    """Index among parallel visits; None when not fanned out."""
    position: int
    """How many-th step visit of the trial it is, from 1; routers left out."""
    message: int | None = None
    """How many-th message of the conversation it stands in, from 1; None where the trace does not say."""
    score: float
    """0 to 1: its part of the evidence in this trial. The scores of all visits of a trial add up to 1. It orders where to
    look first, and is no probability."""
    reasons: tuple[str, ...] = ()
    """What speaks against it, the weightiest first; empty where nothing does."""


class TrialSuspects(Record, frozen=True, kw_only=True):
    """One lost trial."""

    case: str
    trial: int
    outcome: Outcome
    visits: int
    """How many step visits it has."""
    suspects: tuple[Suspect, ...] = ()
    """The first few of them, the most suspected first; of equals the earlier one."""
    told_apart: bool = True
    """Whether any evidence sets one visit apart; if not, all scores are the same."""


class SuspectedStep(Record, frozen=True, kw_only=True):
    """One step over all lost trials."""

    step: str
    layer: Layer | None = None
    layer_guessed: bool = False
    share: Estimate
    """Share of lost trials whose first suspect is this step; visits with equal scores share a trial in equal parts."""
    examples: tuple[str, ...] = ()
    """Up to three such trials, as "case#trial"."""


class Evidence(Record, frozen=True, kw_only=True):
    """How one kind of evidence at one step was weighed."""

    name: str
    """failed check | not judged | error | again | retried | slow | paused | passed here, the name of a built-in step
    check, or a name that the trace gives."""
    step: str
    lost: int
    """Lost trials that show it."""
    lost_of: int
    """Lost trials that came to the step."""
    correct: int
    correct_of: int
    ratio: float
    """How many times as often it is seen in lost trials as in correct ones, drawn towards an assumed ratio where trials
    are few; 0.05 to 20."""
    assumed: float
    """That ratio, fixed beforehand."""


class Suspects(Record, frozen=True, kw_only=True):
    """All lost trials of a measurement, and the steps that come first in them."""

    schema: Literal["gapless.suspects/1"] = "gapless.suspects/1"
    measurement: str
    """Its id."""
    target: str
    condition: str
    n_trials: int
    n_lost: int
    """Trials that ended wrong, failed or escalated."""
    n_correct: int
    """What they are held against."""
    n_unjudged: int
    """Trials nobody has judged: neither lost nor correct here."""
    steps: tuple[SuspectedStep, ...] = ()
    """The largest share first."""
    trials: tuple[TrialSuspects, ...] = ()
    """By case and trial."""
    evidence: tuple[Evidence, ...] = ()
    """What was weighed, the largest ratio first."""
    notes: tuple[str, ...] = ()
    """What must be read with it."""
