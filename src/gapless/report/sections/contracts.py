"""What the contracts did: caught, mended, tried again, sent to a person."""

from __future__ import annotations

from gapless.records.gap import Gap
from gapless.report.sections.base import Section
from gapless.report.wording import duration

_SAID = {
    "proceed": "saw a breach and only looked",
    "repair": "repaired",
    "retry": "tried again",
    "fallback": "answered instead",
    "replay": "used the first answer again",
    "review": "asked a person",
    "goto": "sent elsewhere",
    "refuse": "stopped",
}

_LOGGED = {
    "review": "would have asked a person",
    "goto": "would have sent it elsewhere",
    "refuse": "would have stopped",
}


def contracts(gap: Gap) -> Section | None:
    """The section; None where no guard did anything."""
    if not gap.rulings:
        return None
    return Section(
        title="What the contracts did",
        lead="Trials in which a guard acted at a step's exit. What that is worth, `gapless report --compare` tells: these are counts.",
        heads=("Step", "Guard", "What it did", "In trials", "Times", "Time"),
        rows=tuple(
            (
                row.step,
                row.guard,
                _LOGGED.get(row.action, _SAID[row.action]) if row.logged else _SAID[row.action],
                str(row.n_trials),
                str(row.n_rulings),
                duration(row.ms) if row.ms else "",
            )
            for row in gap.rulings
        ),
        under="Time: waited before another attempt, or spent on one that was given up."
        if any(row.ms for row in gap.rulings)
        else "",
    )
