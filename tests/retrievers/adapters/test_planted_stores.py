"""Defects planted in vector databases: each is said by the adapter, stopped by a contract, or found by the checkup."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph
from opened_stores import SIZE, Hashed, pinecone, postgresql, weaviate, weaviate_collection

from gapless import Contract, Fresh, guard
from gapless.boundary.guards.complete import Complete
from gapless.errors import BoundaryTimeout, IncompleteResult, StaleContext, StoreError, UsageError
from gapless.probes.base import Subject
from gapless.probes.shelf import probe
from gapless.records.labelled_query import LabelledQuery
from gapless.retrievers.adapters.pgvector import PgvectorStore
from gapless.retrievers.adapters.pinecone_documents import PineconeDocuments
from gapless.retrievers.adapters.pinecone_vectors import PineconeVectors
from gapless.retrievers.adapters.sparse import Bm25Vectors
from gapless.retrievers.adapters.weaviate import WeaviateStore
from gapless.retrievers.base import Document

NAMES = ("pgvector", "pinecone", "pinecone-documents", "weaviate")
CLOUDS = NAMES[1:]
GOODS = "apples bolts cranes drums engines flour glass hoses ink jackets".split()
DAY = 86_400.0


@dataclass
class Planted:
    """A store with documents, and the ways in which it can be broken."""

    store: Any
    elsewhere: Callable[[], Any]
    """The same, looking where nothing is."""
    textless: Callable[[], Any] | None
    """The same, with a name for the text that no field has."""
    forgetful: Callable[[], None] | None
    """From now on deletions are confirmed and do not show."""


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with postgresql() as address:
        yield address


@contextmanager
def _pgvector(address: str) -> Iterator[Planted]:

    store = PgvectorStore(address, Hashed(), table=f"planted_{time.time_ns()}")

    def elsewhere() -> Any:
        return PgvectorStore(address, Hashed(), table="contarcts", create=False)

    try:
        yield Planted(store, elsewhere, None, None)
    finally:
        store.close()


@contextmanager
def _pinecone(kind: Any, text: str | None, **more: Any) -> Iterator[Planted]:
    with pinecone(size=SIZE, text=text) as (server, index):

        def made(**other: Any) -> Any:
            return kind(index, Hashed(), **{"namespace": "contracts", **more, **other})

        def forgetful() -> None:
            server.lag = 1_000_000

        yield Planted(
            made(),
            lambda: made(namespace="contarcts"),
            lambda: made(text="body"),
            forgetful,
        )


@contextmanager
def _weaviate() -> Iterator[Planted]:
    with weaviate() as (server, client):
        collection = weaviate_collection(client)

        def forgetful() -> None:
            server.deaf = True

        yield Planted(
            WeaviateStore(collection, Hashed(), vector="default"),
            lambda: WeaviateStore(client.collections.use("Contarcts"), Hashed(), vector="default"),
            lambda: WeaviateStore(collection, Hashed(), vector="default", text="body"),
            forgetful,
        )


@pytest.fixture
def planted(request: pytest.FixtureRequest) -> Iterator[Planted]:
    name = request.param
    if name == "pgvector":
        opened: Any = _pgvector(request.getfixturevalue("postgres"))
    elif name == "pinecone":
        opened = _pinecone(PineconeVectors, None, sparse=Bm25Vectors())
    elif name == "pinecone-documents":
        opened = _pinecone(PineconeDocuments, "text")
    else:
        opened = _weaviate()
    with opened as made:
        now = time.time()
        made.store.upsert(
            [Document(one, f"The {one} are insured by us.", now - DAY, {"goods": one}) for one in GOODS]
        )
        yield made


class State(TypedDict, total=False):
    query: str
    hits: list[dict[str, Any]]


def agent(search: Callable[[str], list[Any]], **more: Any) -> Any:
    """A graph whose step asks a store, under a contract."""
    built = StateGraph(State)
    built.add_node("retrieve", lambda state: {"hits": [asdict(hit) for hit in search(state["query"])]})
    built.add_edge(START, "retrieve")
    built.add_edge("retrieve", END)
    held = Contract(
        layer="context",
        complete=Complete(fields=("hits",)),
        fresh=Fresh(days=30, at="indexed_at", evidence="hits"),
        **more,
    )
    return guard(built.compile(), {"retrieve": held})


def subject(search: Any, **more: Any) -> Subject:
    asked = tuple(
        LabelledQuery(
            id=one, query=f"who insures the {one}", relevant={one: 1}, group=one, filter={"goods": one}
        )
        for one in GOODS
    )
    return Subject(retrieve=search, labelled=asked, seconds=0.3, **more)


def found(name: str, search: Any, **more: Any) -> Any:
    (one,) = probe(name)(subject(search, **more))
    return one


@pytest.mark.parametrize("planted", NAMES, indirect=True)
def test_a_healthy_store_passes_under_a_contract_and_in_the_checkup(planted: Planted) -> None:
    answer = agent(lambda query: planted.store.search(query, 3)).invoke({"query": "insured apples"})
    best = answer["hits"][0]
    assert best["id"] == "apples"
    assert best["text"] == "The apples are insured by us."
    assert 1 in best["ranks"].values()
    assert best["score"] >= answer["hits"][1]["score"]
    for name in ("retriever-answers", "freshness", "stored-vectors", "filters"):
        one = found(name, planted.store.search)
        assert one.status == "ok", (name, one.said)
    shown = found("update-visibility", planted.store.search, leave=True)
    assert shown.status == "ok", shown.said


@pytest.mark.parametrize("planted", NAMES, indirect=True)
def test_a_stale_document(planted: Planted) -> None:
    planted.store.upsert([Document("apples", "The apples are insured by us.", time.time() - 900 * DAY)])
    held = agent(lambda query: planted.store.search(query, 1))
    assert held.invoke({"query": "insured bolts"})["hits"][0]["id"] == "bolts"
    with pytest.raises(StaleContext, match=r"900 days old"):
        held.invoke({"query": "insured apples"})
    said = found("freshness", planted.store.search)
    assert said.status in ("warn", "fail")
    assert "'apples'" in said.said


@pytest.mark.parametrize("planted", NAMES, indirect=True)
def test_vectors_of_another_model(planted: Planted) -> None:
    class Other(Hashed):
        def embed(self, texts: Any) -> Any:
            return super().embed(texts)[:, ::-1].copy()

    planted.store._embedder = Other()  # queries are embedded by another version than the documents
    said = found("stored-vectors", planted.store.search)
    assert said.status == "fail", said.said


@pytest.mark.parametrize("planted", CLOUDS, indirect=True)
def test_a_deleted_document_that_is_still_found(planted: Planted) -> None:
    assert planted.forgetful is not None
    planted.store.upsert([Document("gone", "zebras graze here", time.time())])
    planted.forgetful()
    assert planted.store.delete(["gone"]) == 1
    assert "gone" in [hit.id for hit in planted.store.search("zebras graze")]
    said = found("update-visibility", planted.store.search, leave=True, targets={"update-visibility": 0.1})
    assert said.status == "fail"
    assert "deleted: not shown" in said.said or "stored: not shown" in said.said


@pytest.mark.parametrize("planted", NAMES, indirect=True)
def test_a_place_that_is_not_meant(planted: Planted) -> None:
    with pytest.raises((UsageError, StoreError), match=r"(?i)contarcts"):
        planted.elsewhere().search("insured apples")
    with pytest.raises((UsageError, StoreError), match=r"(?i)contarcts"):
        agent(lambda query: planted.elsewhere().search(query)).invoke({"query": "insured apples"})


@pytest.mark.parametrize("planted", CLOUDS, indirect=True)
def test_a_text_that_is_left_out(planted: Planted) -> None:
    assert planted.textless is not None
    store = planted.textless()
    with pytest.raises(StoreError, match=r"came back without its text, the field 'body'"):
        store.by_meaning("insured apples")
    said = found("retriever-answers", store.by_meaning)
    assert said.status == "fail"
    assert "'body'" in said.said


@pytest.mark.parametrize("planted", NAMES, indirect=True)
def test_an_empty_context(planted: Planted) -> None:
    store = planted.store
    words = getattr(store, "by_words", lambda query: store.search(query, filter={"goods": "nobody"}))
    with pytest.raises(IncompleteResult, match=r"hits is empty"):
        agent(words).invoke({"query": "xylophones"})


def test_a_postgresql_that_does_not_answer(postgres: str) -> None:
    import psycopg

    PgvectorStore(postgres, table="locked").upsert([Document("a", "apples")])
    store = PgvectorStore(postgres, table="locked", timeout_s=30)
    store.close()
    store._timeout_s = 0.2  # of the connection that the next question opens
    with psycopg.connect(postgres) as other:
        other.execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StoreError, match="statement timeout"):
            store.search("apples")
    store.close()


def test_a_weaviate_that_does_not_answer() -> None:
    with weaviate(query_s=0.2) as (server, client):
        store = WeaviateStore(weaviate_collection(client))
        store.upsert([Document("a", "apples")])
        server.silent.set()
        with pytest.raises(StoreError, match="Deadline Exceeded"):
            store.search("apples")


@pytest.mark.parametrize("kind", [PineconeVectors, PineconeDocuments])
def test_a_pinecone_that_does_not_answer(kind: Any) -> None:
    """Its client tries a request that timed out again, three times by default: the contract's limit is for the step."""
    with pinecone(size=SIZE, text="text" if kind is PineconeDocuments else None) as (server, index):
        kind(index, Hashed(), namespace="contracts").upsert([Document("a", "apples", time.time())])
        store = kind(index, Hashed(), namespace="contracts", timeout_s=0.05)
        server.silent.set()
        with pytest.raises(StoreError, match="Timeout"):
            store.search("apples")
        with pytest.raises(BoundaryTimeout):
            agent(store.search, timeout_s=0.1).invoke({"query": "apples"})
        server.released.set()


