"""The approximate index finds nearly what exact search finds, and never another collection than the one in SQLite."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gapless.retrievers.adapters import hnsw
from gapless.retrievers.adapters.hnsw import Recall, UsearchStore
from gapless.retrievers.base import Document
from gapless.retrievers.sqlite_store import SqliteStore

PEOPLE = "ann bob cid dan eve fay gus hal ida jon kim lou mia ned ora pam".split()


def documents(count: int = 60) -> list[Document]:
    return [
        Document(f"d{n}", f"{PEOPLE[n % 16]} pays {PEOPLE[n // 4 % 16]} {n}", metadata={"n": n})
        for n in range(count)
    ]


class Far:
    """Unit vectors that are drawn once per text."""

    def embed(self, texts: Any) -> Any:
        rows = [np.random.default_rng(zlib.crc32(text.encode())).normal(size=24) for text in texts]
        found = np.asarray(rows, dtype=np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


def ids(store: UsearchStore, query: str = "ann pays bob", k: int = 10) -> list[str]:
    return [hit.id for hit in store.by_meaning(query, k)]


def exact(store: UsearchStore, query: str = "ann pays bob", k: int = 10) -> list[str]:
    return [hit.id for hit in store.exactly(query, k)]


def test_recall_is_measured_against_exact_search() -> None:
    store = UsearchStore(embedder=Far())
    store.upsert([Document(f"d{n}", f"text {n} {n * 31}") for n in range(2_000)])
    full = store.recall([f"query {n}" for n in range(40)])
    assert full.of == 400
    assert full.share is not None
    assert full.share > 0.95
    assert Recall(0, 0).share is None


def test_scores_and_order_are_those_of_exact_search() -> None:
    store = UsearchStore(embedder=Far())
    store.upsert(documents())
    near, true = store.by_meaning("ann pays bob", 5), store.exactly("ann pays bob", 5)
    assert [hit.score for hit in near] == pytest.approx([hit.score for hit in true], abs=1e-5)
    assert [hit.ranks for hit in near] == [{"meaning": n} for n in range(1, 6)]
    assert list(store.engines()) == ["words", "meaning", "meaning, exact"]


def test_a_filter_is_exact() -> None:
    store = UsearchStore(embedder=Far())
    store.upsert(documents())
    assert [hit.id for hit in store.by_meaning("ann pays bob", filter={"n": 59})] == ["d59"]


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    store = UsearchStore(tmp_path / "a.db", Far())
    store.upsert(documents())
    store.delete(["d0", "d16"])
    before = ids(store)
    store.close()
    assert (tmp_path / "a.db.usearch").is_file()
    again = UsearchStore(tmp_path / "a.db", Far())
    assert ids(again) == before == exact(again)
    assert again._unsaved == 0  # nothing had to be made anew
    again.close()


@pytest.mark.parametrize("harm", ["gone", "cut", "bit", "empty", "other"])
def test_a_graph_that_is_not_whole_or_not_ours_is_made_anew(tmp_path: Path, harm: str) -> None:
    for name, count in (("a.db", 60), ("b.db", 40)):
        store = UsearchStore(tmp_path / name, Far())
        store.upsert(documents(count))
        store.close()
    graph = tmp_path / "a.db.usearch"
    kept = graph.read_bytes()
    if harm == "gone":
        graph.unlink()
    else:
        flipped = kept[:-9] + bytes([kept[-9] ^ 1]) + kept[-8:]
        other = (tmp_path / "b.db.usearch").read_bytes()
        graph.write_bytes({"cut": kept[:900], "bit": flipped, "empty": b"", "other": other}[harm])
    again = UsearchStore(tmp_path / "a.db", Far())
    assert ids(again) == exact(again)
    assert len(again._graph) == again._unsaved == 60
    again.close()


def test_what_another_connection_writes_is_found(tmp_path: Path) -> None:
    store = UsearchStore(tmp_path / "a.db", Far())
    store.upsert(documents())
    other = SqliteStore(tmp_path / "a.db", Far())
    other.upsert([Document("new", "zoe pays zed"), Document("d1", "bob pays nobody")])
    other.delete(["d2"])
    assert ids(store, "zoe pays zed", 1) == ["new"]
    assert set(ids(store, k=100)) == {one.id for one in other.documents()}
    store.upsert([Document("newer", "yak pays yam")])
    assert ids(store, "yak pays yam", 1) == ["newer"]
    other.close()
    store.close()


KILLED = """
import os, signal, sys
import zlib
import numpy as np
sys.path[:0] = {path!r}
{far}
from gapless.retrievers.base import Document
from gapless.retrievers.adapters import hnsw
from gapless.retrievers.adapters.hnsw import UsearchStore
store = UsearchStore({file!r}, Far())
store.upsert([Document(f"d{{n}}", f"ann pays bob {{n}}") for n in range(30)])
store._save()
store.upsert([Document("late", "zoe pays zed")])
store.delete(["d3"])
print("ready", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_after_a_kill_the_graph_holds_what_sqlite_holds(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    code = KILLED.format(
        path=sys.path, file=str(file), far="from typing import Any\n" + inspect.getsource(Far)
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert (done.returncode, done.stdout.strip()) == (-signal.SIGKILL, "ready"), done.stderr
    store = UsearchStore(file, Far())
    assert ids(store, "zoe pays zed", 1) == ["late"]
    assert set(ids(store, k=100)) == {one.id for one in store.documents()}
    assert "d3" not in ids(store, k=100)
    assert store._unsaved == 1  # only what was missing was added
    store.close()


def test_what_is_deleted_and_replaced_again_and_again_leaves_the_graph_whole() -> None:
    """usearch itself loses most of a graph when the place of a removed entry is used again."""
    store = UsearchStore(embedder=Far())
    found = there = 0
    for turn in range(40):
        store.upsert([Document(f"d{n}", f"text {n} {turn}") for n in range(turn % 7, 40)])
        store.delete([f"d{turn % 40}"])
        all_of_it = set(exact(store, k=100))
        found, there = found + len(all_of_it & set(ids(store, k=100))), there + len(all_of_it)
        assert set(ids(store, k=100)) <= all_of_it
    assert found / there > 0.99


def test_a_graph_that_is_mostly_gone_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hnsw, "_GONE", 20)
    store = UsearchStore(embedder=Far())
    store.upsert(documents())
    store.delete([f"d{n}" for n in range(40)])
    assert len(store._graph) == 20
    assert ids(store, k=100) == exact(store, k=100)


def test_a_graph_that_was_much_to_make_is_written_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hnsw, "_CHANGES", 20)
    store = UsearchStore(tmp_path / "a.db", Far())
    store.upsert(documents())
    assert (tmp_path / "a.db.usearch").is_file()
    (tmp_path / "a.db.usearch").unlink()
    UsearchStore(tmp_path / "a.db", Far())  # and nobody closes it
    assert (tmp_path / "a.db.usearch").is_file()
    store.close()


def test_a_disk_that_cannot_keep_the_graph_costs_no_document(tmp_path: Path) -> None:
    store = UsearchStore(tmp_path / "a.db", Far())
    store.upsert(documents())
    (tmp_path / "a.db.usearch").mkdir()  # so that nothing can be put in its place
    store.close()
    assert not list(tmp_path.glob(f"*.{os.getpid()}"))
    (tmp_path / "a.db.usearch").rmdir()
    again = UsearchStore(tmp_path / "a.db", Far())
    assert ids(again) == exact(again)
    again.close()
