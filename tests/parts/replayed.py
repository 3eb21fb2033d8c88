"""A measurement in a folder of its own, whose trials tests replay; what ran is written down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gapless.operations.measure import Ask, measure_into
from gapless.operations.open import open_store
from gapless.operations.replay import Opened, World, open_recorded, replay_into
from gapless.operations.replay_plan import Wanted
from gapless.records.replay import ReplayDiff
from gapless.settings import Place, Settings

RAN: list[str] = []
"""Steps that ran for real, in order."""


class Recorded:
    """Measures once, then replays as often as it is asked."""

    def __init__(self, folder: Path, workflow: Any, suite: list[dict[str, Any]], **ask: Any) -> None:
        self._place = Place(root=str(folder), settings=Settings(), database=f"sqlite:///{folder}/gapless.db")
        self._workflow, self._suite, self._ask = workflow, suite, ask

    async def __aenter__(self) -> Recorded:
        self._store = open_store(self._place)
        self.store = self._store.__enter__()
        done = await measure_into(
            self.store, self._workflow, self._suite, Ask(**self._ask), place=self._place
        )
        self.measurement = done.measurement
        self.opened: Opened = open_recorded(
            self.store,
            done.measurement,
            World(workflow=self._workflow, weather=self._ask.get("weather")),
            place=self._place,
        )
        RAN.clear()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._store.__exit__(None, None, None)

    async def replay(self, case: str = "c", **wanted: Any) -> ReplayDiff:
        """Replays the first trial of a case."""
        RAN.clear()
        return await replay_into(self.opened, case, 0, Wanted(**wanted))


def told(diff: ReplayDiff) -> dict[str, str]:
    """Crossing -> what became of it."""
    return {
        f"{p.step}{'' if p.branch is None else f'[{p.branch}]'}#{p.visit}": p.status for p in diff.crossings
    }
