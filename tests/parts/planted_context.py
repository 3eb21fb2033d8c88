"""Retrievers with one fault each, and their healthy twins."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from gapless.probes.base import Subject
from gapless.records.labelled_query import LabelledQuery
from gapless.retrievers.labelling.excerpts import remembered

GOODS = "apples bolts cranes drums engines flour glass hoses ink jackets".split()
CITIES = "Bergen Cadiz Dover Essen".split()


class Shop:
    """A retriever with one fault, or none."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        pairs = [(thing, city) for thing in GOODS for city in CITIES]
        self.texts = {
            f"{t}-{c}": f"Contract {t} {c}. The buyer in {c} pays {n} for {t}."
            for n, (t, c) in enumerate(pairs)
        }
        self.noise = ["gold", "silk", "tea", "wine", "salt"] * 4
        self.written: dict[str, str] = {}

    def search(self, query: str, filter: dict[str, Any] | None = None) -> list[dict[str, Any]]:  # noqa: A002
        if self.fault == "raises" and "Dover" in query:
            raise ConnectionError("the index is down")
        if filter and set(filter) != {"city"} and self.fault != "silent":
            raise KeyError(f"no such field: {set(filter)}")
        if self.fault == "slow":
            time.sleep(0.02)
        asked = set(query.split())
        kept = [name for name in self.texts if not filter or name.endswith(filter.get("city", "?"))]
        if self.fault == "silent" and filter:
            kept = []
        scores = {name: len(asked & set(name.split("-"))) for name in kept}
        best = sorted((name for name in kept if scores[name]), key=lambda name: -scores[name])[:5]
        if max(scores.values(), default=0) < 2:  # both words stand in no contract
            best = list(self.texts)[:5] if self.fault == "talks" else []
        if self.fault == "blind":
            best = list(self.texts)[:5]
        hits = [self._hit(name, float(scores.get(name, 0))) for name in best]
        if self.fault == "talks" and not any(score > 1 for score in scores.values()):
            hits = [hit | {"score": 2.0} for hit in hits]
        if self.fault == "namesakes" and hits:
            hits.insert(
                0, hits[0] | {"id": f"{best[0]}-old", "metadata": {"name": f"{best[0]} Ltd", "city": ""}}
            )
        written = [
            {"id": name, "text": text} for name, text in self.written.items() if asked & set(text.split())
        ]
        return hits + written

    def _hit(self, name: str, score: float) -> dict[str, Any]:
        said = {"name": name, "city": name.split("-")[1]}
        return {
            "id": name,
            "text": self.texts[name],
            "score": score,
            "metadata": said,
            "indexed_at": self._when(name),
        }

    def _when(self, name: str) -> float:
        old = self.fault == "stale" and name.endswith("Essen")
        return time.time() - (900 if old else 3) * 86_400

    def documents(self) -> list[dict[str, Any]]:
        return [self._hit(name, 0.0) for name in self.texts]

    def embed(self, texts: list[str]) -> Any:
        return np.asarray([[1.0 + sum(t.encode()) % n for n in (7, 11, 13, 17)] for t in texts])

    def vectors(self, ids: list[str]) -> dict[str, Any]:
        turned = -1 if self.fault == "model" else 1
        return {name: self.embed([self.texts[name]])[0][::turned] for name in ids}

    def upsert(self, documents: list[Any]) -> None:
        if self.fault != "lost":
            self.written |= {one.id: one.text for one in documents}

    def delete(self, ids: list[str]) -> None:
        for name in ids:
            self.written.pop(name, None)


def shop(fault: str = "", **more: Any) -> Subject:
    made = Shop(fault)
    asked = [
        LabelledQuery(id=name, query=name.replace("-", " "), relevant={name: 1}, group=name)
        for name in made.texts
    ]
    none = [
        LabelledQuery(id=f"none-{n}", query=f"{thing} Lima", group=f"none-{n}", answerable=False)
        for n, thing in enumerate(made.noise)
    ]
    if more.pop("filtered", False):
        asked = [msgspec.structs.replace(one, filter={"city": one.query.split()[1]}) for one in asked]
    return Subject(retrieve=made.search, labelled=(*asked, *none), **more)


def beside(worse: str) -> Subject:
    """An engine in use, and a healthy one beside it."""
    return replace(shop(worse), engines={"healthy": Shop().search})


