"""An adapter whose library is not installed ends with the exact install command."""

from __future__ import annotations

import sys

import pytest

from gapless.errors import MissingExtra, UsageError
from gapless.retrievers.stores import store_class


@pytest.mark.parametrize(
    ("name", "modules", "extra"),
    [
        ("builtin", ["apsw"], "vectors"),
        ("usearch", ["usearch", "usearch.index"], "usearch"),
        ("pgvector", ["psycopg"], "pgvector"),
        ("pinecone", ["pinecone", "pinecone.errors.exceptions"], "pinecone"),
        ("pinecone-documents", ["pinecone", "pinecone.errors.exceptions"], "pinecone"),
        ("weaviate", ["weaviate", "weaviate.classes.query"], "weaviate"),
    ],
)
def test_it_says_what_to_install(
    name: str, modules: list[str], extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    arguments = {"builtin": [], "usearch": []}.get(name, ["postgresql://nowhere"])
    with pytest.raises(MissingExtra, match=rf"pip install 'gapless\[{extra}\]'"):
        store_class(name)(*arguments)


def test_a_vector_index_is_asked_with_vectors() -> None:
    with pytest.raises(UsageError, match="give an embedder, sparse=, or both"):
        store_class("pinecone")(object())
