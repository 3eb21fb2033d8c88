"""Which cells a fault matrix has, and how much of them is run."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

from gapless.errors import UnknownName, UsageError
from gapless.operations.open import import_object
from gapless.records.measurement import Measurement
from gapless.records.suite import Suite
from gapless.records.trial import TrialRecord
from gapless.records.workflow import Shape
from gapless.settings import Place

if TYPE_CHECKING:
    from gapless.boundary.faults.base import Fault
    from gapless.stores.store import Store

CASES = 12
"""In every cell, where nobody asks for another number."""
_MOST_TRIALS = 2_000
_LEAST_CASES = 4
_SLOW, _LEAST_S, _SLACK_S = 5.0, 2.0, 1.0
Key = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultsAsk:
    """Which part of the matrix to run. Empty means: all."""

    faults: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    own: tuple[Any, ...] = ()
    """Faults of the workflow's own, besides those that the settings name."""
    cases: int | None = None
    """Cases in every cell; 12 when None, fewer where the matrix is large."""
    trials: int = 1
    """Trials per case."""
    full: bool = False
    """Run every cell with all of these cases, however many trials that is."""
    bare: bool = False
    """Contracts only look: what the workflow does without them."""
    concurrency: int | None = None
    timeout_s: float | None = None
    """Seconds a trial may take; five times the slowest clean one, and what its contracts allow, when None."""


class Cell(NamedTuple):
    """One fault at one step."""

    fault: Fault
    timeout_s: float
    """Seconds a trial of it may take."""

    @property
    def name(self) -> str:
        """As the trace and the condition name it."""
        return f"{self.fault.name}@{self.fault.step}"


@dataclass(frozen=True, slots=True)
class Twins:
    """The trials without any fault."""

    measurement: Measurement
    records: dict[Key, TrialRecord]
    suspicious: set[Key]
    """Trials in which a built-in step check fired."""


def sample(suite: Suite, most: int) -> Suite:
    """At most so many cases, one of each group first, in an order that only the suite's seed decides."""
    if len(suite.cases) <= most:
        return suite
    order = list(range(len(suite.cases)))
    Random(suite.seed).shuffle(order)
    seen: Counter[str] = Counter()
    rounds: list[tuple[int, int]] = []
    for place, index in enumerate(order):
        unit = suite.cases[index].unit
        rounds.append((seen[unit], place))
        seen[unit] += 1
    chosen = sorted(order[place] for _, place in sorted(rounds)[:most])
    return msgspec.structs.replace(suite, cases=tuple(suite.cases[index] for index in chosen))


def cells_of(store: Store, twins: Twins, ask: FaultsAsk, place: Place) -> list[Cell]:
    """Every fault that can strike, step by step.

    Raises:
        UnknownName: A fault or step that was asked for does not exist.
        UsageError: The user's own faults cannot be used.
    """
    from gapless.boundary.faults.shelf import SHELF, Usual, fitted

    shape = twins.measurement.shape
    steps = steps_of(shape)
    own = [*map(_always, ask.own), *_own_faults(place)]
    _check_names("step", ask.steps, steps)
    _check_names("fault", ask.faults, [*SHELF, *(fault.name for fault in own)])
    slowest = max((record.ms for record in twins.records.values()), default=0.0) / 1e3
    base = ask.timeout_s or max(_LEAST_S, _SLOW * slowest)
    cells: list[Cell] = []
    for name in steps:
        if ask.steps and name not in ask.steps:
            continue
        step = shape.step(name)
        limit = step.limit_s if step is not None and step.limit_s is not None else 0.0
        timeout_s = base if ask.timeout_s is not None else base + limit
        # Longer than the trial may take, so that it is the trial or the contract that gives up.
        usual = Usual(name, _handoffs(store, twins, name), timeout_s + _SLACK_S)
        mine = [fault for fault in own if fault.step == name]
        taken = {fault.name for fault in mine}
        found = [*mine, *(fault for fault in fitted(usual) if fault.name not in taken)]
        cells += [
            Cell(fault, timeout_s)
            for fault in sorted(found, key=lambda fault: place_of(fault.name))
            if not ask.faults or fault.name in ask.faults
        ]
    return cells


