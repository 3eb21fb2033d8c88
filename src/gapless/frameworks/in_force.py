"""The contracts that hold for the steps of a guarded function while it runs, and how one of its calls keeps to them."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import msgspec

from gapless.boundary.contract import Contract
from gapless.boundary.crossing import Crossing
from gapless.boundary.ending import StepPaused
from gapless.boundary.flow import adrive, compose, drive
from gapless.boundary.guarding import Guarding, Passed, Watch
from gapless.boundary.guards.gate import Refuse, Review
from gapless.boundary.review import Decision, Question, decided
from gapless.boundary.reviewing import current_pause
from gapless.boundary.session import Passage, crossing_here, current_session, deliveries, measured
from gapless.errors import LowConfidence
from gapless.frameworks.calls import heard
from gapless.records.value import digest, encode, to_plain

Reviewer = Callable[[dict[str, Any]], Any]
_visits = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """Contracts of one run of a guarded function."""

    contracts: Mapping[str, Contract]
    """Step address -> its contract."""
    reviewer: Reviewer | None = None
    watch: Watch
    """What the guards of this run share, outside of a measurement."""
    run_input: Any = msgspec.UNSET
    """What the guarded function was called with, as plain data; UNSET where nobody will be asked."""

    def cross(self, contract: Contract, passage: Passage, state: Any, call: Callable[[Any], Any]) -> Any:
        """Runs a step in this thread, as often as its contract allows."""
        passage = _one_visit(passage)
        crossing, guarding = self._begin(contract, passage, state)
        session = current_session.get()

        def attempt(given: Any) -> Any:
            if session is None:
                inner = Crossing(step=passage.step, state=given, attempt=crossing.attempt)
                return drive(compose((guarding.within,), inner), call)
            return session.cross(passage, given, call, (guarding.within,))

        with heard(contract.ttft_s is not None):
            passed: Passed = drive(compose((*deliveries(), guarding.around), crossing), attempt)
        question = self._question(passage, passed, state)
        if question is None:
            return passed.output
        answer = self._ask(passage, question, awaited=False)
        if inspect.isawaitable(answer):
            raise LowConfidence(f"{passage.step}: the reviewer must be awaited, and the step is not async.")
        return _decided(guarding, crossing, passed, decided(answer, question.subject))

    async def across(
        self, contract: Contract, passage: Passage, state: Any, call: Callable[[Any], Awaitable[Any]]
    ) -> Any:
        """Awaits a step, as often as its contract allows."""
        passage = _one_visit(passage)
        crossing, guarding = self._begin(contract, passage, state)
        session = current_session.get()

        async def attempt(given: Any) -> Any:
            if session is None:
                inner = Crossing(step=passage.step, state=given, attempt=crossing.attempt)
                return await adrive(compose((guarding.within,), inner), call)
            return await session.across(passage, given, call, (guarding.within,))

        with heard(contract.ttft_s is not None):
            passed: Passed = await adrive(compose((*deliveries(), guarding.around), crossing), attempt)
        question = self._question(passage, passed, state)
        if question is None:
            return passed.output
        answer = self._ask(passage, question, awaited=True)
        answer = await answer if inspect.isawaitable(answer) else answer
        return _decided(guarding, crossing, passed, decided(answer, question.subject))

    def _begin(self, contract: Contract, passage: Passage, state: Any) -> tuple[Crossing, Guarding]:
        trial = measured()
        watch = trial.watch if trial is not None else self.watch
        crossing = crossing_here(passage.step, state)
        return crossing, Guarding(contract, watch, _same, _other)

    def _question(self, passage: Passage, passed: Passed, state: Any) -> Question | None:
        """What a person is asked; None when the output may pass.

        Raises:
            LowConfidence: The gate refuses it.
        """
        if passed.doubt is None:
            return None
        if isinstance(passed.below, Review):
            plain = to_plain(passed.output)
            return Question(
                step=passage.step,
                reason=passed.doubt,
                note=passed.below.note,
                signal=passed.signal,
                handoff=plain,
                given=to_plain(state),
                input=self.run_input,
                subject=digest(encode(plain)),
            )
        raise _refused(passage.step, passed.doubt, passed.below)

    def _ask(self, passage: Passage, question: Question, *, awaited: bool) -> Any:
        trial, pause = measured(), current_pause.get()
        if trial is not None and pause is not None:
            shown = msgspec.structs.replace(question, input=to_plain(trial.case_input)).to_plain()
            return pause.awaited(shown, trial) if awaited else pause.wait(shown, trial)
        if self.reviewer is None or trial is not None:  # a measured trial that would ask is escalated
            raise StepPaused(f"{passage.step} waits for a person: {question.reason}")
        return self.reviewer(question.to_plain())


def _one_visit(passage: Passage) -> Passage:
    """The passage with a name of its own: what its contract tries again is the same visit."""
    return (
        passage
        if passage.task is not None
        else msgspec.structs.replace(passage, task=f"guarded-{next(_visits)}")
    )


def _decided(guarding: Guarding, crossing: Crossing, passed: Passed, decision: Decision) -> Any:
    if decision.choice == "approve":
        return passed.output
    if decision.choice == "edit":
        guarding.accept(crossing, decision.value)
        return decision.value
    rejected = passed.below.rejected if isinstance(passed.below, Review) else None
    raise _refused(crossing.step, decision.note or "the reviewer rejected it", rejected)


def _refused(step: str, reason: str, below: Any) -> LowConfidence:
    error = LowConfidence(f"{step}: {reason}", boundary=step)
    error.value = below.value if isinstance(below, Refuse) else None
    return error


def _same(output: Any) -> Any:
    return output


def _other(output: Any, replaced: Any) -> Any:
    return replaced


HELD = "__gapless_contracts__"


def contracts_of(function: Any) -> dict[str, Contract]:
    """The contracts that a guarded function is under; none for any other."""
    return dict(getattr(function, HELD, {}))


in_force: ContextVar[InForce | None] = ContextVar("gapless_in_force", default=None)
"""The contracts of the guarded function that is running in this context."""
