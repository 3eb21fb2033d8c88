"""Every search store on the shelf, opened empty for a test; a real PostgreSQL for the one that wants it."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pytest

from gapless.retrievers.stores import store_class

SIZE = 64


class Hashed:
    """Embeds a text as counts of its words in some buckets."""

    def embed(self, texts: Sequence[str]) -> Any:
        vectors = np.full((len(texts), SIZE), 1e-3, dtype=np.float32)
        for at, text in enumerate(texts):
            for word in text.lower().replace(".", "").split():
                vectors[at, sum(word.encode()) % SIZE] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@contextmanager
def postgresql(folder: Any) -> Iterator[str]:
    """The address of a PostgreSQL with pgvector that lives as long as the block, or the reason to skip."""
    pgserver = pytest.importorskip("pgserver", reason="pgserver brings a PostgreSQL with pgvector")
    # its socket's path must stay short, which pytest's folders are not
    place = f"/tmp/gapless-pg-{uuid.uuid4().hex[:8]}"  # noqa: S108
    try:
        with pgserver.get_server(place, cleanup_mode="stop") as server:
            yield server.get_uri()
    finally:
        shutil.rmtree(place, ignore_errors=True)