def cut(folder: Path, spoken: str) -> Subject:
    """Texts to cut, and questions that share a word with what they quote, or none."""
    clauses = [
        f"The {thing} of {city} are paid in {at} days." for at, city in enumerate(CITIES) for thing in GOODS
    ]
    (folder / "contracts.txt").write_text(
        "\n\n".join(f"{clause} {'Nothing else is said here. ' * 9}" for clause in clauses)
    )
    asked = tuple(
        LabelledQuery(id=clause, query=spoken or clause, texts=(clause,), group=clause) for clause in clauses
    )
    return Subject(texts=folder, labelled=asked)


def labelled(folder: Path, *, since: str = "") -> Subject:
    """Labels that a person has seen, of texts that were changed since, or not."""
    texts = {
        f"{city}.txt": f"Contract. The buyer in {city} pays {at} in May. Nothing else."
        for at, city in enumerate(CITIES)
    }
    for name, text in texts.items():
        (folder / name).write_text(text.replace("in May", since or "in May"))
    quotes = {name: text.partition(" ")[2].partition(".")[0] + "." for name, text in texts.items()}
    made = tuple(
        LabelledQuery(
            id=name,
            query=f"what does the buyer of {name} pay",
            texts=(quotes[name].replace("in May", since or "in May"),),
            group=name,
            document=name,
            source="reviewed",
            reviewer="maria",
            model="some-model",
            passage=remembered(text, quotes[name]),
        )
        for name, text in texts.items()
    )
    return Subject(texts=folder, labelled=made)


CONTEXT: tuple[tuple[str, str, str, Callable[[Path], Subject], Callable[[Path], Subject]], ...] = (
    (
        "query-labels",
        "passages that were changed after they were labelled",
        "has changed since",
        lambda f: labelled(f, since="each June"),
        lambda f: labelled(f),
    ),
    (
        "retriever-answers",
        "one query in six raises",
        "10 of 60 queries fail: ConnectionError",
        lambda f: shop("raises"),
        lambda f: shop(),
    ),
    (
        "retrieval-quality",
        "the same five documents to every query",
        r"recall@5 is 12\.5 %",
        lambda f: shop("blind"),
        lambda f: shop(),
    ),
    (
        "engines-compared",
        "an engine beside it that is far better",
        "better at recall@5 than the one in use: healthy",
        lambda f: beside("blind"),
        lambda f: beside(""),
    ),
    (
        "unanswerable",
        "five documents and a high score where nothing is to be found",
        "20 of 20 unanswerable",
        lambda f: shop("talks"),
        lambda f: shop(),
    ),
    (
        "near-duplicates",
        "an old copy under another name ahead of the document",
        "'apples-Bergen-old' and 'apples-Bergen'",
        lambda f: shop("namesakes"),
        lambda f: shop(),
    ),
    (
        "freshness",
        "a quarter of the documents indexed 900 days ago",
        "10 of 40 are older than 365 days",
        lambda f: shop("stale"),
        lambda f: shop(),
    ),
    (
        "stored-vectors",
        "vectors of another model",
        "40 of 40 documents, embedded anew, are not where",
        lambda f: shop("model"),
        lambda f: shop(),
    ),
    (
        "filters",
        "a filter that matches nothing, and no error",
        "silently find nothing",
        lambda f: shop("silent", filtered=True),
        lambda f: shop(filtered=True),
    ),
    (
        "update-visibility",
        "a document that is stored and never found",
        "stored: not shown",
        lambda f: shop("lost", leave=True, seconds=0.1, targets={"update-visibility": 0.1}),
        lambda f: shop(leave=True),
    ),
    (
        "retrieval-latency",
        "20 ms a query where 5 are allowed",
        r"p50 \d\d+(\.\d)? ms",
        lambda f: shop("slow", targets={"retrieval-latency": 5.0}),
        lambda f: shop(),
    ),
    (
        "chunking",
        "questions that share no word with the passages they ask for",
        "none of 27 ways of cutting finds anything",
        lambda f: cut(f, "quid pro quo"),
        lambda f: cut(f, ""),
    ),
)
"""Probe, defect, what is said of it, sick and healthy, as `planted.Planted` has them."""
