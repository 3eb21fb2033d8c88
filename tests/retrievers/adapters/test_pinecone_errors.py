"""What a Pinecone index says no to, and what is asked where nothing was found."""

from __future__ import annotations

from typing import Any

import pytest
from opened_stores import SIZE, Hashed, pinecone

from gapless.errors import StoreError, UsageError
from gapless.retrievers.adapters.pinecone_documents import PineconeDocuments
from gapless.retrievers.adapters.pinecone_vectors import PineconeVectors
from gapless.retrievers.base import Document

KINDS = [PineconeVectors, PineconeDocuments]


def opened(kind: Any, **more: Any) -> Any:
    return pinecone(size=SIZE, text="text" if kind is PineconeDocuments else None, **more)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_of_the_service_is_one_of_ours(kind: Any) -> None:
    with opened(kind) as (server, index):
        store = kind(index, Hashed(), namespace="contracts")
        server.broken = 403
        for call in (
            lambda: store.search("apples"),
            lambda: store.delete(["a"]),
            lambda: store.upsert([Document("a", "apples")]),
        ):
            with pytest.raises(StoreError, match="Pinecone, namespace 'contracts': ForbiddenError"):
                call()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("unfit", "why"),
    [
        (Document("ü", "text"), "ASCII"),
        (Document("", "text"), "ASCII"),
        (Document("a" * 513, "text"), "512"),
        (Document("a", "text", metadata={"deep": {"b": 1}}), "Allowed are text"),
        (Document("a", "text", metadata={"none": None}), "Allowed are text"),
        (Document("a", "text", metadata={"mixed": ["b", 1]}), "Allowed are text"),
        (Document("a", "text", metadata={"odd": float("nan")}), "finite"),
        (Document("a", "text", metadata={"$in": 1}), "taken, reserved or empty"),
        (Document("a", "text", metadata={"text": "other"}), "taken, reserved or empty"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_is_sent(kind: Any, unfit: Document, why: str) -> None:
    with opened(kind) as (server, index):
        store = kind(index, Hashed(), namespace="contracts")
        with pytest.raises(UsageError, match=why):
            store.upsert([Document("fit", "apples"), unfit])
        assert server.asked == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_filter_that_cannot_be_asked(kind: Any) -> None:
    with opened(kind) as (_, index):
        store = kind(index, Hashed(), namespace="contracts")
        store.upsert([Document("a", "apples", metadata={"year": 2025})])
        with pytest.raises(UsageError, match="keeps no null"):
            store.search("apples", filter={"year": None})
        with pytest.raises(UsageError, match="operators"):
            store.search("apples", filter={"$or": "x"})
        with pytest.raises(UsageError, match=r"no document has the field 'yaer'\. Fields are: year\."):
            store.search("apples", filter={"yaer": 2025})
        assert store.search("apples", filter={"year": 1999}) == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_namespace_is_told_from_one_that_was_emptied(kind: Any) -> None:
    with opened(kind) as (_, index):
        full, other = kind(index, Hashed(), namespace="contracts"), kind(index, Hashed(), namespace="drafts")
        full.upsert([Document("a", "apples")])
        with pytest.raises(UsageError, match="it holds nothing, and others do: 'contracts' \\(1\\)"):
            other.search("apples")
        other.upsert([Document("b", "bolts")])
        other.delete(["b"])
        assert other.search("bolts") == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_goes_through_pages(kind: Any) -> None:
    with opened(kind) as (_, index):
        store = kind(index, Hashed(), namespace="contracts")
        store.upsert([Document(f"d{n:03}", f"document {n}", 5.0, {"n": n}) for n in range(250)])
        every, some = store.sample(1000), store.sample(120)
        assert [one.id for one in every] == [f"d{n:03}" for n in range(250)]
        assert (len(some), some[7].text, some[7].indexed_at, some[7].metadata) == (
            120,
            "document 7",
            5.0,
            {"n": 7},
        )
        assert store.delete([f"d{n:03}" for n in range(240)] + ["nobody", "ü"]) == 240
        assert len(store.sample()) == 10


def test_where_the_least_distance_is_the_best_scores_are_turned_round() -> None:
    with pinecone(size=SIZE, metric="euclidean") as (server, index):
        store = PineconeVectors(index, Hashed(), namespace="contracts")
        store.upsert([Document("a", "apples are red"), Document("b", "bolts are long")])
        first, second = store.search("red apples")
        assert (first.id, second.id) == ("a", "b")
        assert second.score < first.score <= 0
        store.search("bolts")
        assert [path for path, _ in server.asked].count("/describe_index_stats") == 1


@pytest.mark.parametrize("kind", KINDS)
def test_of_many_namespaces_ours_is_found_and_a_few_are_named(kind: Any) -> None:
    with opened(kind) as (_, index):
        for number in range(130):
            kind(index, Hashed(), namespace=f"n{number:03}").upsert([Document("a", "apples")])
        ours = kind(index, Hashed(), namespace="n129")
        ours.delete(["a"])
        with pytest.raises(UsageError, match=r"others do: 'n000' \(1\), .*, 'n009' \(1\) and 119 more"):
            ours.search("apples")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("unfit", "why"),
    [
        (Document("a", " \n"), "has no text"),
        (Document("a", "text", metadata={"big": 2**53 + 1}), "up to 2\\^53"),
    ],
)
def test_what_would_come_back_as_something_else_is_refused(kind: Any, unfit: Document, why: str) -> None:
    with opened(kind) as (server, index):
        with pytest.raises(UsageError, match=why):
            kind(index, Hashed(), namespace="contracts").upsert([unfit])
        assert server.asked == []
