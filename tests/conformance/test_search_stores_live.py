"""The promise at the real services, where their keys are in the environment; elsewhere each test says what it lacks.

GAPLESS_PINECONE_API_KEY with GAPLESS_PINECONE_HOST (a vector index, metric dotproduct) or GAPLESS_PINECONE_DOCUMENTS_HOST (a document
index with a full-text string `text` and a dense vector `vector`), and GAPLESS_WEAVIATE_URL, with GAPLESS_WEAVIATE_API_KEY if it asks for one.
A namespace or collection of its own is made for each case, and deleted.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from opened_stores import SIZE, Hashed, weaviate_collection

from gapless.retrievers.adapters.pinecone_documents import PineconeDocuments
from gapless.retrievers.adapters.pinecone_vectors import PineconeVectors
from gapless.retrievers.adapters.sparse import Bm25Vectors
from gapless.retrievers.adapters.weaviate import WeaviateStore
from gapless.testing.search_stores import CASES


def _needed(*names: str) -> list[str]:
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        pytest.skip(f"a live test: {' and '.join(missing)} not set")
    return [os.environ[name] for name in names]


class Padded(Hashed):
    """As long as the index asks."""

    def __init__(self, size: int) -> None:
        self.size = size

    def embed(self, texts: Sequence[str]) -> Any:
        rows = super().embed(texts)
        return np.pad(rows, ((0, 0), (0, self.size - SIZE))) if self.size > SIZE else rows


@contextmanager
def _index(host: str) -> Iterator[tuple[Any, str, int]]:
    key, address = _needed("GAPLESS_PINECONE_API_KEY", host)
    import pinecone as client

    namespace = f"gapless-{uuid.uuid4().hex}"
    with client.Pinecone(api_key=key).Index(host=address) as index:
        size = int(
            os.environ.get("GAPLESS_PINECONE_DIMENSION") or index.describe_index_stats().dimension or SIZE
        )
        try:
            yield index, namespace, size
        finally:
            index.delete_namespace(namespace=namespace)


@pytest.mark.parametrize("case", [name for name in CASES if name != "empty_is_empty"])
def test_a_pinecone_vector_index(case: str) -> None:
    """Not `empty_is_empty`: an index with other namespaces says that this one is empty."""
    with _index("GAPLESS_PINECONE_HOST") as (index, namespace, size):
        CASES[case](PineconeVectors(index, Padded(size), sparse=Bm25Vectors(), namespace=namespace))


@pytest.mark.parametrize("case", [name for name in CASES if name != "empty_is_empty"])
def test_a_pinecone_document_index(case: str) -> None:
    with _index("GAPLESS_PINECONE_DOCUMENTS_HOST") as (index, namespace, size):
        CASES[case](PineconeDocuments(index, Padded(size), namespace=namespace))


@pytest.mark.parametrize("case", CASES)
def test_a_weaviate_collection(case: str) -> None:
    (address,) = _needed("GAPLESS_WEAVIATE_URL")
    import weaviate as client

    key = os.environ.get("GAPLESS_WEAVIATE_API_KEY")
    login = client.auth.Auth.api_key(key) if key else None
    url = urlsplit(address)
    if url.hostname in ("127.0.0.1", "localhost"):
        grpc_port = int(os.environ.get("GAPLESS_WEAVIATE_GRPC_PORT", "50051"))
        opened = client.connect_to_local(url.hostname, url.port or 8080, grpc_port, auth_credentials=login)
    else:
        opened = client.connect_to_weaviate_cloud(address, auth_credentials=login)
    name = f"Gapless{uuid.uuid4().hex}"
    with opened:
        try:
            CASES[case](WeaviateStore(weaviate_collection(opened, name), Hashed(), vector="default"))
        finally:
            opened.collections.delete(name)
