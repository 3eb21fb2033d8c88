"""`gapless faults`: every fault at every step, each trial held against its twin without the fault."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

import msgspec

from gapless.operations.fault_cells import (
    CASES,
    Cell,
    FaultsAsk,
    Key,
    Twins,
    affordable,
    cells_of,
    place_of,
    sample,
    steps_of,
    unasked,
)
from gapless.operations.measure import Ask, Measured, measure_into
from gapless.operations.open import open_store, open_suite
from gapless.operations.progress import Progress, Stop, Tell, silent
from gapless.records.faults import ENDINGS, Ending, FaultCell, FaultMatrix
from gapless.records.measurement import Measurement
from gapless.records.suite import Suite
from gapless.records.trial import Run, TrialRecord
from gapless.settings import Place, locate

if TYPE_CHECKING:
    from gapless.boundary.faults.base import Fault
    from gapless.boundary.faults.weather import Weather
    from gapless.stores.store import Store

CLEAN = "fault=none"
_EXAMPLES = 3
_ACTED = frozenset({"repair", "retry", "fallback", "replay"})
_LOST = frozenset({"wrong", "failed", "escalated"})


async def faults(
    workflow: Any = None,
    suite: Any = None,
    *,
    ask: FaultsAsk | None = None,
    place: Place | None = None,
) -> FaultMatrix:
    """Breaks a workflow on purpose, everywhere, and says what becomes of each fault.

    Args:
        workflow: As for `gapless.measure`.
        suite: As for `gapless.measure`.
        ask: Which part of the matrix.
        place: Settings and store; those of the current folder when None.

    Returns:
        The matrix. The same call again goes on where it stopped.

    Raises:
        UsageError: The workflow or the suite cannot be used as given, or a fault or step is unknown.
        StoreError: A result could not be written.
    """
    place = place or locate()
    with open_store(place) as store:
        return await faults_into(store, workflow, suite, ask or FaultsAsk(), place=place)


def faults_sync(workflow: Any = None, suite: Any = None, **options: Any) -> FaultMatrix:
    """`faults` for code that is not async; the same arguments."""
    from gapless.operations.loop import run_sync

    return run_sync(lambda _stop: faults(workflow, suite, **options))


async def faults_into(
    store: Store,
    workflow: Any,
    suite: Any,
    ask: FaultsAsk,
    *,
    place: Place,
    tell: Tell = silent,
    stop: Stop | None = None,
) -> FaultMatrix:
    """Runs every trial of the matrix that is not in the store yet."""
    from gapless.boundary.faults.weather import Weather

    stop = stop or Stop()
    whole = open_suite(suite, place)
    cases = sample(whole, ask.cases or CASES)

    async def run(part: Suite, condition: str, weather: Weather | None, timeout_s: float | None) -> Measured:
        asked = Ask(
            kind="fault",
            condition=f"{condition},baseline" if ask.bare else condition,
            trials=ask.trials,
            weather=weather,
            concurrency=ask.concurrency,
            timeout_s=timeout_s,
        )
        return await measure_into(store, workflow, part, asked, place=place, tell=teller, stop=stop)

    teller = _Teller(tell)
    teller.part("trials without faults", 0, 0)
    clean = await run(cases, CLEAN, None, ask.timeout_s)
    twins = _twins(store, clean.measurement)
    cells = cells_of(store, twins, ask, place)
    fewer, kept, left_out = affordable(cases, cells, ask)
    left_out = (*unasked(whole, cases, ask), *left_out)
    done: list[tuple[Cell, Measurement]] = []
    complete = clean.complete
    for number, cell in enumerate(kept):
        if not complete:
            break
        size = len(fewer.cases) * ask.trials
        teller.part(cell.name, number * size, len(kept) * size)
        measured = await run(fewer, f"fault={cell.name}", Weather((cell.fault,)), cell.timeout_s)
        complete = measured.complete
        done.append((cell, measured.measurement))
    matrix = _matrix(store, twins, done, ask, place.settings.budget.max_silent_failures)
    steps = tuple(
        name for name in steps_of(twins.measurement.shape) if any(c.fault.step == name for c in cells)
    )
    names = tuple(
        dict.fromkeys(cell.fault.name for cell in sorted(cells, key=lambda cell: place_of(cell.fault.name)))
    )
    return msgspec.structs.replace(
        matrix,
        steps=steps,
        faults=names,
        left_out=left_out,
        complete=complete,
        notes=_notes(twins, matrix),
        command=_command(workflow, suite, ask),
    )


def _command(workflow: Any, suite: Any, ask: FaultsAsk) -> str | None:
    if not isinstance(workflow, (str, NoneType)) or not isinstance(suite, (str, Path, NoneType)):
        return None
    words = ["gapless", "faults", *([workflow] if workflow else [])]
    words += ["--suite", str(suite)] if suite is not None else []
    words += ["--cases", str(ask.cases)] if ask.cases is not None else []
    words += ["--trials", str(ask.trials)] if ask.trials != 1 else []
    return shlex.join(words)


def _twins(store: Store, measurement: Measurement) -> Twins:
    records = {(record.case, record.trial): record for record in store.records(measurement.id)}
    return Twins(measurement, records, set(store.suspicions(measurement.id)))


def _matrix(
    store: Store,
    twins: Twins,
    done: Sequence[tuple[Cell, Measurement]],
    ask: FaultsAsk,
    limit: float | None,
) -> FaultMatrix:
    from gapless.gap.budget import rate_line
    from gapless.gap.faults import over_cells

    cells: list[FaultCell] = []
    counted: list[tuple[str, list[Run], list[bool]]] = []
    for cell, measurement in done:
        found, runs, flags = _cell(store, twins, cell, measurement)
        cells.append(found)
        counted.append((cell.name, runs, flags))
    totals: Counter[Ending] = Counter()
    for found in cells:
        totals.update(found.endings)
    share = over_cells(counted)
    what = "the silent-failure rate over all faults"
    return FaultMatrix(
        clean=twins.measurement,
        clean_endings=dict(Counter(record.outcome for record in twins.records.values())),
        cells=tuple(cells),
        guarded=twins.measurement.shape.guarded and not ask.bare,
        silent=share,
        totals={ending: totals[ending] for ending in ENDINGS if totals[ending]},
        budget=None if limit is None else rate_line("max_silent_failures", what, limit, share),
    )


def _cell(
    store: Store, twins: Twins, cell: Cell, measurement: Measurement
) -> tuple[FaultCell, list[Run], list[bool]]:
    from gapless.gap.faults import silent_share

    fault = cell.fault
    effect = (step := twins.measurement.shape.step(fault.step)) is not None and step.effect
    suspicions = store.suspicions(measurement.id)
    runs = {(run.case, run.trial): run for run in store.runs(measurement.id)}
    endings: dict[Key, Ending] = {}
    lost = unmet = suspected = 0
    for record in store.records(measurement.id):
        key = (record.case, record.trial)
        twin = twins.records.get(key)
        if not _met(record, fault):
            unmet += 1
        elif twin is None or twin.outcome in _LOST:
            lost += 1
        else:
            endings[key] = _ending(record, twin, fault, effect=effect)
            suspected += endings[key] == "unjudged" and key in suspicions and key not in twins.suspicious
    counted = [runs[key] for key in endings]
    flags = [ending == "silent" for ending in endings.values()]
    counts = Counter(endings.values())
    found = FaultCell(
        fault=fault.name,
        step=fault.step,
        endings={ending: counts[ending] for ending in ENDINGS if counts[ending]},
        n=len(endings),
        lost_anyway=lost,
        unmet=unmet,
        suspected=suspected,
        silent=silent_share(counted, flags),
        detectable=fault.detectable,
        why=str(getattr(fault, "why", "")),
        examples=tuple(f"{case}#{trial}" for (case, trial), e in endings.items() if e == "silent")[
            :_EXAMPLES
        ],
        measurement=measurement.id,
    )
    return found, counted, flags


def _met(record: TrialRecord, fault: Fault) -> bool:
    return any(event.step == fault.step and fault.name in event.faults for event in record.events)


def _acted(record: TrialRecord) -> set[tuple[str, str, str]]:
    return {(one.step, one.guard, one.action) for one in record.rulings if one.action in _ACTED}


def _ending(record: TrialRecord, twin: TrialRecord, fault: Fault, *, effect: bool) -> Ending:
    ran = sum(event.step == fault.step and fault.name in event.faults for event in record.events)
    if effect and fault.name == "duplicate-delivery" and ran > 1:
        return "silent"  # the answer is right, and the effect took place twice
    if record.outcome == "correct":
        return "repaired" if _acted(record) - _acted(twin) else "survived"  # it may have to be mended anyway
    if record.outcome == "failed":
        asked = record.error is not None and record.error.type == "DuplicateEffect"
        return "asked" if asked else "failed"
    simple: dict[str, Ending] = {"wrong": "silent", "escalated": "escalated"}
    return simple.get(record.outcome, "unjudged")


def _notes(twins: Twins, matrix: FaultMatrix) -> tuple[str, ...]:
    found: list[str] = []
    outcomes = Counter(record.outcome for record in twins.records.values())
    lost = sum(outcomes[name] for name in ("wrong", "failed", "escalated"))
    if lost:
        found.append(
            f"{lost} of {len(twins.records)} trials do not end correct without any fault: they count in no cell."
        )
    if outcomes["unjudged"]:
        found.append(
            "Without end checks nothing says whether an answer was right: what would be silent is unjudged. Add checks to the suite."
        )
    if any(cell.n == 0 for cell in matrix.cells):
        found.append("Cells with 0 trials: the fault found nothing to change there, or its step did not run.")
    return tuple(found)


class _Teller:
    """Adds up the progress of many small measurements."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._what, self._before, self._total = "", 0, 0
        self._fresh, self._here = 0, 0

    def part(self, what: str, before: int, total: int) -> None:
        """The next part: what it is, how many trials came before it, and of how many."""
        self._what, self._before, self._total = what, before, total
        self._fresh, self._here = self._fresh + self._here, 0

    def __call__(self, update: Progress) -> None:
        """Tells how far the whole is."""
        self._here = update.fresh
        self._tell(
            Progress(
                what=self._what,
                done=self._before + update.done,
                total=self._total or update.total,
                fresh=self._fresh + update.fresh,
                outcomes=update.outcomes,
                restarted=update.restarted,
            )
        )
