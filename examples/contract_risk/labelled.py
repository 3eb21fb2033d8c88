"""What a checkup asks the agent's retriever: a question for each clause of each supplier, and what answers it."""

from __future__ import annotations

import datetime as dt

from contract_risk.corpus import FIELDS, Corpus
from contract_risk.library import DEPTH, TOPICS, documents, embedder
from gapless.retrievers.base import Document
from gapless.retrievers.labelled import LabelledQuery
from gapless.retrievers.texts import Collection


class Shelf(Collection):
    """The agent's search over all passages, with its parts side by side, and the calendar of its corpus."""

    def __init__(self, corpus: Corpus) -> None:
        super().__init__(shown(corpus), embedder(), depth=DEPTH)
        self._today = corpus.today

    def now(self) -> float:
        """The day on which the corpus is read: it does not age with the machine's clock."""
        return dt.datetime.combine(self._today, dt.time(), dt.UTC).timestamp()


def shown(corpus: Corpus) -> list[Document]:
    """The passages as the engines have them, with metadata that anybody may read."""
    return [
        Document(
            id=one.id,
            text=one.text,
            indexed_at=one.indexed_at,
            metadata={
                "supplier": one.metadata["passage"].supplier,
                "document": one.metadata["passage"].document,
            },
        )
        for one in documents(corpus)
    ]


def labelled(corpus: Corpus) -> tuple[LabelledQuery, ...]:
    """Supplier by supplier, field by field; a clause that no contract of the supplier has makes a question without an answer."""
    asked: list[LabelledQuery] = []
    for supplier in corpus.suppliers:
        for field, topic in zip(FIELDS, TOPICS, strict=False):  # the last topic is what amends any of them
            relevant = {one.id: 1 for one in supplier.passages if one.topic == field}
            asked.append(
                LabelledQuery(
                    id=f"{supplier.id}/{field}",
                    query=f"{supplier.name} {topic}",
                    relevant=relevant,
                    slice={"field": field, "namesake": "yes" if supplier.twin else "no"},
                    group=supplier.group,
                    answerable=bool(relevant),
                )
            )
    return tuple(asked)
