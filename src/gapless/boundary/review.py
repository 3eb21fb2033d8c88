"""What a person is asked about a handoff, and what may be answered: bound to what was shown, and to nothing else."""

from __future__ import annotations

from typing import Any, Literal, Protocol, cast

import msgspec

from gapless.errors import LowConfidence
from gapless.records.base import Record
from gapless.records.review import Place

KIND = "gapless.review/1"
Choice = Literal["approve", "edit", "reject"]


class Question(Record, frozen=True, kw_only=True):
    """One handoff that waits for a person."""

    kind: str = KIND
    step: str
    reason: str
    """Why it stopped."""
    note: str = ""
    """What the contract wants the reviewer to know."""
    signal: float | None = None
    handoff: Any = None
    """What the step wants to hand over, as plain data."""
    given: Any = None
    """What the step was given: the evidence. Inboxes and reviewers get it; LangGraph's interrupt does without."""
    input: Any = msgspec.UNSET
    """What the whole run was given, as plain data; left out where that is not known. A case can be made of it."""
    subject: str
    """Digest of the handoff: an answer must carry it."""

    def to_plain(self) -> dict[str, Any]:
        """As the interrupt shows it."""
        return {"kind": KIND, **cast("dict[str, Any]", msgspec.to_builtins(self))}


class Decision(Record, frozen=True, kw_only=True):
    """A person's answer."""

    kind: str = KIND
    subject: str
    """Digest of what was decided about."""
    choice: Choice
    value: Any = None
    """With "edit": the update to hand over instead."""
    note: str = ""

    def to_plain(self) -> dict[str, Any]:
        """As a framework carries it: `Command(resume={interrupt.id: decision.to_plain()})`."""
        return {"kind": KIND, **cast("dict[str, Any]", msgspec.to_builtins(self))}


class Inbox(Protocol):
    """Where questions wait for people, durably; `gapless.operations.review.open_inbox` opens one."""

    def post(self, question: dict[str, Any], place: Place) -> Any:
        """Files a question, once however often it is asked."""
        ...

    def settle(self, question: dict[str, Any], place: Place, answer: dict[str, Any]) -> bool:
        """Notes that an answer is taken in, right before it is; False when it was before. Raises where it may not be."""
        ...

    def give_back(self, question: dict[str, Any], place: Place, reason: str) -> None:
        """Asks again, because the answer breaks the contract."""
        ...


def decided(answer: Any, subject: str) -> Decision:
    """A framework's answer as a decision.

    Raises:
        LowConfidence: It is no decision, or one about something else: nothing passes on such an answer.
    """
    try:
        decision = msgspec.convert(answer, Decision, strict=True)
    except msgspec.ValidationError as error:
        raise LowConfidence(
            f"{answer!r:.200} is no decision: {error}. Answer with Review.approve, Review.edit or Review.reject."
        ) from error
    if decision.subject != subject:
        raise LowConfidence(
            f"the answer is about {decision.subject[:12]}, and {subject[:12]} waits here: the value has changed, or another review was meant."
        )
    return decision
