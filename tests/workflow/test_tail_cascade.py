"""The tail of one step cascades into the whole trial; a deadline that travels with the trial stops it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import gapless
from gapless import Contract, guard
from gapless.gap.paired import Pairs, difference
from gapless.gap.table import Table
from gapless.operations.measure import measure
from gapless.operations.open import open_store
from gapless.operations.report import run_table
from gapless.settings import Place, Settings

BUDGET_S = 0.4
MEDIAN_S, TAIL_S = 0.02, 0.4
CASES = [{"id": f"c{n}", "input": n} for n in range(80)]


async def _work(case: int, step: int) -> int:
    """A step whose slowest answers take twenty times as long as the usual one."""
    slow = Random(f"{case}/{step}").random() < 0.1
    await asyncio.sleep(TAIL_S if slow else MEDIAN_S)
    return case


@gapless.step
async def first(case: int) -> int:
    return await _work(case, 1)


@gapless.step
async def second(case: int) -> int:
    return await _work(case, 2)


@gapless.step
async def third(case: int) -> int:
    return await _work(case, 3)


@gapless.step
async def fourth(case: int) -> int:
    return await _work(case, 4)


async def flow(case: int) -> int:
    return await fourth(await third(await second(await first(case))))


async def test_deadlines_keep_trials_within_the_budget(tmp_path: Path) -> None:
    # Half of the budget for the first two steps, the rest for all: what is late answers with what it was given.
    def until(seconds: float) -> Contract:
        return Contract(deadline_s=seconds, fallback=lambda crossing, error: crossing.state["case"])

    marks = {"first": 0.5, "second": 0.6, "third": 0.7, "fourth": 0.8}
    careful = guard(flow, {name: until(share * BUDGET_S) for name, share in marks.items()})
    place = Place(root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path}/t.db")
    tables: list[Table] = []
    for workflow, name in ((flow, "bare"), (careful, "guarded")):
        done = await measure(workflow, CASES, condition=name, place=place, concurrency=16)
        with open_store(place) as store:
            tables.append(Table.of(run_table(store, done.measurement)))
    pairs = Pairs.of(*tables)
    late: list[Any] = [table.ms > 1e3 * BUDGET_S for table in (pairs.before, pairs.after)]
    found, _ = difference(pairs, *late)
    assert late[0].mean() > 0.2
    assert found.high is not None
    assert found.high < 0
    assert late[1].mean() < late[0].mean() / 2
