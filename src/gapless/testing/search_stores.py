"""What every search store must do: run `CASES` over your own adapter as over ours.

@pytest.mark.parametrize("case", CASES)
def test_my_store(case):
    CASES[case](MyStore(empty_collection()))
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from gapless.errors import UsageError
from gapless.retrievers.base import Document, SearchStore

Case = Callable[[SearchStore], None]
_PATIENCE_S = 10.0


def _three() -> list[Document]:
    return [
        Document(
            "ship", "Goods travel by ship and are insured at sea.", 10.0, {"supplier": "acme", "year": 2024}
        ),
        Document("cap", "Liability is capped at the fees paid.", 20.0, {"supplier": "acme", "year": 2025}),
        Document(
            "audit", "The buyer may audit the books once a year.", 30.0, {"supplier": "zeta", "year": 2025}
        ),
    ]


def _ids(store: SearchStore, query: str, k: int = 10, **more: Any) -> list[str]:
    return [hit.id for hit in store.search(query, k, **more)]


def _until(right: Callable[[], bool], what: str) -> None:
    """Stores that index in the background get some seconds."""
    deadline = time.monotonic() + _PATIENCE_S
    while not right():
        if time.monotonic() > deadline:
            raise AssertionError(f"after {_PATIENCE_S:g} s: {what}")
        time.sleep(0.05)


def _filled(store: SearchStore) -> SearchStore:
    store.upsert(_three())
    _until(lambda: "audit" in _ids(store, "audit the books"), "a document that was stored is not found")
    return store


def finds_what_was_stored(store: SearchStore) -> None:
    """The best document first, with its text, date, metadata and rank; never more than k; scores fall."""
    (best, *rest) = _filled(store).search("capped liability", 2)
    assert best.id == "cap", f"found {best.id!r} first, expected 'cap'"
    assert best.text == _three()[1].text, "the text is not what was stored"
    assert best.indexed_at == 20.0, "the date is not what was stored"
    assert dict(best.metadata) == {"supplier": "acme", "year": 2025}, "the metadata are not what was stored"
    assert 1 in best.ranks.values(), "the best hit is the first in no ranking"
    assert len(rest) <= 1, "more hits than k"
    assert all(hit.score <= best.score for hit in rest), "scores do not fall"
    assert _ids(store, "liability", 0) == [], "k = 0 found something"


def replaces_by_id(store: SearchStore) -> None:
    """A second upsert of an id replaces the document; the old text finds it no more, and it is there once."""
    _filled(store).upsert([Document("ship", "Pallets move on trucks.", 40.0, {"supplier": "acme"})])
    _until(
        lambda: "trucks" in "".join(hit.text for hit in store.search("trucks")), "the new text is not found"
    )
    found = _ids(store, "ship sea goods pallets trucks")
    assert found.count("ship") == 1, "a document that was replaced is there twice"
    assert all("sea" not in hit.text for hit in store.search("insured at sea")), (
        "the old text is still handed over"
    )


def forgets_what_was_deleted(store: SearchStore) -> None:
    """A deleted document is found no more; unknown ids do no harm and are not counted."""
    assert _filled(store).delete(["cap", "nobody"]) == 1, "not one document was counted as deleted"
    _until(lambda: "cap" not in _ids(store, "capped liability"), "a document that was deleted is found")
    assert "ship" in _ids(store, "ship"), "deleting one document lost another"
    assert store.delete([]) == 0, "deleting nothing deleted something"


def obeys_filters(store: SearchStore) -> None:
    """Only documents with the value, also where better ones lack it; several fields at once; the type counts.

    A store may refuse a value of a wrong type with a UsageError instead of finding nothing.
    """
    _filled(store)
    assert _ids(store, "audit liability ship", filter={"supplier": "zeta"}) == ["audit"]
    assert _ids(store, "audit liability ship", filter={"supplier": "acme", "year": 2025}) == ["cap"]
    with suppress(UsageError):  # a store with a schema may say that nothing can match
        assert _ids(store, "audit liability ship", filter={"year": "2025"}) == [], (
            "the text '2025' matched the number 2025"
        )
    assert _ids(store, "audit", filter={"supplier": "nobody"}) == [], (
        "a value that nobody has found something"
    )
    assert set(_ids(store, "audit liability ship", filter={})) == {"audit", "cap", "ship"}, (
        "an empty filter excludes"
    )


def tells_types_apart_and_looks_into_lists(store: SearchStore) -> None:
    """A filter on true finds no 1, and one on a text finds a list that holds it; whole numbers equal the same with a point.

    A store may refuse a value of a wrong type with a UsageError instead of finding nothing.
    """
    marked = [
        Document(
            "yes", "Apples are sold.", metadata={"signed": True, "score": 1, "topics": ["fruit", "trade"]}
        ),
        Document("no", "Apples are bought.", metadata={"signed": False, "score": 0, "topics": ["fruit"]}),
    ]
    store.upsert(marked)
    _until(lambda: len(_ids(store, "apples")) == len(marked), "documents that were stored are not found")
    assert _ids(store, "apples", filter={"signed": True}) == ["yes"]
    assert _ids(store, "apples", filter={"score": 1.0}) == ["yes"], "1.0 is not the 1 that was stored"
    assert _ids(store, "apples", filter={"topics": "trade"}) == ["yes"], "a list does not have what it holds"
    assert set(_ids(store, "apples", filter={"topics": "fruit"})) == {"yes", "no"}
    for odd in ({"signed": 1}, {"score": True}, {"topics": "tra"}):
        with suppress(UsageError):
            assert _ids(store, "apples", filter=odd) == [], f"{odd} found something"


def takes_many_at_once(store: SearchStore) -> None:
    """More, and longer, documents than fit into one request of a service; and as many deleted at once, by long ids."""
    many = [
        Document(f"{'long-' * 20}{n:03}", f"Clause {n} of many. {'More words. ' * 2100}") for n in range(230)
    ]
    store.upsert(many)
    _until(lambda: bool(_ids(store, "clause 229")), "a document of many is not found")
    assert store.delete([one.id for one in many]) == len(many), "not all of many were counted as deleted"
    _until(lambda: not _ids(store, "clause"), "a document of many is still found")


def refuses_unknown_fields(store: SearchStore) -> None:
    """A filter on a field that no document has is an error, never an empty answer."""
    _filled(store)
    said = ""
    try:
        store.search("audit", filter={"suplier": "zeta"})
    except UsageError as error:
        said = str(error)
    assert said, "a filter on an unknown field was answered"
    assert "suplier" in said, "the message does not name the field"


def takes_any_text(store: SearchStore) -> None:
    """Queries are text, not syntax; so are ids, texts and metadata.

    A store may refuse the name of a metadata field with a UsageError; it must not change it.
    """
    odd = Document('o\'dd "id"; --', 'Größe "quoted" (brackets) AND OR NOT * 東京', 1.0)
    field = _a_field_it_takes(_filled(store), odd)
    _until(lambda: odd.id in _ids(store, "Größe"), "a text beyond ASCII is not found")
    for query in (
        '"',
        "AND OR NOT",
        "cap* OR (",
        "text:cap",
        "",
        "   ",
        "'; DROP TABLE documents; --",
        "\x00",
    ):
        store.search(query)
    assert _ids(store, "quoted", filter={field: 'va"lue'}) == [odd.id]


def _a_field_it_takes(store: SearchStore, odd: Document) -> str:
    """Stores a document with the oddest field that the store takes, and says its name."""
    said = ""
    try:
        store.upsert([replace(odd, metadata={"na'me": 'va"lue'})])
    except UsageError as error:
        said = str(error)
    if not said:
        return "na'me"
    assert "na'me" in said, "the name of a metadata field was refused, and the message does not say it"
    store.upsert([replace(odd, metadata={"plain_name": 'va"lue'})])
    return "plain_name"


def stores_all_or_nothing(store: SearchStore) -> None:
    """Where one document of an upsert cannot be stored, none of them is."""
    unfit = Document("unfit", "This one cannot be kept.", metadata={"what": object()})
    try:
        _filled(store).upsert([Document("fit", "Zebras graze here."), unfit])
    except UsageError:
        assert "fit" not in _ids(store, "zebras graze"), "half of an upsert was stored"
    else:
        raise AssertionError("metadata that cannot be kept were taken without a word")


def empty_is_empty(store: SearchStore) -> None:
    """Nothing stored: nothing found, and no error."""
    assert _ids(store, "anything") == []
    store.upsert([])
    assert store.delete(["nobody"]) == 0


CASES: dict[str, Case] = {
    case.__name__: case
    for case in (
        finds_what_was_stored,
        replaces_by_id,
        forgets_what_was_deleted,
        obeys_filters,
        tells_types_apart_and_looks_into_lists,
        takes_many_at_once,
        refuses_unknown_fields,
        takes_any_text,
        stores_all_or_nothing,
        empty_is_empty,
    )
}
"""Name -> a case; each is given a store that is empty, and raises AssertionError where the promise is broken."""
