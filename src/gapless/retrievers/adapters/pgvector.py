"""A search store in PostgreSQL: tsvector for words, pgvector for meaning, fused by rank."""

from __future__ import annotations

import json
import re
import threading
import weakref
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, LiteralString, cast

from gapless.errors import MissingExtra, StoreError, UsageError
from gapless.retrievers.base import Document, Embedder, Hit
from gapless.retrievers.fields import as_json, plain
from gapless.retrievers.hybrid import TwoArms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WORD = re.compile(r"\w+")
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,50}")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS {table}_about(name text PRIMARY KEY, value text NOT NULL);
CREATE TABLE IF NOT EXISTS {table}(
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text NOT NULL UNIQUE, text text NOT NULL, indexed_at double precision,
  metadata jsonb NOT NULL, words tsvector NOT NULL
);
CREATE INDEX IF NOT EXISTS {table}_words ON {table} USING gin(words);
CREATE INDEX IF NOT EXISTS {table}_metadata ON {table} USING gin(metadata);
"""


class PgvectorStore(TwoArms):
    """Documents in a table of PostgreSQL; found by words, by meaning, or by both (reciprocal-rank fusion).

    Words are ranked by PostgreSQL's `ts_rank_cd`, which is not BM25: it does not weigh rare words more. Meaning is compared exactly
    (`<=>`, the cosine distance), unless you give the table's column `vector` an index of pgvector's.

    Args:
        url: "postgresql://user@host/database". The database has the extension `vector`, or the user may create it.
        embedder: Embeds documents and queries; words alone without one.
        model: Name and version of the model behind `embedder`, kept in the database: with another, the store refuses.
        table: Lower-case name of the table, made if it is not there.
        language: PostgreSQL's text search configuration: "simple" knows no stems and no stop words, "english" does.
        depth: How deep each ranking is read before both are fused.
        timeout_s: Seconds after which a statement is given up.
        create: Whether the table is made where it is not there. Say False where it must be: a name misspelt finds nothing, forever.

    Raises:
        MissingExtra: psycopg is not installed.
        StoreError: The database cannot be reached, or has no pgvector.
        UsageError: The table's vectors are of another model; or it is not there, and may not be made.
    """

    def __init__(
        self,
        url: str,
        embedder: Embedder | None = None,
        *,
        model: str = "unnamed",
        table: str = "gapless_documents",
        language: str = "simple",
        depth: int = 100,
        timeout_s: float = 30.0,
        create: bool = True,
    ) -> None:
        try:
            import psycopg
        except ImportError as error:
            raise MissingExtra("the PostgreSQL search store (psycopg)", "pgvector") from error
        if not _NAME.fullmatch(table) or not _NAME.fullmatch(language):
            raise UsageError(
                f"table {table!r}, language {language!r}: allowed are lower-case letters, digits and underscores."
            )
        self._psycopg, self._url, self._timeout_s = psycopg, url, timeout_s
        self._lock = threading.RLock()
        self._db: Any = None
        self._embedder, self._table, self._language, self._depth = embedder, table, language, depth
        try:
            self._open(embedder, model, create=create)
        except BaseException:
            self.close()
            raise

    def upsert(self, documents: Sequence[Document]) -> None:
        """Stores documents in one transaction; one whose id is known replaces it.

        Raises:
            UsageError: Metadata that JSON cannot hold, a character that PostgreSQL cannot (NUL); or the table has vectors, and the
                store was opened without an embedder.
            StoreError: The database failed; nothing is stored.
        """
        if self._with_vectors and self._embedder is None:
            raise UsageError(
                "this table has vectors: open it with their model to store documents, or these are never found by meaning."
            )
        latest = {document.id: document for document in documents}
        rows = [
            (one.id, one.text, one.indexed_at, as_json(one), self._language, one.text)
            for one in latest.values()
        ]
        for row in rows:
            if any("\x00" in part or "\\u0000" in part for part in (row[0], row[1], row[3])):
                raise UsageError(f"document {row[0]!r} holds a NUL character, which PostgreSQL cannot keep.")
        if not rows:
            return
        columns, places = "id, text, indexed_at, metadata, words", "%s, %s, %s, %s, to_tsvector(%s, %s)"
        if self._embedder is not None:
            vectors = self._embedder.embed([row[1] for row in rows])
            rows = [(*row, _literal(vectors[at])) for at, row in enumerate(rows)]
            columns, places = f"{columns}, vector", f"{places}, %s::vector"
        taken = ", ".join(f"{name} = excluded.{name}" for name in columns.split(", ")[1:])
        sql = f"""INSERT INTO {{table}}({columns}) VALUES ({places})
                  ON CONFLICT (id) DO UPDATE SET number = DEFAULT, {taken}"""  # noqa: S608  values are bound
        with self._cursor() as db:
            db.executemany(self._sql(sql), rows)

    def delete(self, ids: Sequence[str]) -> int:
        """Forgets documents; returns how many there were."""
        named = [name for name in ids if "\x00" not in name]
        with self._cursor() as db:
            return db.execute(self._sql("DELETE FROM {table} WHERE id = ANY(%s)"), (named,)).rowcount

    def by_words(self, query: str, k: int = 10, *, filter: Mapping[str, Any] | None = None) -> list[Hit]:  # noqa: A002
        """The documents that share a word with the query, by `ts_rank_cd`; higher is better."""
        asked = " | ".join(f"'{word}'" for word in dict.fromkeys(_WORD.findall(query.lower())))
        with self._cursor() as db:
            where, values = self._filter(db, filter)
            if not asked or k < 1:
                return []
            sql = f"""SELECT id, ts_rank_cd(words, asked, 1), text, indexed_at, metadata
                      FROM {{table}}, to_tsquery(%s::regconfig, %s) asked WHERE words @@ asked {where}
                      ORDER BY 2 DESC, number LIMIT %s"""  # noqa: S608  values are bound
            return _hits(db.execute(self._sql(sql), (self._language, asked, *values, k)), "words")

    def by_meaning(self, query: str, k: int = 10, *, filter: Mapping[str, Any] | None = None) -> list[Hit]:  # noqa: A002
        """The documents nearest in meaning; the score is the cosine.

        Raises:
            UsageError: The store has no embedder, or no document has a field of the filter.
        """
        vector = _literal(self.embed([query])[0])
        with self._cursor() as db:
            where, values = self._filter(db, filter)
            if k < 1:
                return []
            sql = f"""SELECT id, 1 - (vector <=> %s::vector), text, indexed_at, metadata FROM {{table}} WHERE true {where}
                      ORDER BY vector <=> %s::vector, number LIMIT %s"""  # noqa: S608  values are bound
            return _hits(db.execute(self._sql(sql), (vector, *values, vector, k)), "meaning")

    def documents(self) -> list[Document]:
        """Everything that can be found, in the order of storing."""
        with self._cursor() as db:
            rows = db.execute(self._sql("SELECT id, text, indexed_at, metadata FROM {table} ORDER BY number"))
            return [Document(name, text, when, metadata) for name, text, when, metadata in rows]

    def vectors(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The stored vectors of documents; unknown ids are left out, all of them where the store has no vectors."""
        import numpy as np

        if not self._with_vectors:
            return {}
        with self._cursor() as db:
            rows = db.execute(
                self._sql("SELECT id, vector::text FROM {table} WHERE id = ANY(%s)"), (list(ids),)
            )
            return {name: np.array(json.loads(numbers), dtype=np.float32) for name, numbers in rows}

    def close(self) -> None:
        """Closes the connection."""
        with self._lock:
            if self._db is not None:
                self._db.close()

    def _open(self, embedder: Embedder | None, model: str, *, create: bool) -> None:
        with self._cursor() as db:
            if not create and db.execute("SELECT to_regclass(%s)", (self._table,)).fetchone()[0] is None:
                raise UsageError(
                    f"PostgreSQL: there is no table {self._table!r}, and none may be made (create=False)."
                )
            db.execute(self._sql(_SCHEMA))
            if embedder is not None:
                self._open_vectors(db, embedder, model)
            known = "SELECT 1 FROM pg_attribute WHERE attrelid = %s::regclass AND attname = 'vector' AND NOT attisdropped"
            self._with_vectors = db.execute(known, (self._table,)).fetchone() is not None

    def _open_vectors(self, db: Any, embedder: Embedder, model: str) -> None:
        size = int(embedder.embed(["size"]).shape[1])
        db.execute("CREATE EXTENSION IF NOT EXISTS vector")
        known = dict(db.execute(self._sql("SELECT name, value FROM {table}_about")).fetchall())
        if known.get("model", model) != model or int(known.get("size", size)) != size:
            raise UsageError(
                f"the vectors in this table are of {known['model']!r} ({known['size']} numbers), and it is opened with {model!r} ({size}). "
                "Open it with the same model, or embed everything anew into another table."
            )
        documents = db.execute(self._sql("SELECT count(*) FROM {table}")).fetchone()[0]
        if not known and documents:
            raise UsageError(
                f"{documents} documents were stored here without vectors, and would never be found by meaning. Store them anew in another table."
            )
        db.execute(self._sql(f"ALTER TABLE {{table}} ADD COLUMN IF NOT EXISTS vector vector({size})"))
        db.executemany(
            self._sql("INSERT INTO {table}_about VALUES (%s, %s) ON CONFLICT DO NOTHING"),
            [("model", model), ("size", str(size))],
        )

    def _filter(self, db: Any, given: Mapping[str, Any] | None) -> tuple[str, list[Any]]:
        values: list[Any] = []
        for name, value in plain(given).items():
            known = self._sql("SELECT EXISTS (SELECT 1 FROM {table} WHERE jsonb_exists(metadata, %s))")
            if "\x00" in name or not db.execute(known, (name,)).fetchone()[0]:
                raise UsageError(f"filter: no document has the field {name!r}. {self._fields(db)}")
            values += [name, json.dumps(value)]
        return "AND metadata -> %s @> %s::jsonb " * (
            len(values) // 2
        ), values  # a list contains each of its values

    def _fields(self, db: Any) -> str:
        sql = "SELECT DISTINCT field FROM {table}, jsonb_object_keys(metadata) field ORDER BY 1 LIMIT 20"
        names = [str(name) for (name,) in db.execute(self._sql(sql))]
        return f"Fields are: {', '.join(names)}." if names else "Documents here have no fields."

    def _sql(self, text: str) -> LiteralString:
        """The table's name is one of ours or checked; everything else is bound."""
        return cast("LiteralString", text.replace("{table}", self._table))

    @contextmanager
    def _cursor(self) -> Generator[Any]:
        """One transaction; a connection that broke is opened anew by the next."""
        with self._lock:
            try:
                if self._db is None or self._db.closed:
                    self._db = self._psycopg.connect(
                        self._url,
                        autocommit=True,
                        connect_timeout=max(2, round(self._timeout_s)),
                        options=f"-c statement_timeout={round(self._timeout_s * 1000)} -c client_min_messages=warning",
                    )
                    weakref.finalize(
                        self, self._db.close
                    )  # a store that nobody closed leaves no connection behind
                with self._db.transaction(), self._db.cursor() as cursor:
                    yield cursor
            except self._psycopg.Error as error:
                raise StoreError(
                    f"PostgreSQL (table {self._table!r}): {type(error).__name__}: {str(error).strip()}. "
                    "Look at the address, at the server, and at the extension `vector`."
                ) from error


def _hits(rows: Any, arm: str) -> list[Hit]:
    return [
        Hit(id=name, score=float(score), text=text, ranks={arm: rank}, indexed_at=when, metadata=metadata)
        for rank, (name, score, text, when, metadata) in enumerate(rows, start=1)
    ]


def _literal(vector: NDArray[np.float32]) -> str:
    """As pgvector reads it."""
    return json.dumps([float(number) for number in vector])
