"""The history of checkups, beside the measurements."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from gapless.records.finding import Checkup
from gapless.stores import schema
from gapless.stores.damage import whole_squeezed
from gapless.stores.database import translated
from gapless.stores.rows import pack, squeeze

_checkup = msgspec.msgpack.Decoder(Checkup)


class Checkups:
    """Checkups of one store.

    Args:
        engine: The store's.
        url: Names it in errors.
    """

    def __init__(self, engine: Engine, url: str) -> None:
        self._engine, self._url = engine, url

    def add(self, checkup: Checkup) -> None:
        """Writes one."""
        values = {
            "id": checkup.id,
            "created_at": checkup.created_at,
            "subject": checkup.subject,
            "body": squeeze(pack(checkup)),
        }
        writing = self._engine.execution_options(gapless_write=True)
        with translated(self._url), writing.begin() as connection:
            connection.execute(sa.insert(schema.checkups).values(**values))

    def newest(self, most: int, subject: str | None = None) -> list[Checkup]:
        """The last ones, newest first; of one subject where it is given."""
        table = schema.checkups
        query = sa.select(table.c.id, table.c.body).order_by(table.c.created_at.desc(), table.c.id.desc())
        query = query.where(table.c.subject == subject) if subject is not None else query
        with translated(self._url), self._engine.connect() as connection:
            rows = [(id_, body) for id_, body in connection.execute(query.limit(most))]
        return [whole_squeezed(_checkup.decode, body, self._url, "the checkup", id_) for id_, body in rows]
