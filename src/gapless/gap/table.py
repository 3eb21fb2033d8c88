"""A run table in columns: arrays where trials differ, one copy of what repeats. Everything in this room is computed from it.

A million trials of eight steps are nine million Python objects as records, and a hundred megabytes as columns. What a
trial's steps did, without how long they took, is its history; trials share few of them, so whatever has to walk through
steps one by one walks through each distinct history once.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from gapless.gap.blame import blame
from gapless.gap.clustered import Units, units_of
from gapless.gap.codes import compact, distinct
from gapless.records.row import RunRow, retell, row_of
from gapless.records.trial import OUTCOMES, Outcome, Run, StepOutcome, ToolCount

_CODE = {name: code for code, name in enumerate(OUTCOMES)}
_NAN = float("nan")
_Kind = tuple[
    bytes,
    Outcome,
    str | None,
    tuple[str, ...] | None,
    tuple[tuple[str, str], ...],
    str,
    tuple[ToolCount, ...],
    bool,
]
"""(history, outcome, blame, planned path, slice, why, tools, labelled)."""

History = tuple[StepOutcome, ...]
"""One trial's step events in time order; their `ms` is 0, for durations are kept apart."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """N trials in columns. A code points into the tuple beside it; names stand in order of first appearance."""

    cases: tuple[str, ...]
    case: NDArray[Any]
    """int array [N]: which case."""
    groups: tuple[str, ...]
    group: NDArray[Any]
    """int array [N]: which group, the independent unit."""
    trial: NDArray[Any]
    """int array [N]: the trial's number within its case."""
    outcome: NDArray[Any]
    """int array [N]: position in `OUTCOMES`."""
    exits: tuple[str, ...]
    blame: NDArray[Any]
    """int array [N]: where a lost trial is placed; -1 for a correct one."""
    histories: tuple[History, ...]
    history: NDArray[Any]
    """int array [N]: what its steps did."""
    plans: tuple[tuple[str, ...] | None, ...]
    plan: NDArray[Any]
    """int array [N]: the declared planned path."""
    parts: tuple[dict[str, str], ...]
    part: NDArray[Any]
    """int array [N]: the declared slice."""
    whys: tuple[str, ...]
    why: NDArray[Any]
    """int array [N]: what was wrong, in words; "" where nothing was."""
    tools: tuple[tuple[ToolCount, ...], ...]
    tool: NDArray[Any]
    """int array [N]: how often it called which tools."""
    labelled: NDArray[Any]
    """bool array [N]: whether an end verdict exists."""
    ms: NDArray[Any]
    """float array [N]: wall time in milliseconds; NaN where nobody took it."""
    tokens_in: NDArray[Any]
    """float array [N]: tokens read by models; NaN where unknown."""
    tokens_out: NDArray[Any]
    """float array [N]: tokens written by models; NaN where unknown."""
    durations: NDArray[Any]
    """float array [E]: milliseconds of every step event, trial after trial; NaN where nobody took them."""
    starts: NDArray[Any]
    """int array [N + 1]: where each trial's durations begin."""

    @classmethod
    def of(cls, runs: Iterable[Run | RunRow]) -> Table:
        """Collects summary rows, one at a time. A lost trial without a blame is given the rule's, a correct one has none."""
        builder = _Builder()
        builder.extend(runs)
        return builder.table()

    def __len__(self) -> int:
        return len(self.case)

    def is_(self, *outcomes: Outcome) -> NDArray[Any]:
        """bool array [N]: whether the trial ended so."""
        return np.isin(self.outcome, [_CODE[name] for name in outcomes])

    def count(self, outcome: Outcome) -> int:
        """How many trials ended so."""
        return int(np.count_nonzero(self.outcome == _CODE[outcome]))

    def units(self, rows: NDArray[Any] | None = None, *, weighting: str | None = None) -> Units:
        """Groups and weights of all trials, as every interval uses them; of some, as if they were the whole table.

        Args:
            rows: Which trials, as positions or as a bool array [N]; all when None.
            weighting: "runs" or "cases" to force one.
        """
        if rows is None:
            return units_of(self.group, len(self.groups), weighting=weighting, n_cases=len(self.cases))
        codes, n_groups = compact(self.group[rows], len(self.groups))
        return units_of(codes, n_groups, weighting=weighting, n_cases=distinct(self.case[rows]))

    def per_history(self, keep: NDArray[Any] | None = None) -> NDArray[Any]:
        """int array [histories]: how many trials have each history.

        Args:
            keep: bool array [N]: only these trials; all when None.
        """
        which = self.history if keep is None else self.history[keep]
        return np.bincount(which, minlength=len(self.histories))

    def event_places(self) -> NDArray[Any]:
        """int array [E]: where each step event of each trial stands when all histories are laid end to end."""
        # 32 bits hold a place as long as there are fewer than two billion events, and take half the time of 64.
        narrow = np.int32 if len(self.durations) < 2**31 else np.int64
        sizes = np.array([len(history) for history in self.histories], dtype=np.int64)
        begins = np.cumsum(sizes) - sizes
        ahead = (begins[self.history] - self.starts[:-1]).astype(narrow)
        places = np.repeat(ahead, np.diff(self.starts))
        places += np.arange(len(self.durations), dtype=narrow)
        return places

    def unplaced(self, rows: NDArray[Any]) -> Table:
        """The same table with these trials placed at no exit.

        Args:
            rows: bool array [N].
        """
        exits, at = _recoded(self.exits, np.where(rows, -1, self.blame))
        return replace(self, exits=exits, blame=at)

    def where(self, keep: NDArray[Any]) -> Table:
        """The table of some of its trials.

        Args:
            keep: bool array [N].
        """
        lengths = np.diff(self.starts)
        cases, case = _recoded(self.cases, self.case[keep])
        groups, group = _recoded(self.groups, self.group[keep])
        exits, at = _recoded(self.exits, self.blame[keep])
        return Table(
            cases=cases,
            case=case,
            groups=groups,
            group=group,
            trial=self.trial[keep],
            outcome=self.outcome[keep],
            exits=exits,
            blame=at,
            histories=self.histories,
            history=self.history[keep],
            plans=self.plans,
            plan=self.plan[keep],
            parts=self.parts,
            part=self.part[keep],
            whys=self.whys,
            why=self.why[keep],
            tools=self.tools,
            tool=self.tool[keep],
            labelled=self.labelled[keep],
            ms=self.ms[keep],
            tokens_in=self.tokens_in[keep],
            tokens_out=self.tokens_out[keep],
            durations=self.durations[np.repeat(keep, lengths)],
            starts=np.concatenate([[0], np.cumsum(lengths[keep])]),
        )

    def name(self, row: int) -> str:
        """A trial as people call it: "case#trial"."""
        return f"{self.cases[self.case[row]]}#{self.trial[row]}"


