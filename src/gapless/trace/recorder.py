"""Collects the step events of one trial in memory; the store writes them with the trial, in one transaction."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

import msgspec

from gapless.records.form import form_of
from gapless.records.trial import Call, ErrorInfo, EventStatus, StepEvent
from gapless.records.value import (
    UNSERIALISABLE,
    digest,
    encode,
    is_unserialisable,
    may_be_unserialisable,
    omitted,
    to_plain_form,
)

MAX_PAYLOAD_BYTES = 8 * 1024 * 1024


class OpenStep(msgspec.Struct, eq=False):
    """A step that has started and not ended."""

    step: str
    visit: int
    attempt: int
    started: float
    branch: int | None = None
    router: bool = False
    input: str | None = None
    checkpoint: str | None = None
    seed: int | None = None
    superstep: int | None = None
    effect: bool = False
    kept: bool = False
    calls: list[Call] = []
    faults: list[str] = []


class TrialRecorder:
    """Everything that happened in one trial. Safe to use from several threads at once."""

    def __init__(self, *, max_payload_bytes: int = MAX_PAYLOAD_BYTES) -> None:
        self.started_at = time.time()
        self.events: list[StepEvent] = []
        self.payloads: dict[str, bytes] = {}
        self.omitted = 0
        self._zero = time.perf_counter()
        self._max = max_payload_bytes
        self._lock = threading.Lock()
        self._visits: dict[tuple[str, int | None], int] = {}
        self._tasks: dict[str, tuple[int, int]] = {}
        self._open: set[OpenStep] = set()

    def now_ms(self) -> float:
        """Milliseconds since the trial began."""
        return (time.perf_counter() - self._zero) * 1e3

    def begin(self, step: str, state: Any, *, task: str | None = None, branch: int | None = None) -> OpenStep:
        """Opens a step event. `task` identifies a visit: the same task again is a retry, another is a new visit."""
        started = self.now_ms()
        kept = self.keep(state)
        with self._lock:
            visit, attempt = self._place(step, task, branch)
            opened = OpenStep(step, visit, attempt, started, branch=branch, input=kept)
            self._open.add(opened)
        return opened

    def end(
        self,
        opened: OpenStep,
        *,
        output: Any = None,
        status: EventStatus = "ok",
        error: BaseException | None = None,
        routed: tuple[str, ...] = (),
        routing: Any = None,
    ) -> None:
        """Closes a step event with what the step handed over and where it sent the run, or with what went wrong."""
        ended = self.now_ms()
        kept, form = self.keep_whole(output) if status == "ok" else (None, None)
        event = StepEvent(
            step=opened.step,
            branch=opened.branch,
            visit=opened.visit,
            attempt=opened.attempt,
            status=status,
            started_ms=opened.started,
            ms=ended - opened.started,
            input=opened.input,
            output=kept,
            form=form,
            routed=routed,
            routing=self.keep(routing) if routing is not None else None,
            superstep=opened.superstep,
            effect=opened.effect,
            kept=opened.kept,
            error=error_info(error) if error is not None else None,
            calls=tuple(opened.calls),
            faults=tuple(opened.faults),
            checkpoint=opened.checkpoint,
            seed=opened.seed,
            router=opened.router,
        )
        with self._lock:
            if (
                opened in self._open
            ):  # a step abandoned by a timeout may still end; the trial is closed by then
                self._open.remove(opened)
                self.events.append(event)

    def adopt(self, events: Iterable[StepEvent]) -> None:
        """Takes over events of a recorded trial, as if they had taken place now: they belong to a step that did not run."""
        with self._lock:
            for event in events:
                self.events.append(msgspec.structs.replace(event, started_ms=self.now_ms(), kept=True))
                key = (event.step, event.branch)
                self._visits[key] = max(self._visits.get(key, 0), event.visit)

    def close(self) -> tuple[StepEvent, ...]:
        """The events in the order in which they started; steps still open are recorded as abandoned."""
        with self._lock:
            left = list(self._open)
        for opened in left:
            self.end(opened, status="abandoned")
        with self._lock:
            return tuple(sorted(self.events, key=lambda event: event.started_ms))

    def keep(self, value: Any) -> str:
        """Keeps a value as plain data and returns its content address."""
        plain, data, _ = _plain_bytes(value)
        return self._keep(plain, data)

    def keep_whole(self, value: Any) -> tuple[str, str | None]:
        """Keeps a value so that it can be made again: the address of its plain data, and of its form if that says more."""
        plain, data, converted = _plain_bytes(value)
        return self._keep(plain, data), self.keep(_form(value)) if converted else None

    def _keep(self, plain: Any, data: bytes) -> str:
        if len(data) > self._max:
            data = encode(omitted(f"larger than {self._max} bytes", len(data)))
            self.omitted += 1
        elif may_be_unserialisable(data) and is_unserialisable(plain):
            self.omitted += 1
        address = digest(data)
        self.payloads.setdefault(address, data)
        return address

    def _place(self, step: str, task: str | None, branch: int | None) -> tuple[int, int]:
        if task is not None and task in self._tasks:
            visit, attempt = self._tasks[task]
            self._tasks[task] = (visit, attempt + 1)
            return visit, attempt + 1
        visit = self._visits.get((step, branch), 0) + 1
        self._visits[step, branch] = visit
        if task is not None:
            self._tasks[task] = (visit, 1)
        return visit, 1


def _form(value: Any) -> dict[str, str]:
    try:
        return form_of(value)
    except Exception:  # a foreign object may raise anything while it is being read
        return {"": f"{type(value).__module__}:{type(value).__qualname__}"}


def _plain_bytes(value: Any) -> tuple[Any, bytes, bool]:
    """Plain data, its bytes, and whether it says less than the value did."""
    try:
        plain, converted = to_plain_form(value)
        return plain, encode(plain), converted
    except (
        Exception
    ) as error:  # half a surrogate pair, a key that cannot be printed, a dict that changes meanwhile
        plain = {UNSERIALISABLE: type(value).__name__, "repr": f"{type(error).__name__} while keeping it"}
        return plain, encode(plain), True


current_step: ContextVar[OpenStep | None] = ContextVar("gapless_current_step", default=None)
"""The step that is running in this context; nested calls attach themselves to it."""


class NotAnException(RuntimeError):
    """Stands for what workflow code raised that is no `Exception`: SystemExit, or its own cancellation."""

    def __init__(self, raised: BaseException) -> None:
        super().__init__(f"{type(raised).__name__}: {raised}")
        self.raised = raised


def error_info(error: BaseException) -> ErrorInfo:
    """An exception as data."""
    if isinstance(error, NotAnException):
        error = error.raised
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None
    module = type(error).__module__
    return ErrorInfo(
        type=type(error).__name__,
        message=str(error)[:2000],
        where=where,
        module=module if module != "builtins" else None,
    )
