"""What becomes of a doubtful handoff: a person's decision, another way on, or the end of the run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any

from msgspec import structs

from gapless.boundary.crossing import Crossing
from gapless.boundary.guarding import Guarding, Passed
from gapless.boundary.guards.gate import Destination, Goto, Refuse, Review
from gapless.boundary.review import Question, decided
from gapless.boundary.reviewing import current_pause
from gapless.boundary.session import current_session
from gapless.errors import BoundaryError, SchemaBreach
from gapless.frameworks.langgraph.gates import Slots
from gapless.records.value import digest, encode, to_plain

Errands = Generator[Callable[[], Any], Any, Any]
"""Calls to databases on the way to a value: run here, or beside the event loop."""


def _nothing(update: Any) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nobody lets the handoff pass."""

    reason: str
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One handoff that its gate has judged, at a step's exit or on one of its edges."""

    address: str
    """Where it stands: a step, or `a->b`."""
    guarding: Guarding
    slots: Slots
    state: Any
    """What the step was given."""
    kept: Any
    """What the step returned: remembered, so that it is not run again."""
    undeclared: Callable[[Any], str | None] = _nothing
    """What in an edited handoff the graph's state does not know."""

    def outcome(self, passed: Passed) -> Errands:
        """What goes on instead of the step: an output, a `Goto`, or a `Refusal`."""
        if passed.doubt is None:
            return passed.output
        if isinstance(passed.below, Review):
            return (yield from self._reviewed(passed, passed.below))
        return _instead(passed.below, passed.doubt)

    def _reviewed(self, passed: Passed, below: Review) -> Errands:
        """What a person makes of a handoff.

        The inbox knows the question before the run is seen to pause, and the decision as consumed before it counts; an
        inbox that fails fails the run, which then waits where it was.
        """
        slots, inbox = self.slots, self.guarding.watch.inbox
        question = self._question(passed, below)
        answer = slots.ask(self.kept, question.subject, question.reason, question.signal)
        if answer is None:
            self._told(question)
            if inbox is not None:
                given = yield slots.run_input
                shown = structs.replace(question, given=to_plain(self.state), input=given)
                yield partial(inbox.post, shown.to_plain(), slots.place)
            raise slots.pause(question)
        decision = decided(answer, question.subject)
        if decision.choice == "edit":
            try:
                self._accept(decision.value)
            except BoundaryError as error:
                if inbox is not None:
                    yield partial(inbox.give_back, question.to_plain(), slots.place, str(error))
                raise
        if inbox is not None:
            first = yield partial(inbox.settle, question.to_plain(), slots.place, decision.to_plain())
            if not first:
                yield partial(slots.must_be_newest, self.address)
        slots.keep()
        if decision.choice == "approve":
            return passed.output
        if decision.choice == "edit":
            return self.guarding.replaced(passed.output, decision.value)
        return _instead(below.rejected, decision.note or "the reviewer rejected it")

    def _told(self, question: Question) -> None:
        """Keeps the question for the reviewer of a measurement, who is asked once the trial's record is closed."""
        pause, session = current_pause.get(), current_session.get()
        if pause is not None and session is not None:
            shown = structs.replace(question, given=to_plain(self.state), input=to_plain(session.case_input))
            pause.questions[str(self.slots.place.interrupt)] = shown.to_plain()

    def _accept(self, value: Any) -> None:
        """Holds what a person wrote against the graph's state and against the contract.

        Raises:
            BoundaryError: It breaks one of them.
        """
        wrong = self.undeclared(value)
        if wrong is not None:
            raise SchemaBreach(f"{self.address}: the edit cannot stand: {wrong}", boundary=self.address)
        self.guarding.accept(Crossing(step=self.address, state=self.state), value)

    def _question(self, passed: Passed, below: Review) -> Question:
        plain = to_plain(self.guarding.handoff(passed.output))
        return Question(
            step=self.address,
            reason=passed.doubt or "",
            note=below.note,
            signal=passed.signal,
            handoff=plain,
            subject=digest(encode(plain)),
        )


def _instead(below: Destination | None, reason: str) -> Goto | Refusal:
    if isinstance(below, Goto):
        return below
    return Refusal(reason, below.value if isinstance(below, Refuse) else None)


def drain(errands: Errands) -> Any:
    """Runs errands in this thread."""
    result: Any = None
    while True:
        try:
            errand = errands.send(result)
        except StopIteration as done:
            return done.value
        result = errand()


async def adrain(errands: Errands) -> Any:
    """Runs errands beside the event loop: a database may take its time."""
    result: Any = None
    while True:
        try:
            errand = errands.send(result)
        except StopIteration as done:
            return done.value
        result = await asyncio.to_thread(errand)
