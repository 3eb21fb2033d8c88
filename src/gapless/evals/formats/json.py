"""JSON and JSON Lines suites."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gapless.errors import InvalidSuite
from gapless.evals.formats.base import Entry, Source, of_data


def read(name: str, text: str) -> Source:
    """Reads a JSON suite: a list of cases, or a mapping with `cases`."""
    return of_data(_parsed(text, name, 1), name, Path())


def read_lines(name: str, text: str) -> Source:
    """Reads one case, or one input, per line; empty lines are passed over."""
    entries = [
        Entry(_parsed(line, name, number), f"{name}:{number}")
        for number, line in enumerate(text.split("\n"), 1)
        if line.strip()
    ]
    return Source(name, entries)


def _parsed(text: str, name: str, first_line: int) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_distinct)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise InvalidSuite(f"{name}:{line}: is no JSON: {error.msg} (column {error.colno}).") from error
    except (
        KeyError,
        RecursionError,
        ValueError,
    ) as error:  # a repeated key; too deep; a number with 5,000 digits
        raise InvalidSuite(f"{name}:{first_line}: {error.args[0]}.") from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise KeyError(f"key `{twice}` stands twice in one object, remove one")
    return found
