"""`gapless label --from-review`: a reviewer's decision as a label of what a step handed over, and as a case."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gapless.errors import UsageError
from gapless.operations.label import add_case
from gapless.operations.review import open_inbox, open_seeding
from gapless.records.base import Record
from gapless.records.review import HandoffLabel, ReviewRecord
from gapless.records.value import OMITTED, UNSERIALISABLE, is_redacted
from gapless.review.inbox import EXPIRY, Inbox
from gapless.review.seeded import Seeding
from gapless.settings import Place, locate
from gapless.stores.review_labels import ReviewLabelStore

_CHOICES = ("approve", "edit", "reject")


class Taken(Record, frozen=True, kw_only=True):
    """What became of one decision."""

    label: HandoffLabel
    new: bool
    """Whether the label was not there before."""
    case: dict[str, Any] | None = None
    """The decision as a case: the run's input, and the step's golden output where there is one."""
    why_no_case: str = ""
    promoted: str | None = None
    """The suite file that holds the case."""
    case_is_new: bool = False
    """Whether the case was not in that file before."""


@dataclass(frozen=True, slots=True)
class Labelling:
    """An inbox whose decisions become labels."""

    inbox: Inbox
    seeding: Seeding
    labels: ReviewLabelStore

    def take(self, prefix: str, file: Path | None = None) -> Taken:
        """Makes a label of a decision, and a case in a suite file where one is named; a second time changes nothing.

        Args:
            prefix: Beginning of the review's id.
            file: The suite file.

        Raises:
            UnknownName: No review begins like this, or several do.
            UsageError: Nobody has decided it, or its answer was known beforehand.
            InvalidSuite: The file cannot be read, or holds another case of that id.
        """
        review = self.inbox.get(prefix)
        if review.decision is None or review.decision.get("choice") not in _CHOICES:
            raise UsageError(
                f"review {review.id} is not decided, so there is nothing to label. `gapless review` decides."
            )
        if review.decided_by == EXPIRY:
            raise UsageError(
                f"review {review.id} was refused because nobody decided in time: nobody has judged it."
            )
        if review.id in self.seeding.ids():
            raise UsageError(
                f"review {review.id} was put in to measure reviewers: its answer was known before, and its decision is no label."
            )
        return self._take(review, self.labels.all().get(review.id), file)

    def take_all(self, file: Path | None = None) -> list[Taken]:
        """Makes labels of all decisions that have none yet; with a file, cases of all that are not in it yet."""
        seeded, known = self.seeding.ids(), self.labels.all()
        done: list[Taken] = []
        for review in self.inbox.list(every=True):
            decided = review.decision is not None and review.decision.get("choice") in _CHOICES
            if not decided or review.decided_by == EXPIRY or review.id in seeded:
                continue
            taken = self._take(review, known.get(review.id), file)
            if taken.new or taken.case_is_new:
                done.append(taken)
        return done

    def _take(self, review: ReviewRecord, before: HandoffLabel | None, file: Path | None) -> Taken:
        label = _label(review)
        case, why = _case(review)
        added = file is not None and case is not None and add_case(file, case)
        if label != before:
            self.labels.put(label)
        return Taken(
            label=label,
            new=label != before,
            case=case,
            why_no_case=why,
            promoted=str(file) if file is not None and case is not None else None,
            case_is_new=added,
        )


@contextmanager
def open_labelling(place: Place | None = None) -> Generator[Labelling]:
    """The inbox of a place, closed afterwards.

    Raises:
        StoreError: The database cannot be opened.
    """
    here = place or locate()
    opened = Labelling(open_inbox(here), open_seeding(here), ReviewLabelStore(here.database))
    try:
        yield opened
    finally:
        for part in (opened.inbox, opened.seeding, opened.labels):
            part.close()


def _label(review: ReviewRecord) -> HandoffLabel:
    decision = review.decision or {}
    return HandoffLabel(
        review=review.id,
        step=review.step,
        correct=decision.get("choice") == "approve",
        note=str(decision.get("note") or ""),
        by=review.decided_by or "",
        decided_at=review.decided_at or 0.0,
    )


def _case(review: ReviewRecord) -> tuple[dict[str, Any] | None, str]:
    """A decision as a case, or why it is none."""
    if "input" not in review.question:
        return (
            None,
            "what its run was given is not known, so no case can run it again. Write the case by hand",
        )
    given = review.question["input"]
    if is_redacted(given):
        return None, "its run's input was kept with redacted values, so no case can run it again"
    if isinstance(given, dict) and (OMITTED in given or UNSERIALISABLE in given):
        return None, "its run's input could not be kept"
    case: dict[str, Any] = {"id": f"review-{review.id}", "input": given}
    decision = review.decision or {}
    if decision.get("choice") == "reject":
        return case, ""
    golden = review.question.get("handoff") if decision.get("choice") == "approve" else decision.get("value")
    if is_redacted(golden):
        return None, "what was handed over was kept with redacted values, and no answer could equal it"
    # A list in a golden means one value per visit, so a value that is a list is wrapped.
    case["golden"] = {review.step: [golden] if isinstance(golden, list) else golden}
    return case, ""
