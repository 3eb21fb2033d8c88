"""Reads tau-bench results: whole episodes with their tool calls, rewards and gold actions, as a list or one a line.

An episode is a trial, its task the case. The agent's own messages are not steps: what crosses a boundary is a tool call,
so each call is a choice of tool, then its arguments, then the call itself. Tau-bench says which calls a right answer
needs, not when; so choice and arguments are judged once, at their last visit: every needed tool was called; every needed
call was made with exactly the needed arguments.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from gapless.records.trial import Outcome, Run, StepOutcome, ToolCount
from gapless.trace.importers.base import Learnt, Row
from gapless.trace.importers.decoding import UNREADABLE, explained
from gapless.trace.importers.source import Source
from gapless.trace.run_table import ARM

CHOICE, ARGUMENTS, CALL = "tool choice", "tool arguments", "tool call"
_EMPTY = ("", "[]", "{}", "null")
_ERROR = "Error"
_NAN = float("nan")
_ALMOST_ONE = 1 - 1e-6


class _Function(msgspec.Struct):
    name: str
    arguments: str | dict[str, Any] = "{}"


class _ToolCall(msgspec.Struct):
    function: _Function
    id: str | None = None


class _Message(msgspec.Struct):
    role: str
    content: Any = None
    name: str | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None


class _Action(msgspec.Struct):
    name: str
    kwargs: dict[str, Any] = {}


class _Task(msgspec.Struct):
    actions: list[_Action] = []


class _Info(msgspec.Struct):
    task: _Task = msgspec.field(default_factory=_Task)
    error: str | None = None
    user_cost: float | None = None


class _Episode(msgspec.Struct):
    task_id: int | str
    reward: float | None
    traj: list[_Message]
    trial: int = 0
    info: _Info = msgspec.field(default_factory=_Info)


class _Made(msgspec.Struct):
    """One tool call with what came back."""

    name: str
    arguments: Any
    result: str | None = None
    """None where the episode ended before there was one."""


_episode = msgspec.json.Decoder(_Episode)
_raw = msgspec.json.Decoder(list[msgspec.Raw])


def read(source: Source, learnt: Learnt) -> Iterator[Row]:
    """The episodes of a result file, one at a time.

    Raises:
        ImporterError: Naming the line, or the element of the list, and what is wrong with it.
    """
    learnt.layers |= {CHOICE: "model", ARGUMENTS: "model", CALL: "tool"}
    head = source.head() or b""
    if not head.startswith(b"["):
        for _, data in source.lines():
            yield ARM, _run(_decoded(source, data))
        return
    whole = source.rest()
    try:
        elements = _raw.decode(whole)
    except UNREADABLE as error:
        raise explained(source, whole[:1000], error) from error
    for number, raw in enumerate(elements, 1):
        yield ARM, _run(_decoded(source, bytes(raw), f"element {number} of the list: "))


def _decoded(source: Source, data: bytes, where: str = "") -> _Episode:
    try:
        return _episode.decode(data)
    except UNREADABLE as error:
        told = explained(source, data, error)
        if where:
            told.args = (str(told).replace(": ", f": {where}", 1),)
        raise told from error


def _run(episode: _Episode) -> Run:
    calls = _calls(episode.traj)
    gold = episode.info.task.actions
    chosen, exact, why = _judged(calls, gold)
    outcome = _outcome(episode)
    case = str(episode.task_id)
    if episode.info.error is not None:
        why = episode.info.error
    return Run(
        case=case,
        trial=episode.trial,
        group=case,
        outcome=outcome,
        events=tuple(_events(calls, chosen, exact)),
        ms=_NAN,
        labelled=outcome in ("correct", "wrong"),
        why="" if outcome == "correct" else why[:160],
        tools=_counts(calls),
        metadata={} if episode.info.user_cost is None else {"user_cost": episode.info.user_cost},
    )


def _outcome(episode: _Episode) -> Outcome:
    if episode.info.error is not None:
        return "failed"
    if episode.reward is None:
        return "unjudged"
    return "correct" if episode.reward >= _ALMOST_ONE else "wrong"


def _calls(messages: list[_Message]) -> list[_Made]:
    """Every tool call with its result: by its id, else the next result of that tool."""
    made: list[_Made] = []
    open_: list[tuple[str | None, _Made]] = []
    for message in messages:
        for call in message.tool_calls or ():
            done = _Made(call.function.name, _arguments(call.function.arguments))
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
                open_.pop(at)[1].result = _text(message.content)
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


def _judged(calls: list[_Made], gold: list[_Action]) -> tuple[bool | None, bool | None, str]:
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


def _events(calls: list[_Made], chosen: bool | None, exact: bool | None) -> Iterator[StepOutcome]:
    last = len(calls)
    if not calls:
        yield _event(CHOICE, 1, chosen)
    for visit, call in enumerate(calls, 1):
        yield _event(CHOICE, visit, chosen if visit == last else None)
        yield _event(ARGUMENTS, visit, exact if visit == last else None)
        failed = (call.result or "").startswith(_ERROR)
        yield StepOutcome(
            step=CALL, visit=visit, attempt=1, ok=None, ms=_NAN, status="error" if failed else "ok"
        )


def _event(step: str, visit: int, ok: bool | None) -> StepOutcome:
    return StepOutcome(step=step, visit=visit, attempt=1, ok=ok, ms=_NAN)


def _counts(calls: list[_Made]) -> tuple[ToolCount, ...]:
    found: dict[str, list[int]] = {}
    for call in calls:
        count = found.setdefault(call.name, [0, 0, 0])
        count[0] += 1
        count[1] += (call.result or "").startswith(_ERROR)
        count[2] += call.result is not None and call.result.strip() in _EMPTY
    return tuple(ToolCount(tool=name, calls=n, errors=bad, empty=no) for name, (n, bad, no) in found.items())