@pytest.mark.parametrize("kind", [PineconeVectors, PineconeDocuments])
def test_a_pinecone_that_fails_in_the_middle_says_what_is_stored(kind: Any) -> None:
    with pinecone(size=SIZE, text="text" if kind is PineconeDocuments else None) as (server, index):
        store = kind(index, Hashed(), namespace="contracts")
        many = [Document(f"d{n}", f"document {n}") for n in range(100)]
        with pytest.raises(StoreError, match=r"Metadata size exceeds .* Stored are 100 of 101 documents"):
            store.upsert([*many, Document("long", "word " * 10_000)])
        assert len(server.spaces["contracts"].records) == 100


def test_a_weaviate_that_refuses_some_says_which() -> None:
    with weaviate() as (_, client):
        store = WeaviateStore(weaviate_collection(client), Hashed(), vector="default")
        store.upsert([Document("a", "apples", metadata={"year": 2024})])
        with pytest.raises(
            StoreError,
            match=r"it refused 1 of 2 documents, as 'b': invalid number property 'year'.*Stored are 1 of 2",
        ):
            store.upsert([Document("c", "cranes"), Document("b", "bolts", metadata={"year": "unknown"})])


@pytest.mark.parametrize("fusion", ["relative-score", "ranked"])
def test_weaviate_explains_its_scores_and_is_asked_as_was_said(fusion: Any) -> None:
    with weaviate() as (server, client):
        store = WeaviateStore(
            weaviate_collection(client), Hashed(), vector="default", alpha=0.25, fusion=fusion
        )
        store.upsert([Document("a", "apples and pears"), Document("b", "bolts")])
        best = store.search("apples")[0]
        asked = server.asked[-1].hybrid_search
        assert (asked.query, list(asked.properties)) == ("apples", ["text"])
        assert asked.alpha_param == 0.25 or asked.alpha == 0.25
        assert asked.fusion_type == {"ranked": 1, "relative-score": 2}[fusion]
        assert best.id == "a"
        assert "Result Set keyword,bm25" in best.explained
        assert "Result Set vector,hybridVector" in best.explained


