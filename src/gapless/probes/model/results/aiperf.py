"""aiperf's profile_export.jsonl, a request a line, with the version from profile_export_aiperf.json beside it.

Source:
    aiperf 0.13.0: `aiperf.common.models.record_models.MetricRecordInfo`, `aiperf.common.models.export_models.JsonExportData`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from gapless.probes.base import ProbeUnavailable
from gapless.probes.model.endpoints.base import Reply
from gapless.probes.model.load import Load
from gapless.probes.model.results.base import load, read_json, reply, source

_RECORDS, _SUMMARY = ".jsonl", "_aiperf.json"
_TO_MS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "sec": 1e3, "s": 1e3}


def is_one(value: Any) -> bool:
    """Whether a JSON value is aiperf's summary, or a line of its records."""
    if not isinstance(value, dict):
        return False
    return "aiperf_version" in value or {"metadata", "metrics"} <= set(value)


def read(path: Path) -> tuple[Load, ...]:
    """The requests of a run; either of its two files leads to the other."""
    records, summary = _both(path)
    if not records.is_file():
        raise ProbeUnavailable(
            f"{path}: a summary without its requests; {records.name} belongs beside it (aiperf --export-level records)"
        )
    about: dict[str, Any] = read_json(summary) if summary.is_file() else {}
    try:
        lines = [msgspec.json.decode(line) for line in records.read_bytes().splitlines() if line.strip()]
        scheduled = "rate" in _phase(about)
        replies = [
            _reply(line, scheduled=scheduled)
            for line in lines
            if line["metadata"]["benchmark_phase"] == "profiling"
        ]
    except (OSError, msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
        raise ProbeUnavailable(f"{records}: cannot be read: {type(error).__name__}: {error}") from error
    if not replies:
        raise ProbeUnavailable(f"{records}: it holds no requests of the profiling phase")
    replies.sort(key=lambda one: one.intended_s)
    said = source(records, "aiperf", about.get("aiperf_version"))
    mean = not any("inter_chunk_latency" in line["metrics"] for line in lines)
    return (load(replies, f"{_how(about)}{said}", mean_gaps=mean),)


def _both(path: Path) -> tuple[Path, Path]:
    """The file of records and the summary: profile_export.jsonl and profile_export_aiperf.json, or PREFIX.jsonl and PREFIX.json."""
    if path.name.endswith(_SUMMARY):
        return path.with_name(path.name.removesuffix(_SUMMARY) + _RECORDS), path
    if path.suffix == ".json":
        return path.with_suffix(_RECORDS), path
    usual = path.with_name(path.stem + _SUMMARY)
    return path, usual if usual.is_file() else path.with_suffix(".json")


def _reply(line: dict[str, Any], *, scheduled: bool) -> Reply:
    about: dict[str, Any] = line["metadata"]
    metrics: dict[str, Any] = line["metrics"]
    gaps = _ms(metrics.get("inter_chunk_latency")) or _ms(metrics.get("inter_token_latency"))
    first = _ms(metrics.get("time_to_first_token"))
    error = line.get("error")
    said = str(error.get("code") or error.get("message") or error.get("type") or "errored") if error else ""
    if about.get("was_cancelled") and not said:
        said = "cancelled"
    start: int = about["request_start_ns"]
    # Where arrivals have a rate, a request is due when its credit is issued.
    begun: int = about.get("credit_issued_ns") or start if scheduled else start
    return reply(
        begun_s=begun / 1e9,
        first_ms=first[0] + (start - begun) / 1e6 if first else None,
        gaps_ms=gaps,
        ended_s=about["request_end_ns"] / 1e9,
        said=said,
    )


def _ms(metric: dict[str, Any] | None) -> list[float]:
    """A metric's value or values in milliseconds."""
    if metric is None:
        return []
    factor, value = _TO_MS[metric["unit"]], metric["value"]
    return [factor * one for one in (value if isinstance(value, list) else [value])]


def _phase(about: dict[str, Any]) -> dict[str, Any]:
    """The phase that was measured, as the summary describes it; empty where there is no summary."""
    phases: list[dict[str, Any]] = (about.get("input_config") or {}).get("phases") or []
    measured = [phase for phase in phases if phase.get("kind", "profiling") == "profiling"]
    return measured[-1] if measured else {}


def _how(about: dict[str, Any]) -> str:
    """How requests were sent, as far as the summary says."""
    phase = _phase(about)
    if not phase:
        return ""
    kind = phase.get("type", "")
    if "rate" in phase:
        return f"{kind} at {phase['rate']:g} a second, "
    return f"{kind}, {phase['concurrency']} at a time, " if "concurrency" in phase else f"{kind}, "
