"""How a loss divides: over repeated trials, along the chain of steps, by layer, by retries, and by the mix of cases."""

from __future__ import annotations

from gapless.records.base import Record
from gapless.records.estimate import Estimate


class Repeat(Record, frozen=True, kw_only=True):
    """What k trials of one case come to, averaged over cases (METHOD section 3)."""

    k: int
    pass_at_k: Estimate
    """pass@k: at least one of k trials is right. It needs somebody who picks that one."""
    pass_hat_k: Estimate
    """pass^k: all of k trials are right."""
    se_pass_at_k: float | None = None
    """Standard error over cases, by group where groups are declared."""
    se_pass_hat_k: float | None = None
    n_excluded: int = 0
    """Cases with fewer than k trials: left out."""


class ChainRow(Record, frozen=True, kw_only=True):
    """One exit in the chain rule (METHOD section 5): the product of `conditional` over all rows is S."""

    exit: str
    conditional: float | None = None
    """c_j: share of the trials not lost before it that are not lost here; None when none is left."""
    log_loss: float | None = None
    """-ln c_j; the rows add up to -ln S. None where c_j is None or 0."""
    reach: float | None = None
    """Share of the trials not lost before it that visit the step."""
    hazard: float | None = None
    """Share of those that are lost here: c_j = 1 - reach * hazard."""
    shapley: Estimate | None = None
    """Shapley share of 1 - S: a fair split of arithmetic, not causal. None where S is 0 or 1."""
    lmdi: float | None = None
    """Logarithmic-mean share of 1 - S, as a check on it."""


class LayerRow(Record, frozen=True, kw_only=True):
    """The loss at one layer's exits: points, logs and Shapley shares of its steps added up."""

    layer: str
    points: Estimate
    """Share of all trials lost at the layer's exits."""
    log_loss: float | None = None
    shapley: float | None = None


class RetryRow(Record, frozen=True, kw_only=True):
    """What attempts beyond the first bought at one step, and what they cost."""

    step: str
    n_visits: int
    """Visits whose first and last attempt have a verdict."""
    n_retried: int
    """Visits with more than one attempt."""
    first_attempt: Estimate
    """Share of visits that pass at the first attempt."""
    last_attempt: Estimate
    """Share of visits that pass at the last attempt."""
    gain: float
    """Last-attempt pass share minus first-attempt pass share."""
    extra_attempts: int
    """Attempts beyond the first, over all trials."""
    extra_ms_per_trial: float | None = None
    """Mean time spent on them, in milliseconds per trial; None where nobody took the time."""


class CaseMixRow(Record, frozen=True, kw_only=True):
    """Why a step passes less often in the chain than alone (METHOD section 4b): which cases reach it, and the boundary."""

    step: str
    alone: float | None
    """p_j: pass share on golden inputs, over all cases."""
    alone_on_reached: float | None = None
    """p~_j: the same over the cases of the trials that reached the step unspoilt."""
    in_chain: float | None = None
    """c_j: pass share among those trials."""
    total: float | None = None
    """ln(p_j / c_j): boundary and selection together."""
    selection: float | None = None
    """ln(p_j / p~_j): later steps see the easier cases that survived."""
    boundary: float | None = None
    """ln(p~_j / c_j): what the boundary loses."""
    reason: str | None = None
    """Why the two are not told apart."""
