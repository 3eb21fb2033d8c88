"""What the arithmetic says about a measurement: computed by `gap`, shown by `report`. METHOD's names, no behaviour."""

from __future__ import annotations

from gapless.records.base import Record
from gapless.records.baseline import PromptBaseline
from gapless.records.cost import CostRow
from gapless.records.decomposition import CaseMixRow, ChainRow, LayerRow, Repeat, RetryRow
from gapless.records.estimate import Estimate
from gapless.records.judge import JudgeQuality
from gapless.records.replay import Causes
from gapless.records.trial import Action, Outcome

ESCALATION = "(escalation)"
CRASH = "(crash)"
UNOBSERVED = "(unobserved)"
UNJUDGED = "(unjudged)"
ALL_TOOLS = "(all tools)"
PSEUDO_EXITS: tuple[str, ...] = (ESCALATION, CRASH, UNOBSERVED, UNJUDGED)


class Component(Record, frozen=True, kw_only=True):
    """One step alone on golden inputs (p_j of METHOD section 4)."""

    step: str
    layer: str
    layer_guessed: bool
    rate: Estimate
    needed: float
    """Mean number of successes of this step that a planned path needs."""
    unknown_share: float = 0.0
    """Share of its benchmark runs whose verdict is unknown: counted as no success."""


class Compounding(Record, frozen=True, kw_only=True):
    """Best component -> P -> S (METHOD section 4). `P` is not estimable without a planned path or a benchmark."""

    best: Estimate
    """max_j p_j: a biased selector, shown because people ask for it."""
    best_step: str | None = None
    weakest: Estimate
    weakest_step: str | None = None
    predicted: Estimate
    """P: what length alone leaves, if steps were independent and inputs golden."""
    success: Estimate
    """S."""
    article_gap: Estimate
    """A = max_j p_j - S."""
    compounding_loss: Estimate
    """K = max_j p_j - P."""
    interaction_loss: Estimate
    """I = P - S; its sign is free."""
    frechet_low: float | None = None
    """Lowest S attainable with no boundary effect, whatever the dependence (point, from the component rates)."""
    frechet_high: float | None = None
    cases_for_interaction: int | None = None
    """Benchmark cases per step at which I would become distinguishable from 0, roughly; None if it already is."""


class BoundaryRow(Record, frozen=True, kw_only=True):
    """The loss placed at one exit (METHOD section 5): points add up to 1 - S over all rows exactly."""

    exit: str
    """A step, or one of (escalation), (crash), (unobserved), (unjudged)."""
    receivers: tuple[str, ...] = ()
    """The steps that took its output."""
    layer: str | None = None
    layer_guessed: bool = False
    points: Estimate
    """L_j: share of all trials lost here (0..1)."""
    more_groups: int | None = None
    """About how many more groups would tell these points from 0 in four of five repetitions; None where they are told
    apart already, or nothing was lost here."""
    share: float | None = None
    """Share of the whole loss; None when nothing was lost."""
    wrong: int = 0
    """Silent failures blamed here."""
    escalated: int = 0
    failed: int = 0
    unjudged: int = 0
    repaired: int = 0
    """Correct trials whose first failing step is this one: counted, not blamed."""
    first_failures: int = 0
    """All trials, whatever the outcome, whose first failing step is this one."""
    repair_rate: Estimate | None = None
    """Share of those that ended correct all the same; None where there are none."""
    p_largest: float | None = None
    """Share of resamples in which this exit loses most; None with fewer than two groups."""
    examples: tuple[str, ...] = ()
    """Up to three trials lost here, as "case#trial", silent ones first."""
    reasons: dict[str, int] = {}
    """What was wrong in the trials lost here, in the words of the exception or check, the most frequent first."""


class SuspectedRow(Record, frozen=True, kw_only=True):
    """Suspicions at one exit, without labels (METHOD section 14)."""

    exit: str
    receivers: tuple[str, ...] = ()
    layer: str | None = None
    layer_guessed: bool = False
    rate: Estimate
    """Share of trials in which a built-in check fired at this exit."""
    checks: dict[str, int] = {}
    """Which built-in checks fired, and in how many trials."""
    examples: tuple[str, ...] = ()
    """Up to three trials, as "case#trial"."""


class NextLabel(Record, frozen=True, kw_only=True):
    """The trial whose label would narrow the answer most."""

    case: str
    trial: int
    exit: str
    """The exit whose interval it would narrow."""
    width: float
    """Width of that exit's interval now."""
    expected_width: float
    """Expected width once the label is known."""


class LatencyRow(Record, frozen=True, kw_only=True):
    """Step latency in milliseconds (METHOD section 7); steps' quantiles never add up."""

    step: str
    """A step, "(trial)" for the whole workflow, or "(delivered)" for its trials that ended with an answer."""
    p50: Estimate
    p95: Estimate
    p99: Estimate


