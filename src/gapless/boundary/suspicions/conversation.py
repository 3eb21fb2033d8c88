"""What speaks against single turns of a conversation with tools: acts nobody confirmed, values out of nowhere, objections.

This is evidence, weaker than a suspicion: much of it is common in good conversations too, and only how much rarer it is
there gives it weight (`gapless.gap.suspects`). It reads English; in other languages the wordings are not heard.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

import msgspec

from gapless.boundary.suspicions.base import UNKNOWN, ObservedTrial
from gapless.boundary.suspicions.grounding import Read
from gapless.boundary.suspicions.reading.messages import role_of, split_messages, text_of
from gapless.boundary.suspicions.reading.story import Result, tell
from gapless.boundary.suspicions.reading.wording import admits
from gapless.records.turn import Turn
from gapless.records.value import encode

_READING = frozenset(
    "calc calculate check compare compute convert count describe explain fetch find get inspect list load lookup look"
    " open parse plan preview query read reason recall retrieve scan search select show summarize think validate verify"
    " view".split()
)
_WORD_IN_NAME = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_TO_A_PERSON = re.compile(r"transfer|escalat|hand_?off|human", re.IGNORECASE)
_CONSENT = re.compile(
    r"\b(?:yes|yeah|yep|yup|sure|ok|okay|go\s+(?:ahead|for)|proceed|confirm(?:ed)?|do\s+(?:it|that|so)|please\s+\w+"
    r"|sounds?\s+(?:good|great|perfect|right)|works?\s+for\s+me|correct|perfect|great|fine|let[’']?s)\b",
    re.IGNORECASE,
)
_OBJECTS = re.compile(
    r"^\W*(?:(?:um+|uh+|oh|hmm+|well|but|sorry)\W+)*(?:no|nope|wait|stop|hold\s+on|why)\b"
    r"|\bnot\s+(?:what|right|correct|true)\b|\b(?:wrong|incorrect|mistake|mistaken|misunderst\w+|mixed\s+up)\b"
    r"|\b(?:that|it|this)(?:[’']s|\s+is)\s+not\b|\b(?:isn|wasn|aren|doesn|didn)[’']t\s+(?:right|correct|what|match|look)",
    re.IGNORECASE,
)
_TURNS = re.compile(
    r"\b(?:actually|instead|rather|never\s*mind|on\s+second\s+thou?ght|chang\w+\s+my\s+mind|forget\s+(?:it|about|that)"
    r"|in\s+that\s+case|if\s+that[’']?s\s+the\s+case)\b",
    re.IGNORECASE,
)
_CLAIMS = re.compile(
    r"\bsuccessful(?:ly)?\b|\b(?:has|have)\s+(?:now\s+|all\s+)?been\s+\w+ed\b|\bI(?:[’']ve|\s+have)\s+(?:now\s+)?\w+ed\b",
    re.IGNORECASE,
)
_SHOWN, _MAX_WORDS, _MIN_LETTERS = 3, 6, 3
Found = tuple[int, str, str]
"""(index of the step event, name of the evidence, reason in words)."""


def evidence(turns: Sequence[Turn], given: str = "") -> dict[int, dict[str, str]]:
    """What speaks against single turns, each read with nothing but what came before it and the next answer to it.

    Args:
        turns: The conversation in time order.
        given: What the agent could read before it began: instructions, a system prompt.

    Returns:
        Index of the step event -> name of the evidence -> reason in words.

    Example:
        >>> asked = Turn(event=0, speaker="user", text="What does plan A cost?")
        >>> act = Turn(event=1, speaker="tool", tool="cancel_plan", arguments={"id": "plan-77"}, answered=2)
        >>> sorted(evidence([asked, act])[1])
        ['acts', 'unconfirmed-act', 'ungrounded-argument']
    """
    found: dict[int, dict[str, str]] = {}
    for event, name, reason in (*_calls(turns, given), *_replies(turns, given), *_wishes(turns)):
        found.setdefault(event, {}).setdefault(name, reason)
    return found


def conversation(trial: ObservedTrial) -> tuple[tuple[Turn, ...], str]:
    """The turns of a recorded trial, and what stood before them; no turns where it is no conversation with tools.

    Users' words came before any step, so that nothing is said against them: their turn has the event -1.
    """
    messages = split_messages(trial.input)[0] if trial.input is not UNKNOWN else []
    given = "\n".join(text_of(message) for message in messages if role_of(message) != "user")
    turns = [
        Turn(event=-1, speaker="user", text=text_of(message))
        for message in messages
        if role_of(message) == "user"
    ]
    results = [result for result in tell(trial).results if result.kind in ("tool", "text")]
    if not turns or not any(result.kind == "tool" for result in results):
        return (), ""
    return (*turns, *(_turn(result) for result in results)), given


def _turn(result: Result) -> Turn:
    if result.kind == "text":
        return Turn(event=result.event, speaker="agent", text=str(result.value))
    value = "" if result.value is UNKNOWN else result.value
    return Turn(
        event=result.event,
        speaker="tool",
        text=value if isinstance(value, str) else msgspec.json.encode(value).decode(),
        tool=result.tool,
        arguments=None if result.arguments is UNKNOWN else result.arguments,
        answered=result.event,
        error=result.error,
    )


def acts(tool: str) -> bool:
    """Whether a tool seems to change something outside, judged by the first word of its name.

    Example:
        >>> acts("cancel_order"), acts("getUserDetails"), acts("think")
        (True, False, False)
    """
    words = _WORD_IN_NAME.findall(tool)
    return bool(words) and words[0].lower() not in _READING


def _calls(turns: Sequence[Turn], given: str) -> Iterator[Found]:
    read = [given.lower()]
    asked: set[bytes] = set()
    wish: Turn | None = None
    for turn in turns:
        if turn.speaker == "user":
            wish = turn
        if turn.speaker == "tool" and turn.tool is not None:
            yield from _act(turn, turn.tool, wish, read) if acts(turn.tool) else ()
            key = encode([turn.tool, turn.arguments])
            if key in asked:
                yield turn.event, "repeated-call", f"{turn.tool} had been called with the same arguments"
            asked.add(key)
            if turn.error is not None:
                yield turn.event, "answered-with-error", f"{turn.tool} answered with an error: {turn.error!r}"
        if turn.speaker != "agent":  # what the agent says itself is no source
            read.append(turn.text.lower())


def _act(turn: Turn, tool: str, wish: Turn | None, read: Sequence[str]) -> Iterator[Found]:
    if _TO_A_PERSON.search(tool):
        yield turn.event, "gave-up", f"{tool} hands the conversation to a person"
        return
    yield turn.event, "acts", f"{tool} changes something outside"
    if turn.expected is False:
        yield turn.event, "not-expected", f"{tool} with these arguments is no call of the reference"
    if wish is None or not _CONSENT.search(wish.text):
        yield turn.event, "unconfirmed-act", f"the user had not agreed when {tool} was called"
    loose = [value for value in _values(turn.arguments) if not any(value.lower() in text for text in read)]
    if loose:
        named = ", ".join(repr(value) for value in loose[:_SHOWN])
        yield turn.event, "ungrounded-argument", f"{named} for {tool} occurs nowhere before"


def _values(arguments: Any) -> Iterator[str]:
    """Names and numbers among the arguments; a text in the agent's own words is none."""
    if isinstance(arguments, dict):
        for inner in cast("dict[str, Any]", arguments).values():
            yield from _values(inner)
    elif isinstance(arguments, list):
        for inner in cast("list[Any]", arguments):
            yield from _values(inner)
    elif isinstance(arguments, (str, int, float)) and not isinstance(arguments, bool):
        value = str(arguments).strip()
        if len(value) >= _MIN_LETTERS and value.count(" ") < _MAX_WORDS:
            yield value


