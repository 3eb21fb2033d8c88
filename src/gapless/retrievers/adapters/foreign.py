"""What the adapters of other people's vector databases share: fields there and back, and errors that say who failed."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from gapless.errors import StoreError, UsageError
from gapless.retrievers.base import Document

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Names:
    """Under which names a collection keeps a document's text and date; its other fields are metadata."""

    text: str = "text"
    date: str = "indexed_at"
    hidden: frozenset[str] = frozenset()
    """Fields that are neither: ids, vectors."""
    reserved: tuple[str, ...] = ("$",)
    """What no name of a field may begin with."""

    def fields(self, document: Document) -> dict[str, Any]:
        """A document as flat fields.

        Raises:
            UsageError: Metadata that such a database cannot keep, or that would hide the text or the date.
        """
        for name, value in document.metadata.items():
            if name in {self.text, self.date, *self.hidden} or not name or name.startswith(self.reserved):
                raise UsageError(
                    f"document {document.id!r}: its metadata cannot be named {name!r}; that name is taken, reserved or empty."
                )
            if not _keepable(value):
                raise UsageError(
                    f"document {document.id!r}: its metadata {name!r} is {value!r}. "
                    "Allowed are text, finite numbers, true, false and lists of texts."
                )
        dated = {} if document.indexed_at is None else {self.date: document.indexed_at}
        return {self.text: document.text, **dated, **document.metadata}

    def read(
        self, where: str, name: str, fields: Mapping[str, Any]
    ) -> tuple[str, float | None, dict[str, Any]]:
        """Text, date and metadata of what came back.

        Raises:
            StoreError: There is no text: an answer without it would be an empty context that looks like a full one.
        """
        text = fields.get(self.text)
        if not isinstance(text, str) or not text.strip():
            shown = ", ".join(sorted(set(fields) - self.hidden)) or "none at all"
            raise StoreError(
                f"{where}: {name!r} came back without its text, the field {self.text!r}. Fields that came back: {shown}. "
                "Name the field that holds the text (text=...), and see that the database stores it."
            )
        when = fields.get(self.date)
        dated = isinstance(when, (int, float)) and not isinstance(when, bool)
        rest = {
            key: value
            for key, value in fields.items()
            if key not in self.hidden and key != self.text and not (key == self.date and dated)
        }
        return text, float(cast("float", when)) if dated else None, rest


def _keepable(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, str) for item in cast("list[Any]", value))
    return isinstance(value, (str, bool, int)) or (isinstance(value, float) and math.isfinite(value))


@contextmanager
def told_by(where: str, *kinds: type[BaseException]) -> Generator[None]:
    """An error of a client becomes one of ours, with the client's as its cause."""
    try:
        yield
    except kinds as error:
        raise StoreError(f"{where}: {type(error).__name__}: {str(error).strip()[:500]}") from error


def latest(documents: Sequence[Document]) -> list[Document]:
    """One document per id: the last."""
    return list({document.id: document for document in documents}.values())


def batches(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """Pieces of at most `size`.

    Example:
        >>> batches([1, 2, 3], 2)
        [[1, 2], [3]]
    """
    return [items[at : at + size] for at in range(0, len(items), size)]


def unknown_field(where: str, name: str, known: Sequence[str]) -> UsageError:
    """What is said of a filter on a field that no document has."""
    fields = f"Fields are: {', '.join(sorted(known))}." if known else "Documents here have no fields."
    return UsageError(f"{where}: filter: no document has the field {name!r}. {fields}")
