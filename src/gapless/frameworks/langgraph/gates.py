"""How a gate's doubt acts inside LangGraph: another way on, a pause for a person, or the end.

The judged step's output travels by value. On `Goto` it reaches the node's exit wrapped, which writes the update without
the edges. On `Review` it is kept as an answered slot beside the interrupt, in the checkpointer, so that a resume finds
it and the step is not run again. On `Refuse` it is kept the same way, so that a later resume is refused too. Nothing of
it needs a store of ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

from langgraph.errors import GraphBubbleUp, GraphInterrupt
from langgraph.types import Command, Interrupt

from gapless.boundary.crossing import Crossing
from gapless.boundary.review import Question
from gapless.errors import LowConfidence, ReviewConflict
from gapless.frameworks.langgraph import private
from gapless.frameworks.langgraph.handover import update_of
from gapless.frameworks.langgraph.run_input import run_input
from gapless.records.review import Place
from gapless.records.value import to_plain

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


@dataclass(frozen=True, slots=True)
class Leaving:
    """A node's output on its way to edges that have contracts of their own."""

    out: Any
    state: Any
    """What the node was given."""
    before: int
    """How much its task had written before: that stays, whatever its edges make of the rest."""
    crossing: Crossing | None = None
    """The node's own crossing; None where its output was remembered."""


def rerouted(output: Any, goto: str) -> Routed:
    """A node's output without the ways on that it names itself."""
    named = isinstance(output, Command) or (
        isinstance(output, (list, tuple))
        and any(isinstance(one, Command) for one in cast("list[Any]", output))
    )
    return Routed(Command(update=update_of(output)) if named else output, goto)


class Slots:
    """What a task's checkpoint remembers of one of its gates: the judged output, and the answer beside it.

    Args:
        config: The task's config.
        edge: Whose gate: that of the way to this receiver, or the step's own when None.
    """

    def __init__(self, config: Any, edge: str | None = None) -> None:
        self._conf: dict[str, Any] = (config or {}).get("configurable") or {}
        self._pad: Any = self._conf.get(private.CONFIG_KEY_SCRATCHPAD)
        self._edge = edge
        self._fresh = True
        self._at = -1
        for index, slot in self._kept():
            if slot.get("edge") == edge:
                self._fresh, self._at = False, index

    def _kept(self) -> list[tuple[int, dict[str, Any]]]:
        slots: list[Any] = self._pad.resume if self._pad is not None else []
        if not slots:
            return []
        return [
            (index, cast("dict[str, Any]", slot))
            for index, slot in enumerate(slots)
            if isinstance(slot, dict) and _MEMO in slot
        ]

    @property
    def beyond(self) -> Any:
        """What the step returned, where it waits at the gate of one of its edges; None where it waits at none."""
        return next((slot[_MEMO] for _, slot in self._kept() if slot.get("edge") is not None), None)

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
            pad.resume.append({_MEMO: output, "reason": reason, "signal": signal, "edge": self._edge})
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
        memo = {_MEMO: output, "edge": self._edge}
        kept = [*before, memo, {_REFUSED: to_plain(value), "reason": reason}]
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