def _replies(turns: Sequence[Turn], given: str) -> Iterator[Found]:
    read = Read()
    read.add(given)
    acted = False
    for turn in turns:
        if turn.speaker == "user":
            acted = False
        elif turn.speaker == "tool":
            acted = acted or acts(turn.tool or "")
            read.add(turn.arguments)
        else:
            yield from _reply(turn, read, acted)
        read.add(turn.text)


def _reply(turn: Turn, read: Read, acted: bool) -> Iterator[Found]:
    loose = [] if read.too_much else read.loose(turn.text)[0]
    if loose:
        figures = ", ".join(repr(figure.text) for figure in loose[:_SHOWN])
        yield turn.event, "figure-from-nowhere", f"{figures} occurs nowhere before"
    if not acted and _CLAIMS.search(turn.text):
        yield (
            turn.event,
            "claim-without-act",
            "it speaks of something done, and no call since the user spoke did it",
        )
    if admits(turn.text):
        yield turn.event, "declines", "it says that something cannot be done or was not found"


def _wishes(turns: Sequence[Turn]) -> Iterator[Found]:
    before: Turn | None = None
    for turn in turns:
        if turn.speaker == "agent":
            before = turn
        if turn.speaker == "user":
            if before is not None and _OBJECTS.search(turn.text):
                yield before.event, "objected-to", f"the user answered {turn.text[:60]!r}"
            if before is not None and _TURNS.search(turn.text):
                yield turn.event, "changes-course", f"the user wants something else: {turn.text[:60]!r}"
    if turns and turns[-1].speaker == "user" and not turns[-1].ends:
        yield turns[-1].event, "unanswered", "nothing followed, and the user had not ended the conversation"
