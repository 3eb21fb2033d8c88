"""Built-in step checks that need no label: they look at finished trials and raise suspicions, never verdicts.

What is normal is learnt first from all trials of a measurement (`learn`), then each trial is held to it (`suspect`).
"""

from gapless.boundary.suspicions.base import UNKNOWN, Ended, ObservedEvent, ObservedTrial, observe
from gapless.boundary.suspicions.learning import learn
from gapless.boundary.suspicions.normal import Normal
from gapless.boundary.suspicions.suspect import CHECKS, suspect

__all__ = [
    "CHECKS",
    "UNKNOWN",
    "Ended",
    "Normal",
    "ObservedEvent",
    "ObservedTrial",
    "learn",
    "observe",
    "suspect",
]
