"""A labelled query that was proposed, and what a person made of it."""

from __future__ import annotations

from typing import Literal

from gapless.records.base import Record
from gapless.records.labelled_query import LabelledQuery


class Rival(Record, frozen=True, kw_only=True):
    """Another passage that a proposed question may name as well."""

    document: str
    text: str


class Proposal(Record, frozen=True, kw_only=True):
    """One proposal, or a passage of which none came."""

    key: str
    """Digest of the passage, or of the question where no passage answers it; also the label's id."""
    query: LabelledQuery | None = None
    """None where the passage gave no question, with `why`."""
    excerpt: str = ""
    """The whole passage."""
    rivals: tuple[Rival, ...] = ()
    """The passages nearest to the question, the own one left out: what a reviewer looks at for a second answer."""
    decision: Literal["", "accepted", "rejected"] = ""
    """Empty: it waits, or there is nothing to decide."""
    reviewer: str = ""
    why: str = ""
    """Why there is no question, or why it was rejected."""
    asked: str = ""
    """Who gave no question: another may be asked about the same passage."""

    @property
    def waits(self) -> bool:
        """Whether a person has to decide it."""
        return self.query is not None and not self.decision
