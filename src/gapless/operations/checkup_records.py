"""What is on record of the workflow that a checkup looks at: its newest measurement, whole trials of it, and their replays."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gapless.errors import GaplessError
from gapless.operations.checkup_acting import unasked
from gapless.operations.checkup_halting import for_at_most, unless
from gapless.operations.checkup_workflow import Named
from gapless.operations.progress import Stop, Tell
from gapless.records.baseline import PromptBaseline
from gapless.records.measurement import Measurement
from gapless.records.trial import TrialRecord
from gapless.settings import Place

if TYPE_CHECKING:
    from gapless.evals.workflow import Workflow
    from gapless.operations.demo import Agent
    from gapless.probes.base import Records
    from gapless.stores.store import Store

_SAMPLE, _REPLAYED = 20, 80
"""Trials that are read whole; trials that are replayed: 73 that end as recorded show the 95 % that are asked for."""
_TURNS = 5.0
"""As many times as a probe may take do the replays: each runs the workflow."""


async def records_of(
    store: Store, named: Named, place: Place, stop: Stop, *, leave: bool, allow_effects: bool = False
) -> Records | None:
    """What is on record of a workflow, with a few whole trials, and their replays where that is allowed.

    Where the one that was named could not be opened, nothing is: what else is on record is of other workflows.
    """
    if named.broken and named.own:
        return None
    measurement = _measured(store, named.workflow)
    if measurement is None:
        return None
    why = "" if allow_effects or named.workflow is None else unasked(named.workflow, place, "replays")
    found = await _on_record(store, measurement, named, leave and not why, place, stop)
    return replace(found, no_replay=why) if why else found


async def of_the_stand_in(
    agent: Agent, named: Named, tell: Tell, stop: Stop, halted: asyncio.Event
) -> tuple[Records | None, list[str]]:
    """Records of the reference agent, made for this checkup; its replays need nobody's leave.

    Raises:
        Halted: Stopping was requested before they were whole: nothing of them is kept.
    """
    from gapless.operations.checkup_stand_in import CASES, measured_there, stand_in

    try:
        async with stand_in(agent, tell, stop, halted) as stage:
            measured = await unless(halted, measured_there(agent, stage))
            there = replace(named, weather=None)
            replaying = _on_record(stage.store, measured, there, True, stage.place, stop)
            records = await unless(halted, replaying)
    except (GaplessError, ImportError) as error:
        return None, [f"The reference agent could not be measured: {error}"]
    return records, [f"Nothing is on record: the reference agent was measured on {CASES} cases for this."]


async def _on_record(
    store: Store, measurement: Measurement, named: Named, leave: bool, place: Place, stop: Stop
) -> Records:
    from gapless.probes.base import Records

    runs = tuple(store.runs(measurement.id))
    sample: list[TrialRecord] = []
    for record in store.records(measurement.id):
        sample.append(record)
        if len(sample) == _SAMPLE:
            break
    wanted = {event.output for record in sample for event in record.events if event.output is not None}
    fidelity, why = None, ""
    if leave:
        fidelity, why = await _replayed(store, measurement, named, place, stop)
    return Records(
        measurement=measurement,
        runs=runs,
        sample=tuple(sample),
        values=store.payloads(wanted),
        unfinished=len(store.unfinished(measurement.id)),
        baseline=_baseline(store, measurement),
        fidelity=fidelity,
        no_replay=why,
    )


def _baseline(store: Store, measurement: Measurement) -> PromptBaseline | None:
    from gapless.operations.prompt_baseline import baseline

    if not any(m.baseline_of == measurement.suite_digest for m in store.measurements()):
        return None
    from gapless.gap.table import Table
    from gapless.operations.report import run_table

    return baseline(store, measurement, Table.of(run_table(store, measurement)))


def of_which(records: Records | None, workflow: Workflow | None) -> list[str]:
    """What has to be said where records are not those of the very workflow that is looked at."""
    if records is None:
        return []
    found = records.measurement
    if workflow is None:
        return [f"The records are those of {found.target} (measurement {found.id}), the newest there are."]
    if found.fingerprint != workflow.fingerprint:
        return [
            f"The records (measurement {found.id}) are of an earlier version of {found.target}: gapless measure makes new ones."
        ]
    return []


def _measured(store: Store, workflow: Workflow | None) -> Measurement | None:
    """The newest measurement of a workflow: of this version, else of any."""
    known = [m for m in store.measurements() if m.kind == "measure" and m.baseline_of is None]
    if workflow is None:
        return known[0] if known else None
    same = [m for m in known if m.fingerprint == workflow.fingerprint]
    named = [m for m in known if m.target == workflow.target]
    return next(iter(same or named), None)


async def _replayed(
    store: Store, measurement: Measurement, named: Named, place: Place, stop: Stop
) -> tuple[Any, str]:
    from gapless.operations.fidelity import fidelity_into
    from gapless.operations.replay import World, open_recorded
    from gapless.operations.replay_plan import Wanted

    try:
        weather = named.weather if measurement.weather is not None else None
        world = World(workflow=named.workflow, weather=weather)
        opened = open_recorded(store, measurement, world, place=place)
        with for_at_most(_TURNS * place.settings.checkup.seconds, stop) as mine:
            found = await fidelity_into(opened, Wanted(), most=_REPLAYED, stop=mine)
        return found, ""
    except GaplessError as error:
        return None, f"the trials cannot be replayed: {error}"
