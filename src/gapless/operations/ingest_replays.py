"""Reruns on their way into the store: each is given to the trial it reran, which knows its group and its path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from gapless.errors import ImporterError
from gapless.records.replay import ReplayRun
from gapless.records.row import RunRow, retell

if TYPE_CHECKING:
    from gapless.stores.intake import Intake
    from gapless.trace.importers.base import Replayed
    from gapless.trace.importers.source import Source

_pack = msgspec.msgpack.Encoder().encode
_row = msgspec.msgpack.Decoder(RunRow)
_Place = tuple[str, int, str, str, int]
"""(case, trial, step, arm, rep)."""


class Replays:
    """The replay lines of a table. Trials may come before or after them, and under several conditions."""

    def __init__(self) -> None:
        self._rows: list[Replayed] = []
        self._seen: set[tuple[str | None, _Place]] = set()
        self._strange = 0
        self._torn = 0

    def __len__(self) -> int:
        return len(self._rows) - self._strange - self._torn

    def add(self, source: Source, row: Replayed) -> bytes:
        """Takes a rerun; its bytes, as the digest of the table counts them.

        Raises:
            ImporterError: It was there before.
        """
        place = _place(row.run)
        if (row.condition, place) in self._seen:
            raise source.wrong(f"{_told(place)} was there before")
        self._seen.add((row.condition, place))
        self._rows.append(row)
        return _pack([row.condition, row.run])

    def give(self, intake: Intake) -> None:
        """Puts each with its condition among the rows that wait, with the group of its trial and its place on the path.

        Raises:
            ImporterError: Two lines are the same rerun, one of them without its condition.
        """
        if not self._rows:
            return
        trials: dict[tuple[str, int], dict[str, RunRow]] = {}
        for condition, body in intake.trials({(row.run.case, row.run.trial) for row in self._rows}):
            trial = _row.decode(body)
            trials.setdefault((trial.case, trial.trial), {})[condition] = trial
        given: dict[str, dict[_Place, ReplayRun]] = {}
        for row in self._rows:
            known = trials.get((row.run.case, row.run.trial), {})
            condition = self._condition(row, known)
            if condition is None:
                continue
            mine = given.setdefault(condition, {})
            if _place(row.run) in mine:
                raise ImporterError(f"{_told(_place(row.run))} of condition {condition!r} is there twice.")
            mine[_place(row.run)] = _placed(row.run, known[condition])
        for condition, runs in given.items():
            intake.add_replays(condition, list(runs.values()))

    def notes(self) -> Iterator[str]:
        """What was read and not kept."""
        if self._strange:
            yield f"{_lines(self._strange)} of trials that the table does not hold: left out."
        if self._torn:
            yield (
                f"{_lines(self._torn)} of trials that several conditions lost: left out. "
                'Name the condition under {"gapless": {"condition": ...}}.'
            )

    def _condition(self, row: Replayed, known: dict[str, RunRow]) -> str | None:
        """The condition of the trial: the one that is named, else the only one, else the only one that lost it."""
        if row.condition is not None and row.condition in known:
            return row.condition
        if row.condition is not None or not known:
            self._strange += 1
            return None
        if len(known) == 1:
            return next(iter(known))
        lost = [
            condition for condition, trial in known.items() if trial.outcome not in ("correct", "unjudged")
        ]
        if len(lost) == 1:
            return lost[0]
        self._torn += 1
        return None


def _place(run: ReplayRun) -> _Place:
    return run.case, run.trial, run.step, run.arm, run.rep


def _lines(number: int) -> str:
    return f"{number} replay line{'' if number == 1 else 's'}"


def _told(place: _Place) -> str:
    case, trial, step, arm, rep = place
    return f"replay of case {case!r}, trial {trial} from {step!r}, arm {arm!r}, rep {rep}"


def _placed(run: ReplayRun, trial: RunRow) -> ReplayRun:
    """The rerun with what only its trial knows. A step that the trial did not visit stands where it was planned, or at 0."""
    from gapless.gap.replays import last_visit_path

    path = last_visit_path(retell(trial.history)) or trial.planned or ()
    position = path.index(run.step) + 1 if run.step in path else 0
    return msgspec.structs.replace(run, group=trial.group, position=position)