class ToolUse(Record, frozen=True, kw_only=True):
    """How a tool was used over all trials. Counts, no rates: calls of one trial are not independent."""

    tool: str
    """Its name, or "(all tools)"."""
    n_calls: int
    n_trials: int
    """Trials that called it."""
    n_errors: int
    """Calls whose result was an error."""
    n_error_trials: int
    """Trials with such a call."""
    n_empty: int | None = None
    """Calls that returned nothing; None where results were not looked at."""


class RulingRow(Record, frozen=True, kw_only=True):
    """What one guard did at one step's exit, over all trials. Counts: what it is worth, a comparison tells."""

    step: str
    guard: str
    action: Action
    n_trials: int
    """Trials in which it ruled so."""
    n_rulings: int
    ms: float = 0.0
    """Time waited or spent again for it over all trials, in milliseconds."""
    logged: bool = False
    """Whether the guard, a gate in shadow, only logged what it would have done."""


class AfterReview(Record, frozen=True, kw_only=True):
    """What reviewers made of escalated trials, whose outcome stays as it is (METHOD section 0)."""

    n_escalated: int
    n_asked: int
    """Escalated trials that came before a reviewer."""
    outcomes: dict[Outcome, int]
    """How those ended."""
    right: Estimate
    """h: the share of those that ended right."""
    system: Estimate
    """System accuracy with reviewers, P(C) + h P(E); not estimable where some escalated trials were never reviewed."""


class SliceRow(Record, frozen=True, kw_only=True):
    """S on one declared slice."""

    key: str
    value: str
    success: Estimate
    outcomes: dict[Outcome, int] = {}


class Gap(Record, frozen=True, kw_only=True):
    """Everything a report says about one measurement."""

    n_runs: int
    n_cases: int
    n_groups: int
    weighting: str
    """"runs" when every case has as many trials, else "cases"."""
    outcomes: dict[Outcome, int]
    outcome_rates: dict[Outcome, Estimate]
    success: Estimate
    """S."""
    success_bounds: tuple[float, float] | None = None
    """[C/N, (C+U)/N] where some trials are unjudged."""
    success_other_weighting: Estimate | None = None
    """S under the other weighting, printed beside the headline when the two differ."""
    coverage: Estimate
    """P(delivered): correct or wrong."""
    silent_failure_rate: Estimate
    """P(wrong), all trials in the denominator."""
    selective_risk: Estimate
    """P(wrong | delivered)."""
    icc: float | None = None
    design_effect: float | None = None
    effective_runs: float | None = None
    se_clustered: float | None = None
    """Standard error of S with trials of a group taken together."""
    se_cr0: float | None = None
    """The same without the factor G/(G-1) for few groups, as some tools report it."""
    design_effect_cr0: float | None = None
    """The design effect by that standard error."""
    se_naive: float | None = None
    """Standard error of S as if all trials were independent: what not to use."""
    repeats: tuple[Repeat, ...] = ()
    """pass@k and pass^k for k up to the number of trials of a case; empty with one trial per case."""
    components: tuple[Component, ...] = ()
    compounding: Compounding
    boundaries: tuple[BoundaryRow, ...] = ()
    chain: tuple[ChainRow, ...] = ()
    """The same loss along the chain of steps, in their order."""
    layers: tuple[LayerRow, ...] = ()
    """The same loss by layer, the largest first."""
    retries: tuple[RetryRow, ...] = ()
    """Steps that were tried more than once in a visit."""
    case_mix: tuple[CaseMixRow, ...] = ()
    """Benchmarked steps: which cases reach them, apart from what their boundary loses."""
    verdict_share: float | None = None
    """Share of step visits with a verdict; below 1 the decomposition is partial."""
    suspected: tuple[SuspectedRow, ...] = ()
    suspected_any: Estimate | None = None
    """Share of trials with any suspicion at all."""
    next_label: NextLabel | None = None
    latencies: tuple[LatencyRow, ...] = ()
    slices: tuple[SliceRow, ...] = ()
    worst_slice: SliceRow | None = None
    """The slice with the lowest S, where there are several: a minimum of noisy numbers, biased low."""
    tools: tuple[ToolUse, ...] = ()
    """Calls of tools: all together first, then each tool, the most called first."""
    costs: tuple[CostRow, ...] = ()
    """Tokens, reviews and money; empty where none was recorded."""
    rulings: tuple[RulingRow, ...] = ()
    """What contracts did; gates that let pass are left out."""
    after_review: AfterReview | None = None
    """What reviewers made of escalated trials; None where nobody was asked."""
    verdict_sources: dict[str, int] = {}
    """Check -> how many end verdicts it decided, alone or with others."""
    judge: JudgeQuality | None = None
    """How far a model's end verdicts can be trusted; None where no model gave any."""
    baseline: PromptBaseline | None = None
    """The workflow held against one plain prompt; None where that was not measured."""
    notes: tuple[str, ...] = ()
    """Sentences a reader must know: partial, few cases, why P is missing."""
    causes: Causes | None = None
    """Where replays of lost trials place the loss; None where none was replayed."""
