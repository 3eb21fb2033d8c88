"""The built-in store with an approximate index for meaning: usearch's HNSW graph beside the SQLite file, which stays the truth."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gapless.errors import MissingExtra
from gapless.retrievers.base import Embedder, Hit
from gapless.retrievers.sqlite_store import SqliteStore

_CHANGES, _SAVED_SHARE = (
    1_000,
    10,
)  # a graph is written when so many are new, or a tenth of it if that is more
_GONE, _GONE_SHARE = 100, 4  # and made anew when so many are gone, or a quarter of it if that is more
_AT_ONCE, _DIGEST, _SAME = 1_000, 32, 1e-5


@dataclass(frozen=True, slots=True)
class Recall:
    """How much of what an exact search finds an approximate one finds too."""

    found: int
    of: int

    @property
    def share(self) -> float | None:
        """`found / of`; None where exact search finds nothing.

        Example:
            >>> Recall(19, 20).share
            0.95
        """
        return self.found / self.of if self.of else None


class UsearchStore(SqliteStore):
    """As `SqliteStore`; nearest vectors come from a graph that is walked in part, not from comparing all of them.

    Vectors live in the SQLite file. The graph can always be made from them: it is kept in memory, written beside the file from
    time to time, and what it lacks after a crash, or after another process has written, is found by number and added. So a
    search sees what SQLite holds, whatever happened. A search with a filter is exact, for a graph cannot be filtered.

    Args:
        place: SQLite file, made if it is not there; in memory when None.
        embedder: Embeds documents and queries.
        model: Name and version of the model behind `embedder`.
        depth: How deep each ranking is read before both are fused.
        connectivity: Neighbours that each vector keeps (HNSW's M).
        effort: Vectors that a search keeps in sight (HNSW's ef); more finds more of the true neighbours, slower. At least `depth`.

    Raises:
        MissingExtra: usearch, apsw or sqlite-vec is not installed.
        UsageError: The file's vectors are of another model.

    Source: Malkov and Yashunin 2018, "Efficient and robust approximate nearest neighbor search using HNSW graphs".
    """

    def __init__(
        self,
        place: Path | str | None = None,
        embedder: Embedder | None = None,
        *,
        connectivity: int = 16,
        effort: int = 128,
        model: str = "unnamed",
        depth: int = 100,
    ) -> None:
        try:
            from usearch.index import Index
        except ImportError as error:
            raise MissingExtra("the approximate index (usearch)", "usearch") from error
        super().__init__(place, embedder, model=model, depth=depth)
        self._graph: Any = None
        self._unsaved = self._newest = 0
        self._gone: set[int] = set()
        self._version = -1
        self._file = None if place is None else Path(f"{place}.usearch")
        if embedder is None:
            return
        size = int(self._one("SELECT value FROM about WHERE name = 'size'"))

        def empty() -> Any:
            return Index(
                ndim=size,
                metric="cos",
                dtype="f32",
                connectivity=connectivity,
                expansion_search=max(effort, depth),
            )

        self._empty = empty
        with self._lock:
            self._graph = self._kept(empty()) or empty()
            self._catch_up()
            self._save_if_due()

    def by_meaning(self, query: str, k: int = 10, *, filter: Mapping[str, Any] | None = None) -> list[Hit]:  # noqa: A002
        """The documents nearest in meaning, nearly all of them; the score is the cosine. Exact where there is a filter.

        Raises:
            UsageError: The store has no embedder, or no document has a field of the filter.
        """
        if filter:
            return self.exactly(query, k, filter=filter)
        vector = self.embed([query])[0]
        if k < 1:
            return []
        with self._lock:
            if self._one("PRAGMA data_version") != self._version:
                self._catch_up()
            return self._hits(
                """SELECT d.id, 1 - json_extract(n.value, '$[0]'), d.text, d.indexed_at, d.metadata
                   FROM json_each(?) n JOIN documents d ON d.number = json_extract(n.value, '$[1]') ORDER BY n.key""",
                (json.dumps(self._near(vector, k)),),
                "meaning",
            )

    def exactly(self, query: str, k: int = 10, *, filter: Mapping[str, Any] | None = None) -> list[Hit]:  # noqa: A002
        """As `by_meaning`, but compared with every vector."""
        return super().by_meaning(query, k, filter=filter)

    def recall(self, queries: Sequence[str], k: int = 10) -> Recall:
        """Asks both ways, and counts how many of the `k` nearest the graph finds; of equally near ones, any counts.

        Example:
            `store.recall([query.query for query in queries]).share` is .99 where one of a hundred is missed.
        """
        found = of = 0
        for query in queries:
            true = self.exactly(query, k)
            least = true[-1].score - _SAME if true else 0.0
            found += sum(hit.score >= least for hit in self.by_meaning(query, k))
            of += len(true)
        return Recall(found, of)

    def engines(self) -> dict[str, Callable[..., list[Hit]]]:
        """The rankings behind `search`, and meaning exactly, which says what the graph misses."""
        exact = {"meaning, exact": self.exactly} if self._graph is not None else {}
        return super().engines() | exact

    def close(self) -> None:
        """Writes the graph and closes the file."""
        with self._lock:
            if self._unsaved:
                self._save()
            super().close()

    def _changed(self, gone: Sequence[int]) -> None:
        with self._lock:
            if self._graph is None:
                return
            self._gone.update(gone)
            newer = self._rows("SELECT number FROM documents WHERE number > ?", (self._newest,))
            self._add([number for (number,) in newer])
            if self._one("PRAGMA data_version") != self._version:
                self._catch_up()
            if len(self._gone) > max(_GONE, len(self._graph) // _GONE_SHARE):
                self._graph, self._gone = self._empty(), set()
                self._catch_up()
            self._save_if_due()

    def _near(self, vector: Any, k: int) -> list[tuple[float, int]]:
        """Distance and number of the nearest that are still there; asks for more where some are not."""
        wanted, size = k + min(k, len(self._gone)), len(self._graph)
        while size:
            near = self._graph.search(vector, min(wanted, size), threads=1)
            pairs = sorted(zip(near.distances.tolist(), near.keys.tolist(), strict=True))
            alive = [pair for pair in pairs if pair[1] not in self._gone]
            if len(alive) >= k or wanted >= size:
                return alive[:k]
            wanted *= 2
        return []

    def _catch_up(self) -> None:
        """Makes the graph hold the numbers that the file holds.

        A number is given once (AUTOINCREMENT) and its vector never changes, so the same numbers are the same vectors. What is
        gone stays in the graph and is passed over: usearch (2.26) gives the place of a removed vector to the next one, and
        where that was the graph's entry, most of it is never reached again (seen: 2 of 30 found).
        """
        self._version = self._one("PRAGMA data_version")
        there = {number for (number,) in self._rows("SELECT number FROM documents")}
        known = set(self._graph.keys[: len(self._graph)].tolist()) if len(self._graph) else set[int]()
        self._gone = known - there
        self._newest = max(there, default=0)
        self._add(sorted(there - known))

    def _add(self, numbers: Sequence[int]) -> None:
        import numpy as np

        sql = "SELECT rowid, vector FROM vectors WHERE rowid IN (SELECT value FROM json_each(?))"
        for at in range(0, len(numbers), _AT_ONCE):
            rows = self._rows(sql, (json.dumps(numbers[at : at + _AT_ONCE]),))
            if rows:
                keys = np.array([number for number, _ in rows], dtype=np.uint64)
                self._graph.add(keys, np.stack([np.frombuffer(raw, dtype=np.float32) for _, raw in rows]))
        self._unsaved += len(numbers)
        self._newest = max([self._newest, *numbers])

    def _kept(self, graph: Any) -> Any:
        """The graph as it was last written; None where it is not there, not whole, or of another SQLite file."""
        try:
            kept = self._file.read_bytes() if self._file is not None else b""
        except OSError:
            return None
        digest, inside = kept[:_DIGEST], kept[_DIGEST:]
        if not inside or digest != self._digest(inside):
            return None
        graph.load(inside)
        return graph

    def _save_if_due(self) -> None:
        if self._unsaved > max(_CHANGES, len(self._graph) // _SAVED_SHARE):
            self._save()

    def _save(self) -> None:
        """Writes the graph whole or not at all; a disk that is full costs only the time to make it again."""
        self._unsaved = 0
        if self._file is None:
            return
        inside = bytes(self._graph.save())
        unfinished = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        try:
            with unfinished.open("wb") as file:
                file.write(self._digest(inside) + inside)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self._file)
        except OSError:
            unfinished.unlink(missing_ok=True)

    def _digest(self, inside: bytes) -> bytes:
        """Names this SQLite file too: numbers of another one would be taken for ours."""
        with self._change():
            self._db.execute("INSERT OR IGNORE INTO about VALUES ('identity', ?)", (uuid.uuid4().hex,))
        identity = str(self._one("SELECT value FROM about WHERE name = 'identity'"))
        return hashlib.blake2b(inside, digest_size=_DIGEST, key=identity.encode()).digest()
