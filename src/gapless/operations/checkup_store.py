"""Opens the search store that a checkup is pointed at by `[checkup.store]`; it makes none, for an empty one would measure nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gapless.errors import InvalidSettings
from gapless.operations.open import import_object
from gapless.settings import StoreSettings

_OWN = ("builtin", "usearch", "pgvector")


def open_named_store(said: StoreSettings, root: Path) -> Any:
    """The store that settings name.

    Args:
        said: The settings.
        root: Their folder.

    Raises:
        InvalidSettings: It cannot be opened from settings, is not there, or its place is not named.
        UsageError: Its vectors are of another model.
        StoreError: It cannot be reached.
    """
    from gapless.retrievers.stores import TABLE, store_class

    kind = store_class(said.kind)
    if said.kind not in _OWN:
        others = ", ".join(name for name in TABLE if name not in _OWN)
        raise InvalidSettings(
            f"[checkup.store]: kind {said.kind!r} wraps a client of yours ({others} do). Make the store in Python and name it: "
            '[checkup] retriever = "retrieval.py:store".'
        )
    place = said.place or (os.environ.get(said.place_env) if said.place_env is not None else None)
    if not place:
        where = f"the variable {said.place_env} is not set" if said.place_env else "no place is named"
        raise InvalidSettings(f'[checkup.store]: {where}. Say place = "documents.db", or place_env = "NAME".')
    embedder = _embedder(said.embedder, root)
    if said.kind == "pgvector":
        table = {} if said.table is None else {"table": said.table}
        return kind(place, embedder, model=said.model, create=False, **table)
    file = root / place
    if not file.is_file():
        raise InvalidSettings(f"[checkup.store]: {file} is not there. A checkup makes no store.")
    return kind(file, embedder, model=said.model)


def _embedder(named: str | None, root: Path) -> Any:
    if named is None:
        return None
    if named == "minilm":
        from gapless.retrievers.minilm import MiniLM

        return MiniLM.load()
    found = import_object(named, root)
    return found if callable(getattr(found, "embed", None)) else found()
