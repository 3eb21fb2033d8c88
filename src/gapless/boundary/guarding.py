"""Carries out contracts: one flow round all attempts of a crossing, another round each single one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, Protocol

import msgspec

from gapless.boundary.contract import Contract
from gapless.boundary.crossing import Crossing
from gapless.boundary.flow import Flow, Proceed, Sleep
from gapless.boundary.guards.base import Breach, name_of
from gapless.boundary.guards.gate import Destination, Gate, Goto, Reading, Refuse, Review
from gapless.boundary.ledger import Entry, Ledger, MemoryLedger
from gapless.boundary.limited import Limited, TimeUp
from gapless.boundary.review import Inbox
from gapless.errors import (
    BoundaryError,
    BoundaryTimeout,
    BrokenGuard,
    DuplicateEffect,
    RetriesExhausted,
)
from gapless.records.seed import seed_of
from gapless.records.trial import Action, Ruling
from gapless.records.value import encode, to_plain


class Recorded(Protocol):
    """What a replay knows of crossings that are kept: their contracts have looked at them when they were recorded."""

    def keeps(self, crossing: Crossing) -> bool:
        """Whether a visit hands over what was recorded."""
        ...

    def gate(self, crossing: Crossing) -> Ruling | None:
        """What its gate said then; None where it has to look itself."""
        ...

    def fallback(self, crossing: Crossing) -> tuple[Any] | None:
        """What its fallback answered then; None where it did not answer."""
        ...


_UNNAMED = Entry("new")
"""What the ledger knows of an action without a name."""
_SENT: dict[type[Destination], Action] = {Review: "review", Goto: "goto", Refuse: "refuse"}

Mode = Literal["baseline", "shadow", "guarded"]
"""baseline: guards only say what they would have done; shadow: they act, gates let pass; guarded: all act."""


@dataclass(slots=True)
class Watch:
    """What guards share within one trial: the mode, the ledger, the time left, and the rulings made so far."""

    mode: Mode = "guarded"
    ledger: Ledger = field(default_factory=MemoryLedger)
    inbox: Inbox | None = None
    """Where a graph's questions to people are kept besides its checkpointer."""
    scope: str = ""
    """Within which equal actions are the same action: the trial in a measurement."""
    rulings: list[Ruling] = field(default_factory=list[Ruling])
    control: tuple[type[BaseException], ...] = ()
    """Exceptions that are the framework's control flow, never failures."""
    clock: Callable[[], float] = time.monotonic
    started: float = field(default_factory=time.monotonic)
    deadline: float = math.inf
    """When the trial must be over, on the clock."""
    recorded: Recorded | None = None
    """The tape of the trial that this one replays."""
    keep: Callable[[Any], tuple[str, str | None]] | None = None
    """Keeps a value with the trial: the digests of its plain data and of its form."""

    def keeps(self, crossing: Crossing) -> bool:
        """Whether a visit is handed over from the tape: nothing is judged or waited for again."""
        return self.recorded is not None and self.recorded.keeps(crossing)

    def limit(self, contract: Contract) -> float | None:
        """Seconds an attempt may take now: its own timeout, cut to what is left of the trial's deadline."""
        left = self.deadline - self.clock()
        limit = min(contract.timeout_s or math.inf, left)
        return None if limit == math.inf else max(0.0, limit)

    def declare(self, contract: Contract) -> None:
        """A contract's deadline becomes the trial's, unless an earlier one holds already."""
        if contract.deadline_s is not None:
            self.deadline = min(self.deadline, self.started + contract.deadline_s)

    def rule(
        self,
        crossing: Crossing,
        guard: str,
        action: Action,
        reason: str,
        *,
        signal: float | None = None,
        signals: dict[str, float | None] | None = None,
        ms: float = 0.0,
        handed: tuple[Any] | None = None,
    ) -> None:
        """Notes what a guard did, and what it handed over where no event shows it."""
        kept, form = self.keep(handed[0]) if handed is not None and self.keep is not None else (None, None)
        self.rulings.append(
            Ruling(
                step=crossing.step,
                visit=crossing.visit,
                attempt=crossing.attempt,
                branch=crossing.branch,
                guard=guard,
                action=action,
                reason=reason,
                signal=signal,
                signals=signals or {},
                ms=ms,
                handed=kept,
                form=form,
            )
        )


class Passed(msgspec.Struct, frozen=True):
    """What came of a crossing."""

    output: Any
    """What the step returned, perhaps repaired."""
    doubt: str | None = None
    """Why the gate does not let it pass; None when it may."""
    below: Destination | None = None
    """Where doubt goes."""
    signal: float | None = None


