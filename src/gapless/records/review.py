"""A review: one handoff that waits, or waited, for a person."""

from __future__ import annotations

from typing import Any, Literal

from gapless.records.base import Record

OnExpiry = Literal["refuse", "escalate"]
"""What becomes of a review that nobody decided in time: it is refused, or it goes to the head of the list for good."""
Standing = Literal["waiting", "overdue", "decided", "consumed", "closed"]


class Place(Record, frozen=True, kw_only=True):
    """Where a question comes from, and where its answer has to go."""

    thread: str
    """The run: LangGraph's thread, or what a function's caller named."""
    interrupt: str | None = None
    """The framework's own address of the answer; None for functions."""


class ReviewRecord(Record, frozen=True, kw_only=True):
    """One question to a person, as the inbox holds it."""

    id: str
    thread: str
    step: str
    interrupt: str | None = None
    subject: str
    """Digest of what was handed over: a decision is about this and nothing else."""
    question: dict[str, Any]
    """What was handed over, why it stopped, the signal, the note."""
    created_at: float
    expires_at: float | None = None
    on_expiry: OnExpiry = "escalate"
    leased_by: str | None = None
    leased_until: float | None = None
    decided_at: float | None = None
    decided_by: str | None = None
    decision: dict[str, Any] | None = None
    consumed_at: float | None = None
    """When the workflow took the decision in; it does so once."""
    closed: str | None = None
    """Why nobody is asked any more, without a decision."""
    returned: str | None = None
    """Why an earlier decision could not be carried out: it broke the contract."""

    def standing(self, now: float) -> Standing:
        """How far the review has come."""
        if self.closed is not None:
            return "closed"
        if self.consumed_at is not None:
            return "consumed"
        if self.decided_at is not None:
            return "decided"
        return "overdue" if self.expires_at is not None and self.expires_at <= now else "waiting"
