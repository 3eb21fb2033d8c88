"""What the built-in search store does beyond the promise; the promise itself is in tests/conformance."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gapless.errors import StoreError, UnknownName, UsageError
from gapless.retrievers.base import Document
from gapless.retrievers.sqlite_store import SqliteStore
from gapless.retrievers.stores import store_class


class Letters:
    """Embeds a text as counts of its letters."""

    def __init__(self, size: int = 26) -> None:
        self.size = size

    def embed(self, texts: Sequence[str]) -> Any:
        counts = np.asarray(
            [[text.lower().count(chr(97 + n)) + 1e-3 for n in range(self.size)] for text in texts]
        )
        return (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)


def documents(count: int) -> list[Document]:
    return [
        Document(f"d{n}", f"clause {n} of {'abcdefghij'[n % 10] * 9}", metadata={"tenth": n % 10})
        for n in range(count)
    ]


def test_meaning_is_exact_cosine_and_filtered_before_it_is_cut(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "s.db", Letters())
    store.upsert(documents(300))
    query = Letters().embed(["aaa"])[0]
    hits = store.by_meaning("aaa", 5)
    stored = store.vectors([hit.id for hit in hits])
    for hit in hits:
        assert hit.score == pytest.approx(float(stored[hit.id] @ query), abs=1e-5)
    everything = store.vectors([one.id for one in store.documents()])
    assert hits[0].score == pytest.approx(
        max(float(vector @ query) for vector in everything.values()), abs=1e-5
    )
    others = store.by_meaning("aaa", 5, filter={"tenth": 7})  # none of them is near
    assert len(others) == 5
    assert {hit.metadata["tenth"] for hit in others} == {7}


def test_what_is_stored_stays_and_another_process_sees_it_at_once(tmp_path: Path) -> None:
    first, second = (SqliteStore(tmp_path / "s.db", Letters(), model="letters-1") for _ in range(2))
    first.upsert(documents(3))
    assert [hit.id for hit in second.by_words("clause 2", 1)] == ["d2"]
    second.delete(["d2"])
    assert "d2" not in [hit.id for hit in first.search("clause 2")]
    first.close()
    second.close()
    assert len(SqliteStore(tmp_path / "s.db", Letters(), model="letters-1").documents()) == 2


def test_vectors_of_two_models_never_mix(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "s.db", Letters(), model="letters-1").upsert(documents(1))
    with pytest.raises(
        UsageError, match=r"are of 'letters-1' \(26 numbers\), and it is opened with 'letters-2' \(26\)"
    ):
        SqliteStore(tmp_path / "s.db", Letters(), model="letters-2")
    with pytest.raises(UsageError, match=r"opened with 'letters-1' \(20\)"):
        SqliteStore(tmp_path / "s.db", Letters(20), model="letters-1")
    words = SqliteStore(tmp_path / "s.db")
    assert words.search("clause")[0].id == "d0"
    with pytest.raises(UsageError, match="open it with their model"):
        words.upsert(documents(1))
    assert words.delete(["d0"]) == 1
    assert SqliteStore(tmp_path / "s.db", Letters(), model="letters-1").by_meaning("clause") == []
    bare = SqliteStore(tmp_path / "bare.db")
    bare.upsert(documents(2))
    with pytest.raises(UsageError, match="2 documents were stored here without vectors"):
        SqliteStore(tmp_path / "bare.db", Letters())


def test_several_threads_share_one_store() -> None:
    store = SqliteStore(None, Letters())

    def work(n: int) -> int:
        store.upsert([Document(f"t{n}", f"thread {n} wrote this")])
        return len(store.search(f"thread {n}", 3))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(40)))
    assert len(store.documents()) == 40


def test_without_an_embedder() -> None:
    store = SqliteStore()
    store.upsert(documents(2))
    assert store.vectors(["d0"]) == {}
    with pytest.raises(UsageError, match="without an embedder"):
        store.by_meaning("clause")
    with pytest.raises(UsageError, match=r"Fields are: tenth\."):
        store.search("clause", filter={"tens": 1})
    with pytest.raises(UsageError, match="is no plain value"):
        store.search("clause", filter={"tenth": [1]})


def test_the_shelf_names_what_there_is() -> None:
    with pytest.raises(UnknownName, match="Did you mean `builtin`"):
        store_class("buildin")


def test_a_file_that_is_no_store_is_an_error_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="CantOpenError"):
        SqliteStore(tmp_path / "nowhere" / "s.db")
    (tmp_path / "notes.db").write_text("these are notes, and no database " * 99)
    with pytest.raises(StoreError, match=r"notes\.db: NotADBError"):
        SqliteStore(tmp_path / "notes.db")


def test_who_writes_waits_for_another_that_is_at_it(tmp_path: Path) -> None:
    first, second = (SqliteStore(tmp_path / "s.db") for _ in range(2))
    first.upsert([Document("a", "apples")])
    with ThreadPoolExecutor(1) as pool:
        with first._change():
            first._forget(["a"])
            waiting = pool.submit(second.upsert, [Document("b", "bolts")])
            time.sleep(0.1)  # it has begun; had it not, the test would pass all the same
        waiting.result(5)
    assert [one.id for one in first.documents()] == ["b"]
    for store in (first, second):
        store.close()
