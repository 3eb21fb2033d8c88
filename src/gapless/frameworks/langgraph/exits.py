"""A gated node's exit: another way on than its edges say, and the contracts that stand on single edges.

What a node's writers write says where the run goes on: LangGraph's edges, routers, `Command` and `Send` all end as writes
of the node's task. So the writers do their work as always; behind them the toll reads from their writes which edges were
taken, holds each against its contract, and takes back what must not stand. No way on is guessed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Send

from gapless.boundary.contract import Contract
from gapless.boundary.guarding import Guarding, Passed
from gapless.boundary.guards.gate import Goto, Review
from gapless.boundary.session import crossing_here
from gapless.frameworks.langgraph import private
from gapless.frameworks.langgraph.asking import Asking, Refusal, adrain, drain
from gapless.frameworks.langgraph.gates import Leaving, Routed, Slots, edited
from gapless.frameworks.langgraph.guarded import guarding_at
from gapless.frameworks.langgraph.handover import update_of
from gapless.records.workflow import FINISH

_TO = private.BRANCH_TO.format("")


class GateWrite(private.ChannelWrite):
    """A node's channel writes; a rerouted output is written without its edges."""

    def __init__(self, writes: Sequence[Any], *, first: bool, last: bool) -> None:
        super().__init__(writes)
        self.first, self.last = first, last

    def _write(self, input: Any, config: RunnableConfig) -> Any:  # noqa: A002
        if not isinstance(input, (Routed, Leaving)):
            return super()._write(input, config)
        if isinstance(input, Routed):
            self.do_write(config, self._instead(input))
        else:
            super()._write(input.out, config)
        return input.out if self.last else input

    async def _awrite(self, input: Any, config: RunnableConfig) -> Any:  # noqa: A002
        return self._write(input, config)  # writing waits for nothing

    def _instead(self, routed: Routed) -> list[Any]:
        entries: list[Any] = [
            private.ChannelWriteTupleEntry(entry.mapper, routed.out)
            for entry in self.writes
            if isinstance(entry, private.ChannelWriteTupleEntry) and entry.value is private.PASSTHROUGH
        ]
        if self.first and routed.goto != FINISH:
            entries.append(private.ChannelWriteEntry(private.BRANCH_TO.format(routed.goto), None))
        return entries


class GateBranch(private.RunnableCallable):
    """A node's conditional edge; a rerouted output passes it by."""

    def __init__(self, inner: Any, *, last: bool) -> None:
        super().__init__(self._route, self._aroute, name=inner.name, tags=inner.tags, trace=False)
        self.inner, self.last = inner, last
        declared = getattr(inner, "_is_channel_writer", None)
        if declared is not None:  # else drawings lose the edge
            object.__setattr__(self, "_is_channel_writer", declared)

    def _route(self, input: Any, config: RunnableConfig) -> Any:  # noqa: A002
        if not isinstance(input, (Routed, Leaving)):
            return self.inner.invoke(input, config)
        if isinstance(input, Leaving):
            self.inner.invoke(input.out, config)
        return input.out if self.last else input

    async def _aroute(self, input: Any, config: RunnableConfig) -> Any:  # noqa: A002
        if not isinstance(input, (Routed, Leaving)):
            return await self.inner.ainvoke(input, config)
        if isinstance(input, Leaving):
            await self.inner.ainvoke(input.out, config)
        return input.out if self.last else input


def ungated(writers: Sequence[Any]) -> list[Any]:
    """A node's writers as they were before they were gated."""
    return [_plain(writer) for writer in writers if not isinstance(writer, Toll)]


def _plain(writer: Any) -> Any:
    if isinstance(writer, GateBranch):
        return writer.inner
    return private.ChannelWrite(writer.writes) if isinstance(writer, GateWrite) else writer


