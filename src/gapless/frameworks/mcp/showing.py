"""Arguments as a person reads them who is to approve a call: whole, or with all that is left out counted."""

from __future__ import annotations

import json
from typing import Any, cast

MOST = 4000
"""Characters that a question may show of arguments."""
_END = 400
"""Of a text that is too long, so much is shown of its beginning, and as much of its end."""


def as_json(arguments: Any) -> str:
    """Arguments on one line, in ASCII: nothing in them drives a terminal, or looks like something else."""
    return json.dumps(arguments, ensure_ascii=True)


def shown(arguments: dict[str, Any]) -> str | None:
    """Arguments as part of a question; None where they are more than a person can be shown.

    Every name, number and short text stands there. Only the middle of long texts is left out, and how much is said first,
    where no text can say something else.

    Example:
        >>> shown({"path": "a.txt"})
        'Arguments: {"path": "a.txt"}'
    """
    whole = as_json(arguments)
    if len(whole) <= MOST:
        return f"Arguments: {whole}"
    cuts: list[int] = []
    part = as_json(_shortened(arguments, cuts))
    if len(part) > MOST:
        return None
    texts = "1 text" if len(cuts) == 1 else f"{len(cuts)} texts"
    return (
        f"NOT ALL IS SHOWN: {sum(cuts)} characters in the middle of {texts} are left out; the arguments are {len(whole)}"
        f" characters long. Arguments: {part}"
    )


def _shortened(value: Any, cuts: list[int]) -> Any:
    if isinstance(value, str):
        left = len(value) - 2 * _END
        if left <= 0:
            return value
        cuts.append(left)
        return f"{value[:_END]} [... {left} characters left out ...] {value[-_END:]}"
    if isinstance(value, dict):
        return {key: _shortened(inner, cuts) for key, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_shortened(inner, cuts) for inner in cast("list[Any]", value)]
    return value
