"""What a probe found about one layer alone, and a whole checkup."""

from __future__ import annotations

from typing import Literal

from gapless.records.base import Record
from gapless.records.budget import Kept
from gapless.records.workflow import Layer

Status = Literal["ok", "warn", "fail", "not-applicable"]
STATUSES: tuple[Status, ...] = ("fail", "warn", "ok", "not-applicable")
"""The worst first."""


class Figure(Record, frozen=True, kw_only=True):
    """One measured quantity with what it stands on."""

    name: str
    """What was measured: "triad, sustained"."""
    value: float
    unit: str = ""
    """"GB/s", "ms", "share", "" for a plain count."""
    low: float | None = None
    high: float | None = None
    spread: str = ""
    """What `low` and `high` are: "min and max of 12 passes", "95 % interval, n=60"."""


class Finding(Record, frozen=True, kw_only=True):
    """One line of the checklist, answered."""

    probe: str
    """Its name on the shelf: "memory-bandwidth"."""
    layer: Layer
    title: str
    """The line of the checklist, in words."""
    status: Status
    said: str
    """One sentence: what was found, with its figure; for not applicable, why nothing was measured."""
    figures: tuple[Figure, ...] = ()
    target: str = ""
    """What it was held against."""
    target_source: str = ""
    """Where that comes from."""
    next_step: str = ""
    """What to do about it; empty where nothing is to be done."""
    command: str = ""
    """Exactly what to type, where there is something."""
    undecided: str = ""
    """Why an "ok" is not shown yet: its figure meets the target and its interval does not; and what would show it. Empty where
    the interval does, too."""
    subject: str = ""
    """What it is about: the host, the model with its address, the servers, the retriever, the workflow. Only findings about
    the same are compared over time. Empty in older records, whose checkup names the workflow alone."""


USUAL = "usual"
"""Name of the one demand that holds where `gapless.toml` has no `[checkup.budget]`."""


class CheckupLimit(Record, frozen=True, kw_only=True):
    """One demand of a checkup's budget, held against the findings."""

    name: str
    """As in `gapless.toml`: "fail_on", "measured", or "ttft: p99"; `USUAL` where no budget is set."""
    verdict: Kept
    sentence: str
    """What was demanded and what was found."""


class Checkup(Record, frozen=True, kw_only=True):
    """All findings of one run of `gapless checkup`; its JSON is `gapless.checkup/1`."""

    id: str
    created_at: float = 0.0
    """Unix time in seconds."""
    seconds: float = 0.0
    layers: tuple[Layer, ...] = ()
    """Which layers were asked for."""
    findings: tuple[Finding, ...] = ()
    subject: str = ""
    """The workflow that was looked at; the reference agent where none is named."""
    stand_ins: tuple[str, ...] = ()
    """For what the reference agent stood in: "workflow", "retriever", "tools (finance)", "model (smollm2)"."""
    notes: tuple[str, ...] = ()
    complete: bool = True
    version: str = ""
    budget: tuple[CheckupLimit, ...] = ()
    """What `[checkup.budget]` demanded; of what was asked alone."""
    passes: bool = True
    """Whether the budget lets it pass."""

    @property
    def worst(self) -> Status:
        """The worst status among the findings."""
        found = {finding.status for finding in self.findings}
        for status in STATUSES:
            if status in found:
                return status
        return "not-applicable"
