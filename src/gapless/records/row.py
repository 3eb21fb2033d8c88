"""A run as it lies in a table: what its steps did apart from how long they took, so that equal histories are equal bytes."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from gapless.records.base import Record
from gapless.records.trial import EventStatus, Outcome, RulingCount, Run, StepOutcome, ToolCount


class RunRow(Record, frozen=True, kw_only=True, array_like=True, gc=False):
    """A `Run` in few bytes. Fields without words here are those of `Run`; new ones stand at the end, for rows that are kept."""

    case: str
    trial: int
    group: str
    outcome: Outcome
    history: bytes
    """Its step events without durations, see `told`; trials share few histories."""
    durations: bytes
    """Milliseconds of each step event, as 64-bit floats; NaN where nobody took them."""
    blame: str | None = None
    split: str | None = None
    slice: dict[str, str] = {}
    planned: tuple[str, ...] | None = None
    ms: float = 0.0
    starts: int = 1
    faults: tuple[str, ...] = ()
    tokens_in: int | None = None
    tokens_out: int | None = None
    labelled: bool = False
    why: str = ""
    decided: tuple[str, ...] = ()
    judged: Outcome | None = None
    tools: tuple[ToolCount, ...] = ()
    signals: dict[str, float | None] = {}
    shadow_correct: bool | None = None
    metadata: dict[str, Any] = {}
    step_metadata: dict[int, dict[str, Any]] = {}
    rulings: tuple[RulingCount, ...] = ()
    after_review: Outcome | None = None


class _Told(Record, frozen=True, kw_only=True, array_like=True):
    step: str
    visit: int
    attempt: int
    ok: bool | None
    router: bool
    branch: int | None
    status: EventStatus
    suspicions: tuple[str, ...]


_SAME = tuple(name for name in RunRow.__struct_fields__ if name not in ("history", "durations"))
_pack = msgspec.msgpack.Encoder().encode
_history = msgspec.msgpack.Decoder(tuple[_Told, ...])


def row_of(run: Run) -> RunRow:
    """A run as it lies in a table."""
    return RunRow(
        history=told(run.events),
        durations=durations(event.ms for event in run.events),
        **{name: getattr(run, name) for name in _SAME},
    )


def run_of(row: RunRow) -> Run:
    """The run a row was made of."""
    took = array("d", row.durations)
    events = tuple(
        msgspec.structs.replace(event, ms=ms) for event, ms in zip(retell(row.history), took, strict=True)
    )
    return Run(events=events, **{name: getattr(row, name) for name in _SAME})


def told(events: Iterable[StepOutcome]) -> bytes:
    """What step events did, without how long they took: equal histories give equal bytes."""
    return _pack(
        [(e.step, e.visit, e.attempt, e.ok, e.router, e.branch, e.status, e.suspicions) for e in events]
    )


def retell(history: bytes) -> tuple[StepOutcome, ...]:
    """The step events of a history; they took 0 ms."""
    return tuple(_events(history))


def durations(took: Iterable[float]) -> bytes:
    """Milliseconds as they lie in a row."""
    return array("d", took).tobytes()


def _events(history: bytes) -> Iterator[StepOutcome]:
    for e in _history.decode(history):
        yield StepOutcome(
            step=e.step,
            visit=e.visit,
            attempt=e.attempt,
            ok=e.ok,
            ms=0.0,
            router=e.router,
            branch=e.branch,
            status=e.status,
            suspicions=e.suspicions,
        )
