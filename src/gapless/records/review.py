"""A review: one handoff that waits, or waited, for a person."""

from __future__ import annotations

from typing import Any, Literal

from gapless.records.base import Record
from gapless.records.estimate import Estimate
from gapless.records.suite import Case

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
    taken_at: float | None = None
    """When its reviewer took it on lease; None for a decision without a lease."""

    def standing(self, now: float) -> Standing:
        """How far the review has come."""
        if self.closed is not None:
            return "closed"
        if self.consumed_at is not None:
            return "consumed"
        if self.decided_at is not None:
            return "decided"
        return "overdue" if self.expires_at is not None and self.expires_at <= now else "waiting"


class KnownAnswer(Record, frozen=True, kw_only=True):
    """What is known about a handoff that was put among the real ones to measure reviewers. They are never shown it."""

    right: bool
    """Whether the handoff is right."""
    how: str
    """How that is known, in words."""
    source: str
    """Equal sources are the same handoff, put in however often."""
    origin: str
    """The recorded handoff it was made from: equal for a right one and its damaged version."""
    measurement: str
    case: Case
    """What judges an edit: the case's golden output and checks of the step alone."""
    trial: int
    value: Any = None
    """What should have been handed over, where `value_known`."""
    value_known: bool = False

    @property
    def unit(self) -> str:
        """The independent unit of every interval."""
        return self.case.unit


class HandoffLabel(Record, frozen=True, kw_only=True):
    """A reviewer's decision as a verdict on what a step handed over."""

    review: str
    step: str
    correct: bool
    """Whether the handoff was right as it was."""
    note: str = ""
    """The reviewer's."""
    by: str
    decided_at: float


class ReviewerAccuracy(Record, frozen=True, kw_only=True):
    """How one reviewer, or all of them, did on handoffs with known answers."""

    reviewer: str | None
    """None for all of them."""
    right: Estimate
    """Share of right handoffs that were approved."""
    wrong: Estimate
    """Share of wrong handoffs that were stopped: rejected, or edited to what is right."""
    seconds: Estimate
    """Median time from taking a review on lease to its decision, in seconds."""
    unclear: int = 0
    """Edits of wrong handoffs that nothing could judge; they count as not stopped."""


class Accuracy(Record, frozen=True, kw_only=True):
    """Reviewers measured on handoffs with known answers."""

    overall: ReviewerAccuracy
    reviewers: tuple[ReviewerAccuracy, ...] = ()
    agreement: Estimate
    """Share of handoffs judged by two reviewers that both let pass, or both stopped."""
    waiting: int = 0
    """Seeded reviews that nobody has decided yet."""
    lapsed: int = 0
    """Seeded reviews that were refused because nobody decided in time; they say nothing about a reviewer."""
    repeated: int = 0
    """Decisions of a reviewer who had judged the same handoff before; only the first counts."""
    unreadable: int = 0
    """Damaged rows that were left out."""
