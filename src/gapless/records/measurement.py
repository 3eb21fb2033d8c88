"""A measurement: all trials of one suite on one version of one workflow, under one condition."""

from __future__ import annotations

from typing import Any, Literal

from gapless.records.base import Record
from gapless.records.budget import BudgetLine
from gapless.records.value import digest, encode
from gapless.records.workflow import Shape


class Measurement(Record, frozen=True, kw_only=True):
    """What was measured, and everything needed to measure exactly the same again."""

    id: str
    """ULID, for people."""
    key: str
    """Resume key: the same question asked again finds the same measurement."""
    kind: Literal["measure", "benchmark", "fault", "replay"] = "measure"
    target: str
    """As the user named the workflow: "app.py:graph"."""
    fingerprint: str
    """Digest of the workflow's code and shape."""
    suite: str
    suite_digest: str
    condition: str = "baseline"
    weather: str | None = None
    """Digest of the weather's description; None for clear weather."""
    weather_table: dict[str, float] = {}
    """Fault -> rate, as printed in the report."""
    seed: int = 0
    trials: int = 1
    """Trials asked for per case; asking for more extends the measurement."""
    cases: int = 0
    created_at: float = 0.0
    """Unix time in seconds."""
    finished_at: float | None = None
    """When the last trial asked for was on disk; None while it is incomplete."""
    interrupted: int = 0
    """Trials that were in flight when an earlier process died, and were started again."""
    stopped: str | None = None
    """What `--until decided` came to, in words; None where it was not asked."""
    early: tuple[BudgetLine, ...] = ()
    """Limits as the early stop left them: they hold in place of limits made for one look."""
    shape: Shape = Shape()
    sources: dict[str, str] = {}
    """What the user typed for "suite" and "weather", where they were named and not handed over live."""
    settings: dict[str, Any] = {}
    """Snapshot of the settings it ran under."""
    version: str = ""
    """Version of gapless that recorded it."""
    ingested: str | None = None
    """Format of the run table it came from; None where gapless ran the workflow itself."""
    replay_of: str | None = None
    """Id of the measurement whose trials were replayed, where these are replays."""
    baseline_of: str | None = None
    """Digest of the suite whose cases and end checks it shares, where it is one plain prompt for comparison."""


def resume_key(
    kind: str,
    fingerprint: str,
    suite_digest: str,
    condition: str,
    weather: str | None,
    seed: int,
    certificates: tuple[str, ...] = (),
) -> str:
    """The identity of a measurement: equal keys are the same measurement, whatever the number of trials.

    `certificates` are the digests of the thresholds in force, where gates have some that stand outside the code.
    """
    parts = [kind, fingerprint, suite_digest, condition, weather, seed]
    return digest(encode([*parts, list(certificates)] if certificates else parts))
