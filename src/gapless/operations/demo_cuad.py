"""The demo on published contracts: three ways to retrieve, whether the last knows when it is right, and what can be certified of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from gapless.operations.demo_gate import certified, gated_decision
from gapless.operations.demo_stage import Act, Stage, run_act
from gapless.operations.measure import Ask
from gapless.records.estimate import Estimate

if TYPE_CHECKING:
    from gapless.operations.demo import Agent, Shown

_ALPHAS = (0.05, 0.10, 0.20)
_QUESTIONS = (
    ("hit", "p_hit", "a labelled clause is in the evidence"),
    ("right", "confidence", "the answer is right"),
)
"""What is to be known, the learnt signal of it, and that in words."""


async def demo_cuad(agent: Agent, stage: Stage, directory: Path) -> Shown:
    """Measures the retrieval agent over real contracts: plain word search, the expanded query, and all that can be learnt.

    The suite's splits hold: what is fitted saw the contracts in "tune" only, which are not measured; the gate is certified on
    "cal", and tried on "test".
    """
    from gapless.operations.demo import Shown

    acts: list[Act] = []
    notes: list[str] = []
    complete = True
    for arm in agent.cuad_arms():
        if not complete:
            break
        stage.say(f"{arm}: retrieval over all pairs of contract and category")
        notes += [f"{arm} {name}: {value}" for name, value in agent.cuad_figures(directory, arm).items()]
        graph, suite = agent.cuad(directory, arm)
        # an arm looks better than it is on contracts that it was fitted on
        fresh = tuple(case for case in suite.cases if case.split != "tune")
        suite = msgspec.structs.replace(suite, cases=fresh)
        stage.say(f"{arm}: the workflow over {len(fresh):,} pairs that nothing was fitted on")
        gated = gated_decision(graph, "decide", "confidence")
        act, complete = await run_act(stage, arm, gated, suite, Ask(condition=f"{arm},shadow"))
        acts.append(act)
    if not complete:
        return Shown(acts=tuple(acts), benchmark=None, notes=tuple(notes), complete=False)
    for whose, rows in agent.cuad_knowledge(directory).items():
        notes += _lines(whose, rows)
    made = certified(stage, acts[-1].report.measurement, _ALPHAS)
    return Shown(acts=tuple(acts), benchmark=None, notes=tuple(notes), complete=True, certificates=made)


def known(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, Estimate]]:
    """Whether a learnt signal knows what is right, above a raw score and above a prior that reads no text.

    Args:
        rows: One per answer, as `Agent.cuad_knowledge` gives them.

    Returns:
        What is to be known -> {"learnt", "raw score", "prior": AUROC; "learnt less raw score", "learnt less prior"}, with
        intervals by contract.
    """
    import numpy as np

    from gapless.gap.signal_quality import auroc_estimate

    column = {name: np.asarray([row[name] for row in rows]) for name in rows[0]}
    cases = np.arange(len(rows))
    found: dict[str, dict[str, Estimate]] = {}
    for truth, signal, words in _QUESTIONS:
        # of a decision between two, a prior is the surer the farther it is from even odds
        prior = column["prior"] if truth == "hit" else np.abs(column["prior"])
        signals = {"learnt": column[signal], "raw score": column["raw"], "prior": prior}
        right = column[truth].astype(bool)
        own = {
            name: auroc_estimate(values, right, column["contract"], cases, 0)
            for name, values in signals.items()
        }
        for name in ("raw score", "prior"):
            own[f"learnt less {name}"] = auroc_estimate(
                signals["learnt"], right, column["contract"], cases, 0, less=signals[name]
            )
        found[words] = own
    return found


def _lines(whose: str, rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    for what, found in known(rows).items() if rows else ():
        told = "; ".join(f"{name} {_between(estimate)}" for name, estimate in found.items())
        yield f"AUROC of {what}, on {whose}: {told}"


def _between(estimate: Estimate) -> str:
    if estimate.point is None or estimate.low is None or estimate.high is None:
        return estimate.reason or "none"
    return f"{estimate.point:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"
