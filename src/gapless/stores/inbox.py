"""Reviews on disk. Every method is one transaction that holds or does not: a lease, a decision, a consumption.

Times are handed in, so that nothing here depends on a clock that may jump.
"""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gapless.errors import ReviewConflict, UnknownName
from gapless.records.review import ReviewRecord
from gapless.records.ulid import new_ulid
from gapless.records.value import decode, digest, encode
from gapless.stores.anchored import Anchored
from gapless.stores.schema import reviews

LONGEST_LEASE_S = 3600.0
"""No lease lasts longer. One that ends later than this from now was given by a clock that has jumped, and is void."""
_CHANGED = "the step ran again and handed over something else"
_undecided = reviews.c.decided_at.is_(None) & reviews.c.closed.is_(None)


class InboxStore:
    """The table of reviews in one database; safe to use from several threads and processes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._database = Anchored(url)
        self.folder = self._database.file.parent
        """Where the database lies."""

    def close(self) -> None:
        """Closes the connections."""
        self._database.close()

    def put(self, asked: ReviewRecord) -> ReviewRecord:
        """Files a question once: asked again, it is the review that is there already.

        A function has no interrupt to tell its visits apart: there a question asked after its answer was consumed is new.
        """
        with self._database.write() as connection:
            earlier = reviews.c.thread == asked.thread
            earlier &= reviews.c.step == asked.step
            earlier &= reviews.c.subject == asked.subject
            earlier &= (
                reviews.c.interrupt.is_(None)
                if asked.interrupt is None
                else reviews.c.interrupt == asked.interrupt
            )
            found = self._all(connection, earlier)
            usable = [r for r in found if r.closed is None and (asked.interrupt or r.consumed_at is None)]
            if usable:
                return usable[-1]
            if asked.interrupt is not None:
                same = (reviews.c.interrupt == asked.interrupt) & (reviews.c.subject != asked.subject)
                connection.execute(sa.update(reviews).where(same, _undecided).values(closed=_CHANGED))
            kept = msgspec.structs.replace(asked, id=new_ulid())
            connection.execute(sa.insert(reviews).values(_row(kept, len(found))))
            return kept

    def get(self, prefix: str) -> ReviewRecord:
        """The review whose id begins with this.

        Raises:
            UnknownName: None does, or several do.
        """
        with self._database.read() as connection:
            found = self._all(connection, reviews.c.id.startswith(prefix.upper(), autoescape=True))
        if len(found) == 1:
            return found[0]
        if found:
            raise UnknownName(f"{prefix!r} is the beginning of {len(found)} reviews. Write more of the id.")
        raise UnknownName(f"no review {prefix!r} in {self.url}. `gapless review` lists those that wait.")

    def list(self, *, thread: str | None = None, undecided: bool = False) -> list[ReviewRecord]:
        """Reviews, oldest first."""
        where = sa.true() if thread is None else reviews.c.thread == thread
        with self._database.read() as connection:
            return self._all(connection, where & _undecided if undecided else where)

    def expired(self, now: float) -> list[ReviewRecord]:
        """Undecided reviews that are to be refused because nobody decided in time."""
        where = _undecided & (reviews.c.on_expiry == "refuse") & (reviews.c.expires_at <= now)
        with self._database.read() as connection:
            return self._all(connection, where)

    def lease(self, review: str, who: str, now: float, seconds: float) -> bool:
        """Gives a review to one reviewer for a while; False when somebody has it, or it is decided."""
        until = now + min(seconds, LONGEST_LEASE_S)
        given = sa.update(reviews).where(reviews.c.id == review, _undecided, _free(now))
        with self._database.write() as connection:
            return connection.execute(given.values(leased_by=who, leased_until=until)).rowcount == 1

    def release(self, review: str, who: str) -> None:
        """Gives a lease back."""
        held = (reviews.c.id == review) & (reviews.c.leased_by == who)
        with self._database.write() as connection:
            connection.execute(sa.update(reviews).where(held).values(leased_by=None, leased_until=None))

    def decide(self, review: str, decision: dict[str, Any], who: str, now: float) -> ReviewRecord:
        """Writes a decision, once and for all.

        Raises:
            ReviewConflict: Somebody has decided already, or holds the review.
        """
        mine = (reviews.c.leased_by == who) | _free(now)
        with self._database.write() as connection:
            done = connection.execute(
                sa.update(reviews)
                .where(reviews.c.id == review, _undecided, mine)
                .values(
                    decided_at=now,
                    decided_by=who,
                    decision=encode(decision),
                    leased_by=None,
                    leased_until=None,
                )
            )
            found = self._all(connection, reviews.c.id == review)
            if not found:
                raise UnknownName(f"no review {review!r} in {self.url}.")
            if done.rowcount == 0:
                raise ReviewConflict(_why_not(found[0], now))
            return found[0]

    def refuse(self, review: str, decision: dict[str, Any], who: str, now: float) -> None:
        """Writes a decision where there is still none, whoever is looking at the review."""
        late = sa.update(reviews).where(reviews.c.id == review, _undecided)
        with self._database.write() as connection:
            connection.execute(late.values(decided_at=now, decided_by=who, decision=encode(decision)))

    def consume(self, review: str, now: float) -> bool:
        """Notes that the workflow took the decision in; True the first time, False ever after."""
        fresh = (
            reviews.c.id == review,
            reviews.c.decided_at.is_not(None),
            reviews.c.consumed_at.is_(None),
        )
        with self._database.write() as connection:
            return connection.execute(sa.update(reviews).where(*fresh).values(consumed_at=now)).rowcount == 1

    def give_back(self, review: str, reason: str) -> None:
        """Asks again: the decision could not be carried out, and nothing was consumed."""
        where = (reviews.c.id == review, reviews.c.consumed_at.is_(None))
        cleared = {"decided_at": None, "decided_by": None, "decision": None, "returned": reason}
        with self._database.write() as connection:
            connection.execute(sa.update(reviews).where(*where).values(cleared))

    def _all(self, connection: Connection, where: Any) -> list[ReviewRecord]:
        rows = connection.execute(
            sa.select(reviews).where(where).order_by(reviews.c.created_at, reviews.c.id)
        )
        return [_record(row) for row in rows.mappings()]


def _free(now: float) -> Any:
    until = reviews.c.leased_until
    return until.is_(None) | (until <= now) | (until > now + LONGEST_LEASE_S)


def _why_not(found: ReviewRecord, now: float) -> str:
    if found.closed is not None:
        return f"review {found.id} is closed: {found.closed}."
    if found.decided_at is not None:
        choice = (found.decision or {}).get("choice", "decided")
        return f"review {found.id} was decided already: {choice} by {found.decided_by}. The first decision stands."
    left = (found.leased_until or now) - now
    return f"review {found.id} is being looked at by {found.leased_by}, for {left:.0f} s more at most. Take another one, or wait."


def _row(kept: ReviewRecord, earlier: int) -> dict[str, Any]:
    key = digest(encode([kept.thread, kept.interrupt, kept.step, kept.subject, earlier]))
    return {
        "id": kept.id,
        "key": key,
        "thread": kept.thread,
        "step": kept.step,
        "interrupt": kept.interrupt,
        "subject": kept.subject,
        "question": encode(kept.question),
        "created_at": kept.created_at,
        "expires_at": kept.expires_at,
        "on_expiry": kept.on_expiry,
    }


def _record(row: Any) -> ReviewRecord:
    fields = {name: row[name] for name in ReviewRecord.__struct_fields__}
    fields["question"] = decode(row["question"])
    fields["decision"] = decode(row["decision"]) if row["decision"] is not None else None
    return ReviewRecord(**fields)
