"""Reads tau-bench results: whole episodes with their tool calls, rewards and gold actions, as a list or one a line.

An episode is a trial, its task the case. What a user says is a step, what the agent replies is one, and a tool call is
three: the choice of the tool, its arguments, the call itself. Tau-bench says which calls a right answer needs, not when;
so choice and arguments are judged once, at their last visit: every needed tool was called; every needed call was made
with exactly the needed arguments. Each step keeps the number of its message, and what speaks against it in words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from gapless.records.trial import Outcome, Run, StepOutcome, ToolCount
from gapless.records.turn import Turn
from gapless.trace.importers.base import Learnt, Row, Witness
from gapless.trace.importers.decoding import UNREADABLE, explained
from gapless.trace.importers.source import Source
from gapless.trace.importers.tau_form import Action, Episode, Message
from gapless.trace.run_table import ARM

CHOICE, ARGUMENTS, CALL = "tool choice", "tool arguments", "tool call"
USER, REPLY = "user message", "agent reply"
_EMPTY = ("", "[]", "{}", "null")
_ERROR = "Error"
_MARK = re.compile(r"###[A-Z-]+###")
"""By which a simulated user ends an episode on purpose."""
_SHOWN = 160
_WHOLE = {"verdict": "on the whole trial"}
"""Said of a step whose verdict stands there only because it is the last one."""
_NAN = float("nan")
_ALMOST_ONE = 1 - 1e-6


class _Made(msgspec.Struct):
    """One tool call with what came back."""

    name: str
    arguments: Any
    asked: int
    """Number of the message that asks for it, from 1."""
    result: str | None = None
    """None where the episode ended before there was one."""
    answered: int | None = None
    """Number of the message with the result."""


class _Told(msgspec.Struct):
    """A step event with what a row says of it beyond gapless' own words."""

    event: StepOutcome
    extra: dict[str, Any]


_episode = msgspec.json.Decoder(Episode)
_raw = msgspec.json.Decoder(list[msgspec.Raw])


def read(source: Source, learnt: Learnt) -> Iterator[Row]:
    """The episodes of a result file, one at a time.

    Raises:
        ImporterError: Naming the line, or the element of the list, and what is wrong with it.
    """
    learnt.layers |= {CHOICE: "model", ARGUMENTS: "model", CALL: "tool", REPLY: "model", USER: "context"}
    head = source.head() or b""
    if not head.startswith(b"["):
        for _, data in source.lines():
            yield ARM, _run(_decoded(source, data), learnt.witness)
        return
    whole = source.rest()
    try:
        elements = _raw.decode(whole)
    except UNREADABLE as error:
        raise explained(source, whole[:1000], error) from error
    for number, raw in enumerate(elements, 1):
        yield ARM, _run(_decoded(source, bytes(raw), f"element {number} of the list: "), learnt.witness)


def _decoded(source: Source, data: bytes, where: str = "") -> Episode:
    try:
        return _episode.decode(data)
    except UNREADABLE as error:
        told = explained(source, data, error)
        if where:
            told.args = (str(told).replace(": ", f": {where}", 1),)
        raise told from error


def _run(episode: Episode, witness: Witness) -> Run:
    calls = _calls(episode.traj)
    gold = episode.info.task.actions
    chosen, exact, why = _judged(calls, gold)
    outcome = _outcome(episode)
    case = str(episode.task_id)
    if episode.info.error is not None:
        why = episode.info.error
    told = list(_events(episode.traj, calls, chosen, exact))
    seen = witness(_turns(episode.traj, told, calls, gold), _given(episode.traj))
    return Run(
        case=case,
        trial=episode.trial,
        group=case,
        outcome=outcome,
        events=tuple(one.event for one in told),
        ms=_NAN,
        labelled=outcome in ("correct", "wrong"),
        why="" if outcome == "correct" else why[:160],
        tools=_counts(calls),
        metadata={} if episode.info.user_cost is None else {"user_cost": episode.info.user_cost},
        step_metadata={
            at: one.extra | ({"evidence": seen[at]} if at in seen else {}) for at, one in enumerate(told)
        },
    )


def _outcome(episode: Episode) -> Outcome:
    if episode.info.error is not None:
        return "failed"
    if episode.reward is None:
        return "unjudged"
    return "correct" if episode.reward >= _ALMOST_ONE else "wrong"


def _calls(messages: list[Message]) -> list[_Made]:
    """Every tool call with its result: by its id, else the next result of that tool."""
    made: list[_Made] = []
    open_: list[tuple[str | None, _Made]] = []
    for number, message in enumerate(messages, 1):
        for call in message.tool_calls or ():
            done = _Made(call.function.name, _arguments(call.function.arguments), number)
            made.append(done)
            open_.append((call.id, done))
        if message.role == "tool":
            same = (
                i
                for i, (id_, done) in enumerate(open_)
                if (id_ == message.tool_call_id if message.tool_call_id is not None else True)
                and message.name in (None, done.name)
            )
            if (at := next(same, None)) is not None:
                done = open_.pop(at)[1]
                done.result, done.answered = _text(message.content), number
    return made


