"""`gapless calibrate --check`: whether thresholds in use still hold what they were certified for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapless.errors import UsageError
from gapless.operations.calibrate import DEFAULT_FILE
from gapless.operations.report import run_table
from gapless.records.calibration import Calibration, GateThreshold
from gapless.records.drift import DriftCheck, Shift
from gapless.records.estimate import Estimate
from gapless.records.measurement import Measurement
from gapless.records.trial import Run
from gapless.records.workflow import Shape
from gapless.settings import Place

if TYPE_CHECKING:
    from gapless.stores.store import Store

_LEVEL = 0.95


def check_drift(
    store: Store, place: Place, *, file: Path | None = None, prefix: str | None = None, workflow: Any = None
) -> DriftCheck:
    """Looks at the trials since a calibration, and at the workflow as it is now.

    Args:
        store: Where the trials are.
        place: Settings.
        file: The thresholds; where the workflow's gates read them when None, else `gates.json` beside `gapless.toml`.
        prefix: Whose trials, by the beginning of its id; the newest since the calibration when None.
        workflow: A target, to see whether the certificate was made for it as it is; that of the settings when None.

    Raises:
        UsageError: There is no such file.
    """
    from gapless.boundary.guards.certificate import read

    shape = _shape(place, workflow)
    path = file if file is not None else _file(place, shape)
    made = read(path)
    if made is None:
        raise UsageError(f"{path}: no thresholds are here. Make some with `gapless calibrate`.")
    measured = _since(store, made, prefix)
    rows = list(run_table(store, measured)) if measured is not None else []
    harm, unjudged = _harm(rows)
    shifts = tuple(_shift(gate, made, rows) for gate in made.gates)
    alarm = harm.low is not None and harm.low > made.alpha
    void = tuple(f"{gate.at}: {gate.void}" for gate in shape.gates if gate.void is not None) if shape else ()
    return DriftCheck(
        file=str(path),
        alpha=made.alpha,
        measurement=measured.id if measured is not None else None,
        void=void,
        harm=harm,
        harm_alarm=alarm,
        n_unjudged=unjudged,
        shifts=shifts,
        advice=tuple(_advice(alarm, void, shifts, unjudged, measured)),
    )


def _since(store: Store, made: Calibration, prefix: str | None) -> Measurement | None:
    if prefix is not None:
        return store.measurement(prefix)
    later = (
        m
        for m in store.measurements()
        if m.kind == "measure" and m.created_at > made.made_at and m.baseline_of is None
    )
    return next(later, None)


def _harm(rows: Sequence[Run]) -> tuple[Estimate, int]:
    """Joint risk with limits that hold at every look: one trial of each group, so that they are independent.

    Where some deliveries have no verdict, those that have one are taken for a random sample of them.
    """
    from gapless.gap.drift import harm
    from gapless.gap.sequential import confidence_sequence

    one = _independent(rows)
    unjudged = sum(row.outcome == "unjudged" for row in one)
    basis: dict[str, Any] = {
        "n_runs": len(one),
        "n_cases": len({row.case for row in one}),
        "n_groups": len(one),
    }
    if not one:
        return Estimate(method="none", reason="no trials since the calibration"), 0
    wrong = [row.outcome == "wrong" for row in one]
    if not unjudged:
        low, high = harm(wrong, level=_LEVEL)
        return Estimate(
            point=sum(wrong) / len(one), low=low, high=high, method="confidence sequence", **basis
        ), 0
    judged = [row for row in one if row.outcome in ("correct", "wrong")]
    if not judged:
        return Estimate(
            method="none", reason="nobody judged a delivery: audit some (`gapless label`)", **basis
        ), unjudged
    half = 1 - (1 - _LEVEL) / 2
    delivered = len(judged) + unjudged
    risk = confidence_sequence(sum(row.outcome == "wrong" for row in judged), len(judged), level=half)
    share = confidence_sequence(delivered, len(one), level=half)
    point = sum(row.outcome == "wrong" for row in judged) / len(judged) * delivered / len(one)
    return (
        Estimate(
            point=point,
            low=risk.low * share.low,
            high=risk.high * share.high,
            method="confidence sequence, audited",
            reason=f"{len(judged)} of {delivered} deliveries were judged, taken for a random sample of them",
            **basis,
        ),
        unjudged,
    )


def _independent(rows: Sequence[Run]) -> list[Run]:
    """The first trial of each group."""
    first: dict[str, Run] = {}
    for row in rows:
        first.setdefault(row.group, row)
    return list(first.values())


def _shift(gate: GateThreshold, made: Calibration, rows: Sequence[Run]) -> Shift:
    from gapless.gap.drift import ALARM, shift

    scores = [score for row in _independent(rows) if (score := _score(gate, row)) is not None]
    before = len(gate.scores)
    if not scores or not before:
        return Shift(step=gate.step, n_calibrated=before, n_since=len(scores), evidence=None, alarm=False)
    log = shift([*gate.scores, *scores])[before:]
    over = [index for index, value in enumerate(log) if value >= math.log(ALARM)]
    return Shift(
        step=gate.step,
        n_calibrated=before,
        n_since=len(scores),
        evidence=math.exp(min(float(max(log)), 700.0)),
        alarm=bool(over),
        after=over[0] + 1 if over else None,
    )


def _score(gate: GateThreshold, row: Run) -> float | None:
    """What the gate compared with its threshold."""
    if gate.model is None:
        return row.signals.get(gate.step)
    said = {name: row.signals.get(f"{gate.step}#{name}") for name in gate.signals}
    return gate.model.probability(said)


def _shape(place: Place, workflow: Any) -> Shape | None:
    """The workflow as it is now; None where none is named."""
    from gapless.operations.open import open_workflow

    if workflow is None and place.settings.workflow is None:
        return None
    return open_workflow(workflow, place).shape


def _file(place: Place, shape: Shape | None) -> Path:
    """Where the gates read their thresholds.

    Raises:
        UsageError: They read several files.
    """
    named = {gate.file for gate in shape.gates if gate.file is not None} if shape is not None else set[str]()
    if len(named) > 1:
        raise UsageError(
            f"these gates read several files ({', '.join(sorted(named))}): check them one by one with --file."
        )
    return Path(place.root) / (named.pop() if named else DEFAULT_FILE)


def _advice(
    alarm: bool, void: Sequence[str], shifts: Sequence[Shift], unjudged: int, measured: Measurement | None
) -> list[str]:
    found: list[str] = []
    if void:
        found.append("Measure in shadow and calibrate again: until then every trial goes to a person.")
    if alarm:
        found.append(
            "More wrong answers are delivered than was certified: tighten or close the gate now, then calibrate on new trials."
        )
    if any(one.alarm for one in shifts) and not alarm:
        found.append(
            "The traffic has changed. That alone is no harm: have a random sample of deliveries judged, and calibrate again if it says so."
        )
    if unjudged:
        found.append(
            f"{unjudged} deliveries have no verdict. The harm alarm is only as good as the audit: pick those to judge at random."
        )
    if measured is None:
        found.append("No trial came since the calibration.")
    return found
