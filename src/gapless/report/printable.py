"""Users' text made safe to show: no control character and no change of writing direction survives."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

_INSTEAD = "\ufffd"
_SPACES = dict.fromkeys(map(ord, "\t\n\r\v\f\u2028\u2029"), " ")
# C0 and C1 controls drive terminals; the marks of bidirectional text can make one name look like another.
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_TABLE = dict.fromkeys(_CONTROLS, _INSTEAD) | _SPACES
T = TypeVar("T")


def printable(value: T) -> T:
    """The same value with every string in it made safe to print.

    Example:
        >>> printable(("tool\\x1b[31m", "two\\nlines"))
        ('tool\ufffd[31m', 'two lines')
    """
    return _printable(value)


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isprintable() else value.translate(_TABLE)
    if isinstance(value, msgspec.Struct):
        names = value.__struct_fields__
        return msgspec.structs.replace(value, **{name: _printable(getattr(value, name)) for name in names})
    if isinstance(value, dict):
        return {_printable(key): _printable(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_printable(inner) for inner in value)
    return value
