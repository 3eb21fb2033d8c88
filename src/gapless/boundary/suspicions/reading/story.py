"""Tells a trial as results in time order, each with the place it is learnt under, and what the reader was told.

A result is what one step, one tool or one answer handed over. Results of a tool inside a step are learnt under
"step:tool", since one `tools` step speaks for many tools.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

from gapless.boundary.suspicions.base import UNKNOWN, ObservedEvent, ObservedTrial
from gapless.boundary.suspicions.reading.messages import (
    ToolCall,
    fresh,
    is_cut,
    role_of,
    split_messages,
    text_of,
    tool_calls,
    updates_in,
)
from gapless.boundary.suspicions.reading.symptoms import SHOWN, error_in, is_empty, is_prose, parsed
from gapless.boundary.suspicions.reading.wording import admits, declines, echoes

Kind = Literal["update", "tool", "http", "text", "raised"]
_EXPECTED_STATUS = frozenset((404, 409, 410, 412))  # answers that a caller asks for: is it there, may I write


@dataclass(frozen=True, slots=True)
class Result:
    """One value that was handed over in a trial."""

    event: int
    """Index of the step event it left."""
    source: str
    """Where it is learnt: the step, or "step:tool"."""
    kind: Kind
    value: Any
    """Plain data; a tool's JSON text is read as data."""
    error: str | None = None
    """The words of the error it is, if it is one."""
    tool: str | None = None
    arguments: Any = UNKNOWN
    branch: int | None = None
    cut: bool = False
    """Whether the model itself said that it was stopped by a limit."""

    @property
    def named(self) -> str:
        """How a sentence calls it: the tool, else the step."""
        return self.tool if self.tool is not None else self.source

    @property
    def judged(self) -> bool:
        """Whether its value can be held to what is normal: it is kept, and no error; HTTP bodies are not learnt."""
        return self.error is None and self.value is not UNKNOWN and self.kind != "http"


@dataclass(frozen=True, slots=True)
class Story:
    """A trial as the checks read it."""

    trial: ObservedTrial
    results: tuple[Result, ...]
    told: tuple[tuple[int, str], ...]
    """What the reader of the workflow's answer was told: (event index, text)."""
    declined: int | None = None
    """The event whose update says by its own keys that there is no answer; None when none does."""

    @property
    def delivered(self) -> bool:
        """Whether the trial ended as if all was well."""
        return self.trial.ended == "ok"

    def admitted(self, result: Result, problem: str) -> bool:
        """Whether the reader was told of a problem after it arose."""
        if self.declined is not None and self.declined >= result.event:
            return True
        own = result.kind in ("update", "text")
        later = (text for at, text in self.told if at > result.event or (at == result.event and not own))
        return any(admits(text) or echoes(problem, text) for text in later)

    def recovered(self, place: int) -> bool:
        """Whether the same tool or step was tried again later and gave a sound result."""
        lost = self.results[place]
        if lost.kind == "raised":
            later = (seen.event for seen in self.trial.events[lost.event + 1 :])
            return any(e.step == lost.source and e.branch == lost.branch and e.status == "ok" for e in later)
        return any(_mends(lost, later) for later in self.results[place + 1 :])


def tell(trial: ObservedTrial) -> Story:
    """The story of a trial. Routers are left out: their output is a name, not a result."""
    steps = {seen.event.step for seen in trial.events}
    composite = {step for step in steps if any(other.startswith(step + "/") for other in steps)}
    asked: dict[str, ToolCall] = {}
    results: list[Result] = []
    told: list[tuple[int, str]] = []
    for index, seen in enumerate(trial.events):
        if not seen.event.router:
            results.extend(_results(index, seen, asked, told, seen.event.step in composite))
    final = _final(trial)
    told.extend(final)
    return Story(trial, tuple(results), tuple(told), _declined(trial))


def _results(
    index: int, seen: ObservedEvent, asked: dict[str, ToolCall], told: list[tuple[int, str]], composite: bool
) -> list[Result]:
    event = seen.event
    if event.status == "error" and event.error is not None and not composite:
        words = f"{event.error.type}: {event.error.message}"[:SHOWN]
        return [Result(index, event.step, "raised", UNKNOWN, error=words, branch=event.branch)]
    before = split_messages(seen.input)[0]
    for message in before:
        asked.update(tool_calls(message) if role_of(message) == "assistant" else {})
    found: list[Result] = []
    for update in _updates(seen):
        messages, rest = split_messages(update)
        for message in fresh(messages, before):
            found.extend(_message_result(index, seen, message, asked, told))
        if rest is not None or not messages:
            found.append(_update_result(index, seen, rest))
    shown = {result.tool for result in found}
    # a subgraph hands over what its own steps have handed over already
    return [] if composite else [*_call_results(index, seen, shown), *found]


def _updates(seen: ObservedEvent) -> list[Any]:
    routing_only = bool(seen.event.routed) and is_empty(seen.output)
    return [] if seen.output is UNKNOWN or routing_only else updates_in(seen.output)


