"""aiperf's profile_export.jsonl, a request a line, with the version from profile_export_aiperf.json beside it.

Each phase of profiling in it is a load; warm-up phases and what aiperf leaves out of its own figures
(`context_overflow_skip`) are not read. Where arrivals have a rate or a schedule a request is due when its credit is issued; a
cap on how many are in flight holds credits back, and what waits for it is not seen. A request that aiperf cancelled (status 499,
its own) is no fault of the endpoint's, and lasted at least so long.

Source:
    aiperf 0.13.0: `aiperf.common.models.record_models.MetricRecordInfo`, `aiperf.common.models.export_models.JsonExportData`,
    `aiperf.common.enums.metric_enums.MetricTimeUnit`, `aiperf.config.phases`, `aiperf.transports.aiohttp_client`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from gapless.probes.base import ProbeUnavailable
from gapless.probes.model.endpoints.base import Reply
from gapless.probes.model.load import Load
from gapless.probes.model.results.base import Signs, content, decoded, load, reply, sieved, source

_RECORDS, _SUMMARY = ".jsonl", "_aiperf.json"
_PROFILING = "profiling"
_SCHEDULED = ("poisson", "gamma", "constant", "user_centric", "fixed_schedule")
_TO_MS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "sec": 1e3}


class _Metric(msgspec.Struct):
    value: float | list[float]
    unit: Literal["ns", "us", "ms", "sec"]

    @property
    def ms(self) -> list[float]:
        """Its value, or values, in milliseconds."""
        values = self.value if isinstance(self.value, list) else [self.value]
        return [_TO_MS[self.unit] * one for one in values]


class _Metrics(msgspec.Struct):
    time_to_first_token: _Metric | None = None
    inter_chunk_latency: _Metric | None = None
    inter_token_latency: _Metric | None = None


class _About(msgspec.Struct):
    benchmark_phase: str
    request_start_ns: int
    request_end_ns: int
    credit_issued_ns: int | None = None
    profiling_index: int | None = None
    was_cancelled: bool = False
    context_overflow_skip: bool = False


class _Error(msgspec.Struct):
    code: int | None = None
    type: str | None = None
    message: str | None = None


class _Record(msgspec.Struct):
    metadata: _About
    metrics: _Metrics
    error: _Error | None = None


class _Phase(msgspec.Struct):
    type: str = ""
    kind: str = _PROFILING
    rate: float | None = None
    concurrency: int | None = None


class _Config(msgspec.Struct):
    phases: list[_Phase] = []


class _Summary(msgspec.Struct):
    aiperf_version: str | None = None
    input_config: _Config | None = None


def is_one(signs: Signs) -> bool:
    """Whether a JSON object is aiperf's summary, or a line of its records."""
    return "aiperf_version" in signs or {"metadata", "metrics"} <= set(signs)


def read(path: Path) -> tuple[Load, ...]:
    """The requests of a run, by phase; either of its two files leads to the other."""
    records, beside = _both(path)
    if not records.is_file():
        raise ProbeUnavailable(
            f"{path}: a summary without its requests; {records.name} belongs beside it (aiperf --export-level records)"
        )
    summary = decoded(beside, content(beside), _Summary) if beside.is_file() else _Summary()
    config = summary.input_config or _Config()
    phases = [phase for phase in config.phases if phase.kind == _PROFILING]
    said = source(records, "aiperf", summary.aiperf_version)
    found: dict[int, list[_Record]] = {}
    lines, cut_off = _records(records)
    said += ", its last line cut off" if cut_off else ""
    for one in lines:
        about = one.metadata
        if about.benchmark_phase == _PROFILING and not about.context_overflow_skip:
            found.setdefault(about.profiling_index or 0, []).append(one)
    if not found:
        raise ProbeUnavailable(f"{records}: it holds no requests of the profiling phase")
    try:
        loads = [
            _load(some, phases[i] if i < len(phases) else _Phase(), said) for i, some in sorted(found.items())
        ]
    except ValueError as error:
        raise ProbeUnavailable(f"{records}: {error}") from error
    return tuple(loads)


def _records(path: Path) -> tuple[list[_Record], bool]:
    """A record a line, and whether the last was cut off with the run."""
    found: list[_Record] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                if line.strip():
                    found.append(decoded(path, line, _Record, what=f"line {number}: a record of aiperf's"))
            except ProbeUnavailable:
                if line.endswith(b"\n") or not found:
                    raise
                return found, True
    return found, False


def _both(path: Path) -> tuple[Path, Path]:
    """The file of records and the summary: profile_export.jsonl and profile_export_aiperf.json, or PREFIX.jsonl and PREFIX.json."""
    if path.name.endswith(_SUMMARY):
        return path.with_name(path.name.removesuffix(_SUMMARY) + _RECORDS), path
    if path.suffix == ".json":
        return path.with_suffix(_RECORDS), path
    usual = path.with_name(path.stem + _SUMMARY)
    return path, usual if usual.is_file() else path.with_suffix(".json")


def _load(records: list[_Record], phase: _Phase, said: str) -> Load:
    wrong: list[str] = []
    made = sieved(records, lambda one: (one.metadata.was_cancelled, _reply(one, phase)), wrong)
    return load(
        [one for cancelled, one in made if not cancelled],
        f"{_how(phase)}{said}",
        given_up=[one for cancelled, one in made if cancelled],
        mean_gaps=not any(one.metrics.inter_chunk_latency for one in records),
        wrong=wrong,
    )


def _reply(record: _Record, phase: _Phase) -> Reply:
    about, metrics, error = record.metadata, record.metrics, record.error
    first, gaps = metrics.time_to_first_token, metrics.inter_chunk_latency or metrics.inter_token_latency
    said = str(error.code or error.message or error.type or "errored") if error is not None else ""
    due = about.credit_issued_ns if phase.type in _SCHEDULED else None
    return reply(
        due_s=due / 1e9 if due is not None else None,
        begun_s=about.request_start_ns / 1e9,
        first_ms=first.ms[0] if first is not None and first.ms else None,
        gaps_ms=gaps.ms if gaps is not None else [],
        ended_s=about.request_end_ns / 1e9,
        said=said or ("cancelled" if about.was_cancelled else ""),
    )


def _how(phase: _Phase) -> str:
    """How requests were sent, as far as the summary says."""
    if not phase.type:
        return ""
    said = f"{phase.type} at {phase.rate:g} a second" if phase.rate is not None else phase.type
    if phase.concurrency is None:
        return f"{said}, "
    return f"{said}, {'at most ' if phase.type in _SCHEDULED else ''}{phase.concurrency} at a time, "
