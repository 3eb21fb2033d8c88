"""Thirty seeded worlds on a six-step graph without a model: one step is the culprit, and its own check is nearly blind.

Replay has to name it; the first failing check names whoever is handed what it spoilt (METHOD section 9).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph
from replayed import Recorded

from gapless.operations.attribute import AttributeAsk, attribute_into, attributed, attribution
from gapless.records.replay import Causes
from gapless.records.trial import TrialRecord

STEPS = ("understand", "retrieve", "rank", "assess", "draft", "deliver")
CULPRIT = "assess"
RATE, OTHERS = 0.3, 0.05
CASES, TRIALS = 50, 3
WORST = 100
BLIND = 85
"""The culprit's check lets pass what is off by no more: it sees 15 % of what it should."""


class State(TypedDict, total=False):
    question: int
    understand: int
    retrieve: int
    rank: int
    assess: int
    draft: int
    deliver: int


@dataclass(frozen=True)
class World:
    """What one world comes to."""

    causes: Causes
    realised: dict[str, float]
    """Step -> share of the replayed trials that were spoilt there first."""
    first_failing: str
    """The step whose check fails first in most of them."""


def workflow(seed: int) -> Any:
    luck = Random(seed)

    def step(name: str, before: str) -> Any:
        rate = RATE if name == CULPRIT else OTHERS

        def run(state: State) -> dict[str, int]:
            spoilt = luck.randint(1, WORST) if luck.random() < rate else 0
            return {name: state[before] + 1 + spoilt}

        return run

    graph = StateGraph(State)
    for before, name in zip(("question", *STEPS[:-1]), STEPS, strict=True):
        graph.add_node(name, step(name, before))
    for one, other in zip((START, *STEPS), (*STEPS, END), strict=True):
        graph.add_edge(one, other)
    return graph.compile()


def suite() -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = []
    for number in range(CASES):
        right = {name: number + place + 1 for place, name in enumerate(STEPS)}
        checks = {"end": [{"exact": {"path": STEPS[-1], "value": right[STEPS[-1]]}}]}
        checks[CULPRIT] = [{"numeric": {"path": CULPRIT, "value": right[CULPRIT], "tol": BLIND}}]
        golden = {name: {name: value} for name, value in right.items()}
        cases.append({"id": f"c{number}", "input": {"question": number}, "golden": golden, "checks": checks})
    return cases


async def world(folder: Path, seed: int) -> World:
    async with Recorded(folder, workflow(seed), suite(), trials=TRIALS, concurrency=8) as recorded:
        ask = AttributeAsk(reps=2, sample=None)
        found = attribution(recorded.opened, ask)
        assert await attribute_into(recorded.opened, found, ask)
        causes = attributed(recorded.opened, found, complete=True)
        assert causes is not None
        lost = [r for r in recorded.store.records(recorded.measurement.id) if r.outcome == "wrong"]
        spoilt = Counter(_spoilt(recorded, record) for record in lost)
        blamed = Counter(record.blame for record in lost)
    return World(
        causes=causes,
        realised={step: spoilt[step] / len(lost) for step in STEPS},
        first_failing=str(blamed.most_common(1)[0][0]),
    )


def _spoilt(recorded: Recorded, record: TrialRecord) -> str:
    """The first step whose handoff is not the right one."""
    number = int(record.case[1:])
    for place, event in enumerate(record.events):
        assert event.output is not None
        if recorded.store.payload(event.output)[event.step] != number + place + 1:
            return event.step
    raise AssertionError("nothing was spoilt")


def named(causes: Causes) -> str:
    """The step with the largest share."""
    shares = {row.step: row.share.point for row in causes.rows if row.share.point is not None}
    return max(shares, key=lambda step: shares[step])


async def test_one_world(tmp_path: Path) -> None:
    found = await world(tmp_path, seed=7)
    assert named(found.causes) == CULPRIT
    assert found.first_failing == "draft"  # which did nothing wrong
    rows = {row.step: row for row in found.causes.rows}
    total = sum(row.share.point or 0.0 for row in rows.values()) + (found.causes.verdict_noise.point or 0.0)
    assert total == pytest.approx(1.0, abs=1e-12)
    assert (rows[CULPRIT].suspected.point or 0.0) < (rows["draft"].suspected.point or 0.0)


@pytest.mark.full
@pytest.mark.timeout(1200)
async def test_thirty_worlds(tmp_path: Path) -> None:
    found: list[World] = []
    for seed in range(30):
        (tmp_path / str(seed)).mkdir()
        found.append(await world(tmp_path / str(seed), seed))
    replayed = sum(named(one.causes) == CULPRIT for one in found)
    failing = sum(one.first_failing == CULPRIT for one in found)
    covered = [
        row.share.low <= one.realised[row.step] <= row.share.high
        for one in found
        for row in one.causes.rows
        if row.share.low is not None and row.share.high is not None
    ]
    print(f"replay {replayed}/30, first failing check {failing}/30, intervals {sum(covered)}/{len(covered)}")
    assert replayed >= 29
    assert failing <= 1
    assert len(covered) >= 0.9 * 30 * len(STEPS)
    assert sum(covered) / len(covered) >= 0.93  # nominal .95, Monte-Carlo error .016
