"""`gapless replay`: a recorded trial run again from a step, everything before it served from the tape."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from gapless import __version__
from gapless.errors import InvalidTarget, ReplayMismatch, StoreError, UnknownName, UsageError
from gapless.operations.measure import mode_of
from gapless.operations.open import import_object, open_store, open_workflow
from gapless.records.changes import holds
from gapless.records.measurement import Measurement, resume_key
from gapless.records.origin import Origin
from gapless.records.replay import ReplayDiff
from gapless.records.suite import Case
from gapless.records.trial import TrialRecord
from gapless.records.ulid import new_ulid
from gapless.records.value import OMITTED, UNSERIALISABLE, digest, encode, is_redacted, to_plain
from gapless.settings import Place, locate

if TYPE_CHECKING:
    from gapless.boundary.faults.weather import Weather
    from gapless.evals.trial import Conditions, Finished
    from gapless.evals.workflow import Workflow
    from gapless.operations.replay_plan import Planned, Wanted
    from gapless.stores.store import Store

_LOADED = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """In what a recorded measurement is replayed."""

    workflow: Any = None
    """As for `gapless.measure`; None: as the measurement names it."""
    weather: Weather | None = None
    """The faults it ran under; None: as the measurement names them."""
    clear: bool = False
    """Whether to replay without them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A recorded measurement, ready to be replayed."""

    store: Store
    measurement: Measurement
    workflow: Workflow
    weather: Weather | None
    place: Place
    cases: dict[str, Case]
    load: Callable[[str], Any] = field(repr=False)
    """Reads a recorded value."""

    @property
    def changed(self) -> bool:
        """Whether the workflow is another version than the recorded one."""
        return self.workflow.fingerprint != self.measurement.fingerprint


async def replay(
    trial: str,
    *,
    start: str | None = None,
    set: tuple[str, ...] = (),  # noqa: A002 - what the command line calls it
    golden: tuple[str, ...] = (),
    live_effects: bool = False,
    world: World | None = None,
    measurement: str | None = None,
    place: Place | None = None,
) -> ReplayDiff:
    """Runs a recorded trial again from a step, and says what came out differently.

    Args:
        trial: "case#trial".
        start: The first step that runs again: "step", "step#visit"; after the last edit, or all, when None.
        set: "path=value": what is handed over instead; "STEP.path=value", "input.path=value".
        golden: Steps that hand over the case's golden output.
        live_effects: Whether steps that change the world run; else their answers come from the tape.
        world: Another version of the workflow, or one with another model, and its weather; the recorded ones when None.
        measurement: Beginning of the measurement's id; the newest when None.
        place: Settings and store; those of the current folder when None.

    Returns:
        The two trials side by side. The replay is on disk, under the measurement that the result names.

    Raises:
        ReplayMismatch: The replay and the tape do not agree; nothing was called, nothing is kept.
        UsageError: What was asked makes no sense for this trial.
    """
    from gapless.operations.label import parse
    from gapless.operations.open import pick
    from gapless.operations.replay_plan import Wanted

    place = place or locate()
    case, number = parse(trial)
    wanted = Wanted(start=start, sets=set, golden=golden, live_effects=live_effects)
    with open_store(place) as store:
        opened = open_recorded(store, pick(store, measurement), world or World(), place=place)
        return await replay_into(opened, case, number, wanted)


def replay_sync(trial: str, **options: Any) -> ReplayDiff:
    """`replay` for code that is not async; the same arguments."""
    from gapless.operations.loop import run_sync

    return run_sync(lambda _stop: replay(trial, **options))


def open_recorded(store: Store, measurement: Measurement, world: World, *, place: Place) -> Opened:
    """A recorded measurement with the workflow and the weather it ran in.

    Raises:
        UsageError: It holds no values that could be replayed, or its workflow or weather has to be named.
    """
    if measurement.ingested is not None:
        raise UsageError(
            f"measurement {measurement.id} came from {measurement.ingested}: it holds no values to replay. "
            "`gapless replay --suspects` ranks its steps instead."
        )
    suite = store.suite(measurement.suite_digest)
    return Opened(
        store=store,
        measurement=measurement,
        workflow=_workflow(measurement, world, place),
        weather=_weather(measurement, world),
        place=place,
        cases={case.id: case for case in suite.cases},
        load=lru_cache(maxsize=_LOADED)(store.payload),
    )


async def replay_into(opened: Opened, case: str, trial: int, wanted: Wanted) -> ReplayDiff:
    """Replays one trial and keeps the replay."""
    from gapless.boundary.tape import Tape
    from gapless.evals.judge import Judge
    from gapless.evals.trial_diff import trial_diff
    from gapless.operations.replay_plan import plan_of
    from gapless.stores.store import Batch

    store = opened.store
    before = recorded(opened, case, trial)
    tape = Tape.of(before, opened.load)
    planned = plan_of(tape, case_of(opened, before), opened.workflow, wanted)
    edits = {address: encode(to_plain(value)) for address, value in planned.edits.items()}
    origin = Origin(
        measurement=opened.measurement.id,
        case=case,
        trial=trial,
        start=planned.start,
        edits={address: digest(data) for address, data in edits.items()},
        golden=wanted.golden,
        live_effects=wanted.live_effects,
        fingerprint=opened.workflow.fingerprint if opened.changed else "",
    )
    finished = await rerun(opened, before, planned, origin, Judge(opened.workflow.shape))
    kept = replays(opened, f"replay {case}#{trial}", new_ulid(), cases=1)
    kept = store.begin(kept, store.suite(opened.measurement.suite_digest))
    payloads = finished.payloads | {digest(data): data for data in edits.values()}
    store.commit([Batch(kept.id, starting=[(case, trial)], finished=[finished.record], payloads=payloads)])
    store.finish(kept)
    warnings = (*planned.notes, *(_changed_since(opened) if opened.changed else ()))
    diff = trial_diff(before, finished.record, opened.load, origin=origin, replay=kept.id, warnings=warnings)
    return diff if opened.changed or planned.edits else _with_other_state(diff)


def recorded(opened: Opened, case: str, trial: int) -> TrialRecord:
    """The recorded trial.

    Raises:
        UnknownName: There is none; a trial that a crash cut off has no tape.
    """
    try:
        return opened.store.record(opened.measurement.id, case, trial)
    except UnknownName as error:
        started = (case, trial) in opened.store.unfinished(opened.measurement.id)
        if started:
            text = f"{case}#{trial} was cut off before it ended, so nothing of it was kept. Run `gapless measure` again: it starts it anew."
            raise UnknownName(text) from error
        raise


def case_of(opened: Opened, record: TrialRecord) -> Case:
    """The case of a recorded trial, with the input it was given.

    Raises:
        ReplayMismatch: Its input was not kept whole.
    """
    known = opened.cases.get(record.case, Case(id=record.case, group=record.group))
    if record.input is None:
        raise ReplayMismatch(f"{record.case}#{record.trial}: its input was not kept, so it cannot run again.")
    try:
        given = opened.load(record.input)
    except (UnknownName, StoreError) as error:
        raise ReplayMismatch(f"{record.case}#{record.trial}: the tape lacks its input: {error}") from error
    if holds(given, OMITTED, UNSERIALISABLE):
        given = known.input  # the suite has it whole where it was too large to be kept with the trial
    if holds(given, OMITTED, UNSERIALISABLE):
        raise ReplayMismatch(
            f"{record.case}#{record.trial}: its input was not kept whole, so it cannot run again."
        )
    if is_redacted(given):
        raise ReplayMismatch(
            f"{record.case}#{record.trial}: its input was kept with redacted values ([privacy] redact in gapless.toml), "
            "so it cannot run again."
        )
    return msgspec.structs.replace(known, input=given)


async def rerun(
    opened: Opened,
    before: TrialRecord,
    planned: Planned,
    origin: Origin,
    judge: Any,
    *,
    seed: int | None = None,
) -> Finished:
    """Runs what a plan does not keep.

    Args:
        opened: The measurement.
        before: The recorded trial.
        planned: What is kept and changed.
        origin: Where the replay comes from.
        judge: The suite's checks.
        seed: Of its random numbers and its weather; the recorded trial's own when None.

    Raises:
        ReplayMismatch: The replay and the tape do not agree.
    """
    from gapless.boundary.player import Player
    from gapless.boundary.tape import Tape
    from gapless.evals.plan import Planned as Trial
    from gapless.evals.trial import Replayed, run_trial

    player = Player(Tape.of(before, opened.load), planned.plan)
    replayed = Replayed(player=player, origin=origin, seed=seed, recorded_at=before.started_at)
    trial = Trial(planned.case, before.trial)
    return await run_trial(opened.workflow, trial, conditions_of(opened), judge, replayed)


def conditions_of(opened: Opened) -> Conditions:
    """What all replays of a measurement have in common."""
    from gapless.evals.trial import Conditions
    from gapless.trace.redaction import Redaction

    settings = opened.place.settings
    return Conditions(
        seed=opened.measurement.seed,
        timeout_s=settings.timeout_s,
        max_payload_bytes=settings.max_payload_bytes,
        weather=opened.weather,
        name=f"replay-{opened.measurement.id}",
        mode=mode_of(opened.measurement.condition),
        redaction=Redaction.of(settings.privacy.redact),
    )


def replays(opened: Opened, condition: str, key: str, *, cases: int) -> Measurement:
    """The measurement that keeps replays, to be begun."""
    of, weather = opened.measurement, opened.weather
    met = weather.digest() if weather is not None else None
    return Measurement(
        id=new_ulid(),
        key=resume_key("replay", opened.workflow.fingerprint, of.id, key, met, of.seed),
        kind="replay",
        target=opened.workflow.target,
        fingerprint=opened.workflow.fingerprint,
        suite=of.suite,
        suite_digest=of.suite_digest,
        condition=condition,
        weather=met,
        weather_table=weather.table() if weather is not None else {},
        seed=of.seed,
        trials=1,
        cases=cases,
        created_at=time.time(),
        shape=opened.workflow.shape,
        settings=msgspec.to_builtins(opened.place.settings),
        version=__version__,
        replay_of=of.id,
    )


def _workflow(measurement: Measurement, world: World, place: Place) -> Workflow:
    if world.workflow is not None:
        return open_workflow(world.workflow, place)
    if place.settings.workflow == measurement.target:
        return open_workflow(None, place)
    if ":" not in measurement.target:
        raise UsageError(
            f"measurement {measurement.id} ran {measurement.target}, which was handed over in Python: no file and name lead to "
            "it. Name it with --workflow app.py:graph, or in Python with World(workflow=...)."
        )
    try:
        return open_workflow(measurement.target, place)
    except InvalidTarget as error:
        raise UsageError(
            f"measurement {measurement.id} ran {measurement.target!r}, which cannot be opened from here: {error} "
            "Name it with --workflow app.py:graph."
        ) from error


def _weather(measurement: Measurement, world: World) -> Weather | None:
    if measurement.weather is None or world.clear:
        return world.weather if not world.clear else None
    named = measurement.sources.get("weather")
    found = (
        world.weather if world.weather is not None else (import_object(named, Path.cwd()) if named else None)
    )
    if found is None:
        raise UsageError(
            f"measurement {measurement.id} ran in weather that it does not name. Name it with --weather module:NAME, or "
            "replay without it: --clear."
        )
    if world.weather is None and found.digest() != measurement.weather:
        raise UsageError(
            f"the weather {named} has changed since measurement {measurement.id} ran in it. Name the old one with "
            "--weather, or replay without it: --clear."
        )
    return found


def _with_other_state(diff: ReplayDiff) -> ReplayDiff:
    """Says where what is kept led to another state than when it was recorded, although nothing was changed."""
    kept = any(pair.status == "kept" for pair in diff.crossings)
    first = next((pair for pair in diff.crossings if pair.status in ("same", "changed")), None)
    if not kept or first is None or not first.state:
        return diff
    warning = (
        f"{first.step} was given another state than when it was recorded, although nothing before it was changed: a kept step "
        "changes its state in place, or what lies between the steps depends on the time or on chance"
    )
    return msgspec.structs.replace(diff, warnings=(*diff.warnings, warning))


def _changed_since(opened: Opened) -> tuple[str, ...]:
    return (
        f"the workflow has changed since measurement {opened.measurement.id}: what is kept comes from the recorded version, "
        "what ran from this one",
    )
