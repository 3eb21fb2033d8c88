"""gapless measures, locates and closes the coordination gap of an AI workflow.

Everything a program needs is importable from here; names are loaded when they are first used, so that importing
gapless costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gapless.boundary.contract import Contract
    from gapless.boundary.faults.weather import Weather
    from gapless.boundary.guards.complete import Complete
    from gapless.boundary.guards.fresh import Fresh
    from gapless.boundary.guards.gate import Gate, Goto, Refuse, Review
    from gapless.boundary.guards.grounded import Grounded
    from gapless.boundary.guards.retry import Retry
    from gapless.errors import BoundaryError, GaplessError, OutsideError, UsageError
    from gapless.evals.checks.base import CheckContext
    from gapless.frameworks.function import step
    from gapless.frameworks.guard import guard
    from gapless.operations.measure import measure, measure_sync
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
    "Complete": "gapless.boundary.guards.complete",
    "Contract": "gapless.boundary.contract",
    "Fresh": "gapless.boundary.guards.fresh",
    "Gap": "gapless.records.gap",
    "GaplessError": "gapless.errors",
    "Gate": "gapless.boundary.guards.gate",
    "Goto": "gapless.boundary.guards.gate",
    "Grounded": "gapless.boundary.guards.grounded",
    "OutsideError": "gapless.errors",
    "Refuse": "gapless.boundary.guards.gate",
    "Report": "gapless.records.report",
    "Retry": "gapless.boundary.guards.retry",
    "Review": "gapless.boundary.guards.gate",
    "Suite": "gapless.records.suite",
    "UsageError": "gapless.errors",
    "Verdict": "gapless.records.trial",
    "Weather": "gapless.boundary.faults.weather",
    "guard": "gapless.frameworks.guard",
    "measure": "gapless.operations.measure",
    "measure_sync": "gapless.operations.measure",
    "step": "gapless.frameworks.function",
}

__all__ = [
    "BoundaryError",
    "Case",
    "CheckContext",
    "CheckSpec",
    "Complete",
    "Contract",
    "Fresh",
    "Gap",
    "GaplessError",
    "Gate",
    "Goto",
    "Grounded",
    "OutsideError",
    "Refuse",
    "Report",
    "Retry",
    "Review",
    "Suite",
    "UsageError",
    "Verdict",
    "Weather",
    "guard",
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
