"""`gapless review seed`: recorded handoffs that are known right or wrong, put in among the real reviews."""

from __future__ import annotations

import random as randomly
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gapless.errors import UsageError
from gapless.evals.judge import Judge
from gapless.operations.known_handoffs import Known, damaged, handoff_of, known_handoffs
from gapless.records.measurement import Measurement
from gapless.records.review import ReviewRecord
from gapless.records.workflow import Shape
from gapless.review.inbox import EXPIRY

if TYPE_CHECKING:
    from gapless.review.seeded import Handoff, Seeding
    from gapless.stores.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How many reviews with known answers are wanted."""

    count: int | None = None
    """That many more."""
    share: float | None = None
    """So many that they are this share of all that waits, those that wait already included."""
    wrong: float = 0.5
    """Share of wrong ones among them."""
    again: bool = False
    """Take handoffs that one reviewer has judged, so that another judges the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """What was put in."""

    right: int = 0
    wrong: int = 0
    wanted: int = 0
    sources: dict[str, int] = field(default_factory=dict[str, int])
    """How the answers are known -> how many."""
    why_fewer: str = ""


async def seed(
    store: Store,
    seeding: Seeding,
    measurement: Measurement,
    wish: Wish,
    *,
    random: randomly.Random | None = None,
) -> Planted:
    """Puts recorded handoffs with known answers in among the reviews that wait.

    Args:
        store: Where the measurement is.
        seeding: The inbox they go into.
        measurement: Whose handoffs are taken.
        wish: How many.
        random: Chooses; the system's random numbers when None.

    Raises:
        UsageError: Nothing waits that they could stand among, or the measurement holds no handoff with a known answer at a
            step that asks people.
    """
    if measurement.ingested is not None:
        raise UsageError(
            f"measurement {measurement.id} came from a run table, which holds no handoffs. Seed from one that gapless measured."
        )
    random = random if random is not None else randomly.SystemRandom()
    real, done = seeding.real(), seeding.done()
    if not real:
        raise UsageError(
            "no real review waits, so a seeded one would stand alone. Seed when something waits: `gapless review` lists it."
        )
    waiting = [known for review, known in done.items if review.decided_at is None]
    wanted = _wanted(wish, len(real), len(waiting))
    if wanted == 0:
        return Planted()
    taken = {known.origin for _, known in done.items}
    if wish.again:
        taken = {known.origin for known in waiting} | _twice(done.items)
    shelf = _Shelf(store, measurement, {review.step for review in real}, taken, random)
    shelf.beside |= {
        (known.case.id, review.step) for review, known in done.items if review.decided_at is None
    }
    if wish.again:
        shelf.only = {known.source for review, known in done.items if review.decided_at is not None}
    chosen = [pair async for pair in _choose(shelf, real, _kinds(wanted, wish.wrong, random), random)]
    if not chosen:
        raise UsageError(_nothing(measurement, real, wish))
    random.shuffle(chosen)
    seeding.plant(chosen)
    wrong = sum(not handoff.known.right for handoff, _ in chosen)
    short = wanted - len(chosen)
    return Planted(
        right=len(chosen) - wrong,
        wrong=wrong,
        wanted=wanted,
        sources=dict(Counter(handoff.known.how.partition(":")[0] for handoff, _ in chosen)),
        why_fewer=f"{short} fewer than asked for: {_nothing(measurement, real, wish)}" if short else "",
    )


def _wanted(wish: Wish, real: int, waiting: int) -> int:
    if wish.share is None:
        return wish.count if wish.count is not None else 1
    if not 0 < wish.share < 1:
        raise UsageError(
            f"--share {wish.share:g}: a share of what waits lies between 0 and 1, for example 0.1."
        )
    all_in_all = max(1, round(wish.share / (1 - wish.share) * real))
    return max(0, all_in_all - waiting)


def _kinds(wanted: int, wrong: float, random: randomly.Random) -> list[bool]:
    """Whether each is to be right; the odd one falls by chance."""
    wrongs = int(wanted * wrong + random.random())
    kinds = [False] * min(wanted, wrongs) + [True] * (wanted - min(wanted, wrongs))
    random.shuffle(kinds)
    return kinds


def _twice(items: Sequence[tuple[ReviewRecord, Any]]) -> set[str]:
    """Handoffs that two reviewers have judged: nobody needs a third."""
    judges: dict[str, set[str]] = {}
    for review, known in items:
        if review.decided_by not in (None, EXPIRY):
            judges.setdefault(known.origin, set()).add(review.decided_by)
    return {origin for origin, who in judges.items() if len(who) > 1}


def _nothing(measurement: Measurement, real: Sequence[ReviewRecord], wish: Wish) -> str:
    steps = ", ".join(sorted({review.step for review in real}))
    if wish.again:
        return "every handoff that one reviewer has judged is waiting again, or was judged by two. Leave out --again."
    return (
        f"measurement {measurement.id} has no further handoff with a known answer at {steps}. Measure more cases, or give "
        "those steps golden outputs or checks in the suite."
    )


class _Shelf:
    """Known handoffs of a measurement, each taken once."""

    def __init__(
        self,
        store: Store,
        measurement: Measurement,
        steps: set[str],
        taken: set[str],
        random: randomly.Random,
    ) -> None:
        self._store = store
        self._random = random
        self._judge = Judge(Shape())
        self.only: set[str] | None = None
        self.beside: set[tuple[str, str]] = set()
        """(case, step) that wait already: two of one case side by side would give each other away."""
        found = [known for known in known_handoffs(store, measurement, steps) if known.origin not in taken]
        random.shuffle(found)
        # What its own gate would have stopped looks most like a real review: its words and its signal are its own.
        self._found = sorted(found, key=lambda known: (known.reason is None, not known.strict))

    async def take(self, step: str, right: bool) -> Handoff | None:
        """A handoff of a step that is known right, or known wrong: recorded so, else a right one damaged."""
        for known, made in self._ways(step, right):
            if (known.case.id, step) in self.beside:
                continue
            handoff = await made(known)
            if handoff is None or (self.only is not None and handoff.known.source not in self.only):
                continue
            self._found.remove(known)
            self.beside.add((known.case.id, step))
            return handoff
        return None

    def _ways(self, step: str, right: bool) -> Iterator[tuple[Known, Callable[[Known], Any]]]:
        here = [known for known in self._found if known.step == step]
        yield from ((known, self._as_it_is) for known in here if known.right == right)
        if not right:
            yield from ((known, self._damaged) for known in here if known.right)

    async def _as_it_is(self, known: Known) -> Handoff | None:
        return handoff_of(self._store, known)

    async def _damaged(self, known: Known) -> Handoff | None:
        return await damaged(self._store, known, self._judge)


async def _choose(
    shelf: _Shelf, real: Sequence[ReviewRecord], kinds: Sequence[bool], random: randomly.Random
) -> AsyncIterator[tuple[Handoff, ReviewRecord]]:
    for right in kinds:
        for like in random.sample(list(real), len(real)):
            handoff = await shelf.take(like.step, right)
            if handoff is not None and _fits(handoff, like):
                yield handoff, like
                break


def _fits(handoff: Handoff, like: ReviewRecord) -> bool:
    """Whether it shows as much as the real review does."""
    shown = {"given": handoff.given, "input": handoff.input}
    return all(value is not None or like.question.get(name) is None for name, value in shown.items())
