"""How a gate's doubt acts inside LangGraph: another way on, a pause for a person, or the end.

The judged step's output travels by value. On `Goto` it reaches the node's own writers wrapped, and they write the update
without the edges. On `Review` it is kept as an answered slot beside the interrupt, in the checkpointer, so that a
resume finds it and the step is not run again. On `Refuse` it is kept the same way, so that a later resume is refused
too. Nothing of it needs a store of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp, GraphInterrupt
from langgraph.types import Command, Interrupt

from gapless.boundary.review import Question
from gapless.errors import LowConfidence, ReviewConflict
from gapless.frameworks.langgraph import private
from gapless.frameworks.langgraph.handover import update_of
from gapless.frameworks.langgraph.run_input import run_input
from gapless.records.review import Place
from gapless.records.value import to_plain
from gapless.records.workflow import FINISH

_MEMO = "__gapless_output"
_REFUSED = "__gapless_refused"
_BEFORE = "it was judged doubtful before"


class Refused(GraphBubbleUp, LowConfidence):
    """A gate, or the person it asked, does not let a handoff pass, and nothing else follows."""

    code = "low-confidence"

    def __init__(self, step: str, reason: str, value: Any) -> None:
        LowConfidence.__init__(self, f"{step}: {reason}", boundary=step)
        self.value = value


@dataclass(frozen=True, slots=True)
class Routed:
    """A node's output on its way to another step than its edges say."""

    out: Any
    """The update alone: a Command's `goto` and its Sends are left out."""
    goto: str


def rerouted(output: Any, goto: str) -> Routed:
    """A node's output without the ways on that it names itself."""
    named = isinstance(output, Command) or (
        isinstance(output, (list, tuple))
        and any(isinstance(one, Command) for one in cast("list[Any]", output))
    )
    return Routed(Command(update=update_of(output)) if named else output, goto)


# -- writers ------------------------------------------------------------------------------------------------------


class GateWrite(private.ChannelWrite):
    """A node's channel writes; a rerouted output is written without its edges."""

    def __init__(self, writes: Sequence[Any], *, first: bool, last: bool) -> None:
        super().__init__(writes)
        self.first, self.last = first, last

    def _write(self, input: Any, config: RunnableConfig) -> Any:  # noqa: A002
        if not isinstance(input, Routed):
            return super()._write(input, config)
        self.do_write(config, self._instead(input))
        return input.out if self.last else input

    async def _awrite(self, input: Any, config: RunnableConfig) -> Any:  # noqa: A002
        if not isinstance(input, Routed):
            return await super()._awrite(input, config)
        self.do_write(config, self._instead(input))
        return input.out if self.last else input

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
        if isinstance(input, Routed):
            return input.out if self.last else input
        return self.inner.invoke(input, config)

    async def _aroute(self, input: Any, config: RunnableConfig) -> Any:  # noqa: A002
        if isinstance(input, Routed):
            return input.out if self.last else input
        return await self.inner.ainvoke(input, config)


def ungated(writer: Any) -> Any:
    """A writer as it was before it was gated."""
    if isinstance(writer, GateBranch):
        return writer.inner
    return private.ChannelWrite(writer.writes) if isinstance(writer, GateWrite) else writer


def gated(writers: Sequence[Any]) -> list[Any]:
    """A node's writers, each of which lets a rerouted output pass.

    Consecutive channel writes are put together here: LangGraph would do it, and make plain ones of ours.
    """
    merged: list[Any] = []
    for writer in map(ungated, writers):
        if (
            isinstance(writer, private.ChannelWrite)
            and merged
            and isinstance(merged[-1], private.ChannelWrite)
        ):
            merged[-1] = private.ChannelWrite([*merged[-1].writes, *writer.writes])
        else:
            merged.append(writer)
    return [_gated(writer, index == 0, index == len(merged) - 1) for index, writer in enumerate(merged)]


def _gated(writer: Any, first: bool, last: bool) -> Any:
    if isinstance(writer, private.ChannelWrite):
        return GateWrite(writer.writes, first=first, last=last)
    return GateBranch(writer, last=last)


# -- review and refusal -------------------------------------------------------------------------------------------


