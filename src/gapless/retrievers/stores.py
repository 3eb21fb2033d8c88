"""The shelf of search stores: name -> where it is; imported when it is asked for."""

from __future__ import annotations

import difflib
import importlib
from importlib.metadata import entry_points
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


GROUP = "gapless.search_stores"
"""Entry points of this group add stores; ours win over those of the same name."""


def store_class(name: str) -> type[Any]:
    """The class behind a store's name.

    Raises:
        UnknownName: No store has that name, and no plug-in brings one.
    """
    known = {point.name: point.value for point in entry_points(group=GROUP)} | TABLE
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise UnknownName(f"no search store is named {name!r}.{hint} There are: {', '.join(known)}.")
    module, _, attribute = known[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
