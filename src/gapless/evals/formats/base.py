"""The promise of a format, the shelf's table, and what every suite becomes first: entries with their places."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from gapless.errors import InvalidSuite
from gapless.records.suite import Suite

TABLE = {
    ".yaml": "gapless.evals.formats.yaml:read",
    ".yml": "gapless.evals.formats.yaml:read",
    ".json": "gapless.evals.formats.json:read",
    ".jsonl": "gapless.evals.formats.json:read_lines",
    ".ndjson": "gapless.evals.formats.json:read_lines",
    ".csv": "gapless.evals.formats.csv:read",
    ".tsv": "gapless.evals.formats.csv:read",
    ".txt": "gapless.evals.formats.text:read",
}
"""Ending of a file -> "module:function"."""


class Lined(dict[str, Any]):
    """A mapping that knows on which line each of its keys stands."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class Entry:
    """One case as it is written."""

    data: Any
    where: str
    """File and line, or file and position."""


@dataclass(frozen=True, slots=True)
class Source:
    """A suite as it is written."""

    name: str
    """The file, as the user named it."""
    entries: list[Entry]
    header: dict[str, Any] = field(default_factory=dict[str, Any])
    """What stands beside the cases: name, seed, checks for all."""
    folder: Path = Path()
    """Files that checks name are relative to it."""


Read = Callable[[str, str], Source]
"""A format: (the file's name, its text) -> the suite as it is written."""


def read(path: Path) -> Source:
    """Reads a suite: a file by its ending, or Python by "file.py:name" or "module:name".

    Raises:
        InvalidSuite: It cannot be read, or its format is not known.
    """
    from gapless.evals.formats.python import python_place, read_python

    if (place := python_place(path)) is not None:
        return read_python(*place)
    suffix = path.suffix.lower()
    if suffix not in TABLE:
        raise InvalidSuite(
            f"{path}: a file ending in {suffix or 'nothing'!r} is no suite. Allowed: {', '.join(TABLE)}, .py, file.py:name."
        )
    module, _, function = TABLE[suffix].partition(":")
    reader: Read = getattr(import_module(module), function)
    found = reader(str(path), _text(path))
    return Source(found.name, found.entries, found.header, path.parent)


def of_data(data: Any, name: str, folder: Path) -> Source:
    """A suite from a list of cases, a mapping with `cases`, or a Suite.

    Raises:
        InvalidSuite: It is none of these.
    """
    header: dict[str, Any] = {}
    if isinstance(data, Suite):
        header, data = {"name": data.name, "seed": data.seed}, data.cases
    elif isinstance(data, dict):
        header = copy.copy(cast("dict[str, Any]", data))  # keeps the lines of a `Lined`
        if not isinstance(header.get("cases"), (list, tuple)):
            what = "`cases` is no list" if "cases" in header else "it is one mapping without `cases`"
            raise InvalidSuite(f"{name}: {what}. Write a list of cases, or {{cases: [...]}}.")
        data = header.pop("cases")
    if isinstance(data, (str, bytes)) or not hasattr(data, "__iter__"):
        raise InvalidSuite(
            f"{name}: expected a list of cases or a mapping with `cases`, got {type(data).__name__}."
        )
    entries = [Entry(item, _where(item, name, number)) for number, item in enumerate(data, 1)]
    return Source(name, entries, header, folder)


def _where(item: Any, name: str, number: int) -> str:
    if isinstance(item, Lined) and item.lines:
        return f"{name}:{min(item.lines.values())}"
    return f"{name}, case {number}"


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidSuite(
            f"{path}: cannot be read: {error.strerror}. Check the path and its permissions."
        ) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidSuite(
            f"{path}:{line}: is not UTF-8 (byte {data[error.start]:#04x}). Save the file as UTF-8."
        ) from error
