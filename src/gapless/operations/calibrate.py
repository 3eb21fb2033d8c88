"""`gapless calibrate`: from a shadow measurement to the file of thresholds that gates read."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from gapless.errors import UsageError
from gapless.operations.report import run_table
from gapless.operations.whole_file import write_whole
from gapless.records.calibration import Calibration, Look
from gapless.records.measurement import Measurement
from gapless.records.suite import Suite
from gapless.records.trial import Run
from gapless.records.value import digest, encode, to_plain
from gapless.records.workflow import StepGate
from gapless.report.calibration import advice, nearest, statement
from gapless.settings import Place

if TYPE_CHECKING:
    from gapless.gap.calibrate import Outcome
    from gapless.gap.shadow import Shadow
    from gapless.stores.store import Store

DEFAULT_FILE = "gates.json"
_LOOKS = "looks.json"
_MANY_VALUES, _MANY_ALIKE = 30, 0.2
_HOW = "Measure with gates that only log: `gapless measure --condition shadow`, then run this again."


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateAsk:
    """What is settled before any verdict is read."""

    alpha: float = 0.05
    """The risk allowed."""
    delta: float = 0.1
    """How often a calibration like this one may be wrong."""
    risk: Literal["joint", "conditional"] = "joint"
    """joint: delivered and wrong, of all answers; conditional: wrong, of delivered ones."""
    gates: tuple[str, ...] = ()
    """Steps whose gates are meant; all that logged when empty."""
    out: Path | None = None
    """Where the file goes; where the gates look for it when None."""
    apart: bool = False
    """Each question stands for itself: all of them were settled before the first was asked, and none is chosen by its answer."""


def calibrate(
    store: Store, measurement: Measurement, ask: CalibrateAsk, place: Place
) -> tuple[Calibration, Path]:
    """Certifies thresholds on a measurement's trials and writes the file, whole or not at all.

    Returns:
        What the file states, and where it is.

    Raises:
        UsageError: The measurement has no gate that logged, or its trials cannot be used.
    """
    from gapless.gap.calibrate import Declared
    from gapless.gap.calibrate import calibrate as certify
    from gapless.gap.shadow import shadow_of

    check(ask)
    rows = list(run_table(store, measurement))
    gates = _gates(rows, measurement, ask)
    known = {gate.at: gate for gate in measurement.shape.gates}
    scales = {at: (gate.low, gate.high) for at, gate in known.items()}
    same = _same(store.suite(measurement.suite_digest))
    live = _acting(measurement)
    shadow = shadow_of(rows, gates=gates, live=live, same=same, scales=scales)
    _usable(rows, gates, known, scales)
    _apart(rows, same)
    data = _data(rows)
    file = ask.out if ask.out is not None else _file(known, gates, place)
    look = Look(data=data, alpha=ask.alpha, delta=ask.delta, risk=ask.risk, gates=tuple(gates))
    looks = (look,) if ask.apart else _looks(file, place, look)
    declared = Declared(
        risk=ask.risk,
        alpha=ask.alpha,
        delta=ask.delta,
        looks=len(looks),
        seed=measurement.seed,
        scales=scales,
    )
    found = certify(shadow, declared)
    made = _stated(found, shadow, measurement, ask, looks)
    made = msgspec.structs.replace(made, fingerprint=_fingerprint(known, gates, measurement), data=data)
    advised = advice(
        made,
        least=_least(made),
        merged=sum(1 for group, other in same.items() if group != other),
        alike=_alike(rows, gates) if measurement.ingested is not None else 0,
        live=live,
        read=any(gate.file for gate in known.values()),
    )
    made = msgspec.structs.replace(made, statement=statement(made), advice=tuple(advised))
    if not ask.apart:
        _note(place, looks)
    write_whole(file, msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n")
    return made, file


def _data(rows: Sequence[Run]) -> str:
    """Content address of what a calibration rests on."""
    return digest(encode([[r.case, r.trial, r.group, r.outcome, r.shadow_correct, r.signals] for r in rows]))


def _stated(
    found: Outcome, shadow: Shadow, measurement: Measurement, ask: CalibrateAsk, looks: tuple[Look, ...]
) -> Calibration:
    """What was found as it goes into the file; its words and digests are still to come."""
    return Calibration(
        risk=ask.risk,
        alpha=ask.alpha,
        delta=ask.delta,
        looks=looks,
        certified=found.thresholds is not None,
        gates=found.gates,
        method=f"{found.method}, {found.test}",
        grid=(max(found.grid), min(found.grid), len(found.grid)),
        n_runs=found.n_runs,
        n_cases=found.n_cases,
        n_groups=found.n_groups,
        unknown=int((shadow.unknown & shadow.deliverable).sum()),
        measurement=measurement.id,
        condition=measurement.condition,
        fingerprint="",
        data="",
        seed=measurement.seed,
        made_at=time.time(),
        statement="",
        calibrated=found.calibrated,
        tested=found.tested,
        average_threshold=found.average_threshold,
        curve=found.curve,
    )


def _least(made: Calibration) -> tuple[int | None, int | None]:
    """Groups it takes without a wrong delivery, and with as many as the nearest threshold let through."""
    from gapless.gap.certify import groups_needed

    level, test = made.delta / len(made.looks), "binomial" if "binomial" in made.method else "betting"
    best = nearest(made)
    seen = 1.0 if best is None else best.joint if made.risk == "joint" else best.conditional or 0.0
    return (
        groups_needed(made.alpha, level, test=test),
        groups_needed(made.alpha, level, wrong=seen, test=test),
    )


def pick_shadow(store: Store, prefix: str | None) -> Measurement:
    """The measurement a user named by the beginning of its id, or the newest whose gates only logged.

    Raises:
        UsageError: There is none.
        UnknownName: There is none of that name.
    """
    if prefix is not None:
        return store.measurement(prefix)
    found = (
        m for m in store.measurements() if m.kind == "measure" and _shadowed(m) and m.finished_at is not None
    )
    newest = next(found, None)
    if newest is None:
        raise UsageError(f"no finished measurement whose gates only logged is in {store.url}. {_HOW}")
    return newest


def check(ask: CalibrateAsk) -> None:
    """Makes sure that risk and confidence can be asked for.

    Raises:
        UsageError: One is not between 0 and 1.
    """
    for name in ("alpha", "delta"):
        value = getattr(ask, name)
        if not 0 < value < 1:
            raise UsageError(f"--{name} {value:g}: a share above 0 and below 1, such as 0.05.")


def _shadowed(measurement: Measurement) -> bool:
    return measurement.condition.rpartition(",")[2] == "shadow"


def _acting(measurement: Measurement) -> bool:
    """Whether gates held something back: they do unless the condition's name says otherwise."""
    return measurement.condition.rpartition(",")[2] not in ("shadow", "baseline")


