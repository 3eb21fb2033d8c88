"""gapless measures, locates and closes the coordination gap of an AI workflow.

Everything a program needs is importable from here; names are loaded when they are first used, so that importing
gapless costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gapless.boundary.faults.weather import Weather
    from gapless.errors import BoundaryError, GaplessError, OutsideError, UsageError
    from gapless.evals.checks.base import CheckContext
    from gapless.frameworks.function import step
    from gapless.operations.measure import measure, measure_sync
    from gapless.records.estimate import Estimate
    from gapless.records.gap import Gap
    from gapless.records.report import Report
    from gapless.records.suite import Case, CheckSpec, Suite
    from gapless.records.trial import Verdict

__version__ = "0.1.0"

_PLACES = {
    "BoundaryError": "gapless.errors",
    "Case": "gapless.records.suite",
    "CheckContext": "gapless.evals.checks.base",
    "CheckSpec": "gapless.records.suite",
    "Estimate": "gapless.records.estimate",
    "Gap": "gapless.records.gap",
    "GaplessError": "gapless.errors",
    "OutsideError": "gapless.errors",
    "Report": "gapless.records.report",
    "Suite": "gapless.records.suite",
    "UsageError": "gapless.errors",
    "Verdict": "gapless.records.trial",
    "Weather": "gapless.boundary.faults.weather",
    "measure": "gapless.operations.measure",
    "measure_sync": "gapless.operations.measure",
    "step": "gapless.frameworks.function",
}

__all__ = [
    "BoundaryError",
    "Case",
    "CheckContext",
    "CheckSpec",
    "Estimate",
    "Gap",
    "GaplessError",
    "OutsideError",
    "Report",
    "Suite",
    "UsageError",
    "Verdict",
    "Weather",
    "measure",
    "measure_sync",
    "step",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'gapless' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