def _own_faults(place: Place) -> list[Fault]:
    """The user's own faults: they know what a stale or a mixed-up document looks like."""
    named = place.settings.faults.shelf
    if named is None:
        return []
    found = import_object(named, root=Path(place.root))
    found = getattr(found, "faults", found)  # a Weather holds faults
    if not isinstance(found, (list, tuple)):
        raise UsageError(
            f"[faults] shelf = {named!r}: that is a {type(found).__name__}. Name a tuple of faults, or a Weather."
        )
    # A cell is about one fault that is there: how often the world has it is another question.
    return [_always(fault) for fault in cast("Sequence[Any]", found)]


def _always(fault: Any) -> Any:
    from gapless.boundary.faults.base import StepFault

    return dataclasses.replace(fault, rate=1.0) if isinstance(fault, StepFault) else fault


def _check_names(what: str, asked: Iterable[str], known: Sequence[str]) -> None:
    for name in asked:
        if name not in known:
            raise UnknownName(
                f"there is no {what} {name!r}. The {what}s here: {', '.join(dict.fromkeys(known))}."
            )


def steps_of(shape: Shape) -> list[str]:
    """The steps at whose exit something can go wrong."""
    return [step.name for step in shape.steps if not step.router and not step.review]


def place_of(name: str) -> int:
    """Where a fault stands on the shelf; behind it if it is the user's own."""
    from gapless.boundary.faults.shelf import SHELF

    names = list(SHELF)
    return names.index(name) if name in names else len(names)


def _handoffs(store: Store, twins: Twins, step: str) -> tuple[Any, ...]:
    """What a step handed over when all was well; correct trials first, for a fault needs something right to break."""
    records = sorted(twins.records.values(), key=lambda record: record.outcome != "correct")
    digests = dict.fromkeys(
        event.output
        for record in records
        for event in record.events
        if event.step == step and event.status == "ok" and event.output is not None
    )
    found = store.payloads(digests)
    return tuple(found[digest] for digest in digests if digest in found)


def affordable(
    cases: Suite, cells: Sequence[Cell], ask: FaultsAsk
) -> tuple[Suite, list[Cell], tuple[str, ...]]:
    """Fewer cases where the matrix is large; and, where it still is, fewer cells, spread over faults and steps."""
    most = _MOST_TRIALS // max(1, len(cells) * ask.trials)
    if ask.full or most >= len(cases.cases):
        return cases, list(cells), ()
    said: list[str] = []
    wanted = max(_LEAST_CASES, most)
    fewer = sample(cases, min(len(cases.cases), wanted))
    if len(fewer.cases) < len(cases.cases):
        said.append(f"{len(fewer.cases)} of {len(cases.cases)} cases in each cell; --full runs all of them.")
    every = math.ceil(len(cells) * len(fewer.cases) * ask.trials / _MOST_TRIALS)
    if every <= 1:
        return fewer, list(cells), tuple(said)
    steps = list(dict.fromkeys(cell.fault.step for cell in cells))
    kept = [c for c in cells if (steps.index(c.fault.step) + place_of(c.fault.name)) % every == 0]
    said.append(
        f"{len(kept)} of {len(cells)} cells, spread over all faults and steps; --full runs all of them, --step and --fault some."
    )
    return fewer, kept, tuple(said)


def unasked(whole: Suite, cases: Suite, ask: FaultsAsk) -> tuple[str, ...]:
    """What the sample leaves out, in words."""
    if ask.cases is not None or len(cases.cases) == len(whole.cases):
        return ()
    return (f"{len(cases.cases)} of the suite's {len(whole.cases)} cases; --cases takes more.",)
