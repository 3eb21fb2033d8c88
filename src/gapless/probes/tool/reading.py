"""Reads answers of tools: their data, whether they failed, broke inside or are only a part, whether two are the same."""

from __future__ import annotations

import re
from typing import Any

from gapless.boundary.suspicions.reading.symptoms import cut_markers, parsed
from gapless.boundary.tool_calls.answers import Answer, disguised, doubtful
from gapless.probes.tool.schemas import breach, fault_of
from gapless.records.tools import ToolAnswer

_CRASH = re.compile(
    r"traceback \(most recent call last\)"
    r"|\b(?:Type|Attribute|Name|UnboundLocal|Key|Index|ZeroDivision|Assertion|Recursion|Arithmetic|Overflow|Memory"
    r"|NotImplemented|Reference|Range|NullPointer|System)(?:Error|Exit|Exception)\b"
    r"|cannot read propert|is not a function\b|undefined is not|'NoneType'|null pointer|nil pointer|panic:"
    r"|segmentation fault|index out of (?:range|bounds)|maximum call stack|\binternal (?:server )?error\b"
    r"|\bHTTP 5\d\d\b|^\s*error executing tool \S+\s*$"
    r"|^\s*error calling tool '[^']*'(?:: (?:'[^']*'|.*\b(?:division|modulo) by zero))?\s*$",
    re.IGNORECASE,
)
"""What is said by whoever did not expect it: a refusal names what is wrong with the arguments.

fastmcp says "Error calling tool" only of what is no `ToolError`, and then the exception's text without its kind: a bare
key is a `KeyError`.
"""
_MOST_SHOWN = 160


def data_of(answer: ToolAnswer) -> Any:
    """The data of an answer: its structured part, else what its text spells out, else the text."""
    return answer.structured if answer.has_structured else parsed(answer.text)


def disguise_in(answer: ToolAnswer) -> str:
    """The words of an error in an answer that calls itself a success, by the proxy's rule; empty where it is none.

    Example:
        >>> disguise_in(ToolAnswer(ended="answered", text="Error: no such table"))
        'Error: no such table'
        >>> disguise_in(ToolAnswer(ended="answered", text="3 errors were found"))
        ''
    """
    return "" if answer.ended != "answered" else " ".join((disguised(_as_sent(answer)) or "").split())


def doubt_in(answer: ToolAnswer, schema: Any) -> str:
    """What reads like an error and may be a right answer; nothing does in an answer that its declared schema takes.

    Example:
        >>> doubt_in(ToolAnswer(ended="answered", text='{"status": "failed"}'), None)
        'status failed'
    """
    if answer.ended != "answered":
        return ""
    if (
        schema is not None
        and answer.has_structured
        and not (fault_of(schema) or breach(schema, answer.structured))
    ):
        return ""
    return " ".join((doubtful(_as_sent(answer)) or "").split())


def _as_sent(answer: ToolAnswer) -> Answer:
    structured = {"structuredContent": answer.structured} if answer.has_structured else {}
    return {"content": [{"type": "text", "text": answer.text}], **structured}


def failed(answer: ToolAnswer) -> bool:
    """Whether a call came to nothing, whatever the answer calls itself."""
    return answer.ended != "answered" or bool(disguise_in(answer))


def crash_in(answer: ToolAnswer) -> str:
    """The words of an error that nobody expected; empty where it is a refusal or an answer.

    Example:
        >>> crash_in(ToolAnswer(ended="tool-error", text="KeyError: 'b'"))
        "KeyError: 'b'"
        >>> crash_in(ToolAnswer(ended="tool-error", text="query must not be empty"))
        ''
    """
    if answer.ended not in ("tool-error", "protocol-error") or not _CRASH.search(answer.text):
        return ""
    return " ".join(answer.text.split())[:_MOST_SHOWN]


def part_in(answer: ToolAnswer) -> str:
    """The sign by which an answer says that it is not the whole; empty where it has none.

    Example:
        >>> part_in(ToolAnswer(ended="answered", text='{"items": [1], "has_more": true}'))
        'has_more is true'
    """
    value = data_of(answer)
    return next((said for _, said in cut_markers(value)), "") if isinstance(value, dict) else ""


def same(one: ToolAnswer, other: ToolAnswer) -> bool:
    """Whether two answers say the same, however long they took."""
    if one.ended != other.ended:
        return False
    return (one.structured, one.text) == (other.structured, other.text)
