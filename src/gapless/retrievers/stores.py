"""The shelf of search stores: name -> where it is; imported when it is asked for."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

from gapless.errors import UnknownName

TABLE = {
    "builtin": "gapless.retrievers.sqlite_store:SqliteStore",
    "usearch": "gapless.retrievers.adapters.hnsw:UsearchStore",
    "pgvector": "gapless.retrievers.adapters.pgvector:PgvectorStore",
    "pinecone": "gapless.retrievers.adapters.pinecone_vectors:PineconeVectors",
    "pinecone-documents": "gapless.retrievers.adapters.pinecone_documents:PineconeDocuments",
    "weaviate": "gapless.retrievers.adapters.weaviate:WeaviateStore",
}
"""Name -> "module:class". Each keeps the promise of `base.SearchStore`."""


def store_class(name: str) -> type[Any]:
    """The class behind a store's name.

    Raises:
        UnknownName: No store has that name.
    """
    if name not in TABLE:
        near = difflib.get_close_matches(name, TABLE, 1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise UnknownName(f"no search store is named {name!r}.{hint} There are: {', '.join(TABLE)}.")
    module, _, attribute = TABLE[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
