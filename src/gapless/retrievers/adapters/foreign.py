"""What the adapters of other people's vector databases share: fields there and back, and pieces that fit a request."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from gapless.errors import StoreError, UsageError
from gapless.retrievers.base import Document

T = TypeVar("T")
_WHOLE = 2**53
"""Numbers travel as doubles: beyond this, whole ones come back as others."""


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
        if not document.text.strip():
            raise UsageError(
                f"document {document.id!r} has no text: whoever finds it would be handed an empty context."
            )
        for name, value in document.metadata.items():
            if name in {self.text, self.date, *self.hidden} or not name or name.startswith(self.reserved):
                raise UsageError(
                    f"document {document.id!r}: its metadata cannot be named {name!r}; that name is taken, reserved or empty."
                )
            if not _keepable(value):
                raise UsageError(
                    f"document {document.id!r}: its metadata {name!r} is {value!r}. "
                    "Allowed are text, finite numbers (whole ones up to 2^53), true, false and lists of texts."
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
    if isinstance(value, int):
        return abs(value) <= _WHOLE
    return isinstance(value, str) or (isinstance(value, float) and math.isfinite(value))


def latest(documents: Sequence[Document]) -> list[Document]:
    """One document per id: the last."""
    return list({document.id: document for document in documents}.values())


def batches(
    items: Sequence[T], size: int, *, room: float = math.inf, weight: Callable[[T], float] = lambda item: 0
) -> list[Sequence[T]]:
    """Pieces of at most `size` items that weigh at most `room` together; what is heavier than that stands alone.

    Example:
        >>> batches([1, 2, 3], 2), batches(["a", "bb", "ccc", "d"], 9, room=3, weight=len)
        ([[1, 2], [3]], [['a', 'bb'], ['ccc'], ['d']])
    """
    cuts, load = [0], 0.0
    for at, item in enumerate(items):
        heavy = weight(item)
        if at > cuts[-1] and (at - cuts[-1] == size or load + heavy > room):
            cuts.append(at)
            load = 0.0
        load += heavy
    return [
        items[first:last] for first, last in zip(cuts, [*cuts[1:], len(items)], strict=True) if last > first
    ]


def unknown_field(where: str, name: str, known: Sequence[str]) -> UsageError:
    """What is said of a filter on a field that no document has."""
    fields = f"Fields are: {', '.join(sorted(known))}." if known else "Documents here have no fields."
    return UsageError(f"{where}: filter: no document has the field {name!r}. {fields}")