class Slots:
    """What a task's checkpoint remembers of its gate: the judged output, and the answer beside it."""

    def __init__(self, config: Any) -> None:
        self._conf: dict[str, Any] = (config or {}).get("configurable") or {}
        self._pad: Any = self._conf.get(private.CONFIG_KEY_SCRATCHPAD)
        self._fresh = True
        self._at = -1
        kept: list[Any] = self._pad.resume if self._pad is not None else []
        for index, slot in enumerate(kept):
            if isinstance(slot, dict) and _MEMO in slot:
                self._fresh, self._at = False, index

    @property
    def remembered(self) -> bool:
        """Whether the step has run before, and its output is here."""
        return not self._fresh

    @property
    def output(self) -> Any:
        """The remembered output."""
        return self._pad.resume[self._at][_MEMO]

    @property
    def reason(self) -> str:
        """Why it was doubtful."""
        return str(self._pad.resume[self._at].get("reason") or _BEFORE)

    @property
    def signal(self) -> float | None:
        """What its gate saw."""
        return self._pad.resume[self._at].get("signal")

    def refusal(self) -> dict[str, Any] | None:
        """What was refused here before, for good."""
        answer: Any = (
            self._pad.resume[self._at + 1]
            if self.remembered and len(self._pad.resume) > self._at + 1
            else None
        )
        return cast("dict[str, Any]", answer) if isinstance(answer, dict) and _REFUSED in answer else None

    def ask(self, output: Any, subject: str, reason: str, signal: float | None) -> Any:
        """The answer to the question about an output as it came, or None while there is none; the output is kept.

        Args:
            output: The judged output.
            subject: Digest of what is asked about.
            reason: Why it is doubtful; kept beside it, for it may have to be asked again.
            signal: What its gate saw.
        """
        pad = self._pad
        if self._fresh:
            self._at = len(pad.resume)  # after the interrupts of the step itself
            pad.resume.append({_MEMO: output, "reason": reason, "signal": signal})
        while pad.interrupt_counter() < self._at:
            pass
        answer = self._answer(subject)
        if answer is None:
            self.keep()
        return answer

    def keep(self) -> None:
        """Writes the output, and an answer that was accepted, beside the interrupt. A refused answer leaves no trace."""
        self._conf[private.CONFIG_KEY_SEND]([(private.RESUME, list(self._pad.resume))])

    @property
    def place(self) -> Place:
        """Where the answer has to go."""
        return Place(
            thread=str(self._conf.get("thread_id") or ""),
            interrupt=private.interrupt_id(self._conf[private.CONFIG_KEY_CHECKPOINT_NS], self._at + 1),
        )

    def run_input(self) -> Any:
        """What the whole run was given, as plain data; UNSET where that is not known."""
        return run_input(self._conf)

    def pause(self, question: Question) -> GraphInterrupt:
        """The pause in which a question waits."""
        return GraphInterrupt((Interrupt(value=question.to_plain(), id=str(self.place.interrupt)),))

    def must_be_newest(self, step: str) -> None:
        """Makes sure that an answer taken in before is taken in again only because that run died before its next checkpoint.

        Raises:
            ReviewConflict: The thread has gone on since: an old checkpoint is being replayed with an old answer.
        """
        saver = self._conf.get(private.CONFIG_KEY_CHECKPOINTER)
        ours = (self._conf.get(private.CONFIG_KEY_CHECKPOINT_MAP) or {}).get("")
        if saver is None or isinstance(saver, bool) or ours is None:
            return
        thread = self._conf.get("thread_id")
        newest = saver.get_tuple({"configurable": {"thread_id": thread, "checkpoint_ns": ""}})
        if newest is not None and newest.checkpoint["id"] != ours:
            raise ReviewConflict(
                f"{step}: this decision was taken in before, and thread {thread!r} has gone on since. It does not count twice: "
                "let the step run again, and it asks again."
            )

    def _answer(self, subject: str) -> Any:
        pad = self._pad
        if len(pad.resume) > self._at + 1:
            return pad.resume[self._at + 1]
        if (
            self._fresh
        ):  # an answer without an address, meant for somebody else, may not approve what nobody has seen
            return None
        bare = pad.get_null_resume(False)
        if not (isinstance(bare, dict) and cast("dict[str, Any]", bare).get("subject") == subject):
            return None
        pad.resume.append(pad.get_null_resume(True))
        return bare

    def refuse(self, output: Any, step: str, reason: str, value: Any) -> Refused:
        """The refusal, kept beside the output where there is a checkpointer: asking again refuses again."""
        writes = self._sticky(output, reason, value)
        if writes is not None:
            config, kept, task = writes
            self._conf[private.CONFIG_KEY_CHECKPOINTER].put_writes(config, kept, task)
        return Refused(step, reason, value)

    async def arefuse(self, output: Any, step: str, reason: str, value: Any) -> Refused:
        """`refuse` for a checkpointer that is awaited."""
        writes = self._sticky(output, reason, value)
        if writes is not None:
            config, kept, task = writes
            await self._conf[private.CONFIG_KEY_CHECKPOINTER].aput_writes(config, kept, task)
        return Refused(step, reason, value)

    def again(self, step: str) -> Refused:
        """The refusal that was kept, once more."""
        kept = self.refusal() or {}
        return Refused(step, str(kept.get("reason")), kept.get(_REFUSED))

    def _sticky(self, output: Any, reason: str, value: Any) -> tuple[dict[str, Any], list[Any], str] | None:
        conf = self._conf
        if self._pad is None or not conf.get(private.CONFIG_KEY_CHECKPOINTER):
            return None
        around = str(conf.get(private.CONFIG_KEY_CHECKPOINT_NS) or "").rpartition(private.NS_SEP)[0]
        checkpoint = (conf.get(private.CONFIG_KEY_CHECKPOINT_MAP) or {}).get(around)
        if checkpoint is None:
            return None
        before = self._pad.resume[: self._at] if self.remembered else list(self._pad.resume)
        kept = [*before, {_MEMO: output}, {_REFUSED: to_plain(value), "reason": reason}]
        config = {
            "configurable": {
                "thread_id": conf.get("thread_id"),
                "checkpoint_ns": around,
                "checkpoint_id": checkpoint,
            }
        }
        return config, [(private.RESUME, kept)], str(conf[private.CONFIG_KEY_TASK_ID])


def edited(output: Any, update: Any) -> Any:
    """A node's output with another update; a Command keeps its ways on."""
    if isinstance(output, Command):
        return replace(cast("Command[Any]", output), update=update)
    if isinstance(output, (list, tuple)):
        ways = [cast("Command[Any]", one) for one in cast("list[Any]", output) if isinstance(one, Command)]
        if ways:  # the update stands once, and every way on is kept
            return [replace(way, update=update if place == 0 else None) for place, way in enumerate(ways)]
    return update
