"""What `gapless calibrate` states, and what gates read: thresholds with a guarantee, and all it rests on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from gapless.records.base import Record
from gapless.records.estimate import Estimate

SCHEMA = "gapless.gates/1"


class Weight(Record, frozen=True, kw_only=True):
    """What one signal counts for."""

    signal: str
    mean: float
    """Where the signal is centred, on its own scale."""
    sd: float
    """How wide it is; 1 where it never varied."""
    weight: float
    """Added to the log odds per standard deviation."""
    missing: float = 0.0
    """Added to the log odds where the signal says nothing."""
    low: float
    high: float
    """What it said when the model was fitted lay between these; beyond them it counts no more than there."""


class SignalModel(Record, frozen=True, kw_only=True):
    """A logistic model: several signals -> the probability that the trial ends correct."""

    intercept: float
    weights: tuple[Weight, ...]
    n: int = 0
    """Trials it was fitted on."""

    def probability(self, said: Mapping[str, float | None]) -> float | None:
        """The probability, 0..1; None where no signal says anything."""
        odds, heard = self.intercept, False
        for one in self.weights:
            value = said.get(one.signal)
            if value is None or not math.isfinite(value):
                odds += one.missing
            else:
                odds += one.weight * (min(max(value, one.low), one.high) - one.mean) / one.sd
                heard = True
        return 1 / (1 + math.exp(-max(-500.0, min(500.0, odds)))) if heard else None


class SignalQuality(Record, frozen=True, kw_only=True):
    """How much a signal knows, from trials it was not fitted on."""

    name: str
    auroc: Estimate
    aurc: float | None = None
    excess_aurc: float | None = None
    brier: float | None = None
    ece: float | None = None
    loss_without: Estimate | None = None
    """What the model's AUROC loses without this signal; None for the model itself."""


class ReliabilityBin(Record, frozen=True, kw_only=True):
    """One bar of a reliability diagram."""

    low: float
    high: float
    n: int
    said: float
    came: float


class CurvePoint(Record, frozen=True, kw_only=True):
    """What a threshold, or one for each gate, would have done on the calibration trials."""

    thresholds: tuple[float, ...]
    coverage: float
    joint: float
    """Share of all trials that would have been delivered and wrong."""
    conditional: float | None
    """Share of wrong ones among what would have been delivered."""
    p: float
    """p-value of "the risk is above alpha"."""
    certified: bool


class GateThreshold(Record, frozen=True, kw_only=True):
    """One gate."""

    step: str
    threshold: float | None
    """Lowest value that passes; None: nothing was certified, and everything is doubt."""
    signals: tuple[str, ...] = ()
    """What the gate reads, where it reads several."""
    model: SignalModel | None = None
    """Makes one probability of them."""
    quality: tuple[SignalQuality, ...] = ()
    reliability: tuple[ReliabilityBin, ...] = ()
    scores: tuple[float, ...] = ()
    """What it said on one calibration trial of each group, in their order: later values are ranked among them."""


class Realised(Record, frozen=True, kw_only=True):
    """What the certified thresholds do on a set of trials."""

    joint: Estimate
    """P(delivered and wrong)."""
    conditional: Estimate
    """P(wrong | delivered)."""
    coverage: Estimate
    """P(delivered)."""
    reviews_per_1000: Estimate
    """Trials per thousand that go to a person."""
    best_coverage: float | None = None
    """Coverage of the best threshold in hindsight at the same joint risk; None for several gates."""
    perfect_coverage: float | None = None
    """Coverage of a gate that knows everything at the same joint risk."""


class Look(Record, frozen=True, kw_only=True):
    """One time somebody asked these data for a certificate."""

    data: str
    alpha: float
    delta: float
    risk: Literal["joint", "conditional"]
    gates: tuple[str, ...]


class Calibration(Record, frozen=True, kw_only=True):
    """The outcome of one calibration; the file that gates read."""

    schema: str = SCHEMA
    risk: Literal["joint", "conditional"]
    alpha: float
    delta: float
    looks: tuple[Look, ...] = ()
    """Every differing question asked of these data, this one included: delta was divided by their number."""
    certified: bool
    gates: tuple[GateThreshold, ...]
    method: str
    """"learn-then-test" or "pareto-testing", and the test: "binomial" or "betting"."""
    grid: tuple[float, float, int]
    """Highest and lowest threshold, and how many of them evenly spaced, per gate; declared before any verdict was read."""
    n_runs: int
    n_cases: int
    n_groups: int
    unknown: int = 0
    """Trials without a verdict: each counts as wrong where it would be delivered."""
    measurement: str
    condition: str
    fingerprint: str
    """Of the workflow whose trials these are: another one voids the certificate."""
    data: str
    """Digest of the trials: cases, outcomes and signals."""
    seed: int = 0
    made_at: float = 0.0
    statement: str
    """The guarantee in words, or why there is none."""
    advice: tuple[str, ...] = ()
    calibrated: Realised
    """On the trials the thresholds were certified on."""
    tested: Realised | None = None
    """On trials that were used for nothing else, where there are some."""
    average_threshold: float | None = None
    """One gate, joint risk: what conformal risk control would pick; alpha holds on average over calibrations only."""
    curve: tuple[CurvePoint, ...] = ()

    def gate(self, step: str) -> GateThreshold | None:
        """The gate at a step; None where the file has none."""
        return next((one for one in self.gates if one.step == step), None)
