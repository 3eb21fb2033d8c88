"""Every search store on the shelf, opened empty for a test: real engines, and stand-ins where the real one is somebody's cloud."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
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
def postgresql() -> Iterator[str]:
    """The address of a PostgreSQL with pgvector that lives as long as the block, or the reason to skip."""
    pgserver = pytest.importorskip(
        "pgserver", reason="pgserver, which brings a PostgreSQL, has no wheel for this Python"
    )
    place = Path("/tmp") / f"gapless-{uuid.uuid4().hex[:8]}"
    try:
        with pgserver.get_server(place, cleanup_mode="stop") as server:
            yield server.get_uri()
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def pinecone(**more: Any) -> Iterator[tuple[Any, Any]]:
    """A stand-in and the real client's index at it. The arguments are the stand-in's."""
    import pinecone as client
    from pinecone_server import PineconeServer, serving

    server = PineconeServer(**more)
    with serving(server) as address, client.Pinecone(api_key="none").Index(host=address) as index:
        yield server, index


@contextmanager
def weaviate(*, query_s: float = 30) -> Iterator[tuple[Any, Any]]:
    """A stand-in and the real client at it."""
    import weaviate as client
    from weaviate.classes.init import AdditionalConfig, Timeout
    from weaviate_server import WeaviateServer, serving

    server = WeaviateServer(size=SIZE)
    settings = AdditionalConfig(timeout=Timeout(query=query_s))
    with (
        serving(server) as ports,
        client.connect_to_local(
            port=ports["http"], grpc_port=ports["grpc"], additional_config=settings
        ) as opened,
    ):
        yield server, opened


def weaviate_collection(client: Any, name: str = "Documents") -> Any:
    """An empty collection as the guide makes one."""
    from weaviate.classes.config import Configure, DataType, Property, Tokenization

    if client.collections.exists(name):
        client.collections.delete(name)
    return client.collections.create(
        name,
        properties=[
            Property(name="text", data_type=DataType.TEXT),
            Property(name="document_id", data_type=DataType.TEXT, tokenization=Tokenization.FIELD),
        ],
        vector_config=Configure.Vectors.self_provided(),
    )


@contextmanager
def _file(name: str, embedder: Any, postgres: Callable[[], str]) -> Iterator[Any]:
    store = store_class(name)(embedder=embedder)
    yield store
    store.close()


@contextmanager
def _pgvector(name: str, embedder: Any, postgres: Callable[[], str]) -> Iterator[Any]:
    store = store_class(name)(postgres(), embedder, table=f"t{uuid.uuid4().hex[:12]}")
    yield store
    store.close()


@contextmanager
def _pinecone_vectors(name: str, embedder: Any, postgres: Callable[[], str]) -> Iterator[Any]:
    from gapless.retrievers.adapters.sparse import Bm25Vectors

    with pinecone(size=SIZE if embedder else 0) as (_, index):
        yield store_class(name)(index, embedder, sparse=Bm25Vectors(), namespace="contracts")


@contextmanager
def _pinecone_documents(name: str, embedder: Any, postgres: Callable[[], str]) -> Iterator[Any]:
    with pinecone(size=SIZE if embedder else 0, text="text") as (_, index):
        yield store_class(name)(index, embedder, namespace="contracts")


@contextmanager
def _weaviate(name: str, embedder: Any, postgres: Callable[[], str]) -> Iterator[Any]:
    with weaviate() as (_, client):
        yield store_class(name)(weaviate_collection(client), embedder, vector="default")


OPENERS: Mapping[str, Callable[..., AbstractContextManager[Any]]] = {
    "builtin": _file,
    "usearch": _file,
    "pgvector": _pgvector,
    "pinecone": _pinecone_vectors,
    "pinecone-documents": _pinecone_documents,
    "weaviate": _weaviate,
}
"""Name on the shelf -> opens it empty, given its name, an embedder or None, and where to get a PostgreSQL."""
