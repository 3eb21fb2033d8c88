"""Ranks the windows of a contract for a category in every way the retrievers offer, and describes each candidate in numbers.

Nothing here reads a label, except `resemblance`, which is told whose labelled clauses it may look at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contract_risk.cuad_categories import CATEGORIES
from contract_risk.cuad_corpus import Corpus
from contract_risk.cuad_search import K0, documents_of, embedder, meaning_of
from contract_risk.cuad_wordings import CUES, WORDINGS
from gapless.retrievers.base import Hit, Retriever
from gapless.retrievers.bm25 import Bm25
from gapless.retrievers.expansion import Expanded, Feedback, Wordings
from gapless.retrievers.hybrid import fuse, highest
from gapless.retrievers.pooling import Pooled
from gapless.retrievers.rerank import Candidates, candidates

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEPTH = 20
"""Windows that no ranking has among its first so many are no candidates."""
RESEMBLANCE = ("nearest clause", "three nearest", "nearest above mean", "three above mean", "three nearness")


@dataclass(frozen=True, slots=True)
class Question:
    """One category of one contract, with every ranking of its windows."""

    contract: str
    number: int
    category: str
    gold: frozenset[int]
    found: Mapping[str, list[Hit]]
    """Ranking -> windows, best first. "bm25" is the reference, "expanded words" and "expanded" need no labels."""
    seen: Candidates
    """What may be put in order, and what the rankings say of it."""
    likeness: NDArray[np.float32]
    """[windows, clauses]: cosine of each window's best sentence with each labelled clause of this category."""
    owners: NDArray[np.intp]
    """[clauses]: number of the contract that each of these clauses stands in."""

    @property
    def windows(self) -> list[int]:
        """The candidates' numbers."""
        return [int(hit.id) for hit in self.seen.hits]

    def top(self, ranking: str, k: int = 5) -> set[int]:
        """The first windows of a ranking."""
        return {int(hit.id) for hit in self.found[ranking][:k]}


def questions(corpus: Corpus, progress: Callable[[str], None] = lambda _: None) -> list[Question]:
    """Every question that can be judged, in the order of `Corpus.pairs`; embeds the contracts on the first run."""
    import numpy as np

    embed = embedder()
    clauses = {
        category: [
            (contract.number, clause)
            for contract in corpus.contracts
            for clause in contract.clauses.get(category, ())
        ]
        for category in CATEGORIES
    }
    vectors = {name: embed.embed([clause for _, clause in known]) for name, known in clauses.items() if known}
    owners = {name: np.asarray([n for n, _ in known], dtype=np.intp) for name, known in clauses.items()}
    meaning = meaning_of(corpus, embed)
    asked: list[Question] = []
    for contract in corpus.contracts:
        progress(f"{contract.number + 1} of {len(corpus.contracts)} contracts")
        documents = documents_of(contract)
        engines = {
            "words": Bm25(documents),
            "feedback": Feedback(documents),
            "sentences": Pooled(documents, Bm25, parts=contract.parts),
            "meaning": meaning[contract.name],
        }
        for category, gold in contract.gold.items():
            description = corpus.descriptions[category]
            found = _found(engines, category, description, len(documents))
            alike = (
                meaning[contract.name].resemblance(vectors[category])
                if category in vectors
                else np.zeros((len(documents), 0), dtype=np.float32)
            )
            seen = candidates(found, _texts(category, description), CUES[category], depth=DEPTH)
            asked.append(
                Question(
                    contract.name,
                    contract.number,
                    category,
                    gold,
                    found,
                    seen,
                    alike,
                    owners[category],
                )
            )
    return asked


def resemblance(question: Question, known: frozenset[int]) -> NDArray[np.float64]:
    """How much each candidate resembles labelled clauses of other contracts.

    Args:
        question: The question; clauses of its own contract are never looked at.
        known: Numbers of the contracts whose labels may be looked at.

    Returns:
        float array [candidates, `RESEMBLANCE`], zeros where no such clause is known.
    """
    import numpy as np

    allowed = np.asarray([at in known and at != question.number for at in question.owners], dtype=bool)
    if not allowed.any():
        return np.zeros((len(question.seen.hits), len(RESEMBLANCE)))
    nearest = -np.sort(-question.likeness[:, allowed], axis=1)
    one, three = nearest[:, 0], nearest[:, :3].mean(axis=1)
    rank = np.empty(len(three))
    rank[np.argsort(-three, kind="stable")] = np.arange(1, len(three) + 1)
    columns = np.stack([one, three, _standard(one), _standard(three), 1 / (5 + rank)], axis=1)
    return np.asarray(columns[question.windows], dtype=float)


def _found(
    engines: Mapping[str, Retriever], category: str, description: str, everything: int
) -> dict[str, list[Hit]]:
    """The rankings of one question: of each engine with all wordings, and of several engines together."""
    wordings = Wordings({category: (category, CATEGORIES[category], *WORDINGS[category])})
    query = f"{category} {description}"
    answers = {
        name: Expanded(engine, wordings).answers(query, everything) for name, engine in engines.items()
    }

    def together(*names: str, forms: tuple[str, ...] | None = None) -> list[Hit]:
        chosen = {
            f"{name}:{form}": hits
            for name in names
            for form, hits in answers[name].items()
            if forms is None or form in forms
        }
        return fuse(chosen, k=everything, k0=K0)

    return {
        "bm25": answers["words"]["query"],
        "plain hybrid": together("words", "meaning", forms=("query",)),
        "expanded words": together("words"),
        "expanded feedback": together("feedback"),
        "pooled words": together("sentences"),
        "pooled meaning": together("meaning"),
        "expanded": together("words", "meaning"),
        "best words": highest(answers["words"], k=everything),
        "best sentence": highest(answers["sentences"], k=everything),
        "best meaning": highest(answers["meaning"], k=everything),
    }


def _texts(category: str, description: str) -> dict[str, str]:
    return {
        "question": f"{category} {description}",
        "name": category,
        "wordings": " ".join((CATEGORIES[category], *WORDINGS[category])),
    }


def _standard(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return (values - values.mean()) / (values.std() + 1e-9)
