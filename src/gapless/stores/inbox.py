"""Reviews on disk. Every method is one transaction that holds or does not: a lease, a decision, a consumption.

Times are handed in, so that nothing here depends on a clock that may jump.
"""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gapless.errors import ReviewConflict, StoreError, UnknownName
from gapless.records.review import ReviewRecord
from gapless.records.ulid import new_ulid
from gapless.records.value import decode, digest, encode
from gapless.stores.anchored import Anchored
from gapless.stores.schema import known_answers, reviews

LONGEST_LEASE_S = 3600.0
"""No lease lasts longer. One that ends later than this from now was given by a clock that has jumped, and is void."""
SEEDED = "seeded "
"""How the key of a review with a known answer begins: no workflow ever sees one, and nothing that a reviewer sees tells."""
_CHANGED = "the step ran again and handed over something else"
_undecided = reviews.c.decided_at.is_(None) & reviews.c.closed.is_(None)
_real = reviews.c.key.not_like(f"{SEEDED}%")


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
            earlier &= _real
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
                connection.execute(sa.update(reviews).where(same, _real, _undecided).values(closed=_CHANGED))
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

    def list(
        self, *, thread: str | None = None, undecided: bool = False, real: bool = False
    ) -> list[ReviewRecord]:
        """Reviews, oldest first; only those that workflows asked for with `real`."""
        where = sa.true() if thread is None else reviews.c.thread == thread
        where = where & _real if real else where
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
            return (
                connection.execute(given.values(leased_by=who, leased_until=until, taken_at=now)).rowcount
                == 1
            )

    def judged_alike(self, who: str) -> frozenset[str]:
        """Reviews whose very handoff this reviewer has judged before, in another review with a known answer."""
        mine = sa.select(known_answers.c.source).join(reviews, reviews.c.id == known_answers.c.review)
        same = known_answers.c.source.in_(mine.where(reviews.c.decided_by == who))
        with self._database.read() as connection:
            return frozenset(connection.execute(sa.select(known_answers.c.review).where(same)).scalars())

    def release(self, review: str, who: str) -> None:
        """Gives a lease back."""
        held = (reviews.c.id == review) & (reviews.c.leased_by == who)
        with self._database.write() as connection:
            connection.execute(
                sa.update(reviews).where(held).values(leased_by=None, leased_until=None, taken_at=None)
            )

    def decide(self, review: str, decision: dict[str, Any], who: str, now: float) -> ReviewRecord:
        """Writes a decision, once and for all.

        Raises:
            ReviewConflict: Somebody has decided already, or holds the review.
        """
        mine = (reviews.c.leased_by == who) | _free(now)
        taken = sa.case((reviews.c.leased_by == who, reviews.c.taken_at), else_=None)
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
                    taken_at=taken,
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
        cleared = dict.fromkeys(("decided_at", "decided_by", "decision", "taken_at"))
        with self._database.write() as connection:
            connection.execute(sa.update(reviews).where(*where).values(**cleared, returned=reason))

    def _all(self, connection: Connection, where: Any) -> list[ReviewRecord]:
        rows = connection.execute(
            sa.select(reviews).where(where).order_by(reviews.c.created_at, reviews.c.id)
        )
        return [record_of(row, self.url) for row in rows.mappings()]


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
    return row_of(kept, key)


def row_of(kept: ReviewRecord, key: str) -> dict[str, Any]:
    """A new review as its row."""
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


def record_of(row: Any, url: str) -> ReviewRecord:
    """A row as the review it holds.

    Raises:
        StoreError: The row is damaged.
    """
    fields = {name: row[name] for name in ReviewRecord.__struct_fields__}
    try:
        for name in ("question", "decision"):
            fields[name] = decode(fields[name]) if fields[name] is not None else None
        if fields["question"].get("subject") != fields["subject"]:
            raise TypeError("its question is about something else")
        return msgspec.convert(fields, ReviewRecord)
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{url}: review {row['id']} is damaged and cannot be read ({error}). The others can be decided by their ids; "
            "to have it back, restore a copy of the file."
        ) from error
