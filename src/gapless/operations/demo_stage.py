"""Where the demo runs, and one measurement on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gapless.operations.measure import Ask, measure_into
from gapless.operations.progress import Stop, Tell
from gapless.operations.report import report_on
from gapless.records.report import Report
from gapless.records.suite import Suite
from gapless.settings import Place

if TYPE_CHECKING:
    from gapless.stores.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One measurement of the demo."""

    name: str
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where the demo runs."""

    store: Store
    place: Place
    tell: Tell
    say: Callable[[str], None]
    stop: Stop


async def run_act(stage: Stage, name: str, workflow: Any, suite: Suite, ask: Ask) -> tuple[Act, bool]:
    """Measures a workflow; its report, and whether every trial is done."""
    measured = await measure_into(
        stage.store, workflow, suite, ask, place=stage.place, tell=stage.tell, stop=stage.stop
    )
    return Act(name=name, report=report_on(stage.store, measured.measurement)), measured.complete
