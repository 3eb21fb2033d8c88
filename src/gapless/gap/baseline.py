"""A workflow held against one plain prompt on the same cases: the paired difference, the costs, and what follows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from gapless.gap.clustered import clustered, effective_runs, korn_graubard, mean, units_of
from gapless.gap.paired import Pairs, difference
from gapless.gap.rate import clopper_pearson
from gapless.gap.table import Table
from gapless.records.baseline import PromptBaseline
from gapless.records.estimate import Estimate

GOOD_ENOUGH = 0.95
"""Where stakes are low, a prompt that is surely right this often is shipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the verdict depends on beside the trials."""

    stakes: Literal["high", "low"] = "high"
    margin: float = 0.03
    evidence: bool = True
    """Whether the prompt's model is one that a prompt can be judged by."""


def held_against(workflow: Table, prompt: Table, terms: Terms) -> PromptBaseline:
    """The verdict on a workflow and one plain prompt.

    Args:
        workflow: Its run table.
        prompt: The prompt's, over the same cases.
        terms: Stakes and margin.

    Returns:
        "ship the prompt" where stakes are low and the prompt is surely right in 95 % of trials, or where the workflow is
        surely not better by the margin and costs more, or the prompt is surely better; "keep the workflow" where that
        one is surely better by the margin; else "undecided". Sure means: by the 95 % interval of the paired difference,
        or the one-sided bound.
    """
    pairs = Pairs.of(prompt, workflow)
    ours, theirs = pairs.after, pairs.before
    success = [clustered(table.is_("correct"), table.units()) for table in (ours, theirs)]
    gained, _ = difference(pairs, theirs.is_("correct"), ours.is_("correct"))
    cost_in, costs = _costs(ours, theirs)
    found = PromptBaseline(
        verdict="undecided",
        reason="",
        stakes=terms.stakes,
        margin=terms.margin,
        cases=len(pairs.cases),
        unshared=pairs.only_before + pairs.only_after,
        workflow=success[0],
        prompt=success[1],
        prompt_at_least=_at_least(theirs),
        difference=gained,
        cost_in=cost_in,
        workflow_cost=costs[0],
        prompt_cost=costs[1],
    )
    obstacle = _obstacle(ours, theirs, terms)
    return _decided(found) if obstacle is None else msgspec.structs.replace(found, **obstacle)


def more_cases(found: Estimate, margin: float) -> int | None:
    """About how many more cases put the interval on one side of the margin; None where the estimate lies on it.

    Example:
        >>> more_cases(Estimate(point=0.10, low=0.02, high=0.18, n_cases=50), 0.03)
        16
    """
    if found.point is None or found.low is None or found.high is None:
        return None
    away = abs(found.point - margin)
    half = (found.high - found.low) / 2
    if away < margin / 10:
        return None
    return max(1, math.ceil(found.n_cases * ((half / away) ** 2 - 1)))


def _decided(found: PromptBaseline) -> PromptBaseline:
    gain, margin = found.difference, found.margin
    low, high = gain.low, gain.high
    least = found.prompt_at_least

    def so(verdict: str, reason: str, more: int | None = None) -> PromptBaseline:
        return msgspec.structs.replace(found, verdict=verdict, reason=reason, more_cases=more)

    if found.stakes == "low" and least is not None and least >= GOOD_ENOUGH:
        return so(
            "ship the prompt",
            f"stakes are low, and the prompt is right in at least {100 * least:.1f} % of trials",
        )
    if low is None or high is None:
        return so("undecided", gain.reason or "the difference is not estimable")
    if low > margin:
        return so(
            "keep the workflow",
            f"it is better by at least {100 * low:.1f} points; the margin is {100 * margin:g}",
        )
    if high < 0:
        ratio = _ratio(found)
        dearer = f", at {1 / ratio:.1f} times the {found.cost_in}" if ratio and ratio < 1 else ""
        return so("ship the prompt", f"it is better by at least {-100 * high:.1f} points{dearer}")
    if high < margin:
        within = f"the workflow is better by at most {100 * high:.1f} points, less than the margin of {100 * margin:g}"
        ratio = _ratio(found)
        if ratio is None:
            return so("undecided", f"{within}, but what the two cost is not known")
        if ratio > 1:
            return so("ship the prompt", f"{within}, and costs {ratio:.1f} times the {found.cost_in}")
        return so("undecided", f"{within}, and costs no more")
    return so(
        "undecided",
        f"the difference may be less or more than the margin of {100 * margin:g} points",
        more_cases(gain, margin),
    )


def _obstacle(workflow: Table, prompt: Table, terms: Terms) -> dict[str, Any] | None:
    """Why no verdict can be drawn at all."""
    if not terms.evidence:
        said = "not evidence for or against orchestration: the prompt's model is too small to answer it"
        return {"verdict": "no evidence", "reason": said}
    for name, table in (("the workflow's", workflow), ("the prompt's", prompt)):
        if len(table) and table.count("unjudged"):
            unjudged = f"{table.count('unjudged')} of {name} {len(table)} trials have no end verdict"
            return {"verdict": "undecided", "reason": unjudged}
    return None


def _ratio(found: PromptBaseline) -> float | None:
    if found.workflow_cost is None or not found.prompt_cost:
        return None
    return found.workflow_cost / found.prompt_cost


def _at_least(prompt: Table) -> float | None:
    """One-sided 95 % lower bound of the prompt's success, exact, at the effective number of trials."""
    if len(prompt) == 0:
        return None
    table = units_of(prompt.group, len(prompt.groups))
    right = prompt.is_("correct")
    if table.n_groups == 1:
        return 0.0
    if table.single:
        return clopper_pearson(float(right.sum()), len(right), level=0.90).low
    rate = mean(right, table)
    return korn_graubard(rate, effective_runs(right, table), table.n_groups, level=0.90).low


def _costs(
    workflow: Table, prompt: Table
) -> tuple[Literal["tokens", "milliseconds"] | None, tuple[float | None, float | None]]:
    """What a trial costs each, in tokens where both know them in most trials, else in time."""
    tokens = [_tokens(table) for table in (workflow, prompt)]
    if None not in tokens:
        return "tokens", (tokens[0], tokens[1])
    times = [_mean(table.ms) for table in (workflow, prompt)]
    if None not in times:
        return "milliseconds", (times[0], times[1])
    return None, (None, None)


def _tokens(table: Table) -> float | None:
    return _mean(table.tokens_in + table.tokens_out)


def _mean(values: NDArray[Any]) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) and 2 * len(known) >= len(values) else None
