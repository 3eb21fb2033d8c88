"""A run table in columns: arrays where trials differ, one copy of what repeats. Everything in this room is computed from it.

A million trials of eight steps are nine million Python objects as records, and a hundred megabytes as columns. What a
trial's steps did, without how long they took, is its history; trials share few of them, so whatever has to walk through
steps one by one walks through each distinct history once.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapless.gap.blame import blame
from gapless.gap.clustered import Units, units_of
from gapless.records.row import RunRow, retell, row_of
from gapless.records.trial import OUTCOMES, Outcome, Run, StepOutcome, ToolCount

_CODE = {name: code for code, name in enumerate(OUTCOMES)}

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
        for run in runs:
            builder.add(run)
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
        groups, codes = np.unique(self.group[rows], return_inverse=True)
        n_cases = len(np.unique(self.case[rows]))
        return units_of(codes, len(groups), weighting=weighting, n_cases=n_cases)

    def per_history(self, keep: NDArray[Any] | None = None) -> NDArray[Any]:
        """int array [histories]: how many trials have each history.

        Args:
            keep: bool array [N]: only these trials; all when None.
        """
        which = self.history if keep is None else self.history[keep]
        return np.bincount(which, minlength=len(self.histories))

    def event_places(self) -> NDArray[Any]:
        """int array [E]: where each step event of each trial stands when all histories are laid end to end."""
        sizes = np.array([len(history) for history in self.histories], dtype=np.int64)
        begins = np.cumsum(sizes) - sizes
        ahead = begins[self.history] - self.starts[:-1]
        return np.arange(len(self.durations)) + np.repeat(ahead, np.diff(self.starts))

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
    """Columns while they grow; `array` holds a number in eight bytes where a list takes forty."""

    def __init__(self) -> None:
        self._cases: dict[str, int] = {}
        self._groups: dict[str, int] = {}
        self._exits: dict[str, int] = {}
        self._histories: dict[bytes, int] = {}
        self._templates: list[History] = []
        self._plans: dict[tuple[str, ...] | None, int] = {}
        self._parts: dict[tuple[tuple[str, str], ...], int] = {}
        self._whys: dict[str, int] = {}
        self._tools: dict[tuple[ToolCount, ...], int] = {}
        self._columns: dict[str, array[Any]] = {
            **{name: array("q") for name in ("case", "group", "trial", "outcome", "blame", "history")},
            **{name: array("q") for name in ("plan", "part", "why", "tool", "labelled", "events")},
            **{name: array("d") for name in ("ms", "tokens_in", "tokens_out", "durations")},
        }

    def add(self, run: Run | RunRow) -> None:
        """Appends a trial."""
        row = run if isinstance(run, RunRow) else row_of(run)
        column = self._columns
        history = self._histories.get(row.history)
        if history is None:
            history = self._histories[row.history] = len(self._histories)
            self._templates.append(retell(row.history))
        at = row.blame
        if (at is None) != (row.outcome == "correct"):  # else the points would not add up to 1 - S
            at = blame(self._templates[history], row.outcome)
        column["case"].append(_code(self._cases, row.case))
        column["group"].append(_code(self._groups, row.group))
        column["trial"].append(row.trial)
        column["outcome"].append(_CODE[row.outcome])
        column["blame"].append(-1 if at is None else _code(self._exits, at))
        column["history"].append(history)
        column["plan"].append(_code(self._plans, row.planned))
        column["part"].append(_code(self._parts, tuple(row.slice.items()) if row.slice else ()))
        column["why"].append(_code(self._whys, row.why))
        column["tool"].append(_code(self._tools, row.tools))
        column["labelled"].append(row.labelled)
        column["ms"].append(row.ms)
        column["tokens_in"].append(_or_nan(row.tokens_in))
        column["tokens_out"].append(_or_nan(row.tokens_out))
        column["durations"].frombytes(row.durations)
        column["events"].append(len(self._templates[history]))

    def table(self) -> Table:
        """What was collected."""
        column = {name: np.array(values) for name, values in self._columns.items()}
        return Table(
            cases=tuple(self._cases),
            case=column["case"],
            groups=tuple(self._groups),
            group=column["group"],
            trial=column["trial"],
            outcome=column["outcome"],
            exits=tuple(self._exits),
            blame=column["blame"],
            histories=tuple(self._templates),
            history=column["history"],
            plans=tuple(self._plans),
            plan=column["plan"],
            parts=tuple(dict(items) for items in self._parts),
            part=column["part"],
            whys=tuple(self._whys),
            why=column["why"],
            tools=tuple(self._tools),
            tool=column["tool"],
            labelled=column["labelled"].astype(bool),
            ms=column["ms"],
            tokens_in=column["tokens_in"],
            tokens_out=column["tokens_out"],
            durations=column["durations"],
            starts=np.concatenate([[0], np.cumsum(column["events"])]),
        )


def _code(known: dict[Any, int], value: Any) -> int:
    return known.setdefault(value, len(known))


def _or_nan(count: int | None) -> float:
    return float("nan") if count is None else float(count)


def _recoded(names: tuple[str, ...], codes: NDArray[Any]) -> tuple[tuple[str, ...], NDArray[Any]]:
    """The names that are left, and codes that point into them; -1 stays -1."""
    left = np.unique(codes[codes >= 0])
    place = np.full(len(names) + 1, -1, dtype=np.int64)
    place[left] = np.arange(len(left))
    return tuple(names[code] for code in left), place[codes]
