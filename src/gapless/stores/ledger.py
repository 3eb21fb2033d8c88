"""The durable ledger: which action was started, and what came of it, across crashes and processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import sqlalchemy as sa

from gapless.records.action import Entry
from gapless.records.base import Record
from gapless.records.value import decode, digest, encode, to_plain
from gapless.stores.anchored import Anchored
from gapless.stores.schema import ledger

RUN = "(run)"
"""The step of a whole run that was accepted and never reported back."""
KEY = "(key)"
"""The step of a client's key that was bound to one action."""
_PLAIN, _TYPED = "plain", "typed:"


class Serializer(Protocol):
    """Writes what actions hand over where plain data is not enough; LangGraph's checkpointers have one as `.serde`."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """(form, bytes) of a value."""
        ...

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value again."""
        ...


class OpenAction(Record, frozen=True, kw_only=True):
    """An action that was started and never reported back."""

    scope: str
    action: str
    reserved_at: float
    """When it began: Unix time in seconds."""
    step: str | None = None
    """Whose action it is; None where an earlier version of gapless wrote it down."""


class DurableLedger:
    """A ledger for `guard(ledger=...)` that outlives its process. Safe to use from several threads and processes.

    Args:
        url: Its database, as in GAPLESS_DATABASE_URL.
        serializer: Keeps what actions hand over where that is no plain data.
        mask: Plain data without what must not be kept; an answer that would lose something is not kept at all.
        clock: Seconds since the epoch, for the record.
    """

    def __init__(
        self,
        url: str,
        *,
        serializer: Serializer | None = None,
        mask: Callable[[Any], Any] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.url = url
        self._database = Anchored(url)
        self._serializer = serializer
        self._mask = mask
        self._clock = clock

    def reserve(self, scope: str, action: str, step: str = "") -> Entry:
        """Says what is known of an action of a step, and reserves a new one, in one indivisible step.

        An action that took place but whose answer could not be kept counts as open: it is never run again by itself.
        """
        where = _at(scope, action)
        with self._database.write() as connection:
            row = connection.execute(sa.select(ledger).where(where)).mappings().first()
            if row is None:
                fresh = {
                    "scope": scope,
                    "action": action,
                    "status": "open",
                    "reserved_at": self._clock(),
                    "step": step or None,
                }
                connection.execute(sa.insert(ledger).values(fresh))
                return Entry(status="new")
        return self._known(row)

    def release(self, scope: str, action: str) -> None:
        """Gives a reservation back: the action certainly did not take place."""
        with self._database.write() as connection:
            connection.execute(sa.delete(ledger).where(_at(scope, action), ledger.c.status == "open"))

    def give_up(self, scope: str, action: str) -> None:
        """Forgets an action that is in doubt, because somebody made sure that it did not take place."""
        doubtful = (ledger.c.status == "open") | ledger.c.form.is_(None)
        with self._database.write() as connection:
            connection.execute(sa.delete(ledger).where(_at(scope, action), doubtful))

    def consume(self, scope: str, action: str, value: Any) -> None:
        """Notes that the action took place and what it handed over."""
        form, data = self._dumps(value)
        now = self._clock()
        done = {"status": "done", "form": form, "value": data, "done_at": now}
        whole = {"scope": scope, "action": action, "reserved_at": now, **done}
        with self._database.write() as connection:
            changed = connection.execute(sa.update(ledger).where(_at(scope, action)).values(done))
            if changed.rowcount == 0:
                connection.execute(sa.insert(ledger).values(whole))

    def bind(self, scope: str, key: str, meaning: str) -> str:
        """What a key stands for: what it was first bound to, which is `meaning` if it is new, in one indivisible step."""
        name, now = digest(encode([KEY, key])), self._clock()
        with self._database.write() as connection:
            row = connection.execute(sa.select(ledger.c.value).where(_at(scope, name))).first()
            if row is not None:
                return str(decode(row.value))
            fresh = {"scope": scope, "action": name, "status": "done", "reserved_at": now, "step": KEY}
            fresh |= {"form": _PLAIN, "value": encode(meaning), "done_at": now}
            connection.execute(sa.insert(ledger).values(fresh))
        return meaning

    def accept(self, scope: str, run: str) -> None:
        """Notes that a run of a graph was accepted, before anything of it happens: under durability "exit" a process that
        dies leaves no checkpoint, and this is all that is known of the run."""
        with self._database.write() as connection:
            fresh = {
                "scope": scope,
                "action": run,
                "status": "open",
                "reserved_at": self._clock(),
                "step": RUN,
            }
            connection.execute(sa.insert(ledger).values(fresh))

    def ended(self, scope: str) -> None:
        """Notes that whoever called the graph heard from its runs: they ended, failed or wait for a person."""
        here = (ledger.c.scope == scope) & (ledger.c.step == RUN) & (ledger.c.status == "open")
        with self._database.write() as connection:
            connection.execute(sa.delete(ledger).where(here))

    def asked(self) -> list[OpenAction]:
        """Actions that somebody has to look after, oldest first: `release` those that did not take place, `consume` the others."""
        unsure = sa.select(ledger).where((ledger.c.status == "open") | ledger.c.form.is_(None))
        with self._database.read() as connection:
            rows = connection.execute(unsure.order_by(ledger.c.reserved_at)).mappings().all()
        fields = OpenAction.__struct_fields__
        return [OpenAction(**{name: row[name] for name in fields}) for row in rows]

    def close(self) -> None:
        """Closes the connections."""
        self._database.close()

    def _dumps(self, value: Any) -> tuple[str | None, bytes | None]:
        plain = to_plain(value)
        if self._mask is not None and self._mask(plain) != plain:
            return None, None  # it must not be written down
        if _same(plain, value):
            return _PLAIN, encode(plain)
        if self._serializer is None:
            return None, None
        form, data = self._serializer.dumps_typed(value)
        return f"{_TYPED}{form}", data

    def _known(self, row: Any) -> Entry:
        form: str | None = row["form"]
        if row["status"] != "done" or form is None:
            return Entry(status="open")
        if form == _PLAIN:
            return Entry(status="done", value=decode(row["value"]))
        if self._serializer is None:
            return Entry(status="open")
        typed = (form.removeprefix(_TYPED), row["value"])
        return Entry(status="done", value=self._serializer.loads_typed(typed))


def _at(scope: str, action: str) -> Any:
    return (ledger.c.scope == scope) & (ledger.c.action == action)


def _same(plain: Any, value: Any) -> bool:
    """Whether plain data is the value itself, types and all."""
    if type(plain) is not type(value):
        return False
    if isinstance(plain, dict):
        return plain.keys() == value.keys() and all(_same(plain[key], value[key]) for key in plain)
    if isinstance(plain, list):
        return len(plain) == len(value) and all(_same(a, b) for a, b in zip(plain, value, strict=True))
    return plain is value or plain == value
