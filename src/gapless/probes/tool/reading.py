"""Reads answers of tools: the data in them, whether something broke inside, whether they are only a part, whether two are the same."""

from __future__ import annotations

import re
from typing import Any

from gapless.boundary.suspicions.reading.symptoms import cut_markers, parsed
from gapless.records.tools import ToolAnswer

_CRASH = re.compile(
    r"traceback \(most recent call last\)"
    r"|\b(?:Type|Attribute|Name|UnboundLocal|Key|Index|ZeroDivision|Assertion|Recursion|Arithmetic|Overflow|Memory"
    r"|NotImplemented|Reference|Range|NullPointer|System)(?:Error|Exit|Exception)\b"
    r"|cannot read propert|is not a function\b|undefined is not|'NoneType'|null pointer|nil pointer|panic:"
    r"|segmentation fault|index out of (?:range|bounds)|maximum call stack|\binternal (?:server )?error\b"
    r"|\bHTTP 5\d\d\b|^\s*error executing tool \S+\s*$",
    re.IGNORECASE,
)
"""What is said by whoever did not expect it: a refusal names what is wrong with the arguments."""
_MOST_SHOWN = 160


def data_of(answer: ToolAnswer) -> Any:
    """The data of an answer: its structured part, else what its text spells out, else the text."""
    return answer.structured if answer.has_structured else parsed(answer.text)


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