def gated(
    writers: Sequence[Any],
    step: str,
    edges: Mapping[str, Contract],
    addresses: Mapping[str, str],
    undeclared: Callable[[Any], str | None],
) -> list[Any]:
    """A node's writers, each of which lets a rerouted output pass, and behind them the contracts of its edges.

    Consecutive channel writes are put together here: LangGraph would do it, and make plain ones of ours.

    Args:
        writers: As they are without contracts.
        step: The node's address.
        edges: Node, or the end -> the contract on the way to it.
        addresses: Those nodes' addresses.
        undeclared: What in an update that a person wrote the graph's state does not know.
    """
    merged: list[Any] = []
    for writer in ungated(writers):
        if (
            isinstance(writer, private.ChannelWrite)
            and merged
            and isinstance(merged[-1], private.ChannelWrite)
        ):
            merged[-1] = private.ChannelWrite([*merged[-1].writes, *writer.writes])
        else:
            merged.append(writer)
    last = len(merged) - 1 if not edges else len(merged)  # the toll is the last, where there is one
    made = [_gated(writer, index == 0, index == last) for index, writer in enumerate(merged)]
    return [*made, Toll(made, step, edges, addresses, undeclared)] if edges else made


def _gated(writer: Any, first: bool, last: bool) -> Any:
    if isinstance(writer, private.ChannelWrite):
        return GateWrite(writer.writes, first=first, last=last)
    return GateBranch(writer, last=last)


# -- contracts on edges -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Way:
    """One edge that was taken in one visit of a node."""

    target: str
    """The node it leads to, or the end."""
    packet: Send | None = None
    """What a Send carries; None for an edge, over which the node's update goes."""
    number: int | None = None
    """Which of the node's Sends to this target it is."""

    @property
    def key(self) -> str:
        return self.target if self.number is None else f"{self.target}[{self.number}]"


@dataclass(frozen=True, slots=True)
class _Refused:
    slots: Slots
    address: str
    refusal: Refusal


_Paying = Generator[Any, Any, "Leaving | _Refused | None"]


class Toll(private.RunnableCallable):
    """Stands behind a node's writers, and holds what goes over each edge they took against that edge's contract."""

    def __init__(
        self,
        writers: Sequence[Any],
        step: str,
        edges: Mapping[str, Contract],
        addresses: Mapping[str, str],
        undeclared: Callable[[Any], str | None],
    ) -> None:
        super().__init__(self._pass, self._apass, name="toll", trace=False)
        self.writers, self.step, self.edges, self.addresses = list(writers), step, edges, addresses
        self.undeclared = undeclared
        object.__setattr__(self, "_is_channel_writer", None)  # it declares no way on for drawings

    def _pass(self, input: Any, config: RunnableConfig) -> Any:  # noqa: A002
        visit = self._visit(input, config)
        while visit is not None:
            again = drain(visit.paid())
            if again is None:
                break
            if isinstance(again, _Refused):
                raise again.slots.refuse(
                    visit.output, again.address, again.refusal.reason, again.refusal.value
                )
            for writer in self.writers:
                writer.invoke(again, config)
        return _out(input) if visit is None else visit.output

    async def _apass(self, input: Any, config: RunnableConfig) -> Any:  # noqa: A002
        visit = self._visit(input, config)
        while visit is not None:
            again = await adrain(visit.paid())
            if again is None:
                break
            if isinstance(again, _Refused):
                slots, refusal = again.slots, again.refusal
                raise await slots.arefuse(visit.output, again.address, refusal.reason, refusal.value)
            for writer in self.writers:
                await writer.ainvoke(again, config)
        return _out(input) if visit is None else visit.output

    def _visit(self, given: Any, config: Any) -> _Visit | None:
        """What there is to look at; nothing where a gate has sent the output elsewhere, and outside of a run."""
        configurable = config.get("configurable") or {}
        writes = private.writes_of(config)
        if isinstance(given, Routed) or writes is None or private.CONFIG_KEY_SCRATCHPAD not in configurable:
            return None
        leaving = given if isinstance(given, Leaving) else Leaving(given, None, 0)
        return _Visit(self, config, leaving, writes)


def _out(value: Any) -> Any:
    return value.out if isinstance(value, (Routed, Leaving)) else value


