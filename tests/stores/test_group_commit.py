"""What a trial costs beside its work: one transaction for all that end together, one task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gapless.operations.measure import Ask, measure_into
from gapless.operations.open import open_store
from gapless.records.suite import Case, CheckSpec, Suite
from gapless.settings import Place, Settings
from gapless.stores.store import Batch, Store

AT_ONCE = 16
TRIALS = 160


async def echo(value: str) -> str:
    return value


def _suite() -> Suite:
    check = CheckSpec(name="exact", params={"value": "same"})
    cases = [
        Case(id=f"c{i}", input="same", checks={"end": (check,), "echo": (check,)}) for i in range(TRIALS)
    ]
    return Suite(name="shape", cases=tuple(cases))


async def _measure(folder: Path) -> None:
    settings = Settings(concurrency=AT_ONCE)
    place = Place(root=str(folder), settings=settings, database=f"sqlite:///{folder / 'gapless.db'}")
    with open_store(place) as store:
        measured = await measure_into(store, echo, _suite(), Ask(), place=place)
    assert measured.complete
    assert measured.done == TRIALS


async def test_trials_that_end_together_share_a_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    commit = Store.commit

    def counted(self: Store, batches: Sequence[Batch]) -> None:
        sizes.append(len(batches))
        commit(self, batches)

    monkeypatch.setattr(Store, "commit", counted)
    await _measure(tmp_path)
    assert sum(sizes) == TRIALS + AT_ONCE  # each trial's end goes with the start of its worker's next one
    assert len(sizes) <= 3 * TRIALS / AT_ONCE


async def test_a_trial_costs_one_task(tmp_path: Path) -> None:
    made = 0

    def counted(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        nonlocal made
        made += 1
        return asyncio.Task(work, loop=loop, **options)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(counted)  # pyright: ignore[reportArgumentType]
    try:
        await _measure(tmp_path)
    finally:
        loop.set_task_factory(None)
    assert made <= TRIALS + AT_ONCE + 5


async def test_equal_checks_are_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gapless.evals import judge

    built: list[CheckSpec] = []
    build = judge.build

    def counted(spec: CheckSpec) -> Any:
        built.append(spec)
        return build(spec)

    monkeypatch.setattr(judge, "build", counted)
    await _measure(tmp_path)
    assert len(built) == 1
