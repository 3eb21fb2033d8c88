"""The built-in search store's approximate index against its exact one: recall, time per query, and what a crash costs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers import median
from gapless.retrievers.adapters.hnsw import UsearchStore
from gapless.retrievers.base import Document

COUNT, SIZE, TOPICS, QUERIES, K = 20_000, 384, 400, 200, 10
_SPREAD = 0.05


class Drawn:
    """Unit vectors around topics, drawn once; a text names its own: the size of MiniLM's, and not its meaning."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        topics = random.normal(size=(TOPICS, SIZE))
        topics /= np.linalg.norm(topics, axis=1, keepdims=True)
        rows = topics[random.integers(TOPICS, size=COUNT + QUERIES)]
        rows = rows + _SPREAD * random.normal(size=rows.shape)
        self.rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def embed(self, texts: Sequence[str]) -> Any:
        return self.rows[[int(text) if text.isdigit() else 0 for text in texts]]


def run() -> list[dict[str, Any]]:
    """20,000 vectors of 384 numbers in 400 topics, 200 queries from the same topics, 10 nearest each."""
    drawn = Drawn()
    queries = [str(COUNT + at) for at in range(QUERIES)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bench.db"
        store = UsearchStore(file, drawn)
        begun = time.perf_counter()
        for at in range(0, COUNT, 1_000):
            store.upsert([Document(str(n), str(n)) for n in range(at, at + 1_000)])
        stored = time.perf_counter() - begun
        exact, near = _each(store.exactly, queries), _each(store.by_meaning, queries)
        recall = store.recall(queries, K)
        store.close()
        kept = _opened(file, drawn)
        Path(f"{file}.usearch").unlink()
        anew = _opened(file, drawn)
    return [
        {"what": f"{COUNT} documents stored, both indexes", "value": stored, "unit": "s"},
        {"what": "exact: one query, median", "value": exact, "unit": "ms"},
        {"what": "HNSW: one query, median", "value": near, "unit": "ms", "ratio": round(near / exact, 3)},
        {"what": f"HNSW: recall@{K} against exact, of {recall.of}", "value": recall.share, "unit": "share"},
        {"what": "opened with its graph on disk", "value": kept, "unit": "s"},
        {"what": "opened without: the graph made anew", "value": anew, "unit": "s"},
    ]


def _each(search: Any, queries: Sequence[str]) -> float:
    took: list[float] = []
    for query in queries:
        begun = time.perf_counter()
        search(query, K)
        took.append((time.perf_counter() - begun) * 1e3)
    return median(took)


def _opened(file: Path, drawn: Drawn) -> float:
    begun = time.perf_counter()
    store = UsearchStore(file, drawn)
    took = time.perf_counter() - begun
    store.close()
    return took
