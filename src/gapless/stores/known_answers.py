"""Known answers on disk: which reviews were put in to measure reviewers, and what would have been right.

Such a review lies in the table of reviews and looks like every other there; only its key keeps workflows away from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from gapless.errors import StoreError
from gapless.records.review import KnownAnswer, ReviewRecord
from gapless.stores.anchored import Anchored
from gapless.stores.damage import whole
from gapless.stores.inbox import LONGEST_LEASE_S, SEEDED, record_of, row_of
from gapless.stores.rows import pack
from gapless.stores.schema import known_answers, reviews

_answer = msgspec.msgpack.Decoder(KnownAnswer)
_seeded = reviews.c.key.like(f"{SEEDED}%")


@dataclass(frozen=True, slots=True)
class Seeded:
    """What was put in so far."""

    items: tuple[tuple[ReviewRecord, KnownAnswer], ...]
    """The oldest first."""
    unreadable: int
    """Rows that are damaged, or whose answer is gone."""


class KnownAnswerStore:
    """The table of known answers in one database; safe to use from several threads and processes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._database = Anchored(url)

    def close(self) -> None:
        """Closes the connections."""
        self._database.close()

    def plant(self, items: Iterable[tuple[ReviewRecord, KnownAnswer]]) -> None:
        """Writes reviews with their answers, all or none; each review has its id."""
        planted = list(items)
        if not planted:
            return
        rows = [row_of(review, f"{SEEDED}{review.id}") for review, _ in planted]
        answers = [
            {"review": review.id, "source": known.source, "body": pack(known)} for review, known in planted
        ]
        with self._database.write() as connection:
            connection.execute(sa.insert(reviews), rows)
            connection.execute(sa.insert(known_answers), answers)

    def all(self) -> Seeded:
        """Everything that was put in."""
        query = sa.select(reviews, known_answers.c.body.label("answer"))
        query = query.outerjoin(known_answers, known_answers.c.review == reviews.c.id)
        query = query.where(_seeded).order_by(reviews.c.created_at, reviews.c.id)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        read = [self._pair(row) for row in rows]
        items = tuple(pair for pair in read if pair is not None)
        return Seeded(items, len(read) - len(items))

    def ids(self) -> frozenset[str]:
        """The ids of all reviews that were put in."""
        with self._database.read() as connection:
            return frozenset(connection.execute(sa.select(reviews.c.id).where(_seeded)).scalars())

    def withdraw(self, now: float) -> int:
        """Takes out what nobody has decided and nobody is looking at; returns how many."""
        until = reviews.c.leased_until
        free = until.is_(None) | (until <= now) | (until > now + LONGEST_LEASE_S)
        out = reviews.c.decided_at.is_(None) & _seeded & free
        with self._database.write() as connection:
            gone = list(connection.execute(sa.select(reviews.c.id).where(out)).scalars())
            connection.execute(sa.delete(known_answers).where(known_answers.c.review.in_(gone)))
            connection.execute(sa.delete(reviews).where(reviews.c.id.in_(gone)))
        return len(gone)

    def _pair(self, row: Any) -> tuple[ReviewRecord, KnownAnswer] | None:
        """A review and its answer; None where one of them cannot be read."""
        if row["answer"] is None:
            return None
        try:
            review = record_of(row, self.url)
            return review, whole(_answer.decode, row["answer"], self.url, "the known answer of", review.id)
        except StoreError:
            return None
