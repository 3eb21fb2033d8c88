"""Trials whose gates only logged, as calibration reads them: what each gate saw, and what delivering would have been worth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapless.gap.certify import Trials
from gapless.records.row import RunRow
from gapless.records.trial import Run

_STOPPED = ("review", "goto", "refuse")
PART = "#"
"""Between a gate's step and the name of one of its signals: `retrieve#agreement`."""


@dataclass(frozen=True, slots=True, eq=False)
class Shadow:
    """N trials. A verdict that nobody knows counts as wrong wherever the trial would be delivered."""

    gates: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...]
    """Per gate, the names of its signals; empty where it has one that needs no name."""
    values: tuple[NDArray[Any], ...]
    """Per gate, float array [N, signals]: NaN is doubt, infinity where the trial did not come to the gate."""
    wrong: NDArray[Any]
    deliverable: NDArray[Any]
    unknown: NDArray[Any]
    """bool array [N]: whether nobody knows if delivering it would have been wrong."""
    case: NDArray[Any]
    group: NDArray[Any]
    split: NDArray[Any]
    """str array [N]: "tune", "cal", "test", or ""."""

    def __len__(self) -> int:
        return len(self.wrong)

    def trials(self, columns: Sequence[NDArray[Any]], keep: NDArray[Any]) -> Trials:
        """Some of the trials as certification takes them; `columns` are the gates' confidences, each float array [N]."""
        signals = np.column_stack(list(columns))[keep]
        _, group = np.unique(self.group[keep], return_inverse=True)
        return Trials(signals, self.wrong[keep], self.deliverable[keep], group)


def shadow_of(
    runs: Iterable[Run | RunRow],
    *,
    gates: Sequence[str] | None = None,
    live: bool = False,
    same: Mapping[str, str] | None = None,
    scales: Mapping[str, tuple[float, float]] | None = None,
) -> Shadow:
    """Collects trials for calibration.

    Args:
        runs: Summary rows.
        gates: Steps whose gates are meant; all that logged a signal when None.
        live: Whether the gates acted: what one of them stopped has no verdict, unless the row tells the one it would have had.
        same: Group -> the group it is part of, where two turned out to be the same.
        scales: Gate -> what its signal may say; 0 to 1 when left out. Anything outside is doubt, as it is at the gate.
    """
    rows = list(runs)
    known = dict.fromkeys(key.partition(PART)[0] for row in rows for key in row.signals)
    picked = tuple(gates) if gates is not None else tuple(known)
    parts = tuple(_parts(rows, gate) for gate in picked)
    groups: dict[str, int] = {}
    code = [groups.setdefault((same or {}).get(row.group, row.group), len(groups)) for row in rows]
    cases: dict[str, int] = {}
    settled = [_settled(row, live, picked) for row in rows]
    return Shadow(
        gates=picked,
        parts=parts,
        values=tuple(
            _values(rows, gate, names, (scales or {}).get(gate, (0.0, 1.0)))
            for gate, names in zip(picked, parts, strict=True)
        ),
        deliverable=np.array([one[0] for one in settled], dtype=bool),
        wrong=np.array([one[1] for one in settled], dtype=bool),
        unknown=np.array([one[2] for one in settled], dtype=bool),
        case=np.array([cases.setdefault(row.case, len(cases)) for row in rows], dtype=int),
        group=np.array(code, dtype=int),
        split=np.array(["test" if row.split == "deploy" else row.split or "" for row in rows], dtype="<U8"),
    )


def _parts(rows: Sequence[Run | RunRow], gate: str) -> tuple[str, ...]:
    start = f"{gate}{PART}"
    named = {key.removeprefix(start) for row in rows for key in row.signals if key.startswith(start)}
    return tuple(sorted(named))


def _values(
    rows: Sequence[Run | RunRow], gate: str, names: Sequence[str], scale: tuple[float, float]
) -> NDArray[Any]:
    keys = [f"{gate}{PART}{name}" for name in names] or [gate]
    bounds = (-math.inf, math.inf) if names else scale  # a model takes its signals as they are
    found = np.empty((len(rows), len(keys)))
    for number, row in enumerate(rows):
        came = gate in row.signals or any(key in row.signals for key in keys)
        found[number] = [_number(row.signals.get(key), bounds) if came else math.inf for key in keys]
    return found


def _number(said: float | None, scale: tuple[float, float]) -> float:
    return said if said is not None and math.isfinite(said) and scale[0] <= said <= scale[1] else math.nan


def _settled(row: Run | RunRow, live: bool, gates: Sequence[str]) -> tuple[bool, bool, bool]:
    """Whether it came to an answer, whether that was wrong, and whether nobody knows."""
    if row.shadow_correct is not None:
        return True, not row.shadow_correct, False
    stopped = live and (
        any(one.guard == "gate" and one.action in _STOPPED for one in row.rulings)
        or (row.outcome == "escalated" and not row.rulings and any(gate in row.signals for gate in gates))
    )
    if stopped or row.outcome == "unjudged":
        return True, True, True
    if row.outcome in ("correct", "wrong"):
        return True, row.outcome == "wrong", False
    return False, False, False
