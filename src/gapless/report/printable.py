"""Users' text made safe to show: no control character and no change of writing direction survives."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

_INSTEAD = "\ufffd"
_SPACES = dict.fromkeys(map(ord, "\t\n\r\v\f\u2028\u2029"), " ")
# C0 and C1 controls drive terminals; the marks of bidirectional text can make one name look like another; the others
# have no place in UTF-8 or in XML.
_MARKS = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0), *_MARKS, *range(0xD800, 0xE000), 0xFFFE, 0xFFFF]
_TABLE = dict.fromkeys(_CONTROLS, _INSTEAD) | _SPACES
_LONGEST, _LONGEST_WORD = 2000, 200
_WORD = re.compile(rf"\S{{{_LONGEST_WORD + 1},}}")
_WHOLE = frozenset({"command"})
"""Fields that are never cut: a command without its end is another command."""
_RIGHT_TO_LEFT = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001eeff]"
_TURNED = re.compile(f"{_RIGHT_TO_LEFT}+(?:[ _'\"./-]?{_RIGHT_TO_LEFT}+)*")
T = TypeVar("T")


def printable(value: T) -> T:
    """The same value with every string in it made safe to print, and cut where it is longer than anybody reads.

    Example:
        >>> printable(("tool\\x1b[31m", "two\\nlines"))
        ('tool\ufffd[31m', 'two lines')
    """
    return _printable(value)


def one_line(text: str) -> str:
    """A text made safe to print, on one line and uncut.

    Example:
        >>> one_line("server\\x1b[2J\\nok")
        'server\ufffd[2J ok'
    """
    return _printable(text, whole=True)


def lines(text: str) -> str:
    """A text made safe to print, whose lines stay: an error with what a process wrote.

    Example:
        >>> print(lines("it crashed\\nwith \\x1b[31mthis"))
        it crashed
        with \ufffd[31mthis
    """
    return "\n".join(map(one_line, text.split("\n")))


def isolated(text: str) -> str:
    """Text in which a name written from right to left does not turn the words and figures after it.

    Example:
        >>> isolated("plain -> step")
        'plain -> step'
    """
    return text if text.isascii() else _TURNED.sub("\u2068\\g<0>\u2069", text)


def _printable(value: Any, *, whole: bool = False) -> Any:
    if isinstance(value, str):
        shown = value if value.isprintable() else value.translate(_TABLE)
        return shown if whole or len(shown) <= _LONGEST_WORD else _cut(shown)
    if isinstance(value, msgspec.Struct):
        names = value.__struct_fields__
        fields = {name: _printable(getattr(value, name), whole=name in _WHOLE) for name in names}
        return msgspec.structs.replace(value, **fields)
    if isinstance(value, dict):
        return {_printable(key): _printable(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_printable(inner) for inner in value)
    return value


def _cut(text: str) -> str:
    words = _WORD.sub(lambda word: word[0][: _LONGEST_WORD - 1] + "…", text)
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"
