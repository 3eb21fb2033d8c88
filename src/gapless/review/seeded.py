"""Reviews with known answers: dressed like the real ones they stand among, and kept away from every workflow.

What a reviewer sees of one (its step, thread, age, reason, id and place in the list) is drawn from a real review that
waits; only the handoff, what the step was given and the signal are its own.
"""

from __future__ import annotations

import re
import secrets
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from gapless.errors import UnknownName
from gapless.records.review import KnownAnswer, ReviewRecord
from gapless.records.ulid import new_ulid
from gapless.records.value import digest, encode
from gapless.stores.inbox import InboxStore
from gapless.stores.known_answers import KnownAnswerStore, Seeded

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-f]{16,}")
_LAST_NUMBER = re.compile(r"\d+(?=\D*\Z)")
_TRIES = 100
_FILED_MS = (0.001, 0.006)  # how long after its question a real review has its id


@dataclass(frozen=True, slots=True, kw_only=True)
class Handoff:
    """A recorded handoff with a known answer."""

    step: str
    handoff: Any
    given: Any
    """What the step was given."""
    known: KnownAnswer
    reason: str | None = None
    """Why its own gate would have stopped it, in the gate's words; None where no gate looked at it."""
    signal: float | None = None
    input: Any = None
    """What its run was given."""


class Seeding:
    """Puts reviews with known answers into an inbox, and reads what became of them.

    Args:
        url: The inbox's database.
        random: Chooses what is dressed like what.
        mask: Plain data without what must not be kept, as the inbox has it.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        url: str,
        *,
        random: Random | None = None,
        mask: Callable[[Any], Any] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._reviews = InboxStore(url)
        self._answers = KnownAnswerStore(url)
        self._random = random if random is not None else secrets.SystemRandom()
        self._mask = mask if mask is not None else _as_it_is
        self._clock = clock

    def close(self) -> None:
        """Closes the database."""
        self._reviews.close()
        self._answers.close()

    def real(self) -> list[ReviewRecord]:
        """Reviews that wait and that workflows asked for, the oldest first."""
        now = self._clock()
        found = self._reviews.list(undecided=True, real=True)
        return [r for r in found if r.on_expiry == "escalate" or r.standing(now) == "waiting"]

    def done(self) -> Seeded:
        """Everything that was put in so far."""
        return self._answers.all()

    def ids(self) -> frozenset[str]:
        """The ids of all that was put in."""
        return self._answers.ids()

    def known(self, review: str) -> KnownAnswer | None:
        """The known answer of a review; None for a real one.

        Raises:
            UnknownName: It was put in, and its answer cannot be read any more.
        """
        if review not in self._answers.ids():
            return None
        found = next((known for one, known in self._answers.all().items if one.id == review), None)
        if found is None:
            raise UnknownName(f"review {review} was put in with a known answer that cannot be read any more.")
        return found

    def plant(self, handoffs: Sequence[tuple[Handoff, ReviewRecord]]) -> None:
        """Puts handoffs in, each dressed like the real review beside it; all of them or none."""
        now, real = self._clock(), self.real()
        threads = Counter(review.thread for review in self._reviews.list())
        planted: list[tuple[ReviewRecord, KnownAnswer]] = []
        for handoff, like in handoffs:
            review = self._dressed(handoff, like, self._moment(like, real, now), threads)
            threads[review.thread] += 1
            planted.append((review, handoff.known))
        self._answers.plant(planted)

    def withdraw(self) -> int:
        """Takes out what nobody has decided and nobody is looking at; returns how many."""
        return self._answers.withdraw(self._clock())

    def _moment(self, like: ReviewRecord, real: Sequence[ReviewRecord], now: float) -> float:
        """When it came in: somewhere between the review it is dressed like and the next real one."""
        later = [review.created_at for review in real if review.created_at > like.created_at]
        end = min(now, min(later, default=now))
        return self._random.uniform(like.created_at, end) if end > like.created_at else like.created_at

    def _dressed(
        self, handoff: Handoff, like: ReviewRecord, at: float, threads: Counter[str]
    ) -> ReviewRecord:
        own = {"handoff": self._mask(handoff.handoff), "given": self._mask(handoff.given)}
        if handoff.reason is not None:
            own |= {"reason": handoff.reason, "signal": handoff.signal}
        if "input" in like.question:
            own["input"] = self._mask(handoff.input)
        own["subject"] = digest(encode(handoff.handoff))
        return ReviewRecord(
            id=new_ulid(at + self._random.uniform(*_FILED_MS)),
            # Where real ones share a thread, one of its own would stand out.
            thread=like.thread if threads[like.thread] > 1 else self._alike(like.thread, set(threads)),
            step=like.step,
            interrupt=None if like.interrupt is None else self._alike(like.interrupt, set()),
            subject=own["subject"],
            question={**like.question, **own},
            created_at=at,
            expires_at=None if like.expires_at is None else like.expires_at - like.created_at + at,
            on_expiry=like.on_expiry,
        )

    def _alike(self, name: str, taken: set[str]) -> str:
        """Another name of the same make: a UUID for a UUID, digits for digits. A name without either stays as it is."""
        for _ in range(_TRIES):
            other = self._another(name)
            if other not in taken:
                return other
        return name

    def _another(self, name: str) -> str:
        if _UUID.fullmatch(name):
            return str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        if _HEX.fullmatch(name):
            return "".join(self._random.choice("0123456789abcdef") for _ in name)
        return _LAST_NUMBER.sub(self._number, name)

    def _number(self, found: re.Match[str]) -> str:
        first = "0123456789" if found[0].startswith("0") else "123456789"
        return self._random.choice(first) + "".join(
            self._random.choice("0123456789") for _ in range(len(found[0]) - 1)
        )


def _as_it_is(value: Any) -> Any:
    return value