def _gates(rows: Iterable[Run], measurement: Measurement, ask: CalibrateAsk) -> list[str]:
    logged = list(dict.fromkeys(key.partition("#")[0] for row in rows for key in row.signals))
    if not logged:
        raise UsageError(
            f"measurement {measurement.id[:10]} ({measurement.condition}) holds nothing that a gate saw. Put a gapless.Gate into "
            f"a contract. {_HOW}"
        )
    missing = [gate for gate in ask.gates if gate not in logged]
    if missing:
        raise UsageError(
            f"--gate {missing[0]}: no such gate logged anything. There are: {', '.join(logged)}."
        )
    return list(ask.gates) or logged


def _usable(
    rows: list[Run],
    gates: list[str],
    known: Mapping[str, StepGate],
    scales: Mapping[str, tuple[float, float]],
) -> None:
    """Refuses a gate none of whose numbers can be used: its scale is another, or it never said anything."""
    for at in gates:
        if any(key.startswith(f"{at}#") for row in rows for key in row.signals):
            _once(at, rows)
            continue
        said = [value for row in rows if (value := row.signals.get(at)) is not None]
        low, high = scales.get(at, (0.0, 1.0))
        if not said:
            raise UsageError(f"gate {at}: its signal never said anything: there is nothing to calibrate.")
        beyond = sum(not low <= value <= high for value in said)
        if said and beyond > len(said) / 2:
            raise UsageError(
                f"gate {at}: {beyond} of {len(said)} signals lie outside {low:g} to {high:g} (the first is {said[0]:g}), which is "
                "doubt at the gate. Say what it may say: Gate(..., scale=(0, 100)), and measure again."
            )


