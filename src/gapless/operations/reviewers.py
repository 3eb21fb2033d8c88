"""`gapless review accuracy`: what reviewers made of handoffs with known answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gapless.evals.judge import Judge
from gapless.evals.sameness import difference
from gapless.operations.known_handoffs import judged as judged_alone
from gapless.records.judge import JUDGES
from gapless.records.review import Accuracy, KnownAnswer, ReviewRecord
from gapless.records.workflow import Shape
from gapless.review.inbox import EXPIRY

if TYPE_CHECKING:
    from gapless.gap.reviewers import Judged
    from gapless.review.seeded import Seeding


async def accuracy(seeding: Seeding) -> Accuracy:
    """How often right handoffs were approved and wrong ones stopped, over all reviewers and for each."""
    from gapless.gap.reviewers import accuracy_of, agreement

    done, judge = seeding.done(), Judge(Shape())
    judged: list[Judged] = []
    seen: set[tuple[str, str]] = set()
    repeated = lapsed = 0
    for review, known in sorted(done.items, key=lambda item: item[0].decided_at or 0.0):
        if review.decision is None or review.decided_by is None:
            continue
        if review.decided_by == EXPIRY:
            lapsed += 1
        elif (review.decided_by, known.source) in seen:
            repeated += 1
        else:
            seen.add((review.decided_by, known.source))
            judged.append(await _judged(review, known, judge))
    kinds = {known.right for _, known in done.items}
    names = sorted({one.reviewer for one in judged})
    return Accuracy(
        overall=accuracy_of(judged, None, kinds.__contains__),
        reviewers=tuple(
            accuracy_of([one for one in judged if one.reviewer == name], name, kinds.__contains__)
            for name in names
        ),
        agreement=agreement(judged),
        waiting=sum(review.decided_at is None for review, _ in done.items),
        lapsed=lapsed,
        repeated=repeated,
        unreadable=done.unreadable,
    )


def told(review: ReviewRecord, known: KnownAnswer | None) -> str:
    """What a reviewer who asks is told after the decision."""
    if known is None:
        return "It was a real one."
    was = "right" if known.right else "wrong"
    choice = str((review.decision or {}).get("choice"))
    said = {"approve": "approved", "edit": "edited", "reject": "rejected"}.get(choice, "decided")
    return f"It was put in with a known answer: {was} ({known.how}). You {said} it."


async def _judged(review: ReviewRecord, known: KnownAnswer, judge: Judge) -> Judged:
    from gapless.gap.reviewers import Judged

    choice, value = (review.decision or {}).get("choice"), (review.decision or {}).get("value")
    mended = await _mended(known, review.step, value, judge) if choice == "edit" and not known.right else None
    stopped = choice == "reject" or mended is True
    took = None
    if review.taken_at is not None and review.decided_at is not None:
        took = review.decided_at - review.taken_at
    return Judged(
        reviewer=review.decided_by or "",
        group=known.unit,
        source=known.source,
        right=known.right,
        well=choice == "approve" if known.right else stopped,
        passed=choice == "approve",
        unclear=choice == "edit" and not known.right and mended is None,
        seconds=took
        if took is not None and took >= 0
        else None,  # a clock that went back has measured nothing
    )


async def _mended(known: KnownAnswer, step: str, value: Any, judge: Judge) -> bool | None:
    """Whether an edit is right: as the suite judges it, else when it is what should have been handed over."""
    asks_a_model = any(spec.name in JUDGES for spec in known.case.checks.get(step, ()))
    verdict = None if asks_a_model else await judged_alone(judge, known.case, step, value)
    if verdict is None and known.value_known:
        return difference(value, known.value) is None
    return verdict
