"""Writes the calls that pass a proxy: each is a trial of the condition "proxy". A store that fails never disturbs them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from gapless import __version__
from gapless.boundary.tool_calls.answers import is_error, text_of
from gapless.boundary.tool_calls.call import ToolCall
from gapless.boundary.tool_calls.policy import ToolPolicy
from gapless.errors import GaplessError
from gapless.operations.tool_answers import PROXIED
from gapless.records.measurement import Measurement, resume_key
from gapless.records.suite import Suite
from gapless.records.summary import summary
from gapless.records.tools import Offer, ToolSchema
from gapless.records.trial import ErrorInfo, Outcome, StepEvent, TrialRecord
from gapless.records.ulid import new_ulid
from gapless.records.value import decode, digest, encode
from gapless.records.workflow import FINISH, START, Edge, Shape, Step
from gapless.settings import Place

if TYPE_CHECKING:
    from gapless.stores.store import Store
    from gapless.stores.writer import Writer

CONDITION = PROXIED
WITHIN_S, _MOST_TOGETHER = 0.25, 256
"""How long a call waits for others to be written with, and how many go together at most."""
Say = Callable[[str], None]


class CallKeeper:
    """One measurement for the life of a proxy; it begins with the first call."""

    def __init__(
        self, place: Place, offer: Offer, policy: Callable[[ToolSchema], ToolPolicy], *, sync: bool, say: Say
    ) -> None:
        import gapless.stores.writer  # noqa: F401  # pyright: ignore[reportUnusedImport]  # now, not between two calls
        from gapless.trace.redaction import Redaction

        self.count = 0
        """Calls on disk."""
        self.failed = 0
        """Calls that could not be written."""
        self._place, self._offer, self._policy, self._say, self._sync = place, offer, policy, say, sync
        self._redaction = Redaction.of(place.settings.privacy.redact)
        self._store: Store | None = None
        self._writer: Writer | None = None
        self._measurement: Measurement | None = None
        self._next: dict[str, int] = {}
        self._finished: list[TrialRecord] = []
        self._payloads: dict[str, bytes] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def measurement(self) -> str | None:
        """Id of what was recorded; None before the first call."""
        return self._measurement.id if self._measurement is not None else None

    def keep(self, call: ToolCall) -> Awaitable[None] | None:
        """Hands a call that has ended to the writing thread; what is returned is done when it is on disk."""
        try:
            return self._keep(call)
        except Exception as error:  # the store's, the disk's, or a value's that cannot be kept
            self._broken(error)
            return None

    def close(self) -> None:
        """Writes what is left."""
        try:
            if self._writer is not None:
                self._send()
                self._writer.close()
            if self._store is not None and self._measurement is not None:
                self._store.finish(msgspec.structs.replace(self._measurement, cases=len(self._next)))
        except GaplessError as error:
            self._broken(error)
        finally:
            if self._store is not None:
                self._store.close()

    def _keep(self, call: ToolCall) -> Awaitable[None] | None:
        if self._writer is None:
            self._begin()
        record, payloads = self._record(call), dict(call.recorder.payloads)
        if self._redaction is not None:
            record, payloads = self._redaction.trial(record, payloads)
        self._finished.append(record)
        self._payloads |= payloads
        if self._sync:
            return self._waited(self._send())
        if len(self._finished) >= _MOST_TOGETHER:
            self._send()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WITHIN_S, self._send)
        return None

    def _send(self) -> asyncio.Future[None] | None:
        """Hands over what has come together; one transaction for all of it."""
        from gapless.stores.store import Batch

        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._finished or self._writer is None or self._measurement is None:
            return None
        batch = Batch(self._measurement.id, finished=self._finished, payloads=self._payloads)
        self._finished, self._payloads = [], {}
        done = self._writer.commit(batch)
        done.add_done_callback(partial(self._written, len(batch.finished)))
        return done

    def _written(self, calls: int, done: asyncio.Future[None]) -> None:
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            self.count += calls
        else:
            self._broken(error, calls)

    async def _waited(self, done: asyncio.Future[None] | None) -> None:
        if done is not None:
            with suppress(GaplessError):  # said by `_written`
                await asyncio.shield(done)

    def _broken(self, error: BaseException, calls: int = 1) -> None:
        first = self.failed == 0
        self.failed += calls
        if first:
            self._say(f"calls go on, but are not recorded: {error}")

    def _begin(self) -> None:
        from gapless.stores.store import Store
        from gapless.stores.writer import Writer

        self._store = Store(self._place.database)
        self._measurement = self._store.begin(self._wanted(), Suite(name=self._offer.name, cases=()))
        self._writer = Writer(self._store)

    def _wanted(self) -> Measurement:
        made, suite = new_ulid(), digest(encode([CONDITION, self._offer.name]))
        mark = digest(msgspec.json.encode(self._offer.tools))
        return Measurement(
            id=made,
            # Each proxy's own: two that ran at once would give the same numbers to different calls.
            key=resume_key("measure", mark, suite, f"{CONDITION}:{made}", None, 0),
            target=self._offer.name,
            fingerprint=mark,
            suite=self._offer.name,
            suite_digest=suite,
            condition=CONDITION,
            created_at=time.time(),
            shape=_shape(self._offer, self._policy),
            settings=msgspec.to_builtins(self._place.settings),
            version=__version__,
        )

    def _record(self, call: ToolCall) -> TrialRecord:
        from gapless.gap.blame import blame

        recorder = call.recorder
        events = recorder.close()
        kept = events[-1] if call.untouched and events and events[-1].status == "ok" else None
        given = (kept.input if kept is not None else None) or recorder.keep(call.arguments)
        output = (kept.output if kept is not None else None) or _kept_answer(call)
        named = given
        if self._redaction is not None:
            named = digest(encode(self._redaction.value(decode(recorder.payloads[given]))))
        case = digest(encode([call.tool, named]))[:12]
        number = self._next.get(case, 0)
        self._next[case] = number + 1
        error = _error_of(call)
        outcome = _outcome(call, error)
        record = TrialRecord(
            case=case,
            trial=number,
            group=case,
            outcome=outcome,
            events=tuple(map(partial(_judged, failed=error is not None), events)),
            input=given,
            output=output,
            error=error,
            started_at=recorder.started_at,
            ms=recorder.now_ms(),
            omitted=recorder.omitted,
            rulings=tuple(call.watch.rulings),
        )
        failed = any(event.ok is False for event in record.events)
        # Whose blame it is costs as much to find as the rest of the record: only where some step failed.
        return msgspec.structs.replace(record, blame=blame(summary(record).events if failed else (), outcome))


def _kept_answer(call: ToolCall) -> str | None:
    return call.recorder.keep(call.answer) if call.answer is not None else None


def _outcome(call: ToolCall, error: ErrorInfo | None) -> Outcome:
    """A call that was kept for a person and not let through has not failed: it was sent on to that person."""
    if any(ruling.guard == "approval" and ruling.action == "refuse" for ruling in call.watch.rulings):
        return "escalated"
    return "failed" if error is not None else "unjudged"


def _error_of(call: ToolCall) -> ErrorInfo | None:
    from gapless.trace.recorder import error_info

    if call.error is not None:
        return error_info(call.error)
    if call.answer is not None and is_error(call.answer):
        return ErrorInfo(type="ToolError", message=text_of(call.answer)[:2000])
    return None


def _judged(event: StepEvent, *, failed: bool) -> StepEvent:
    bad = event.status in ("error", "abandoned") or failed
    return msgspec.structs.replace(event, ok=False) if bad else event


def _shape(offer: Offer, policy: Callable[[ToolSchema], ToolPolicy]) -> Shape:
    steps: list[Step] = []
    edges: list[Edge] = []
    for tool in offer.tools:
        held = policy(tool)
        contract = held.contract(tool, keyed=False)
        steps.append(
            Step(
                name=tool.name,
                layer="tool",
                layer_source="metadata",
                effect=not held.repeatable,
                guards=contract.names,
                limit_s=contract.longest_s,
            )
        )
        edges += [Edge(source=START, target=tool.name), Edge(source=tool.name, target=FINISH)]
    return Shape(steps=tuple(steps), edges=tuple(edges))


def nowhere(call: Any) -> None:
    """Keeps nothing."""