def _apart(rows: list[Run], same: Mapping[str, str]) -> None:
    """Refuses a group that is in several splits: what was tuned on would certify itself."""
    splits: dict[str, str] = {}
    if rows and all(row.split in ("tune", "test", "deploy") for row in rows):
        raise UsageError(
            "no case is in split cal: that is where thresholds are certified. Give some cases `split: cal`."
        )
    for row in rows:
        group, split = same.get(row.group, row.group), row.split or ""
        if splits.setdefault(group, split) != split:
            said = " or ".join(repr(one) if one else "none" for one in sorted({split, splits[group]}))
            why = (
                "its cases, or others with the very same input, are"
                if group in same.values()
                else "its cases are"
            )
            raise UsageError(
                f"group {group!r} is in several splits: {why} in {said}. A group belongs to one of tune, cal and test."
            )


def _once(at: str, rows: list[Run]) -> None:
    """Refuses several signals at a gate that a trial passes more than once: which passage decides depends on their weights."""
    most = max(
        (sum(one.count for one in row.rulings if one.step == at and one.guard == "gate") for row in rows),
        default=0,
    )
    if most > 1:
        raise UsageError(
            f"gate {at}: a trial passes it up to {most} times (a loop, or a fan-out), and it reads several signals. Give it one "
            "signal, whose least sure passage counts, or put the gate behind the loop."
        )


def _same(suite: Suite) -> dict[str, str]:
    """Group -> the group it belongs to, where cases of several groups have one and the same input."""
    first: dict[str, str] = {}
    merged: dict[str, str] = {}
    for case in suite.cases:
        ours = merged.get(case.unit, case.unit)
        other = first.setdefault(digest(encode(to_plain(case.input))), ours)
        if other != ours:
            merged = {group: other if to == ours else to for group, to in merged.items()} | {ours: other}
            first = {key: other if group == ours else group for key, group in first.items()}
    return merged


def _alike(rows: Iterable[Run], gates: Sequence[str]) -> int:
    """Trials that said and ended, to the last digit, as one of another group did: a table has no inputs to tell cases apart by.

    0 where that is natural: they are few, or the signals take few values.
    """
    first: dict[Any, str] = {}
    alike = n = 0
    for row in rows:
        said = tuple(
            sorted(
                (key, value) for key, value in row.signals.items() if key.partition("#")[0] in gates and value
            )
        )
        if said:
            n += 1
            alike += first.setdefault((row.outcome, said), row.group) != row.group
    return alike if len(first) >= _MANY_VALUES and alike >= _MANY_ALIKE * n else 0


def _fingerprint(known: Mapping[str, StepGate], gates: list[str], measurement: Measurement) -> str:
    bound = {
        fingerprint for at in gates if at in known and (fingerprint := known[at].fingerprint) is not None
    }
    return bound.pop() if len(bound) == 1 else measurement.fingerprint


def _file(known: Mapping[str, StepGate], gates: list[str], place: Place) -> Path:
    """Where the gates look for their thresholds.

    Raises:
        UsageError: They look in several places.
    """
    named = {file for at in gates if at in known and (file := known[at].file) is not None}
    if len(named) > 1:
        raise UsageError(
            f"these gates read several files ({', '.join(sorted(named))}): calibrate them one by one with --gate, or name one --out."
        )
    return Path(place.root) / (named.pop() if named else DEFAULT_FILE)


def _looks(file: Path, place: Place, look: Look) -> tuple[Look, ...]:
    """Every differing question asked so far of these data, wherever its answer went; the same again is no further look."""
    from gapless.boundary.guards.certificate import read

    before = read(file)
    asked = [*(before.looks if before is not None else ()), *_noted(place)]
    mine = dict.fromkeys(one for one in asked if one.data == look.data)
    return tuple(mine) if look in mine else (*mine, look)


def _noted(place: Place) -> tuple[Look, ...]:
    """The questions that were noted beside the trials: another file for the answer does not make one forget them."""
    try:
        return msgspec.json.decode((place.folder / _LOOKS).read_bytes(), type=tuple[Look, ...])
    except (OSError, msgspec.MsgspecError):
        return ()


def _note(place: Place, looks: tuple[Look, ...]) -> None:
    known = tuple(dict.fromkeys((*_noted(place), *looks)))
    write_whole(place.folder / _LOOKS, msgspec.json.encode(known))
