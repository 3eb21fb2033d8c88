"""What is normal for each step and tool, counted over trials. It grows while trials stream by, and is small.

Every count is a number of trials, so that one trial that loops a hundred times speaks once.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gapless.boundary.schemas import LearntSchema

USUAL = 0.7
"""What holds in at least this share of trials is usual; what breaks it is suspect."""
RARE = 1.0 - USUAL
SUPPORT = 3
"""Trials that must show the usual before anything can be unusual."""


class Place(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One place in what a source hands over: the whole (path "") or a field ("summary.total", "items[].id")."""

    trials: int = 0
    """Trials in which the place was there."""
    full: int = 0
    """Trials in which it was in every object it could be in."""
    objects: int = 0
    """Trials in which it was an object: the base for the keys below it."""
    empty: int = 0
    """Trials in which it was ever empty."""
    lengths: dict[int, int] = {}
    """Smallest length of the list in a trial -> trials."""
    prose: int = 0
    """Trials in which it was a text for a reader."""
    complete: int = 0
    """Trials in which every such text ended where a text may end."""
    data: int = 0
    """Trials in which a text began as JSON, or the place was data read from JSON."""
    whole: int = 0
    """Trials in which all of it could be read."""


class Source(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What one step, or one tool inside a step, normally hands over."""

    trials: int = 0
    """Trials in which it handed over anything that was no error."""
    schema: LearntSchema = msgspec.field(default_factory=LearntSchema)
    places: dict[str, Place] = {}
    marks: dict[str, int] = {}
    """Sign of a partial answer or of a refusal -> trials in which it was seen."""
    figured: int = 0
    """Trials with figures in its texts."""
    grounded: int = 0
    """Trials in which all of those figures occur earlier in the trial."""
    repeated: int = 0
    """Trials in which the same call brought the same result three times."""


class Normal(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is normal over many trials of one workflow; `msgspec.json` writes and reads it."""

    trials: int = 0
    sources: dict[str, Source] = {}
    retries: dict[str, dict[int, int]] = {}
    """Step -> retries in a trial -> trials."""
    declared: dict[str, dict[str, Any]] = {}
    """Source -> JSON Schema that the workflow's author declared for what it hands over."""

    def source(self, name: str) -> Source:
        """What is normal for a source; a fresh one when it was never seen."""
        return self.sources.get(name) or Source()


def is_usual(holds: int, trials: int) -> bool:
    """Whether something holds often enough to be called usual.

    Example:
        >>> is_usual(18, 24), is_usual(2, 2), is_usual(5, 10)
        (True, False, False)
    """
    return holds >= SUPPORT and holds >= USUAL * trials
