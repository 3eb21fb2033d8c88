"""What recording costs: the step that waits for it, and the process that writes it down later."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gapless.boundary.session import Passage, Session, current_session
from gapless.probes.base import Card, Subject
from gapless.probes.judging import at_most
from gapless.probes.medians import median_figure
from gapless.records.finding import Finding
from gapless.records.measurement import Measurement
from gapless.records.suite import Case, Suite
from gapless.records.trial import TrialRecord
from gapless.stores.store import Batch, Store
from gapless.trace.recorder import TrialRecorder

COST = Card(
    probe="tracing-cost",
    layer="observability",
    title="what recording costs",
    target="at most 1 ms of CPU added to a step",
    source="gapless' own: a trace nobody can afford is switched off",
)
_STEPS, _ROUNDS, _MOST_US = 8, 200, 1000.0
_BATCHES, _TRIALS = 6, 10
_HANDOFF = {"documents": [{"id": str(n), "text": "x" * 80, "score": 0.5} for n in range(20)]}


def tracing_cost(subject: Subject) -> Iterable[Finding]:
    """CPU that recording adds to a step which hands over 2 KB, and what keeping it takes beside the steps, later."""
    costs = [_round() for _ in range(_ROUNDS)]
    step = median_figure("CPU added per step", costs, "us", of=f"rounds of {_STEPS} steps")
    later = median_figure(
        "CPU per step later, to key, compress and commit it",
        _later(),
        "us",
        of=f"batches of {_TRIALS} trials of {_STEPS} steps",
    )
    most = subject.targets.get(COST.probe, _MOST_US)
    held = at_most(step, most, missed="warn")
    said = f"{step.value:.0f} us of CPU per step with a handoff of 2 KB, and {later.value:.0f} us later, to write it"
    said += f"; where {most:g} us are allowed" if held.status != "ok" else ""
    advice = "Something else takes the CPU (see `pressure`), or handoffs are copied: hand over less."
    yield COST.held(held, said, figures=(step, later), next_step=advice if held.status != "ok" else "")


def _round() -> float:
    session = Session(TrialRecorder())
    state: dict[str, Any] = {"question": "what does it cost"}
    token = current_session.set(session)
    try:
        begun = time.process_time_ns()
        for number in range(_STEPS):
            session.cross(Passage(step=f"s{number}"), state, _hand_over)
        spent = time.process_time_ns() - begun
    finally:
        current_session.reset(token)
    begun = time.process_time_ns()
    for _ in range(_STEPS):
        _hand_over(state)
    return (spent - (time.process_time_ns() - begun)) / _STEPS / 1e3


def _hand_over(state: Any) -> Any:
    return _HANDOFF


def _later() -> list[float]:
    """CPU per step that the store takes for trials whose handoffs all differ, in microseconds, one figure per batch."""
    suite = Suite(name="cost", cases=tuple(Case(id=f"c{n}", input=n) for n in range(_BATCHES * _TRIALS)))
    measurement = Measurement(
        id="COST", key="cost", target="cost", fingerprint="", suite=suite.name, suite_digest=suite.digest()
    )
    with tempfile.TemporaryDirectory(prefix="gapless-cost-") as folder:
        store = Store(f"sqlite:///{Path(folder) / 'cost.db'}")
        try:
            store.begin(measurement, suite)
            return [_committed(store, range(n * _TRIALS, (n + 1) * _TRIALS)) for n in range(_BATCHES)]
        finally:
            store.close()


def _committed(store: Store, numbers: range) -> float:
    recorded = [_recorded(number) for number in numbers]
    begun = time.process_time_ns()
    kept = [(_trial(number, recorder), dict(recorder.payloads)) for number, recorder in recorded]
    payloads = {digest: data for _, part in kept for digest, data in part.items()}
    store.commit([Batch("COST", finished=[record for record, _ in kept], payloads=payloads)])
    return (time.process_time_ns() - begun) / len(kept) / _STEPS / 1e3


def _recorded(number: int) -> tuple[int, TrialRecorder]:
    recorder = TrialRecorder()
    for step in range(_STEPS):
        opened = recorder.begin(f"s{step}", number)
        recorder.end(opened, output={**_HANDOFF, "number": [number, step]})
    return number, recorder


def _trial(number: int, recorder: TrialRecorder) -> TrialRecord:
    case = f"c{number}"
    return TrialRecord(case=case, trial=0, group=case, outcome="correct", events=recorder.close())
