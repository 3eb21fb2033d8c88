"""What recording costs a step, and whether what must not be kept is kept nowhere."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gapless.boundary.session import Passage, Session, current_session
from gapless.probes.base import Card, Subject
from gapless.records.finding import Figure, Finding
from gapless.records.measurement import Measurement
from gapless.records.suite import Case, Suite
from gapless.records.trial import Run, TrialRecord
from gapless.stores.store import Batch, Store
from gapless.trace.recorder import TrialRecorder
from gapless.trace.redaction import Redaction
from gapless.trace.run_table import lines

COST = Card(
    probe="tracing-cost",
    layer="observability",
    title="what recording costs",
    target="at most 1 ms of CPU per step",
    source="gapless' own: a trace nobody can afford is switched off",
)
SECRETS = Card(
    probe="redaction",
    layer="observability",
    title="secrets stay out of the record",
    target="a planted secret reaches neither store nor export",
    source="[privacy] redact",
)
_STEPS, _ROUNDS, _MOST_US = 8, 200, 1000.0
_HANDOFF = {"documents": [{"id": str(n), "text": "x" * 80, "score": 0.5} for n in range(20)]}
_PLANTED = "078-05-1120-planted"


def tracing_cost(subject: Subject) -> Iterable[Finding]:
    """CPU that recording adds to a step which hands over 2 KB, in memory: what is kept, keyed and compressed later."""
    costs = [_round() for _ in range(_ROUNDS)]
    median = statistics.median(costs)
    quartiles = statistics.quantiles(costs, n=4)
    figure = Figure(
        name="CPU added per step",
        value=median,
        unit="us",
        low=quartiles[0],
        high=quartiles[2],
        spread=f"quartiles of {_ROUNDS} rounds of {_STEPS} steps",
    )
    said = f"{median:.0f} us of CPU per step with a handoff of 2 KB"
    if median <= subject.targets.get(COST.probe, _MOST_US):
        yield COST.finding("ok", said, figures=(figure,))
    else:
        step = "Something else takes the CPU (see `pressure`), or handoffs are copied: hand over less."
        yield COST.finding("warn", said, figures=(figure,), next_step=step)


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


def redaction(subject: Subject) -> Iterable[Finding]:
    """Plants a secret in a trial of its own, in a store of its own, and looks for it in everything that was kept."""
    with tempfile.TemporaryDirectory(prefix="gapless-redaction-") as folder:
        places = _kept(Path(folder), subject)
    found = [name for name, text in places.items() if _PLANTED in text]
    figures = (
        Figure(name="places searched", value=len(places)),
        Figure(name="with the secret", value=len(found)),
    )
    if found:
        step = "Do not record, or export, until this is mended: redaction does not reach there."
        yield SECRETS.finding(
            "fail", f"the planted secret was found in {', '.join(found)}", figures=figures, next_step=step
        )
    else:
        said = f"the planted secret is in none of {len(places)} places: {', '.join(places)}"
        yield SECRETS.finding("ok", said, figures=figures)


def _kept(folder: Path, subject: Subject) -> dict[str, str]:
    """Where a trial with a secret leaves something, and what it says there."""
    redacted = Redaction(["ssn", "*token*"])
    case = Case(id="planted", input={"ssn": _PLANTED, "question": f"who has ssn={_PLANTED}?"})
    recorder = TrialRecorder()
    opened = recorder.begin("ask", case.input)
    recorder.end(opened, output={"found": {"api_token": _PLANTED}, "note": f"as {_PLANTED} says"})
    failing = recorder.begin("fail", {"authorization_token": _PLANTED})
    recorder.end(failing, status="error", error=RuntimeError(f"no rights for token={_PLANTED}"))
    given, output = recorder.keep(case.input), recorder.keep({"ssn": _PLANTED})
    record = TrialRecord(
        case=case.id,
        trial=0,
        group=case.id,
        outcome="unjudged",
        events=recorder.close(),
        input=given,
        output=output,
    )
    record, payloads = redacted.trial(record, dict(recorder.payloads), case)
    suite, suite_digest = redacted.suite(Suite(name="planted", cases=(case,)))
    measurement = Measurement(
        id="PLANTED",
        key="planted",
        target="planted",
        fingerprint="",
        suite=suite.name,
        suite_digest=suite_digest,
    )
    store = Store(f"sqlite:///{folder / 'planted.db'}")
    try:
        store.begin(measurement, suite)
        store.commit([Batch(measurement.id, finished=[record], payloads=payloads)])
        runs: list[Run] = store.runs(measurement.id)
        exported = subject.exports(store, measurement) if subject.exports is not None else {}
        return {
            "the database": _bytes(folder),
            "the stored values": json.dumps([store.payloads(payloads)], default=repr),
            "the record": repr(store.record(measurement.id, case.id, 0)),
            "the suite": repr(store.suite(suite_digest)),
            "the run table": b"".join(lines(measurement, runs, [])).decode(),
            **exported,
        }
    finally:
        store.close()


def _bytes(folder: Path) -> str:
    return "".join(file.read_bytes().decode("latin-1") for file in folder.iterdir() if file.is_file())