class _Visit:
    """One visit of a node whose edges have contracts."""

    def __init__(self, toll: Toll, config: Any, leaving: Leaving, writes: Any) -> None:
        self._toll, self._config, self._leaving, self._writes = toll, config, leaving, writes
        self.output = leaving.out
        self._settled: dict[str, Any] = {}
        """Way -> where it goes instead (`Goto`), what goes over it instead, or what went over it as it is."""

    def paid(self) -> _Paying:
        """Looks at every edge that was taken; returns what to write instead, where the update has changed.

        Raises:
            BoundaryError: A breach nothing could mend.
            GraphInterrupt: A person decides.
        """
        taken = list(self._ways())
        # In the order in which the contracts were declared: the edges of a graph have none of their own.
        for way in (way for target in self._toll.edges for way in taken if way.target == target):
            contract = self._toll.edges[way.target]
            handoff = update_of(self.output) if way.packet is None else way.packet.arg
            known = way.key in self._settled
            outcome = self._settled[way.key] if known else (yield from self._outcome(way, contract, handoff))
            if isinstance(outcome, _Refused):
                return outcome
            self._settled[way.key] = outcome
            if isinstance(outcome, Goto):
                self._divert(way, outcome.step)
            elif way.packet is not None:
                self._replace(way.packet, outcome)
            elif outcome is not handoff and not known:
                self._rewrite([])
                self.output = edited(self.output, outcome)
                return replace(self._leaving, out=self.output)
        return None

    def _outcome(self, way: _Way, contract: Contract, handoff: Any) -> Generator[Any, Any, Any]:
        """What goes over an edge instead: a handoff, perhaps another; a `Goto`; or a refusal."""
        address = f"{self._toll.step}->{self._toll.addresses[way.target]}"
        slots, guarding = Slots(self._config, way.key), guarding_at(contract, self._config, edge=True)
        if slots.refusal() is not None:
            raise slots.again(address)
        passed = self._judged(slots, guarding, address, handoff)
        asking = Asking(
            address=address,
            guarding=guarding,
            slots=slots,
            state=self._leaving.state,
            kept=self.output,
            undeclared=self._toll.undeclared if way.packet is None else _anything,
        )
        outcome = yield from asking.outcome(passed)
        return _Refused(slots, address, outcome) if isinstance(outcome, Refusal) else outcome

    def _judged(self, slots: Slots, guarding: Guarding, address: str, handoff: Any) -> Passed:
        if slots.remembered:
            gate = guarding.contract.gate
            below = gate.below if gate is not None else Review()
            return Passed(handoff, slots.reason, below, slots.signal)
        node = self._leaving.crossing
        visit, branch = (node.visit, node.branch) if node is not None else (1, None)
        crossing = crossing_here(address, self._leaving.state, branch=branch, visit=visit)
        return guarding.on_edge(crossing, handoff)

    def _ways(self) -> Iterator[_Way]:
        """The edges that the writers took, in the order of their writes; the end where they took none."""
        seen: dict[str, int] = {}
        taken = False
        for channel, value in self._made():
            target = _target(channel)
            if channel == private.TASKS and isinstance(value, Send):
                number = seen[value.node] = seen.get(value.node, -1) + 1
                yield _Way(value.node, value, number)
            elif target is not None and target not in seen:
                seen[target] = 0
                yield _Way(target)
            taken = taken or channel == private.TASKS or target is not None
        if not taken:
            yield _Way(FINISH)

    def _divert(self, way: _Way, goto: str) -> None:
        """Another way on instead of this one; the others stay."""

        def keep(write: tuple[str, Any]) -> bool:
            return write[1] is not way.packet if way.packet is not None else _target(write[0]) != way.target

        self._rewrite([write for write in self._made() if keep(write)])
        if goto != FINISH:
            self._writes.append((private.BRANCH_TO.format(goto), None))

    def _replace(self, packet: Send, arg: Any) -> None:
        other = copy.copy(packet)
        other.arg = arg
        self._rewrite([(key, other if value is packet else value) for key, value in self._made()])

    def _made(self) -> list[tuple[str, Any]]:
        """What the writers wrote."""
        return [write for write in list(self._writes)[self._leaving.before :] if write[0] != private.RESUME]

    def _rewrite(self, writes: list[tuple[str, Any]]) -> None:
        """Puts other writes in place of the writers'. What a gate keeps for a resume stays."""
        written = list(self._writes)
        kept = [write for write in written[self._leaving.before :] if write[0] == private.RESUME]
        self._writes.clear()
        self._writes.extend([*written[: self._leaving.before], *kept, *writes])


def _anything(arg: Any) -> str | None:
    """A Send's payload may be whatever its receiver takes."""
    return None


def _target(channel: str) -> str | None:
    if channel.startswith(_TO):
        return channel.removeprefix(_TO)
    return channel.rpartition(":")[2] if channel.startswith(private.JOIN) else None
