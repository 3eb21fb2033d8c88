"""Whether failures are kept: what a sampler in the environment drops, which trials are missing, and what our own recorder keeps."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from gapless.probes.base import Card, Records, Subject
from gapless.records.finding import Figure, Finding
from gapless.records.measurement import Measurement
from gapless.records.suite import Case, Suite
from gapless.records.trial import ErrorInfo, TrialRecord
from gapless.stores.store import Batch, Store
from gapless.trace.recorder import TrialRecorder

CARD = Card(
    probe="sampling",
    layer="observability",
    title="sampling drops no failures",
    target="no sampler that decides before the end, and every trial's number on record",
    source="OpenTelemetry, OTEL_TRACES_SAMPLER; the six-layer checklist, layer 6",
)
_TRIALS = 20
_RATIO = ("traceidratio", "parentbased_traceidratio")
_OFF = ("always_off", "parentbased_always_off")
_ON = ("", "always_on", "parentbased_always_on")


def probe(subject: Subject) -> Iterable[Finding]:
    """The environment's sampler, gaps among the recorded trials, and a store of its own that is given failures to keep."""
    kept = _kept_failures()
    figures = [Figure(name="failures of its own that were kept", value=kept, unit=f"of {_TRIALS // 2}")]
    missing = _missing(subject.records) if subject.records is not None else 0
    if subject.records is not None:
        total = len(subject.records.runs) + missing
        figures.append(Figure(name="trials missing by their numbers", value=missing, unit=f"of {total}"))
    share = sampled(subject.environment)
    if share is not None:
        figures.append(Figure(name="share of traces that OpenTelemetry keeps", value=share, unit="share"))
    wrong = _wrong(kept, missing, share, _unknown(subject.environment))
    if wrong is None:
        said = f"{kept} of {_TRIALS // 2} failures of its own were kept, and no trial is missing"
        if subject.records is None:
            said = f"{kept} of {_TRIALS // 2} failures of its own were kept; no other trials are on record"
        yield CARD.finding("ok", said, figures=tuple(figures))
        return
    status, said, step = wrong
    yield CARD.finding("fail" if status == "fail" else "warn", said, figures=tuple(figures), next_step=step)


def _wrong(kept: int, missing: int, share: float | None, unknown: str) -> tuple[str, str, str] | None:
    if kept < _TRIALS // 2:
        said = f"{_TRIALS // 2 - kept} of {_TRIALS // 2} failures of its own were not kept"
        return "fail", said, "Do not rely on the record until this is mended: it is a fault of gapless."
    if share is not None and share < 1:
        said = f"OTEL_TRACES_SAMPLER keeps {100 * share:g} % of traces and decides before anybody knows how they end: {100 * (1 - share):g} % of failures are gone too"
        step = "Keep all (parentbased_always_on) and sample in the collector, at the end: its tail_sampling processor keeps every error."
        return "fail", said, step
    if unknown:
        said = (
            f"OTEL_TRACES_SAMPLER names {unknown!r}: what it drops, failures among it, is decided elsewhere"
        )
        step = "Keep all (parentbased_always_on), or see to it that its rules keep every error."
        return "warn", said, step
    if missing:
        said = f"{missing} trials are missing by their numbers: whether they failed, nobody can tell"
        step = "Export every trial: rates over a table from which some were dropped are rates of the others."
        return "warn", said, step
    return None


def sampled(environment: Mapping[str, str]) -> float | None:
    """Share of traces that OpenTelemetry's sampler keeps; None where none is named that drops any.

    Example:
        >>> sampled({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"})
        0.1
    """
    name = _named(environment)
    if name in _OFF:
        return 0.0
    if name not in _RATIO:
        return None
    try:
        share = float(environment.get("OTEL_TRACES_SAMPLER_ARG", "") or 1.0)
    except ValueError:
        return 1.0  # OpenTelemetry falls back to keeping all
    return share if 0 <= share <= 1 else 1.0


def _named(environment: Mapping[str, str]) -> str:
    return environment.get("OTEL_TRACES_SAMPLER", "").strip().lower()


def _unknown(environment: Mapping[str, str]) -> str:
    """A sampler whose rules are not in the environment: `jaeger_remote`, `xray`, one of the user's own."""
    name = _named(environment)
    return "" if name in (*_ON, *_OFF, *_RATIO) else name


def _missing(records: Records) -> int:
    """Trials whose number is below the highest of their case and that are not on record; those that never ended are another line's."""
    highest: dict[str, int] = {}
    for run in records.runs:
        highest[run.case] = max(highest.get(run.case, -1), run.trial)
    there = Counter(run.case for run in records.runs)
    return max(0, sum(top + 1 - there[case] for case, top in highest.items()) - records.unfinished)


def _kept_failures() -> int:
    """Failures on record of trials of which every second one failed."""
    suite = Suite(name="sampling", cases=tuple(Case(id=f"c{n}", input=n) for n in range(_TRIALS)))
    measurement = Measurement(
        id="SAMPLING",
        key="sampling",
        target="sampling",
        fingerprint="",
        suite="sampling",
        suite_digest=suite.digest(),
    )
    with tempfile.TemporaryDirectory(prefix="gapless-sampling-") as folder:
        store = Store(f"sqlite:///{Path(folder) / 'sampling.db'}")
        try:
            store.begin(measurement, suite)
            store.commit([Batch(measurement.id, finished=[_trial(n) for n in range(_TRIALS)], payloads={})])
            return sum(run.outcome == "failed" for run in store.runs(measurement.id))
        finally:
            store.close()


def _trial(number: int) -> TrialRecord:
    recorder, failed = TrialRecorder(), number % 2 == 1
    opened = recorder.begin("step", number)
    if failed:
        recorder.end(opened, status="error", error=RuntimeError("planted"))
    else:
        recorder.end(opened, output=number)
    return TrialRecord(
        case=f"c{number}",
        trial=0,
        group=f"c{number}",
        outcome="failed" if failed else "correct",
        events=recorder.close(),
        error=ErrorInfo(type="RuntimeError", message="planted") if failed else None,
    )