class _Builder:
    """Columns while they grow; `array` holds a number in eight bytes where a list takes forty.

    What trials have in common is told apart from what is their own: trials of one kind share everything but case, group,
    number and times, and of each kind everything is looked up once.
    """

    def __init__(self) -> None:
        self._cases: dict[str, int] = {}
        self._groups: dict[str, int] = {}
        self._kinds: dict[_Kind, int] = {}
        self._case, self._group = array("q"), array("q")
        self._trial, self._kind = array("q"), array("q")
        self._ms, self._tokens_in, self._tokens_out = array("d"), array("d"), array("d")
        self._durations = array("d")

    def extend(self, runs: Iterable[Run | RunRow]) -> None:
        """Appends trials. One loop and no call per column: a million trials pass through it."""
        cases, groups, kinds = self._cases, self._groups, self._kinds
        case, group, trial, kind = (
            self._case.append,
            self._group.append,
            self._trial.append,
            self._kind.append,
        )
        ms, tokens_in, tokens_out = self._ms.append, self._tokens_in.append, self._tokens_out.append
        durations = self._durations.frombytes
        for run in runs:
            row = run if type(run) is RunRow else row_of(cast("Run", run))
            case(cases.setdefault(row.case, len(cases)))
            group(groups.setdefault(row.group, len(groups)))
            trial(row.trial)
            mine: _Kind = (
                row.history,
                row.outcome,
                row.blame,
                row.planned,
                tuple(row.slice.items()) if row.slice else (),
                row.why,
                row.tools,
                row.labelled,
            )
            kind(kinds.setdefault(mine, len(kinds)))
            ms(row.ms)
            tokens_in(_NAN if row.tokens_in is None else row.tokens_in)
            tokens_out(_NAN if row.tokens_out is None else row.tokens_out)
            durations(row.durations)

    def table(self) -> Table:
        """What was collected."""
        kind = np.array(self._kind)
        known = _Known()
        codes = [known.codes(kind_) for kind_ in self._kinds]
        of_kind = np.array(codes, dtype=np.int64).reshape(-1, len(_Codes._fields))
        column = _Codes(*(column[kind] for column in of_kind.T))
        lengths = np.array([len(history) for history in known.templates], dtype=np.int64)[column.history]
        return Table(
            cases=tuple(self._cases),
            case=np.array(self._case),
            groups=tuple(self._groups),
            group=np.array(self._group),
            trial=np.array(self._trial),
            outcome=column.outcome,
            exits=tuple(known.exits),
            blame=column.blame,
            histories=tuple(known.templates),
            history=column.history,
            plans=tuple(known.plans),
            plan=column.plan,
            parts=tuple(dict(items) for items in known.parts),
            part=column.part,
            whys=tuple(known.whys),
            why=column.why,
            tools=tuple(known.tools),
            tool=column.tool,
            labelled=column.labelled.astype(bool),
            ms=np.array(self._ms),
            tokens_in=np.array(self._tokens_in),
            tokens_out=np.array(self._tokens_out),
            durations=np.array(self._durations),
            starts=np.concatenate([[0], np.cumsum(lengths)]),
        )


