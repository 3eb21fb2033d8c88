"""Every search store on the shelf keeps the promise, with and without an embedder; and a broken one is caught."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from opened_stores import OPENERS, SIZE, Hashed, pinecone, postgresql

from gapless.errors import UnknownName
from gapless.retrievers import stores
from gapless.retrievers.base import Document, Hit
from gapless.retrievers.sqlite_store import SqliteStore
from gapless.retrievers.stores import TABLE, store_class
from gapless.testing.search_stores import CASES


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with postgresql() as address:
        yield address


def test_no_store_of_the_shelf_is_forgotten() -> None:
    assert set(OPENERS) == set(TABLE)


def test_a_plug_in_adds_a_store_and_takes_no_name_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    here = f"{Hashed.__module__}:Hashed"
    points = [EntryPoint(name, here, stores.GROUP) for name in ("theirs", "builtin")]
    monkeypatch.setattr(stores, "entry_points", lambda group: points)
    assert store_class("theirs") is Hashed
    assert store_class("builtin") is SqliteStore
    with pytest.raises(UnknownName, match="Did you mean `theirs`"):
        store_class("thiers")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("embedder", [None, Hashed()], ids=["words", "hybrid"])
@pytest.mark.parametrize("name", TABLE)
def test_it_keeps_the_promise(name: str, embedder: Any, case: str, request: pytest.FixtureRequest) -> None:
    with OPENERS[name](name, embedder, lambda: request.getfixturevalue("postgres")) as store:
        CASES[case](store)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("text", [None, "text"], ids=["vectors", "documents"])
def test_it_keeps_the_promise_where_changes_show_late(text: str | None, case: str) -> None:
    with pinecone(size=SIZE, text=text, lag=2) as (_, index):
        CASES[case](
            store_class("pinecone" if text is None else "pinecone-documents")(
                index, Hashed(), namespace="late"
            )
        )


class Broken:
    """A store with one fault."""

    def __init__(self, fault: str) -> None:
        self.fault, self.store = fault, store_class("builtin")()

    def upsert(self, documents: Sequence[Document]) -> None:
        if self.fault == "half":
            for document in documents:
                self.store.upsert([document])
        else:
            self.store.upsert(documents)

    def delete(self, ids: Sequence[str]) -> int:
        return len(ids) if self.fault == "counts" else self.store.delete(ids)

    def search(self, query: str, k: int = 10, *, filter: dict[str, Any] | None = None) -> list[Hit]:  # noqa: A002
        if self.fault == "unfiltered":
            return self.store.search(query, k)
        if self.fault == "silent" and filter:
            known = {name for one in self.store.documents() for name in one.metadata}
            return self.store.search(query, k, filter=filter) if set(filter) <= known else []
        return self.store.search(query, k, filter=filter)


@pytest.mark.parametrize(
    ("fault", "case"),
    [
        ("half", "stores_all_or_nothing"),
        ("counts", "forgets_what_was_deleted"),
        ("unfiltered", "obeys_filters"),
        ("silent", "refuses_unknown_fields"),
    ],
)
def test_a_store_with_a_fault_does_not_pass(fault: str, case: str) -> None:
    with pytest.raises(AssertionError):
        CASES[case](Broken(fault))
