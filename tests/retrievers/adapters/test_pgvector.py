"""Documents in a real PostgreSQL: one transaction, one model, and a server that goes away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opened_stores import Hashed, postgresql

from gapless.errors import StoreError, UsageError
from gapless.retrievers.adapters.pgvector import PgvectorStore
from gapless.retrievers.base import Document


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with postgresql() as made:
        yield made


@pytest.fixture
def table(request: pytest.FixtureRequest) -> str:
    return f"t_{abs(hash(request.node.name)) % 10**9}"


def test_another_model_is_refused_and_the_same_one_finds(address: str, table: str) -> None:
    store = PgvectorStore(address, Hashed(), model="one", table=table)
    store.upsert([Document("a", "apples are red")])
    store.close()
    with pytest.raises(UsageError, match="of 'one' \\(64 numbers\\), and it is opened with 'two'"):
        PgvectorStore(address, Hashed(), model="two", table=table)
    with pytest.raises(UsageError, match="open it with their model"):
        PgvectorStore(address, table=table).upsert([Document("b", "bolts")])
    again = PgvectorStore(address, Hashed(), model="one", table=table, create=False)
    assert again.search("red apples")[0].ranks == {"words": 1, "meaning": 1}
    again.close()


def test_documents_without_vectors_are_not_mixed_with_others(address: str, table: str) -> None:
    PgvectorStore(address, table=table).upsert([Document("a", "apples")])
    with pytest.raises(UsageError, match="1 documents were stored here without vectors"):
        PgvectorStore(address, Hashed(), table=table)


def test_an_upsert_that_breaks_off_leaves_nothing(address: str, table: str) -> None:
    store = PgvectorStore(address, Hashed(), table=table)
    with pytest.raises(UsageError, match="NUL"):
        store.upsert([Document("a", "apples"), Document("b", "nul \x00")])
    with pytest.raises(UsageError, match="NUL"):
        store.upsert([Document("a", "apples", metadata={"deep": {"\x00": 1}})])

    class Wrong(Hashed):
        def embed(self, texts: Any) -> Any:
            return super().embed(texts)[:, :3]

    store._embedder = Wrong()
    with pytest.raises(StoreError, match="expected 64 dimensions, not 3"):
        store.upsert([Document("a", "apples")])
    assert store.documents() == []
    store.close()


def test_a_connection_that_broke_is_opened_anew(address: str, table: str) -> None:
    import psycopg

    store = PgvectorStore(address, table=table)
    store.upsert([Document("a", "apples")])
    with psycopg.connect(address, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (store._db.info.backend_pid,))
    with pytest.raises(StoreError, match=f"table '{table}'"):
        store.search("apples")
    assert [hit.id for hit in store.search("apples")] == ["a"]
    store.close()


def test_a_language_knows_stems(address: str, table: str) -> None:
    plain = PgvectorStore(address, table=table)
    plain.upsert([Document("a", "the goods are insured")])
    assert plain.search("insuring") == []
    english = PgvectorStore(address, table=f"{table}_en", language="english")
    english.upsert([Document("a", "the goods are insured")])
    assert [hit.id for hit in english.search("insuring")] == ["a"]
    assert english.search("the") == []  # a stop word


def test_threads_share_a_store(address: str, table: str) -> None:
    store = PgvectorStore(address, Hashed(), table=table)
    found: list[int] = []

    def work(n: int) -> None:
        store.upsert([Document(f"d{n}", f"document number {n}")])
        found.append(len(store.search(f"document number {n}")))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(store.documents()) == 8
    store.close()


@pytest.mark.parametrize("name", ["Upper", "a b", "x; drop table y", "t" * 60, ""])
def test_a_table_has_a_plain_name(name: str) -> None:
    with pytest.raises(UsageError, match="lower-case letters"):
        PgvectorStore("postgresql://nowhere", table=name)


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(StoreError, match="Look at the address"):
        PgvectorStore("postgresql://127.0.0.1:1/none", timeout_s=2)


def test_two_who_store_the_same_document_at_once(address: str, table: str) -> None:
    stores = [PgvectorStore(address, table=table) for _ in range(2)]

    def write(store: PgvectorStore) -> None:
        for number in range(25):
            store.upsert([Document("same", f"clause {number}")])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, stores))
    (kept,) = stores[0].documents()
    assert kept.text == "clause 24"
    for store in stores:
        store.close()


def test_a_word_longer_than_an_index_takes_is_left_out_of_the_query(address: str, table: str) -> None:
    store = PgvectorStore(address, table=table)
    store.upsert([Document("a", "apples are red")])
    assert [hit.id for hit in store.search(f"{'x' * 5000} apples")] == ["a"]
    assert store.search("x" * 5000) == []
    store.close()
