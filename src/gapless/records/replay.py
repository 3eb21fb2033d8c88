"""Replays: a trial run again with part of its tape kept, and what many of them say about causes (METHOD section 9)."""

from __future__ import annotations

from typing import Any, Literal

from gapless.records.base import Record
from gapless.records.estimate import Estimate
from gapless.records.origin import Origin
from gapless.records.trial import Outcome

Arm = Literal["golden", "observed", "subset"]
"""What a rerun keeps: golden outputs up to a step, the recorded ones, or golden outputs of some steps only."""
VERDICT_NOISE = "(verdict noise)"


class ReplayRun(Record, frozen=True, kw_only=True):
    """One rerun of what follows a step of a lost trial."""

    case: str
    trial: int
    group: str
    """The independent unit."""
    step: str
    """The step whose output was handed over without running it; for the arm `subset`, the golden steps joined by "+"."""
    position: int
    """Its place on the trial's path by its last visit, counted from 1; 0 where nothing is kept."""
    arm: Arm
    rep: int = 0
    ok: bool | None = None
    """Whether the trial ended correct; None where that is not known, and then `reason` says why."""
    outcome: Outcome | None = None
    """How it ended; None where it could not be run."""
    reason: str = ""
    ms: float = 0.0
    """Wall time in milliseconds."""
    path: tuple[str, ...] = ()
    """The steps the trial visited, in the order of their last visits."""
    blind: tuple[str, ...] = ()
    """Those among them that have no golden output."""


class StepCause(Record, frozen=True, kw_only=True):
    """What replays say of one step: how much of the achievable success is lost exactly there."""

    step: str
    receivers: tuple[str, ...] = ()
    """The steps that take its output."""
    layer: str | None = None
    layer_guessed: bool = False
    share: Estimate
    """share_k: damage_k - damage_{k-1}; the shares and the verdict noise add up to 1. Below 0: the step mended damage."""
    together_with: tuple[str, ...] = ()
    """Steps before it without a share of their own (no golden output, say): their part is in this one, not to be told apart."""
    effect: Estimate
    """E_k: mean over lost trials of (pass share with the golden output) - (pass share with the observed one)."""
    golden_pass: float | None = None
    """Mean pass share with golden outputs up to here."""
    observed_pass: float | None = None
    """Mean pass share with the recorded outputs kept: the control for reruns that pass by luck."""
    n_trials: int = 0
    """Sampled lost trials that visited the step."""
    suspected: Estimate = Estimate()
    """Share of the same lost trials whose first failing check is this step's: suspicion, not cause."""
    first: float | None = None
    """Share of resamples of the groups in which its share is the largest."""


class Interaction(Record, frozen=True, kw_only=True):
    """Shapley value of one step over subsets of golden outputs (METHOD section 9): finds losses that need two bad inputs."""

    step: str
    value: Estimate
    """Mean marginal gain of its golden output over all orders; the values add up to v(all) - v(none)."""


class Causes(Record, frozen=True, kw_only=True):
    """Which boundary loses the lost trials, proven by replay; its JSON is `gapless.causes/1`."""

    measurement: str
    lost: int
    """Lost trials of the measurement (wrong, failed or escalated)."""
    sampled: int
    """How many of them were replayed."""
    sampled_cases: int = 0
    sampled_groups: int = 0
    reps: int = 0
    """Reruns per arm."""
    replays: int = 0
    """Reruns on record."""
    rows: tuple[StepCause, ...] = ()
    """In path order; a step without a share says why in its `reason`."""
    verdict_noise: Estimate = Estimate()
    """1 - damage after the last step: what a judge that changes its mind, or an unkept path, makes of the same answer."""
    unseen: Estimate = Estimate()
    """Share of the sampled trials in which no step's check failed: nothing is suspected there."""
    not_estimable: dict[str, str] = {}
    """Step -> why it has no share."""
    unsettled: dict[str, int] = {}
    """Why reruns have no verdict -> how many."""
    interactions: tuple[Interaction, ...] = ()
    seed: int = 0
    """Of the resamples."""
    resamples: int = 0
    """How often groups were resampled for intervals and chances."""
    complete: bool = True
    notes: tuple[str, ...] = ()


class Change(Record, frozen=True, kw_only=True):
    """One place in which two values differ."""

    path: str
    before: Any = None
    after: Any = None
    kind: Literal["changed", "added", "removed"] = "changed"


class CrossingPair(Record, frozen=True, kw_only=True):
    """The same crossing in the recorded trial and in its replay."""

    step: str
    branch: int | None = None
    visit: int = 1
    status: Literal["kept", "edited", "same", "changed", "new", "gone"]
    """kept: from the tape; edited: something else was handed over; same, changed: it ran again; new, gone: in one trial only."""
    before_ms: float | None = None
    after_ms: float | None = None
    before_ok: bool | None = None
    after_ok: bool | None = None
    state: tuple[Change, ...] = ()
    """How the state it was given differs."""
    handoff: tuple[Change, ...] = ()
    """How what it handed over differs."""
    before_error: str | None = None
    after_error: str | None = None
    verdicts: tuple[str, ...] = ()
    """Checks whose verdict changed: "recall_at_k: fail -> pass"."""


class ReplayDiff(Record, frozen=True, kw_only=True):
    """A recorded trial beside its replay; its JSON is `gapless.replay/1`."""

    origin: Origin
    replay: str
    """Id of the measurement that holds the replayed trial, under the same case and trial number."""
    before: Outcome
    after: Outcome
    before_ms: float = 0.0
    after_ms: float = 0.0
    crossings: tuple[CrossingPair, ...] = ()
    output: tuple[Change, ...] = ()
    """How the final output differs."""
    verdicts: tuple[str, ...] = ()
    """End checks whose verdict changed."""
    before_why: str = ""
    after_why: str = ""
    warnings: tuple[str, ...] = ()


class FidelityReason(Record, frozen=True, kw_only=True):
    """Why replays did not reproduce what was recorded."""

    reason: str
    count: int
    examples: tuple[str, ...] = ()
    """`case#trial`."""


class Fidelity(Record, frozen=True, kw_only=True):
    """How often an unchanged replay reproduces the recorded trial; its JSON is `gapless.fidelity/1`."""

    measurement: str
    replay: str
    start: str | None = None
    """The step from which the trials ran again; None: from the first one."""
    outcome: Estimate = Estimate()
    """Share of trials that ended the same."""
    handoffs: Estimate = Estimate()
    """Share of trials in which every handoff and the final output were the same too."""
    trials: int = 0
    replayed: int = 0
    skipped: int = 0
    """Trials that never came to the step from which the others ran again."""
    reasons: tuple[FidelityReason, ...] = ()
    unstable: dict[str, int] = {}
    """Step -> trials in which its handoff differed although the state it was given was the same."""
    complete: bool = True