def _message_result(
    index: int,
    seen: ObservedEvent,
    message: dict[str, Any],
    asked: dict[str, ToolCall],
    told: list[tuple[int, str]],
) -> Iterator[Result]:
    role, text, step = role_of(message), text_of(message), seen.event.step
    if role == "tool":
        call = asked.get(str(message.get("tool_call_id")), ToolCall("", UNKNOWN))
        tool = message.get("name") or call.name or "tool"
        value = parsed(text)
        failed = message.get("status") == "error" or message.get("is_error") is True
        error = (text.strip()[:SHOWN] or "status error") if failed else error_in(value)
        yield Result(
            index, f"{step}:{tool}", "tool", value, error, str(tool), call.arguments, seen.event.branch
        )
    elif role == "assistant":
        calls = tool_calls(message)
        asked.update(calls)
        if not calls:
            told.append((index, text))
            yield Result(
                index, step, "text", text, error_in(text), branch=seen.event.branch, cut=is_cut(message)
            )


def _update_result(index: int, seen: ObservedEvent, value: Any) -> Result:
    value = parsed(value) if isinstance(value, str) else value
    return Result(index, seen.event.step, "update", value, error_in(value), branch=seen.event.branch)


def _call_results(index: int, seen: ObservedEvent, shown: set[str | None]) -> Iterator[Result]:
    """The nested calls of a step; a tool whose message is in the step's own output speaks there."""
    for call, request, response in seen.calls:
        if call.name in shown:
            continue
        source = f"{seen.event.step}:{call.name}"
        if call.error is not None:
            words = f"{call.error.type}: {call.error.message}"[:SHOWN]
            yield Result(index, source, "tool", UNKNOWN, words, call.name, request, seen.event.branch)
        elif call.kind == "http":
            lost = isinstance(response, dict) and response.get("status") not in _EXPECTED_STATUS
            words = error_in(response) if lost else None
            yield Result(index, source, "http", response, words, call.name, request, seen.event.branch)
        elif response is not UNKNOWN and call.kind != "model":
            value = _response(response)
            yield Result(index, source, "tool", value, error_in(value), call.name, request, seen.event.branch)


def _response(response: Any) -> Any:
    if role_of(response) == "tool" and response.get("status") != "error":
        return parsed(text_of(response))
    return parsed(response) if isinstance(response, str) else response


def _final(trial: ObservedTrial) -> Iterator[tuple[int, str]]:
    """What a workflow without messages delivers: its text, else the texts of the last step that wrote any."""
    end = len(trial.events)
    if isinstance(trial.output, str):
        # the last step's own words are no comment on themselves
        last = trial.events[-1].output if trial.events else UNKNOWN
        yield (end - 1 if last == trial.output else end), trial.output
        return
    for index in range(end - 1, -1, -1):
        seen = trial.events[index]
        if seen.event.router or seen.output is UNKNOWN:
            continue
        rests = [split_messages(update)[1] for update in updates_in(seen.output)]
        texts = [text for rest in rests for text in prose_in(rest)]
        if texts:
            yield from ((index, text) for text in texts)
            return


def prose_in(value: Any) -> list[str]:
    """The texts written for a reader in a value and its fields."""
    if isinstance(value, str):
        return [value] if is_prose(value) else []
    if isinstance(value, dict):
        return [text for inner in cast("dict[str, Any]", value).values() for text in prose_in(inner)]
    return []


def _declined(trial: ObservedTrial) -> int | None:
    for index in range(len(trial.events) - 1, -1, -1):
        seen = trial.events[index]
        if not seen.event.router and seen.output is not UNKNOWN:
            updates = updates_in(seen.output)
            refused = any(
                isinstance(update, dict) and declines(split_messages(update)[1] or {}) for update in updates
            )
            return index if refused else None
    return None


def _mends(lost: Result, later: Result) -> bool:
    if later.error is not None or later.value is UNKNOWN or (lost.error is None and is_empty(later.value)):
        return False
    if lost.tool is not None:
        return later.tool == lost.tool and alike(lost.arguments, later.arguments)
    same_step = later.source.partition(":")[0] == lost.source.partition(":")[0]
    return same_step and later.tool is None and later.branch == lost.branch and later.event > lost.event


def alike(one: Any, other: Any) -> bool:
    """Whether two calls ask for the same thing: equal, at most half of the arguments mended, or nearly the same text.

    Example:
        >>> alike({"id": "A1", "pay": 3}, {"id": "A1", "pay": 4}), alike({"id": "A1"}, {"id": "Q7"})
        (True, False)
    """
    if one is UNKNOWN or other is UNKNOWN or one == other:
        return True
    pair = (one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted(one.keys() | other.keys())
        differing = [key for key in keys if one.get(key, UNKNOWN) != other.get(key, UNKNOWN)]
        if 2 * len(differing) <= len(keys):
            return True
        pair = tuple([str(side.get(key)) for key in differing] for side in (one, other))
    texts = [str(value)[:400] for value in pair]
    return difflib.SequenceMatcher(None, texts[0], texts[1]).ratio() >= 0.85