class _Codes(NamedTuple):
    """What trials of a kind have in common, as codes."""

    history: Any
    outcome: Any
    blame: Any
    plan: Any
    part: Any
    why: Any
    tool: Any
    labelled: Any


class _Known:
    """What was seen so far, in order of first appearance."""

    def __init__(self) -> None:
        self.histories: dict[bytes, int] = {}
        self.templates: list[History] = []
        self.exits: dict[str, int] = {}
        self.plans: dict[tuple[str, ...] | None, int] = {}
        self.parts: dict[tuple[tuple[str, str], ...], int] = {}
        self.whys: dict[str, int] = {}
        self.tools: dict[tuple[ToolCount, ...], int] = {}

    def codes(self, kind: _Kind) -> _Codes:
        """The codes of a kind. A lost trial without a blame is given the rule's, a correct one has none."""
        told, outcome, at, planned, part, why, tools, labelled = kind
        history = self.histories.get(told)
        if history is None:
            history = self.histories[told] = len(self.templates)
            self.templates.append(retell(told))
        if (at is None) != (outcome == "correct"):  # else the points would not add up to 1 - S
            at = blame(self.templates[history], outcome)
        return _Codes(
            history=history,
            outcome=_CODE[outcome],
            blame=-1 if at is None else _code(self.exits, at),
            plan=_code(self.plans, planned),
            part=_code(self.parts, part),
            why=_code(self.whys, why),
            tool=_code(self.tools, tools),
            labelled=int(labelled),
        )


def _code(known: dict[Any, int], value: Any) -> int:
    return known.setdefault(value, len(known))


def _recoded(names: tuple[str, ...], codes: NDArray[Any]) -> tuple[tuple[str, ...], NDArray[Any]]:
    """The names that are left, and codes that point into them; -1 stays -1."""
    left = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=len(names)))
    place = np.full(len(names) + 1, -1, dtype=np.int64)
    place[left] = np.arange(len(left))
    return tuple(names[code] for code in left), place[codes]
