"""One node's door under a contract: every attempt of the step, what the guards make of it, and where doubt goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from langgraph.errors import GraphBubbleUp, ParentCommand
from langgraph.types import Command
from msgspec import structs

from gapless.boundary.contract import Contract
from gapless.boundary.crossing import Crossing
from gapless.boundary.flow import adrive, compose, drive
from gapless.boundary.guarding import Guarding, Passed, Watch
from gapless.boundary.guards.gate import Goto, Refuse, Review
from gapless.boundary.review import Question, decided
from gapless.boundary.session import current_session, deliveries, measured
from gapless.errors import BoundaryError
from gapless.frameworks.langgraph.door import Door
from gapless.frameworks.langgraph.gates import Refused, Slots, edited, rerouted
from gapless.frameworks.langgraph.handover import update_of
from gapless.records.value import digest, encode, to_plain

WATCH_KEY = "__gapless_watch"
"""In `configurable` of a guarded run outside of a measurement: what its guards share."""

Errands = Generator[Callable[[], Any], Any, Any]
"""Calls to databases on the way to a value: run here, or beside the event loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedDoor:
    """Takes one step's calls through its contract, recorded or not."""

    door: Door
    contract: Contract

    def applies(self) -> bool:
        """Whether a call has to pass through here: always."""
        return True

    def cross(self, state: Any, config: Any, call: Callable[[Any], Any]) -> Any:
        """Runs the step in this thread, as often as its contract allows."""
        slots, guarding = self._begin(config)
        if slots.remembered:
            passed = self._remembered(slots, guarding)
        else:
            crossing = self._crossing(state, config)

            def attempt(given: Any) -> Any:
                try:
                    return self.door.cross(given, config, call, (guarding.within,))
                except ParentCommand as leaving:
                    return leaving.args[0]  # a handoff like any other: it goes on its way below

            passed = drive(compose((*deliveries(), guarding.around), crossing), attempt)
        output = drain(self._after(passed, slots, guarding, state))
        if isinstance(output, _Refusal):
            raise slots.refuse(passed.output, self.door.address, output.reason, output.value)
        return _sent(output)

    async def across(self, state: Any, config: Any, call: Callable[[Any], Awaitable[Any]]) -> Any:
        """Awaits the step, as often as its contract allows."""
        slots, guarding = self._begin(config)
        if slots.remembered:
            passed = self._remembered(slots, guarding)
        else:
            crossing = self._crossing(state, config)

            async def attempt(given: Any) -> Any:
                try:
                    return await self.door.across(given, config, call, (guarding.within,))
                except ParentCommand as leaving:
                    return leaving.args[0]

            passed = await adrive(compose((*deliveries(), guarding.around), crossing), attempt)
        output = await adrain(self._after(passed, slots, guarding, state))
        if isinstance(output, _Refusal):
            raise await slots.arefuse(passed.output, self.door.address, output.reason, output.value)
        return _sent(output)

    def _begin(self, config: Any) -> tuple[Slots, Guarding]:
        slots = Slots(config)
        if slots.refusal() is not None:
            raise slots.again(self.door.address)
        trial = measured()
        watch = trial.watch if trial is not None else watch_of(config)
        watch.control = (GraphBubbleUp,)
        return slots, Guarding(self.contract, watch, update_of, edited)

    def _crossing(self, state: Any, config: Any) -> Crossing:
        passage, session = self.door.passage(config), current_session.get()
        return Crossing(
            step=passage.step,
            state=state,
            branch=passage.branch,
            case_input=session.case_input if session is not None else None,
            seed=session.seed if session is not None else 0,
        )

    def _remembered(self, slots: Slots, guarding: Guarding) -> Passed:
        """The judged output of an earlier run of this task: it waits for a person, or goes where it went then."""
        gate = guarding.contract.gate
        below = gate.below if gate is not None else Review()
        return Passed(slots.output, slots.reason, below, slots.signal)

    def _after(self, passed: Passed, slots: Slots, guarding: Guarding, state: Any) -> Errands:
        """What the node returns: the output, a rerouted one, or a refusal."""
        if passed.doubt is None:
            return passed.output
        below = passed.below
        if isinstance(below, Review):
            return (yield from self._reviewed(passed, below, slots, guarding, state))
        return self._instead(below, passed.output, passed.doubt)

    def _reviewed(
        self, passed: Passed, below: Review, slots: Slots, guarding: Guarding, state: Any
    ) -> Errands:
        """What a person makes of a handoff.

        The inbox knows the question before the run is seen to pause, and the decision as consumed before it counts; an
        inbox that fails fails the run, which then waits where it was.
        """
        question, inbox = self._question(passed, below), guarding.watch.inbox
        answer = slots.ask(passed.output, question.subject, question.reason, question.signal)
        if answer is None:
            if inbox is not None:
                given = yield slots.run_input
                shown = structs.replace(question, given=to_plain(state), input=given)
                yield partial(inbox.post, shown.to_plain(), slots.place)
            raise slots.pause(question)
        decision = decided(answer, question.subject)
        if decision.choice == "edit":
            try:
                guarding.accept(Crossing(step=self.door.address, state=state), decision.value)
            except BoundaryError as error:
                if inbox is not None:
                    yield partial(inbox.give_back, question.to_plain(), slots.place, str(error))
                raise
        if inbox is not None:
            first = yield partial(inbox.settle, question.to_plain(), slots.place, decision.to_plain())
            if not first:
                yield partial(slots.must_be_newest, self.door.address)
        slots.keep()
        if decision.choice == "approve":
            return passed.output
        if decision.choice == "edit":
            return edited(passed.output, decision.value)
        return self._instead(below.rejected, passed.output, decision.note or "the reviewer rejected it")

    def _question(self, passed: Passed, below: Review) -> Question:
        plain = to_plain(update_of(passed.output))
        return Question(
            step=self.door.address,
            reason=passed.doubt or "",
            note=below.note,
            signal=passed.signal,
            handoff=plain,
            subject=digest(encode(plain)),
        )

    def _instead(self, below: Any, output: Any, reason: str) -> Any:
        if isinstance(below, Goto):
            return rerouted(output, below.step)
        return _Refusal(reason, below.value if isinstance(below, Refuse) else None)


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


@dataclass(frozen=True, slots=True)
class _Refusal:
    reason: str
    value: Any


def _sent(output: Any) -> Any:
    """The output for LangGraph, which takes a command that an inner graph addressed to this one as an exception."""
    if isinstance(output, Command) and cast("Command[Any]", output).graph not in (None, Command.PARENT):
        raise ParentCommand(cast("Command[Any]", output))
    return output


def watch_of(config: Any) -> Watch:
    """What the guards of this run share; a watch of its own for a call outside of any run."""
    found = ((config or {}).get("configurable") or {}).get(WATCH_KEY)
    return found if isinstance(found, Watch) else Watch()


__all__ = ["WATCH_KEY", "GuardedDoor", "Refused", "watch_of"]
