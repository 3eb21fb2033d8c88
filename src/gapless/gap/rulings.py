"""What the contracts of a guarded workflow did, counted while its trials pass by."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from gapless.records.gap import RulingRow
from gapless.records.row import RunRow
from gapless.records.trial import Action, Run

_Key = tuple[str, str, Action]


class Ruled:
    """Counts rulings by step, guard and action, and adds up what they cost."""

    def __init__(self) -> None:
        self._trials: Counter[_Key] = Counter()
        self._rulings: Counter[_Key] = Counter()
        self._ms: dict[_Key, float] = defaultdict(float)

    def of(self, rows: Iterable[Run | RunRow]) -> Iterator[Run | RunRow]:
        """The same rows, counted as they pass."""
        for row in rows:
            for ruling in row.rulings:
                key = (ruling.step, ruling.guard, ruling.action)
                self._trials[key] += 1
                self._rulings[key] += ruling.count
                self._ms[key] += ruling.ms
            yield row

    def rows(self, *, logged: bool = False) -> tuple[RulingRow, ...]:
        """What was counted, by step, the most frequent first; what merely let pass is left out.

        Args:
            logged: Whether gates only logged what they would have done.
        """
        found = [
            RulingRow(
                step=key[0],
                guard=key[1],
                action=key[2],
                n_trials=n,
                n_rulings=self._rulings[key],
                ms=self._ms[key],
                logged=logged and key[1] == "gate",
            )
            for key, n in self._trials.items()
            if key[1:] != ("gate", "proceed")
        ]
        return tuple(sorted(found, key=lambda row: (row.step, -row.n_trials, row.guard, row.action)))
