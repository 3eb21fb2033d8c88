"""`gapless label --cause`: a lost trial with its found cause becomes a case, so that the same leak is caught next time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from gapless.errors import UnknownName, UsageError
from gapless.operations.label import add_case, put, shown_goldens
from gapless.records.label import Label
from gapless.records.measurement import Measurement
from gapless.records.replay import ReplayRun
from gapless.records.suite import END, Case
from gapless.records.trial import TrialRecord
from gapless.records.value import is_redacted

if TYPE_CHECKING:
    from gapless.stores.store import Store

_VISIT = re.compile(r"(\[\d+\])?#\d+$")
_CLEAR = 0.5
"""How much of the pass share has to be lost at one step of a trial before it counts as found."""


def promote_cause(
    store: Store, measurement: Measurement, case: str, trial: int, cause: str | None, file: Path
) -> dict[str, Any]:
    """Adds a lost trial to a suite file as a case of its own, with golden outputs up to its cause.

    Golden are: the suite's own outputs; what the steps before the cause handed over, since with another handoff at the
    cause the trial ends right; and that other handoff. What comes after is judged by the suite's own checks.

    Args:
        store: Where the trial and its replays are.
        measurement: The one that lost it.
        case: Its case.
        trial: Its number.
        cause: The step; what the reruns of `gapless replay --attribute` found when None.
        file: The suite file.

    Returns:
        The case as written.

    Raises:
        UsageError: The trial was not lost, or no replay shows that this step is the cause.
        InvalidSuite: The file cannot be read, or has another case of that id.
    """
    if measurement.ingested is not None:
        raise UsageError(
            f"measurement {measurement.id} came from {measurement.ingested}: it holds no values to make a case of. Write the case "
            "by hand."
        )
    record = store.record(measurement.id, case, trial)
    if record.outcome not in ("wrong", "failed", "escalated"):
        raise UsageError(f"{case}#{trial} ended {record.outcome}: a cause belongs to a lost trial.")
    cause = cause or _found(store, measurement, case, trial)
    if cause not in record.path:
        raise UnknownName(
            f"{case}#{trial} never passed {cause!r}; it passed {', '.join(dict.fromkeys(record.path))}."
        )
    replay = next(_right_replays(store, measurement, record, cause), None)
    if replay is None and not _shown(store, measurement, case, trial, cause):
        raise UsageError(
            f"no replay on record shows that {cause} is the cause of {case}#{trial}. Run one: "
            f"gapless replay {case}#{trial} --golden {cause}"
        )
    known = next(
        (one for one in store.suite(measurement.suite_digest).cases if one.id == case), Case(id=case)
    )
    written = _written(store, measurement, record, known, cause, replay)
    add_case(file, written)
    if record.outcome == "wrong":
        put(
            store,
            measurement,
            Label(case=case, trial=trial, correct=False, blame=cause, note="found by replay"),
        )
    return written


def _written(
    store: Store,
    measurement: Measurement,
    record: TrialRecord,
    known: Case,
    cause: str,
    replay: TrialRecord | None,
) -> dict[str, Any]:
    given = store.payload(record.input) if record.input is not None else None
    if is_redacted(given):
        raise UsageError(
            f"{record.case}#{record.trial}: its input was kept with redacted values, so it cannot be run again."
        )
    path = replay.path if replay is not None else record.path
    steps = list(dict.fromkeys(path))
    handed = shown_goldens(store, record)
    if replay is not None:
        handed[cause] = shown_goldens(store, replay).get(cause, msgspec.UNSET)
    else:
        handed.pop(cause, None)
    until = steps.index(cause) if cause in steps else len(steps)
    goldens = {
        step: found
        for index, step in enumerate(steps)
        if (
            found := known.golden.get(
                step, handed.get(step, msgspec.UNSET) if index <= until else msgspec.UNSET
            )
        )
        is not msgspec.UNSET
    }
    if cause not in goldens:
        raise UsageError(
            f"what {cause} should have handed over is not known: the suite has no golden output of it, and no replay that "
            f"ended right had another one. Find one: gapless replay {record.case}#{record.trial} --set {cause}.FIELD=VALUE"
        )
    if END in known.golden:
        goldens[END] = known.golden[END]
    checks = {
        where: [{spec.name: spec.params} for spec in specs] for where, specs in known.checks.items() if specs
    }
    if cause in checks and not any("golden" in check for check in checks[cause]):
        checks[cause].append({"golden": {}})  # its own checks were blind to this
    review = {step.name for step in measurement.shape.steps if step.review}
    written: dict[str, Any] = {"id": f"{record.case}-{cause.replace('/', '-')}", "input": given}
    written |= {"group": record.group, "slice": {**record.slice, "regression": cause}}
    return written | {
        "path": [step for step in path if step not in review],
        "golden": goldens,
        "checks": checks,
    }


def _found(store: Store, measurement: Measurement, case: str, trial: int) -> str:
    """The step at which a trial's own reruns lose most.

    Raises:
        UsageError: There are none, or they name no step clearly.
    """
    drops = _drops([run for run in store.replays(measurement.id) if (run.case, run.trial) == (case, trial)])
    if not drops:
        raise UsageError(
            f"nothing on record says what the cause of {case}#{trial} is. Run `gapless replay --attribute`, or "
            f"`gapless replay {case}#{trial} --golden STEP`, and name the step."
        )
    step, most = max(drops.items(), key=lambda item: item[1])
    if most < _CLEAR:
        told = ", ".join(f"{name} {drop:.2f}" for name, drop in drops.items())
        raise UsageError(
            f"the reruns of {case}#{trial} name no step clearly ({told}). Name one: --cause STEP."
        )
    return step


def _drops(runs: list[ReplayRun]) -> dict[str, float]:
    """Step -> what of (pass share with golden outputs) - (with the recorded ones) is new there."""
    shares: dict[tuple[int, str], dict[str, list[bool]]] = {}
    for run in runs:
        if run.arm != "subset" and run.ok is not None:
            shares.setdefault((run.position, run.step), {}).setdefault(run.arm, []).append(run.ok)
    drops: dict[str, float] = {}
    before = 0.0
    for (_, step), arms in sorted(shares.items()):
        if "golden" in arms and "observed" in arms:
            effect = sum(arms["golden"]) / len(arms["golden"]) - sum(arms["observed"]) / len(arms["observed"])
            drops[step], before = effect - before, effect
    return drops


def _shown(store: Store, measurement: Measurement, case: str, trial: int, cause: str) -> bool:
    runs = [run for run in store.replays(measurement.id) if (run.case, run.trial) == (case, trial)]
    return _drops(runs).get(cause, 0.0) >= _CLEAR


def _right_replays(
    store: Store, measurement: Measurement, record: TrialRecord, cause: str
) -> Iterator[TrialRecord]:
    """Replays of a trial that ended right with another handoff at the cause, and at no other step."""
    for other in store.measurements():
        if other.replay_of != measurement.id or (record.case, record.trial) not in store.done(other.id):
            continue
        replay = store.record(other.id, record.case, record.trial)
        edited = {_VISIT.sub("", address) for address in replay.origin.edits} if replay.origin else set()
        if replay.outcome == "correct" and edited == {cause}:
            yield replay
