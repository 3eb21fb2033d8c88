"""One node's door to the trial in progress: what is known of a visit, and what passes through it unrecorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from langgraph.errors import GraphBubbleUp, ParentCommand
from langgraph.types import Command, Send

from gapless.boundary.crossing import Crossing
from gapless.boundary.flow import Middleware, adrive, compose, drive
from gapless.boundary.session import Passage, current_session
from gapless.frameworks.langgraph import private
from gapless.frameworks.langgraph.handover import (
    output_again,
    plain_route,
    route_again,
    routing_of,
    update_of,
)
from gapless.trace.recorder import current_step

BRANCH_KEY = "__gapless_branch"
"""In `configurable`, inside a subgraph that a Send started: which of its parallel visits this is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Takes one step's calls through the session."""

    address: str
    """The step's address."""
    node: str
    """The node's own name in its graph."""
    receivers: Callable[[Any], tuple[str, ...]]
    """Reads the receiving steps from the output."""
    router: bool = False
    """Whether this is a conditional edge."""
    undeclared: Callable[[Any], str | None] = lambda update: None
    """What in an update that a person wrote the graph's state does not know."""

    def applies(self) -> bool:
        """Whether a call has to pass through here: while a session is in progress."""
        return current_session.get() is not None

    def cross(self, state: Any, config: Any, call: Callable[[Any], Any]) -> Any:
        """Runs the step in this thread, recorded while a session is in progress."""
        left: list[ParentCommand] = []
        return _leave(self.through(self.passage(config), state, handing_over(call, left)), left)

    async def across(self, state: Any, config: Any, call: Callable[[Any], Awaitable[Any]]) -> Any:
        """Awaits the step."""
        left: list[ParentCommand] = []
        return _leave(await self.athrough(self.passage(config), state, ahanding_over(call, left)), left)

    def through(
        self, passage: Passage, state: Any, call: Callable[[Any], Any], within: tuple[Middleware, ...] = ()
    ) -> Any:
        """One attempt of a visit: through the session if there is one; `within` goes round it."""
        session = current_session.get()
        if session is None:
            return drive(compose(within, Crossing(step=self.address, state=state)), call)
        return session.cross(passage, state, call, within)

    def athrough(
        self,
        passage: Passage,
        state: Any,
        call: Callable[[Any], Awaitable[Any]],
        within: tuple[Middleware, ...] = (),
    ) -> Awaitable[Any]:
        """`through` for a step that is awaited."""
        session = current_session.get()
        if session is None:
            return adrive(compose(within, Crossing(step=self.address, state=state)), call)
        return session.across(passage, state, call, within)

    def passage(self, config: Any) -> Passage:
        """What is known of this visit."""
        configurable = _configurable(config)
        enclosing = current_step.get()
        task = configurable.get(private.CONFIG_KEY_TASK_ID)
        return Passage(
            step=self.address if enclosing is None else f"{enclosing.step}/{self.address}",
            task=f"{task}?{self.node}" if self.router and task else task,
            branch=branch_of(config, self.node.partition("?")[0]),
            router=self.router,
            checkpoint=_checkpoint(configurable),
            control=(GraphBubbleUp,),
            routed=self.receivers,
            handoff=plain_route if self.router else update_of,
            routing=None if self.router else routing_of,
            rebuilt=route_again if self.router else output_again,
            superstep=((config or {}).get("metadata") or {}).get("langgraph_step"),
        )


def branch_of(config: Any, node: str) -> int | None:
    """Index of this visit among those a fan-out by Send started together; None when no Send did."""
    path: Any = ((config or {}).get("metadata") or {}).get("langgraph_path")
    configurable = _configurable(config)
    if not path or path[0] != private.PUSH or not isinstance(path[1], int):
        return configurable.get(BRANCH_KEY)
    try:  # the index LangGraph gives counts the sends to every node together
        sends = cast("list[Send]", configurable[private.CONFIG_KEY_READ](private.TASKS, False))
        return sum(send.node == node for send in sends[: path[1]])
    except (KeyError, TypeError, AttributeError):
        return path[1]


def handing_over(call: Callable[[Any], Any], left: list[ParentCommand]) -> Callable[[Any], Any]:
    """The step's call; a command for the parent graph is a handoff like any other, and its exception is kept in `left`."""

    def run(given: Any) -> Any:
        try:
            return call(given)
        except ParentCommand as leaving:
            left[:] = [leaving]
            return leaving.args[0]

    return run


def ahanding_over(
    call: Callable[[Any], Awaitable[Any]], left: list[ParentCommand]
) -> Callable[[Any], Awaitable[Any]]:
    """`handing_over` for a step that is awaited."""

    async def run(given: Any) -> Any:
        try:
            return await call(given)
        except ParentCommand as leaving:
            left[:] = [leaving]
            return leaving.args[0]

    return run


def _leave(output: Any, left: list[ParentCommand]) -> Any:
    """Goes on raising a command for the parent graph: a handoff for the record, an exception for LangGraph."""
    if left and isinstance(output, Command):
        left[0].args = (cast("Command[Any]", output),)
        raise left[0]
    return output


def _configurable(config: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", (config or {}).get("configurable") or {})


def _checkpoint(configurable: Mapping[str, Any]) -> str | None:
    if configurable.get(private.CONFIG_KEY_CHECKPOINTER) is None:
        return None
    around = str(configurable.get("checkpoint_ns") or "").rpartition("|")[0]
    return (configurable.get(private.CONFIG_KEY_CHECKPOINT_MAP) or {}).get(around)
