"""A query for a retriever, with what is known of its answer."""

from __future__ import annotations

from typing import Any

from gapless.records.base import Record


class LabelledQuery(Record, frozen=True, kw_only=True):
    """One query with what is known of its answer."""

    query: str
    id: str = ""
    """Unique; the line's number where the file gives none."""
    relevant: dict[str, int] = {}
    """Id of each relevant document -> grade, 1 and more. In a file also a list of ids, each of grade 1."""
    texts: tuple[str, ...] = ()
    """Or the passages themselves, word by word: a document is relevant that holds one of them, or half of a long one."""
    slice: dict[str, str] = {}
    """Dimension -> value, for figures per slice."""
    group: str = ""
    """Independent unit of every interval (a document, a customer); the query itself where the file gives none."""
    answerable: bool = True
    """False: no document answers it, and the right answer is none."""
    filter: dict[str, Any] = {}
    """Passed on as `filter=`: the field -> value that documents must have."""
