"""Labelled queries: what is asked, and what a right answer holds. Reads them from JSONL, and says where a line is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from gapless.errors import InvalidSuite
from gapless.records.labelled_query import LabelledQuery

__all__ = ["EXAMPLE", "LabelledQuery", "checked", "lines_of", "read_queries"]

MOST_GRADE = 1000
"""Of one relevant document; trec_eval, which computes the metrics, sets memory aside for each grade up to the highest."""
EXAMPLE = '{"query": "Who insures the goods?", "relevant": ["contract-7#4"], "slice": {"topic": "insurance"}, "group": "contract-7"}'


def read_queries(path: Path) -> tuple[LabelledQuery, ...]:
    """Reads a JSONL file, one query a line; empty lines are left out.

    Raises:
        InvalidSuite: The file cannot be read, or a line is not a query, with its number and what is allowed.
    """
    try:
        lines = lines_of(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSuite(
            f"{path}: labelled queries cannot be read: {error}. A line looks like this: {EXAMPLE}"
        ) from error
    numbered = [(f"{path.name}:{number}", line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not numbered:
        raise InvalidSuite(f"{path}: there is no query in it. A line looks like this: {EXAMPLE}")
    return checked((where, _decoded(where, line)) for where, line in numbered)


def lines_of(path: Path) -> list[str]:
    """The lines of a JSONL file, empty ones too.

    Only line feeds end a line: `str.splitlines` would cut at U+2028 too, which stands unescaped within texts. A byte order
    mark at the start, as editors on Windows write one, is no part of the first.

    Raises:
        OSError: It cannot be read.
        UnicodeDecodeError: It is no UTF-8.
    """
    return path.read_text(encoding="utf-8-sig").split("\n")


def checked(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[LabelledQuery, ...]:
    """Queries from plain values.

    Args:
        rows: Where each is from, for messages, and what it says.

    Raises:
        InvalidSuite: A row is not a query, or two have one id.
    """
    found: dict[str, LabelledQuery] = {}
    for where, row in rows:
        one = _query(where, dict(row))
        if one.id in found:
            raise InvalidSuite(f"{where}: a second query has the id {one.id!r}. Ids are unique, or left out.")
        found[one.id] = one
    return tuple(found.values())


def _decoded(where: str, line: str) -> dict[str, Any]:
    try:
        row = msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        raise InvalidSuite(f"{where}: no JSON: {error}. A line looks like this: {EXAMPLE}") from error
    except RecursionError as error:
        raise InvalidSuite(f"{where}: nested too deep. A line looks like this: {EXAMPLE}") from error
    if not isinstance(row, dict):
        raise InvalidSuite(f"{where}: an object was expected, got {type(row).__name__}. Like this: {EXAMPLE}")
    return cast("dict[str, Any]", row)


def _query(where: str, row: dict[str, Any]) -> LabelledQuery:
    allowed = LabelledQuery.__struct_fields__
    for key in row:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, 1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise InvalidSuite(f"{where}: unknown key `{key}`.{hint} Allowed: {', '.join(allowed)}.")
    given = row.get("relevant")
    if isinstance(given, list):
        row["relevant"] = {_name(where, name): 1 for name in cast("list[Any]", given)}
    row["id"] = str(row.get("id") or where)
    row["group"] = str(row.get("group") or row["id"])
    if isinstance(filed := row.get("slice"), dict):
        row["slice"] = {key: str(value) for key, value in cast("dict[str, Any]", filed).items()}
    try:
        one = msgspec.convert(row, LabelledQuery)
    except msgspec.ValidationError as error:
        raise InvalidSuite(f"{where}: {error}. A line looks like this: {EXAMPLE}") from error
    _consistent(where, one)
    return one


def _name(where: str, name: Any) -> str:
    """The id of a document in a list of them."""
    if isinstance(name, bool) or not isinstance(name, (str, int)):
        raise InvalidSuite(
            f"{where}: `relevant` lists ids of documents, got {type(name).__name__}. A line looks like this: {EXAMPLE}"
        )
    return str(name)


def _consistent(where: str, one: LabelledQuery) -> None:
    labels = bool(one.relevant) or bool(one.texts)
    if not one.query.strip():
        raise InvalidSuite(f"{where}: `query` is empty. Write what is asked.")
    if one.answerable and not labels:
        raise InvalidSuite(
            f'{where}: nothing is relevant to {one.query[:60]!r}. Give `relevant` or `texts`, or say `"answerable": false`.'
        )
    if not one.answerable and labels:
        raise InvalidSuite(
            f"{where}: {one.query[:60]!r} is not answerable, and yet something is relevant. Drop one of the two."
        )
    if low := [name for name, grade in one.relevant.items() if grade < 1]:
        raise InvalidSuite(
            f"{where}: grade {one.relevant[low[0]]} of {low[0]!r}; the least is 1. Leave out what is not relevant."
        )
    if high := [name for name, grade in one.relevant.items() if grade > MOST_GRADE]:
        raise InvalidSuite(f"{where}: the grade of {high[0]!r} is above {MOST_GRADE}, the most there is.")
    if any(not text.strip() for text in one.texts):
        raise InvalidSuite(f"{where}: `texts` holds an empty passage, which every document holds.")