class Guarding(msgspec.Struct, frozen=True):
    """One contract at work in one trial."""

    contract: Contract
    watch: Watch
    handoff: Callable[[Any], Any]
    """Reads from the step's output the update it hands over."""
    replaced: Callable[[Any, Any], Any]
    """The step's output with another update in it."""
    outer: list[Crossing] = []
    """The crossing round all attempts, which learns from them which visit it is."""

    # -- round all attempts ---------------------------------------------------------------------------------------

    def around(self, crossing: Crossing, proceed: Proceed) -> Flow:
        """All attempts of a crossing; returns `Passed`. `proceed` runs one attempt.

        Raises:
            BoundaryError: A breach nothing could mend, an action that may have run before, attempts used up.
        """
        contract, watch = self.contract, self.watch
        self.outer[:] = [crossing]
        if watch.mode == "baseline":
            output = yield from proceed(crossing.state)
            return self._gated(crossing, output)
        watch.declare(contract)
        action = contract.action(crossing)
        known = watch.ledger.reserve(watch.scope, action, crossing.step) if action is not None else _UNNAMED
        if known.status == "done":
            watch.rule(
                crossing, "idempotency", "replay", "this action took place before: its answer is used again"
            )
            return self._gated(crossing, known.value)
        if known.status == "open":
            text = f"{crossing.step}: this action was started before and never reported back. Look whether it took place."
            watch.rule(crossing, "idempotency", "refuse", text)
            raise DuplicateEffect(text, boundary=crossing.step)
        failures: list[Exception] = []
        try:
            output = yield from self._attempts(crossing, proceed, failures)
        except Exception as error:  # a step may raise anything
            if not isinstance(error, watch.control):
                self._release(action, failures)
            raise
        if len(failures) == crossing.attempt:  # the fallback answered: that is no action that took place
            self._release(action, failures)
        elif action is not None:
            watch.ledger.consume(watch.scope, action, output)
        return self._gated(crossing, output)

    def _release(self, action: str | None, failures: list[Exception]) -> None:
        """Gives an action back, unless one of its attempts may have done it all the same."""
        if action is not None and not any(_abandoned(failed) for failed in failures):
            self.watch.ledger.release(self.watch.scope, action)

    def _attempts(self, crossing: Crossing, proceed: Proceed, failures: list[Exception]) -> Flow:
        """The step's output or the fallback's; `failures` takes what each failed attempt raised."""
        retry, watch = self.contract.retry, self.watch
        most = retry.attempts if retry is not None else 1
        began = watch.clock()
        number = 0
        while True:
            crossing.attempt = number = number + 1
            started = watch.clock()
            try:
                output = yield from proceed(crossing.state)
                crossing.took_s = watch.clock() - started
                return output
            except watch.control:
                raise
            except Exception as error:  # a step may raise anything; `retry` decides
                failed = error
                failures.append(failed)
            if retry is None or number == most or not retry.on(failed):
                break
            # Seeded in a trial, which can be repeated; elsewhere not, or all clients of a broken service would come back at once.
            wait = retry.wait_s(
                number, failed, Random(seed_of(crossing.seed, "retry", number) if crossing.seed else None)
            )
            left = min(watch.deadline - watch.clock(), (retry.budget_s or math.inf) - (watch.clock() - began))
            if wait >= left:
                watch.rule(
                    crossing, "retry", "refuse", f"no time left for another attempt after {_short(failed)}"
                )
                break
            watch.rule(crossing, "retry", "retry", _short(failed), ms=1e3 * wait)
            yield Sleep(0.0 if watch.keeps(crossing) else wait)
        return self._without_answer(crossing, failed)

    def _without_answer(self, crossing: Crossing, failed: Exception) -> Any:
        answer = self._fallback(crossing, failed)
        if answer is not None:
            handed = self.handoff(answer[0])
            if self.watch.keeps(crossing) or self._breach(crossing, handed) is None:
                self.watch.rule(crossing, "fallback", "fallback", _short(failed), handed=(handed,))
                return answer[0]
        if crossing.attempt > 1 and not isinstance(failed, BoundaryError):
            text = f"{crossing.step}: {crossing.attempt} attempts failed, the last with {_short(failed)}"
            raise RetriesExhausted(text, boundary=crossing.step, attempt=crossing.attempt) from failed
        raise failed

    def _fallback(self, crossing: Crossing, failed: Exception) -> tuple[Any] | None:
        """What the fallback hands over; None where there is none. Of a visit that is kept: what it was."""
        if self.contract.fallback is None:
            return None
        if self.watch.recorded is not None and self.watch.keeps(crossing):
            known = self.watch.recorded.fallback(crossing)
            return None if known is None else (self.replaced(None, known[0]),)
        try:
            return (self.replaced(None, self.contract.fallback(crossing, failed)),)
        except Exception as error:  # the user's fallback may raise anything
            raise failed from error

    def _gated(self, crossing: Crossing, output: Any) -> Passed:
        gate = self.contract.gate
        if gate is None:
            return Passed(output)
        crossing.handoff = self.handoff(output)
        reading = self._reading(gate, crossing)
        below = gate.below
        action = "proceed" if reading.doubt is None else _SENT[type(below)]
        self.watch.rule(
            crossing, gate.name, action, reading.doubt or "", signal=reading.signal, signals=reading.signals
        )
        if reading.doubt is None or self.watch.mode != "guarded":
            return Passed(output, signal=reading.signal)
        return Passed(output, reading.doubt, below, reading.signal)

    def _reading(self, gate: Gate, crossing: Crossing) -> Reading:
        said = self.watch.recorded.gate(crossing) if self.watch.recorded is not None else None
        if said is not None:
            return Reading(said.signal, None if said.action == "proceed" else said.reason, said.signals)
        shown = encode(to_plain(crossing.handoff))
        reading = gate.read(crossing)
        if reading.doubt is None and encode(to_plain(crossing.handoff)) != shown:
            changed = "the signal changed the handoff that it was to judge"
            return Reading(reading.signal, changed, reading.signals)
        return reading

    def accept(self, crossing: Crossing, handoff: Any) -> None:
        """Holds a handoff that a person wrote against the contract.

        Raises:
            BoundaryError: It breaks the contract as well.
        """
        breach = self._breach(crossing, handoff)
        if breach is not None:
            raise breach.error(crossing)

    # -- round one attempt ----------------------------------------------------------------------------------------

    def within(self, crossing: Crossing, proceed: Proceed) -> Flow:
        """One attempt: its time limit, then the guards that look at the handoff, then the repair. A middleware."""
        for outer in self.outer:
            outer.visit = crossing.visit
        if self.watch.keeps(crossing):
            return (yield from proceed(crossing.state))
        if self.watch.mode == "baseline":
            output = yield from proceed(crossing.state)
            breach = self._breach(crossing, self.handoff(output))
            if breach is not None:
                self.watch.rule(crossing, breach.guard, "proceed", breach.reason)
            return output
        limit_s = self.watch.limit(self.contract)
        if limit_s is None and self.contract.ttft_s is None:
            output = yield from proceed(crossing.state)
        else:
            output = yield from self._limited(crossing, proceed, limit_s)
        return self._whole(crossing, output)

    def on_edge(self, crossing: Crossing, handoff: Any) -> Passed:
        """A handoff on its way over one edge, which is looked at as it is: nothing is run.

        Raises:
            BoundaryError: A breach nothing could mend.
        """
        if self.watch.mode != "baseline":
            return self._gated(crossing, self._whole(crossing, handoff))
        breach = self._breach(crossing, handoff)
        if breach is not None:
            self.watch.rule(crossing, breach.guard, "proceed", breach.reason)
        return self._gated(crossing, handoff)

    def _whole(self, crossing: Crossing, output: Any) -> Any:
        """The step's output where the guards find nothing, else a repaired one.

        Raises:
            BoundaryError: A breach nothing could mend.
        """
        breach = self._breach(crossing, self.handoff(output))
        if breach is None:
            return output
        if self.contract.repair is not None and breach.kind is not BrokenGuard:
            mended = self._mended(crossing, output, breach)
            if mended is not None:
                self.watch.rule(crossing, breach.guard, "repair", breach.reason)
                return mended
        self.watch.rule(crossing, breach.guard, "refuse", breach.reason)
        raise breach.error(crossing)

    def _mended(self, crossing: Crossing, output: Any, breach: Breach) -> Any:
        repair = self.contract.repair
        try:
            mended = repair(crossing, self.handoff(output), breach) if repair is not None else None
        except Exception:  # the user's repair may raise anything
            return None  # a repair that fails has repaired nothing: the breach stands
        if mended is None or self._breach(crossing, mended) is not None:
            return None
        return self.replaced(output, mended)

    def _breach(self, crossing: Crossing, handoff: Any) -> Breach | None:
        crossing.handoff = handoff
        for guard in self.contract.checks:
            try:
                found = guard.breach(crossing, handoff)
            except Exception as error:  # the user's guard may raise anything: nothing passes
                name = name_of(guard)
                return Breach(name, f"the guard {name!r} crashed: {_short(error)}", BrokenGuard)
            if found is not None:
                return found
        return None

    def _limited(self, crossing: Crossing, proceed: Proceed, limit_s: float | None) -> Flow:
        first_s = self.contract.ttft_s
        limited = Limited(math.inf if limit_s is None else limit_s, first_s, self.watch.clock)
        try:
            return (yield from limited.run(proceed(crossing.state)))
        except TimeUp as up:
            own = self.contract.timeout_s
            if up.first:
                what = f"had no first token within {first_s:g} s"
            elif own is not None and limited.limit_s >= own:
                what = f"did not end within {own:g} s"
            else:
                what = f"did not end within {limited.limit_s:.3g} s, all that was left of the deadline"
            text = f"{crossing.step} {what}, and was abandoned"
            spent = first_s if up.first and first_s is not None else limited.limit_s
            self.watch.rule(crossing, "timeout", "refuse", text, ms=1e3 * spent)
            raise BoundaryTimeout(text, limit_s=spent, boundary=crossing.step) from up.__cause__


def _abandoned(error: BaseException) -> bool:
    """Whether the step may still be at work, or may have done it: it ran out of time, or ended with a broken answer."""
    return isinstance(error, (BoundaryError, TimeoutError))


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:300]
