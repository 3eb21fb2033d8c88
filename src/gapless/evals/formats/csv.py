"""CSV suites: columns id, group, split, slice.*, input or input.*, expected or expected.*. Every cell is a text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, cast

from gapless.errors import InvalidSuite
from gapless.evals.formats.base import Entry, Source

_COLUMNS = ("id", "group", "split", "input", "expected")
_PREFIXES = ("input.", "slice.", "expected.")


def read(name: str, text: str) -> Source:
    """Reads a table with a header row; the separator (comma, semicolon, tab) is told from it."""
    first = text.partition("\n")[0]
    delimiter = "\t" if "\t" in first else ";" if ";" in first and "," not in first else ","
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = [column.strip() for column in next(rows, [])]
        _check_header(columns, name)
        return Source(name, list(_entries(rows, columns, name)))
    except csv.Error as error:
        raise InvalidSuite(f"{name}:{rows.line_num}: is no CSV: {error}.") from error


def _check_header(columns: list[str], name: str) -> None:
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        raise InvalidSuite(f"{name}:1: column `{twice}` stands twice. Rename or remove one.")
    if "input" in columns and any(column.startswith("input.") for column in columns):
        raise InvalidSuite(f"{name}:1: has both `input` and `input.*` columns. Keep one kind.")


def _entries(rows: Any, columns: list[str], name: str) -> Iterator[Entry]:
    for row in rows:
        if not row:
            continue
        if len(row) != len(columns):
            raise InvalidSuite(
                f"{name}:{rows.line_num}: {len(row)} cells, the header has {len(columns)} columns. "
                "Put quotation marks round cells that contain the separator."
            )
        yield Entry(_case(dict(zip(columns, row, strict=True))), f"{name}:{rows.line_num}")


def _case(cells: dict[str, str]) -> dict[str, Any]:
    """A row as a case. A row without any column of a suite is an input itself."""
    if not any(column in _COLUMNS or column.startswith(_PREFIXES) for column in cells):
        return dict(cells)
    case: dict[str, Any] = {}
    for column, cell in cells.items():
        head, _, rest = column.partition(".")
        if column.startswith("input."):
            _put(case.setdefault("input", {}), rest, cell)
        elif column == "input" or not (column in _COLUMNS or column.startswith(_PREFIXES)):
            case[column] = cell
        elif cell and head == "slice":
            case.setdefault("slice", {})[rest] = cell
        elif cell and head == "expected":
            check = {"exact": {"path": rest, "value": cell, "as_text": True}}
            case.setdefault("checks", {"end": []})["end"].append(check)
        elif cell:
            case[column] = cell
    return case


def _put(target: dict[str, Any], path: str, cell: str) -> None:
    head, _, rest = path.partition(".")
    if rest:
        inner = target.setdefault(head, {})
        _put(cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}, rest, cell)
    else:
        target[head] = cell
