"""The demo's replays: every recorded trial unchanged, and which step loses those that bad weather lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gapless.operations.attribute import AttributeAsk, attribute_into, attributed, attribution
from gapless.operations.demo_stage import Act, Stage
from gapless.operations.fidelity import fidelity_into
from gapless.operations.replay import World, open_recorded
from gapless.operations.replay_plan import Wanted
from gapless.operations.report import report_on
from gapless.records.replay import Causes, Fidelity

if TYPE_CHECKING:
    from gapless.boundary.faults.weather import Weather


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A measurement of the demo, and what it ran."""

    act: Act
    workflow: Any
    weather: Weather | None


async def replayed(stage: Stage, recorded: Sequence[Recorded]) -> tuple[tuple[Fidelity, ...], bool]:
    """Every trial of these measurements replayed unchanged; and whether all of them were."""
    found: list[Fidelity] = []
    for one in recorded:
        stage.say(f"every trial replayed unchanged: {one.act.name}")
        opened = open_recorded(stage.store, one.act.report.measurement, _world(one), place=stage.place)
        found.append(await fidelity_into(opened, Wanted(), tell=stage.tell, stop=stage.stop))
        if not found[-1].complete:
            return tuple(found), False
    return tuple(found), True


async def caused(stage: Stage, recorded: Recorded) -> tuple[Causes | None, Act, bool]:
    """Which step loses the lost trials of a measurement; its act, whose report says so; and whether all was rerun."""
    measurement = recorded.act.report.measurement
    opened = open_recorded(stage.store, measurement, _world(recorded), place=stage.place)
    # The agent delivers to its caller alone here: nothing in the world changes when it delivers again.
    ask = AttributeAsk(live_effects=True)
    if not any(recorded.act.report.gap.outcomes.get(ending) for ending in ("wrong", "failed", "escalated")):
        return None, recorded.act, True
    stage.say(f"lost trials rerun with golden and with recorded outputs: {recorded.act.name}")
    found = attribution(opened, ask)
    complete = await attribute_into(opened, found, ask, tell=stage.tell, stop=stage.stop)
    made = attributed(opened, found, complete=complete)
    return made, Act(name=recorded.act.name, report=report_on(stage.store, measurement)), complete


def _world(recorded: Recorded) -> World:
    return World(workflow=recorded.workflow, weather=recorded.weather)
