"""A query for a retriever, with what is known of its answer, and who says so."""

from __future__ import annotations

from typing import Any, Literal

from gapless.records.base import Record

EXTRACTIVE = "extractive"
"""In place of a model's name: the question was made of its passage's own words."""


class Passage(Record, frozen=True, kw_only=True):
    """The passage that a label was made from, as it was then."""

    digest: str
    """Of its words; without a quote (`texts`) of all texts together, for a question that nothing answers."""
    before: int = 0
    """Words of the passage that stand before the first one quoted."""
    after: int = 0
    """Words of the passage that stand after the last one quoted."""


class LabelledQuery(Record, frozen=True, kw_only=True):
    """One query with what is known of its answer."""

    query: str
    id: str = ""
    """Unique; the line's number where the file gives none."""
    relevant: dict[str, int] = {}
    """Id of each relevant document -> grade, 1 to 1000. In a file also a list of ids, each of grade 1."""
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
    document: str = ""
    """The text that `texts` quote, where one is known."""
    source: Literal["", "proposed", "unreviewed", "reviewed"] = ""
    """How the label came about: proposed, and waiting; taken over unseen; seen by a person. Empty: written by hand."""
    reviewer: str = ""
    """Who has seen it."""
    model: str = ""
    """What proposed the question: a model's name, or "extractive"."""
    edited: bool = False
    """Whether its reviewer put the question into other words."""
    passage: Passage | None = None
    """For noticing that the text has changed since."""

    @property
    def lexical(self) -> bool:
        """Whether it asks in the words of the passage that answers it, which is kind to word search."""
        return self.model == EXTRACTIVE and not self.edited
