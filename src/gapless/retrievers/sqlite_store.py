"""The built-in search store: one SQLite file with FTS5 for words and sqlite-vec for meaning, fused by rank."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapless.errors import MissingExtra, UsageError
from gapless.retrievers.base import Document, Embedder, Hit, told_by
from gapless.retrievers.fields import as_json, plain
from gapless.retrievers.hybrid import TwoArms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WORD = re.compile(r"\w+")
_DEEPEST = 4096  # sqlite-vec answers no more neighbours at once
_SCHEMA = """
CREATE TABLE IF NOT EXISTS about(name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS documents(
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, text TEXT NOT NULL, indexed_at REAL, metadata TEXT NOT NULL
);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(text, content='', contentless_delete=1);
"""
_FILTER = """AND EXISTS (SELECT 1 FROM json_each(d.metadata) f WHERE f.key = ? AND (f.type IN ({kinds}) AND f.atom IS ?
  OR f.type = 'array' AND EXISTS (SELECT 1 FROM json_each(f.value) e WHERE e.type IN ({kinds}) AND e.atom IS ?)))"""


class SqliteStore(TwoArms):
    """Documents in one SQLite file; found by words, by meaning, or by both (reciprocal-rank fusion).

    Args:
        place: File, made if it is not there; in memory when None.
        embedder: Embeds documents and queries; words alone without one.
        model: Name and version of the model behind `embedder`. It is kept in the file: opened with another, the store refuses,
            for vectors of two models cannot be compared.
        depth: How deep each ranking is read before both are fused.

    Raises:
        MissingExtra: apsw or sqlite-vec is not installed.
        StoreError: The file cannot be opened, or is no search store.
        UsageError: The file's vectors are of another model.

    Example:
        >>> store = SqliteStore()
        >>> store.upsert([Document("a", "The cap is USD 5.", metadata={"year": 2025}), Document("b", "Goods go by ship.")])
        >>> [hit.id for hit in store.search("liability cap")], [hit.id for hit in store.search("goods", filter={"year": 2025})]
        (['a'], [])
    """

    def __init__(
        self,
        place: Path | str | None = None,
        embedder: Embedder | None = None,
        *,
        model: str = "unnamed",
        depth: int = 100,
    ) -> None:
        try:
            import apsw
            import sqlite_vec
        except ImportError as error:
            raise MissingExtra("the built-in search store (apsw, sqlite-vec)", "vectors") from error
        # apsw brings an SQLite of its own that loads extensions; many builds of Python's sqlite3 do not
        self._where, self._failure = f"search store {place or 'in memory'}", apsw.Error
        self._lock = threading.RLock()  # apsw refuses one connection in two threads at once
        self._embedder, self._depth = embedder, depth
        with told_by(self._where, apsw.Error):
            self._db = apsw.Connection(":memory:" if place is None else str(place))
            self._db.enable_load_extension(True)
            self._db.load_extension(sqlite_vec.loadable_path())
            self._db.enable_load_extension(False)
            self._db.set_busy_timeout(5_000)
        try:
            with self._change():
                self._db.execute(_SCHEMA)
            if embedder is not None:
                self._open_vectors(embedder, model)
        except BaseException:
            self._db.close()
            raise
        self._with_vectors = bool(self._rows("SELECT 1 FROM sqlite_schema WHERE name = 'vectors'"))

    def upsert(self, documents: Sequence[Document]) -> None:
        """Stores documents, all of them or none; one whose id is known replaces it.

        Raises:
            UsageError: Metadata that JSON cannot hold; or the file has vectors, and the store was opened without an embedder.
            StoreError: The file cannot be written; nothing is stored.
        """
        if self._with_vectors and self._embedder is None:
            raise UsageError(
                "this file has vectors: open it with their model to store documents, or these are never found by meaning."
            )
        latest = {document.id: document for document in documents}
        rows = [(one.id, one.text, one.indexed_at, as_json(one)) for one in latest.values()]
        vectors = (
            self._embedder.embed([text for _, text, _, _ in rows])
            if self._embedder is not None and rows
            else None
        )
        with self._change():
            gone = self._forget(list(latest))
            for at, row in enumerate(rows):
                self._db.execute(
                    "INSERT INTO documents(id, text, indexed_at, metadata) VALUES (?, ?, ?, ?)", row
                )
                number = self._db.last_insert_rowid()
                self._db.execute("INSERT INTO words(rowid, text) VALUES (?, ?)", (number, row[1]))
                if vectors is not None:
                    self._db.execute(
                        "INSERT INTO vectors(rowid, vector) VALUES (?, ?)", (number, _bytes(vectors[at]))
                    )
        self._changed(gone)

    def delete(self, ids: Sequence[str]) -> int:
        """Forgets documents; returns how many there were."""
        with self._change():
            gone = self._forget(ids)
        self._changed(gone)
        return len(gone)

    def by_words(self, query: str, k: int = 10, *, filter: Mapping[str, Any] | None = None) -> list[Hit]:  # noqa: A002
        """The documents that share a word with the query, by FTS5's BM25; higher is better."""
        asked = " OR ".join(f'"{word}"' for word in dict.fromkeys(_WORD.findall(query.lower())))
        where, values = self._filter(filter)
        if not asked or k < 1:
            return []
        sql = f"""SELECT d.id, -bm25(words), d.text, d.indexed_at, d.metadata FROM words JOIN documents d ON d.number = words.rowid
                  WHERE words MATCH ? {where} ORDER BY bm25(words), d.number LIMIT ?"""  # noqa: S608  values are bound
        return self._hits(sql, (asked, *values, k), "words")

    def by_meaning(self, query: str, k: int = 10, *, filter: Mapping[str, Any] | None = None) -> list[Hit]:  # noqa: A002
        """The documents nearest in meaning, exactly; the score is the cosine.

        Raises:
            UsageError: The store has no embedder, or no document has a field of the filter.
        """
        where, values = self._filter(filter)
        vector = self.embed([query])[0]
        if k < 1:
            return []
        inside = f"AND v.rowid IN (SELECT d.number FROM documents d WHERE true {where})" if where else ""  # noqa: S608  values are bound
        sql = f"""SELECT d.id, 1 - v.distance, d.text, d.indexed_at, d.metadata
                  FROM (SELECT rowid, distance FROM vectors v WHERE vector MATCH ? AND k = ? {inside}) v
                  JOIN documents d ON d.number = v.rowid ORDER BY v.distance, d.number"""  # noqa: S608  values are bound
        return self._hits(sql, (_bytes(vector), min(k, _DEEPEST), *values), "meaning")

    def documents(self) -> list[Document]:
        """Everything that can be found, in the order of storing."""
        rows = self._rows("SELECT id, text, indexed_at, metadata FROM documents ORDER BY number")
        return [Document(name, text, when, json.loads(metadata)) for name, text, when, metadata in rows]

    def vectors(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The stored vectors of documents; unknown ids are left out, all of them where the store has no embedder."""
        import numpy as np

        if self._embedder is None:
            return {}
        sql = "SELECT d.id, v.vector FROM documents d JOIN vectors v ON v.rowid = d.number WHERE d.id IN (SELECT value FROM json_each(?))"
        rows = self._rows(sql, (json.dumps(list(ids)),))
        return {name: np.frombuffer(raw, dtype=np.float32) for name, raw in rows}

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._db.close()

    def _open_vectors(self, embedder: Embedder, model: str) -> None:
        size = int(embedder.embed(["size"]).shape[1])
        with self._change():
            known = dict(self._rows("SELECT name, value FROM about"))
            if known.get("model", model) != model or int(known.get("size", size)) != size:
                raise UsageError(
                    f"the vectors in this store are of {known['model']!r} ({known['size']} numbers), and it is opened with {model!r} ({size}). "
                    "Open it with the same model, or embed everything anew into another file."
                )
            documents = self._one("SELECT count(*) FROM documents")
            if not known and documents:
                raise UsageError(
                    f"{documents} documents were stored here without vectors, and would never be found by meaning. Store them anew in another file."
                )
            self._db.execute(
                f"CREATE VIRTUAL TABLE IF NOT EXISTS vectors USING vec0(vector float[{size}] distance_metric=cosine)"
            )
            for row in (("model", model), ("size", str(size))):
                self._db.execute("INSERT OR IGNORE INTO about VALUES (?, ?)", row)

    def _changed(self, gone: Sequence[int]) -> None:
        """Called after every change that is on disk, with the numbers of the documents that are there no more."""

    def _forget(self, ids: Sequence[str]) -> list[int]:
        sql = "SELECT number FROM documents WHERE id IN (SELECT value FROM json_each(?))"
        numbers: list[int] = [number for (number,) in self._rows(sql, (json.dumps(list(ids)),))]
        tables = ["words", *(["vectors"] if self._with_vectors else [])]
        for number in numbers:
            for table in tables:
                self._db.execute(f"DELETE FROM {table} WHERE rowid = ?", (number,))  # noqa: S608  a name of ours
            self._db.execute("DELETE FROM documents WHERE number = ?", (number,))
        return numbers

    def _filter(self, given: Mapping[str, Any] | None) -> tuple[str, list[Any]]:
        """Conditions, and what is bound in them."""
        where, values = list[str](), list[Any]()
        for name, value in plain(given).items():
            if not self._one(
                "SELECT EXISTS (SELECT 1 FROM documents d, json_each(d.metadata) WHERE key = ?)", name
            ):
                raise UsageError(f"filter: no document has the field {name!r}. {self._fields()}")
            where.append(_FILTER.format(kinds=_kinds(value)))
            values += [name, value, value]
        return " ".join(where), values

    def _fields(self) -> str:
        sql = "SELECT DISTINCT key FROM documents d, json_each(d.metadata) ORDER BY 1 LIMIT 20"
        names = [str(name) for (name,) in self._rows(sql)]
        return f"Fields are: {', '.join(names)}." if names else "Documents here have no fields."

    def _hits(self, sql: str, values: tuple[Any, ...], arm: str) -> list[Hit]:
        return [
            Hit(
                id=name,
                score=score,
                text=text,
                ranks={arm: rank},
                indexed_at=when,
                metadata=json.loads(metadata),
            )
            for rank, (name, score, text, when, metadata) in enumerate(self._rows(sql, values), start=1)
        ]

    def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        with self._lock, told_by(self._where, self._failure):
            return list(self._db.execute(sql, values))

    def _one(self, sql: str, *values: Any) -> Any:
        return self._rows(sql, values)[0][0]

    @contextmanager
    def _change(self) -> Generator[None]:
        """One transaction: what is in it is visible to everybody when it ends, or not at all."""
        with self._lock, told_by(self._where, self._failure):
            # a change that reads before it writes would be refused, without waiting, where another process wrote in between;
            # and apsw's own `with` waits for that process without letting other threads run
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")


def _kinds(value: Any) -> str:
    """What JSON's own functions call the type of a value: SQLite has no true, and takes it for 1."""
    if isinstance(value, bool):
        return "'true', 'false'"
    return "'text'" if isinstance(value, str) else "'null'" if value is None else "'integer', 'real'"


def _bytes(vector: NDArray[np.float32]) -> bytes:
    import numpy as np

    return np.ascontiguousarray(vector, dtype=np.float32).tobytes()
