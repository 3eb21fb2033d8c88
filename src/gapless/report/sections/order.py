"""Which sections a report has, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gapless.records.gap import Gap
from gapless.report.sections.base import Section
from gapless.report.sections.baseline import baseline
from gapless.report.sections.judge import judge
from gapless.report.sections.slices import slices
from gapless.report.sections.tools import tools

_Part = Callable[[Gap], Section | None]
_ON_LOSSES: Sequence[_Part] = ()
_ON_OUTCOMES: Sequence[_Part] = (judge, baseline, slices)
_ON_COST: Sequence[_Part] = (tools,)


def on_losses(gap: Gap) -> list[Section]:
    """What is read after the boundaries."""
    return _found(_ON_LOSSES, gap)


def on_outcomes(gap: Gap) -> list[Section]:
    """What is read after the outcomes."""
    return _found(_ON_OUTCOMES, gap)


def on_cost(gap: Gap) -> list[Section]:
    """What is read after the latencies."""
    return _found(_ON_COST, gap)


def _found(parts: Sequence[_Part], gap: Gap) -> list[Section]:
    return [section for part in parts if (section := part(gap)) is not None]
