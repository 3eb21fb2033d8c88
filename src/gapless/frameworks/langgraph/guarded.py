"""One node's door under a contract: every attempt of the step, what the guards make of it, and where doubt goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from langgraph.errors import GraphBubbleUp, ParentCommand
from langgraph.types import Command

from gapless.boundary.contract import Contract
from gapless.boundary.flow import Flow, Middleware, adrive, compose, drive
from gapless.boundary.guarding import Guarding, Passed, Watch
from gapless.boundary.guards.gate import Goto, Review
from gapless.boundary.session import Passage, crossing_here, deliveries, measured
from gapless.frameworks.calls import heard
from gapless.frameworks.langgraph import private
from gapless.frameworks.langgraph.asking import Asking, Refusal, adrain, drain
from gapless.frameworks.langgraph.door import Door, ahanding_over, handing_over
from gapless.frameworks.langgraph.gates import Leaving, Slots, edited, rerouted
from gapless.frameworks.langgraph.handover import update_of

WATCH_KEY = "__gapless_watch"
"""In `configurable` of a guarded run outside of a measurement: what its guards share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedDoor:
    """Takes one step's calls through its contract, recorded or not."""

    door: Door
    contract: Contract
    edges: Mapping[str, Contract] = field(default_factory=dict[str, Contract])
    """Node, or the end -> the contract on the way to it."""

    def applies(self) -> bool:
        """Whether a call has to pass through here: always."""
        return True

    def cross(self, state: Any, config: Any, call: Callable[[Any], Any]) -> Any:
        """Runs the step in this thread, as often as its contract allows."""
        slots, guarding, passed = self._begin(config)
        if passed is None:
            passage, flow, within = self._way(state, config, guarding)
            step = handing_over(call, [])
            with heard(self.contract.ttft_s is not None):
                passed = drive(flow, lambda given: self.door.through(passage, given, step, within))
        if passed.doubt is None:
            return self._left(passed.output, passed, state, config, guarding)
        output = drain(self._asking(passed, slots, guarding, state).outcome(passed))
        if isinstance(output, Refusal):
            raise slots.refuse(passed.output, self.door.address, output.reason, output.value)
        return self._left(output, passed, state, config, guarding)

    async def across(self, state: Any, config: Any, call: Callable[[Any], Awaitable[Any]]) -> Any:
        """Awaits the step, as often as its contract allows."""
        slots, guarding, passed = self._begin(config)
        if passed is None:
            passage, flow, within = self._way(state, config, guarding)
            step = ahanding_over(call, [])
            with heard(self.contract.ttft_s is not None):
                passed = await adrive(flow, lambda given: self.door.athrough(passage, given, step, within))
        if passed.doubt is None:
            return self._left(passed.output, passed, state, config, guarding)
        output = await adrain(self._asking(passed, slots, guarding, state).outcome(passed))
        if isinstance(output, Refusal):
            raise await slots.arefuse(passed.output, self.door.address, output.reason, output.value)
        return self._left(output, passed, state, config, guarding)

    def _begin(self, config: Any) -> tuple[Slots, Guarding, Passed | None]:
        """What the call starts from, and what it came to where an earlier run of this task has settled that."""
        slots = Slots(config)
        if slots.refusal() is not None:
            raise slots.again(self.door.address)
        guarding = guarding_at(self.contract, config)
        if slots.remembered:
            return slots, guarding, self._remembered(slots)
        return slots, guarding, Passed(slots.beyond) if slots.beyond is not None else None

    def _way(
        self, state: Any, config: Any, guarding: Guarding
    ) -> tuple[Passage, Flow, tuple[Middleware, ...]]:
        """The passage through the step, what stands around it, and what stands within each attempt."""
        passage = self.door.passage(config)
        crossing = crossing_here(passage.step, state, branch=passage.branch)
        return passage, compose((*deliveries(), guarding.around), crossing), (guarding.within,)

    def _remembered(self, slots: Slots) -> Passed:
        """The judged output of an earlier run of this task: it waits for a person, or goes where it went then."""
        gate = self.contract.gate
        below = gate.below if gate is not None else Review()
        return Passed(slots.output, slots.reason, below, slots.signal)

    def _asking(self, passed: Passed, slots: Slots, guarding: Guarding, state: Any) -> Asking:
        return Asking(
            address=self.door.address,
            guarding=guarding,
            slots=slots,
            state=state,
            kept=passed.output,
            undeclared=self.door.undeclared,
        )

    def _left(self, output: Any, passed: Passed, state: Any, config: Any, guarding: Guarding) -> Any:
        """What the node returns, on its way to the writers."""
        if isinstance(output, Goto):
            return rerouted(passed.output, output.step)
        if isinstance(output, Command) and cast("Command[Any]", output).graph not in (None, Command.PARENT):
            # LangGraph takes a command that an inner graph addressed to this one as an exception.
            raise ParentCommand(cast("Command[Any]", output))
        if not self.edges:
            return output
        before = len(private.writes_of(config) or ())
        return Leaving(output, state, before, guarding.outer[0] if guarding.outer else None)


def guarding_at(contract: Contract, config: Any, edge: bool = False) -> Guarding:
    """A contract at work in the run that is in progress: at a step's exit, or on one of its edges."""
    trial = measured()
    watch = trial.watch if trial is not None else watch_of(config)
    watch.control = (GraphBubbleUp,)
    if edge:
        return Guarding(contract, watch, _as_it_is, _another)
    return Guarding(contract, watch, update_of, edited)


def _as_it_is(handoff: Any) -> Any:
    return handoff


def _another(handoff: Any, instead: Any) -> Any:
    return instead


def watch_of(config: Any) -> Watch:
    """What the guards of this run share; a watch of its own for a call outside of any run."""
    found = ((config or {}).get("configurable") or {}).get(WATCH_KEY)
    return found if isinstance(found, Watch) else Watch()