def test_weaviate_filters_by_the_whole_value() -> None:
    """A text property that is cut into words matches `acme` in `acme holding` too."""
    with weaviate() as (_, client):
        store = WeaviateStore(weaviate_collection(client), Hashed(), vector="default")
        store.upsert(
            [
                Document("a", "apples", metadata={"supplier": "acme"}),
                Document("b", "apples", metadata={"supplier": "acme holding"}),
            ]
        )
        assert [hit.id for hit in store.search("apples", filter={"supplier": "acme"})] == ["a"]
        assert [hit.id for hit in store.search("apples", filter={"supplier": "acme holding"})] == ["b"]


def test_a_document_index_is_asked_twice_and_for_its_fields() -> None:
    with pinecone(size=SIZE, text="text") as (server, index):
        store = PineconeDocuments(index, Hashed(), namespace="contracts")
        store.upsert([Document("a", "apples and pears"), Document("b", "bolts")])
        best = store.search("apples")[0]
        searches = [body for path, body in server.asked if path.endswith("documents/search")]
        assert [[clause["type"] for clause in body["score_by"]] for body in searches] == [
            ["text"],
            ["dense_vector"],
        ]
        assert all(body["include_fields"] == ["*"] for body in searches)
        assert best.ranks == {"words": 1, "meaning": 1}


def test_a_vector_index_is_asked_once_with_both_weighed() -> None:
    with pinecone(size=SIZE) as (server, index):
        store = PineconeVectors(index, Hashed(), sparse=Bm25Vectors(), namespace="contracts", alpha=0.25)
        store.upsert([Document("a", "apples and pears"), Document("b", "bolts")])
        assert store.search("apples")[0].ranks == {"hybrid": 1}
        ((_, body),) = [one for one in server.asked if one[0] == "/query"]
        assert body["includeMetadata"] is True
        assert sum(value**2 for value in body["vector"]) == pytest.approx(0.25**2, rel=1e-4)
        assert body["sparseVector"]["values"] == [0.75]
