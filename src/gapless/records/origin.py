"""Where a replayed trial came from."""

from __future__ import annotations

from gapless.records.base import Record


class Origin(Record, frozen=True, kw_only=True):
    """Where a replayed trial came from, and what was done to it."""

    measurement: str
    case: str
    trial: int
    start: str | None = None
    """The first crossing that ran again, `step#visit`; None when all of it did."""
    edits: dict[str, str] = {}
    """Address -> payload digest of what was handed over instead ("input" is the case's input)."""
    golden: tuple[str, ...] = ()
    """Steps that handed over their golden output."""
    live_effects: bool = False
    fingerprint: str = ""
    """Of the workflow that ran now, where it differs from the recorded one; else empty."""
