"""Freshness guard: evidence that is too old, or was indexed by another embedding model, is not used as if it were current."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, ClassVar, cast

from gapless.boundary.crossing import Crossing
from gapless.boundary.faults.handoff import UNCHANGED, read
from gapless.boundary.guards.base import Breach
from gapless.boundary.guards.complete import find
from gapless.errors import InvalidContract, StaleContext

_DAY_S = 86_400.0
_AHEAD = 1.0  # days that clocks and time zones may differ by


@dataclass(frozen=True, kw_only=True)
class Fresh:
    """How old evidence may be."""

    name: ClassVar[str] = "fresh"

    days: float
    """Greatest age of the evidence, in days."""
    at: str = "updated_at"
    """Key of the time in each piece of evidence: ISO 8601, a date, or Unix seconds."""
    evidence: str = ""
    """Dotted path of the evidence in the handoff: a list of pieces, or one; "" looks through all of the handoff."""
    model: tuple[str, str] | None = None
    """(key, expected value) of the embedding model that indexed a piece, where pieces carry it."""
    clock: Callable[[], float] = time.time
    """Unix time in seconds."""

    def __post_init__(self) -> None:
        if not self.days > 0:
            raise InvalidContract(f"Fresh(days={self.days!r}): an age is above 0.")

    def breach(self, crossing: Crossing, handoff: Any) -> Breach | None:
        """The oldest piece that is too old, a piece whose time cannot be read, or one of another embedding model."""
        value = find(handoff, self.evidence)
        pieces = list(_pieces(value, self.at)) if value is not UNCHANGED else []
        undated = self._undated(value)
        if not pieces and value == []:
            return (
                None  # nothing is old where there is nothing; whether that is enough is for `Complete` to say
            )
        if not pieces:
            return Breach(
                self.name,
                f"no piece of evidence carries {self.at!r}: its age is unknown, and the contract allows {self.days:g} days",
                StaleContext,
            )
        if undated:
            return Breach(
                self.name,
                f"{undated} of {len(value)} pieces carry no {self.at!r}: their age is unknown",
                StaleContext,
            )
        ages: list[float] = []
        for stamp, piece in pieces:
            when = seconds(stamp)
            if when is None:
                return Breach(self.name, f"{self.at} is {stamp!r}, which is no time", StaleContext)
            age = (self.clock() - crossing.behind_s - when) / _DAY_S
            if age < -_AHEAD:  # milliseconds taken for seconds, or a clock that is wrong: the age is unknown
                return Breach(
                    self.name,
                    f"{self.at} is {stamp!r}, which lies in the future: its age is unknown",
                    StaleContext,
                )
            ages.append(age)
            other = self._other_model(piece)
            if other is not None:
                return Breach(self.name, other, StaleContext)
        oldest = max(ages)
        if oldest <= self.days:
            return None
        reason = f"context is {oldest:.0f} days old, the contract allows {self.days:g}. Re-index the source, or raise Fresh(days=...)."
        return Breach(self.name, reason, StaleContext)

    def _undated(self, value: Any) -> int:
        """How many pieces of a list of evidence carry no time, neither they nor what is in them."""
        if not self.evidence or not isinstance(value, (list, tuple)):
            return 0
        return sum(not any(_pieces(piece, self.at)) for piece in cast("list[Any]", value))

    def _other_model(self, piece: Any) -> str | None:
        if self.model is None:
            return None
        key, expected = self.model
        found = read(piece, key)
        if found is UNCHANGED or found == expected:
            return None
        return f"a piece was indexed by {found!r}, the contract expects {expected!r}: re-embed it"


def seconds(stamp: Any) -> float | None:
    """A time as Unix seconds; a date or a time without zone is taken as UTC. None when it is no time."""
    if isinstance(stamp, bool):
        return None
    if isinstance(stamp, (int, float)):
        return float(stamp) if stamp == stamp else None
    if isinstance(stamp, str):
        try:
            stamp = datetime.fromisoformat(stamp)
        except ValueError:
            return None
    if isinstance(stamp, datetime):
        return (stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=UTC)).timestamp()
    if isinstance(stamp, date):
        return datetime(stamp.year, stamp.month, stamp.day, tzinfo=UTC).timestamp()
    return None


def _pieces(value: Any, key: str) -> Iterator[tuple[Any, Any]]:
    """(time, piece) of everything in a value that carries the key."""
    if isinstance(value, (list, tuple)):
        for item in cast("list[Any]", value):
            yield from _pieces(item, key)
        return
    stamp = read(value, key)
    if stamp is not UNCHANGED:
        yield stamp, value
    elif isinstance(value, dict):
        for inner in cast("dict[Any, Any]", value).values():
            if isinstance(inner, (dict, list, tuple)):
                yield from _pieces(inner, key)
