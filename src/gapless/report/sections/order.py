"""Which sections a report has, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gapless.records.gap import Gap
from gapless.report.sections.after_review import after_review
from gapless.report.sections.base import Section
from gapless.report.sections.baseline import baseline
from gapless.report.sections.case_mix import case_mix
from gapless.report.sections.causes import causes, combinations, in_both_arms
from gapless.report.sections.chain import chain, layers
from gapless.report.sections.contracts import contracts
from gapless.report.sections.cost import cost
from gapless.report.sections.judge import judge
from gapless.report.sections.repeats import repeats
from gapless.report.sections.retries import retries
from gapless.report.sections.slices import slices
from gapless.report.sections.tools import tools

_Part = Callable[[Gap], Section | None]
_ON_LOSSES: Sequence[_Part] = (
    causes,
    contracts,
    layers,
)
_ON_OUTCOMES: Sequence[_Part] = (judge, after_review, baseline, repeats, slices)
_ON_COST: Sequence[_Part] = (cost, retries, tools)
_IN_DEPTH: Sequence[_Part] = (in_both_arms, combinations, chain, case_mix)


def on_losses(gap: Gap) -> list[Section]:
    """What is read after the boundaries."""
    return _found(_ON_LOSSES, gap)


def on_outcomes(gap: Gap) -> list[Section]:
    """What is read after the outcomes."""
    return _found(_ON_OUTCOMES, gap)


def on_cost(gap: Gap) -> list[Section]:
    """What is read after the latencies."""
    return _found(_ON_COST, gap)


def in_depth(gap: Gap) -> list[Section]:
    """What only those read who want to know how the loss divides."""
    return _found(_IN_DEPTH, gap)


def _found(parts: Sequence[_Part], gap: Gap) -> list[Section]:
    return [section for part in parts if (section := part(gap)) is not None]