def _arguments(given: str | dict[str, Any]) -> Any:
    if not isinstance(given, str):
        return given
    try:
        return msgspec.json.decode(given)
    except UNREADABLE:
        return given  # no JSON: it equals no gold arguments


def _text(content: Any) -> str:
    return content if isinstance(content, str) else msgspec.json.encode(content).decode()


def _judged(calls: list[_Made], gold: list[Action]) -> tuple[bool | None, bool | None, str]:
    """Whether every needed tool was called, whether with exactly the needed arguments, and what was missing."""
    if not gold:
        return None, None, "no tool call was needed; the final state or the answer was not what it should be"
    names = {call.name for call in calls}
    never = next((action.name for action in gold if action.name not in names), None)
    if never is not None:
        return False, None, f"{never} was never called"
    for action in gold:
        tried = [call.arguments for call in calls if call.name == action.name]
        if action.kwargs not in tried:
            return True, False, f"{action.name}: other arguments ({_nearest(action.kwargs, tried)})"
    return (
        True,
        True,
        "every needed call was made exactly; the final state or the answer was not what it should be",
    )


def _nearest(wanted: dict[str, Any], tried: list[Any]) -> str:
    """The names of the arguments that differ in the call that came nearest."""
    different = [
        [
            key
            for key in {**wanted, **given}
            if key not in wanted or key not in given or wanted[key] != given[key]
        ]
        for given in tried
        if isinstance(given, dict)
    ]
    return ", ".join(min(different, key=len, default=["unreadable"]))


def _events(
    messages: list[Message], calls: list[_Made], chosen: bool | None, exact: bool | None
) -> Iterator[_Told]:
    """Step events in the order of the messages; a call's answer stands with its call."""
    by_message: dict[int, list[tuple[int, _Made]]] = {}
    for visit, call in enumerate(calls, 1):
        by_message.setdefault(call.asked, []).append((visit, call))
    said = {USER: 0, REPLY: 0}
    for number, message in enumerate(messages, 1):
        speaker = {"user": USER, "assistant": REPLY}.get(message.role)
        if speaker is not None and message.content:
            said[speaker] += 1
            yield _Told(_event(speaker, said[speaker], None), {"message": number})
        for visit, call in by_message.get(number, ()):
            last = visit == len(calls)
            yield from _call_events(visit, call, chosen if last else None, exact if last else None)
    if not calls:
        yield _Told(_event(CHOICE, 1, chosen), {"message": len(messages), **_WHOLE})


def _call_events(visit: int, call: _Made, chosen: bool | None, exact: bool | None) -> Iterator[_Told]:
    for step, ok in ((CHOICE, chosen), (ARGUMENTS, exact)):
        yield _Told(_event(step, visit, ok), {"message": call.asked} | ({} if ok is None else _WHOLE))
    failed = (call.result or "").startswith(_ERROR)
    event = StepOutcome(
        step=CALL, visit=visit, attempt=1, ok=None, ms=_NAN, status="error" if failed else "ok"
    )
    yield _Told(event, {} if call.answered is None else {"message": call.answered})


def _event(step: str, visit: int, ok: bool | None) -> StepOutcome:
    return StepOutcome(step=step, visit=visit, attempt=1, ok=ok, ms=_NAN)


def _turns(messages: list[Message], told: list[_Told], calls: list[_Made], gold: list[Action]) -> list[Turn]:
    """The episode as a conversation; a call stands at its arguments."""
    turns: list[Turn] = []
    for at, one in enumerate(told):
        if one.event.step in (USER, REPLY):
            text = _text(messages[one.extra["message"] - 1].content)
            speaker = "user" if one.event.step == USER else "agent"
            turns.append(Turn(event=at, speaker=speaker, text=text, ends=_MARK.search(text) is not None))
        elif one.event.step == ARGUMENTS:
            call = calls[one.event.visit - 1]
            result = call.result or ""
            turns.append(
                Turn(
                    event=at,
                    speaker="tool",
                    text=result,
                    tool=call.name,
                    arguments=call.arguments,
                    answered=None if call.answered is None else at + 1,
                    error=result[:_SHOWN] if result.startswith(_ERROR) else None,
                    expected=any(call.name == a.name and call.arguments == a.kwargs for a in gold),
                )
            )
    return turns


def _given(messages: list[Message]) -> str:
    """What the agent was told before anybody spoke."""
    return "\n".join(_text(message.content) for message in messages if message.role == "system")


def _counts(calls: list[_Made]) -> tuple[ToolCount, ...]:
    found: dict[str, list[int]] = {}
    for call in calls:
        count = found.setdefault(call.name, [0, 0, 0])
        count[0] += 1
        count[1] += (call.result or "").startswith(_ERROR)
        count[2] += call.result is not None and call.result.strip() in _EMPTY
    return tuple(ToolCount(tool=name, calls=n, errors=bad, empty=no) for name, (n, bad, no) in found.items())
