"""The inbox: questions come in from workflows, reviewers take them on lease and decide, workflows take decisions in once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from gapless.errors import BoundaryTimeout, ReviewConflict, UsageError
from gapless.records.review import OnExpiry, Place, ReviewRecord
from gapless.records.value import digest, encode, is_redacted, omitted
from gapless.stores.inbox import InboxStore
from gapless.stores.lock import exclusive

EXPIRY = "expiry"
"""Who decides a review that nobody decided in time."""
LEASE_S = 600.0
_MOST_EVIDENCE = 1024 * 1024
_NEEDED = ("kind", "step", "subject")
_FIRST_POLL_S, _LONGEST_POLL_S = 0.05, 1.0


class Inbox:
    """One inbox. Safe to use from several threads and processes.

    Args:
        url: Its database, as in GAPLESS_DATABASE_URL.
        expires_s: Seconds after which a new review is too old; never when None.
        on_expiry: "refuse": a review that is too old is rejected; "escalate": it waits on, at the head of the list.
        thread: What a function's reviews are filed under: the same question of another thread is another review.
        timeout_s: Seconds a function waits for its reviewer; for ever when None.
        mask: Plain data without what must not be kept; a review shows what is left.
        clock: Seconds since the epoch. It may jump: leases and expiries may then end early or late, but a review is still
            decided and consumed once.
    """

    def __init__(
        self,
        url: str,
        *,
        expires_s: float | None = None,
        on_expiry: OnExpiry = "escalate",
        thread: str = "",
        timeout_s: float | None = None,
        mask: Callable[[Any], Any] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = InboxStore(url)
        self._url = url
        self._expires_s = expires_s
        self._on_expiry: OnExpiry = on_expiry
        self._thread = thread
        self._timeout_s = timeout_s
        self._mask = mask
        self.clock = clock

    def close(self) -> None:
        """Closes the database."""
        self._store.close()

    # -- what workflows do ----------------------------------------------------------------------------------------

    def post(self, question: dict[str, Any], place: Place) -> ReviewRecord:
        """Files a question, once however often it is asked; on disk when this returns."""
        now = self.clock()
        return self._store.put(
            ReviewRecord(
                id="",
                thread=place.thread,
                step=question["step"],
                interrupt=place.interrupt,
                subject=question["subject"],
                question=self._kept(question),
                created_at=now,
                expires_at=None if self._expires_s is None else now + self._expires_s,
                on_expiry=self._on_expiry,
            )
        )

    def settle(self, question: dict[str, Any], place: Place, answer: dict[str, Any]) -> bool:
        """Notes that a workflow takes an answer in; one that reached it by another way is written down as it is.

        Returns:
            True the first time, False when the same answer was taken in before.

        Raises:
            ReviewConflict: The inbox holds another decision about the same question.
            StoreError: The database is gone: the answer must not count.
        """
        review = self.post(question, place)
        if review.decision is None:
            kept = answer if self._mask is None else {**answer, "value": self._mask(answer.get("value"))}
            review = self._store.decide(review.id, kept, "an answer past the inbox", self.clock())
        elif {**review.decision, "note": ""} != {**answer, "note": ""}:
            raise ReviewConflict(
                f"review {review.id}: the answer says {answer.get('choice')}, and {review.decided_by} decided "
                f"{review.decision.get('choice')}. The decision in the inbox stands."
            )
        return self._store.consume(review.id, self.clock())

    def give_back(self, question: dict[str, Any], place: Place, reason: str) -> None:
        """Asks again: the decision broke the contract, and nothing was handed over."""
        review = self.post(question, place)
        self._store.give_back(review.id, reason)

    async def wait(self, question: dict[str, Any]) -> dict[str, Any]:
        """The reviewer of an async function: waits until somebody decides.

        Raises:
            BoundaryTimeout: Nobody did in time. The question stays: asked again, a decision made meanwhile is used.
        """
        asking = self._asking(question)
        while True:  # the database is asked beside the event loop: it may take its time
            answer = await asyncio.to_thread(next, asking)
            if isinstance(answer, dict):
                return answer
            await asyncio.sleep(answer)

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """The reviewer of a plain function: blocks until somebody decides.

        Raises:
            BoundaryTimeout: Nobody did in time.
        """
        asking = self._asking(question)
        while True:
            answer = next(asking)
            if isinstance(answer, dict):
                return answer
            time.sleep(answer)

    def _asking(self, question: dict[str, Any]) -> Generator[float | dict[str, Any]]:
        review = self.post(question, Place(thread=self._thread))
        began, pause = time.monotonic(), _FIRST_POLL_S
        while True:
            self._refuse_expired()
            now = self._store.get(review.id)
            # Another run with the same question may be quicker; then this one has to ask for itself.
            if now.decision is not None and self._store.consume(review.id, self.clock()):
                yield now.decision
            elif now.consumed_at is not None or now.decision is not None:
                review = self.post(question, Place(thread=self._thread))
            waited = time.monotonic() - began
            if self._timeout_s is not None and waited >= self._timeout_s:
                raise BoundaryTimeout(
                    f"{question['step']}: nobody decided review {review.id} within {self._timeout_s:g} s. It stays in the inbox.",
                    limit_s=self._timeout_s,
                    boundary=question["step"],
                )
            left = pause if self._timeout_s is None else self._timeout_s - waited
            yield min(pause, left)
            pause = min(2 * pause, _LONGEST_POLL_S)

    @contextmanager
    def resuming(self, thread: str) -> Generator[list[ReviewRecord]]:
        """A thread's reviews, while no other process resumes the same thread.

        Raises:
            StoreError: Another process is at it.
        """
        self._refuse_expired()
        name = f"resume-{digest(f'{self._url} {thread}'.encode())}"
        held = f"thread {thread!r} is being resumed already"
        with exclusive(self._store.folder, name, held, keep=False):
            yield self._store.list(thread=thread, real=True)

    # -- what reviewers do ----------------------------------------------------------------------------------------

    def list(self, *, every: bool = False, thread: str | None = None) -> list[ReviewRecord]:
        """Reviews that wait, those that are overdue first, then the oldest; all that ever were with `every`."""
        self._refuse_expired()
        now = self.clock()
        found = self._store.list(thread=thread, undecided=not every)
        return sorted(found, key=lambda review: (review.standing(now) != "overdue", review.created_at))

    def get(self, review: str) -> ReviewRecord:
        """The review whose id begins with this."""
        self._refuse_expired()
        return self._store.get(review)

    def take(
        self, who: str, seconds: float = LEASE_S, skip: frozenset[str] = frozenset()
    ) -> ReviewRecord | None:
        """The most urgent review that nobody has, on lease; None when there is none."""
        skip |= self._store.judged_alike(who)  # a second opinion is somebody else's
        for review in self.list():
            if review.id not in skip and self._store.lease(review.id, who, self.clock(), seconds):
                return self._store.get(review.id)
        return None

    def release(self, review: str, who: str) -> None:
        """Gives a lease back undecided."""
        self._store.release(review, who)

    def decide(self, review: str, decision: dict[str, Any], who: str) -> ReviewRecord:
        """Decides a review, once and for all; on disk when this returns.

        Raises:
            ReviewConflict: Somebody has decided already, holds it on lease, or it was closed; the message says who.
            UsageError: It would write down what must not be kept.
        """
        self._refuse_expired()
        value = decision.get("value")
        if is_redacted(value) or (self._mask is not None and self._mask(value) != value):
            raise UsageError(
                "the edit holds values that must not be written down ([privacy] redact). Approve or reject instead, or "
                "answer past the inbox with Command(resume=...)."
            )
        return self._store.decide(self._store.get(review).id, decision, who, self.clock())

    def _kept(self, question: dict[str, Any]) -> dict[str, Any]:
        """A question as it may be written down."""
        for name in ("given", "input"):
            size = len(encode(question.get(name)))
            if size > _MOST_EVIDENCE:
                question = {**question, name: omitted("too large", size)}
        if self._mask is None:
            return question
        return {**self._mask(question), **{name: question[name] for name in _NEEDED}}

    def _refuse_expired(self) -> None:
        now = self.clock()
        for review in self._store.expired(now):
            refusal = {
                "kind": review.question["kind"],
                "subject": review.subject,
                "choice": "reject",
                "note": "nobody decided in time",
            }
            self._store.refuse(review.id, refusal, EXPIRY, now)
