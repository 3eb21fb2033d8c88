"""Ranks the windows of a contract for a category in every way the retrievers offer, and describes each candidate in numbers.

Nothing here reads a label, except `resemblance`, which is told whose labelled clauses it may look at.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from contract_risk.cuad_categories import CATEGORIES
from contract_risk.cuad_corpus import Contract, Corpus, Role
from contract_risk.cuad_lexicon import KINDS, Lexicon
from contract_risk.cuad_search import K0, documents_of, embedder, formulations, meaning_of
from contract_risk.cuad_wordings import CUES
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
RESEMBLANCE = (
    *("nearest clause", "three nearest", "nearest above mean", "three above mean", "three nearness"),
    *(f"clause {kind}{what}" for kind in KINDS for what in ("", " above mean", " nearness")),
)


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
    lexicon: Lexicon
    """The words of labelled clauses."""

    @property
    def windows(self) -> list[int]:
        """The candidates' numbers."""
        return [int(hit.id) for hit in self.seen.hits]

    def top(self, ranking: str, k: int = 5) -> set[int]:
        """The first windows of a ranking."""
        return {int(hit.id) for hit in self.found[ranking][:k]}


class Ranker:
    """Every ranking of a contract's windows for a category; embeds the contracts on the first run of a machine.

    Args:
        corpus: The contracts.
    """

    def __init__(self, corpus: Corpus) -> None:
        import numpy as np

        self._corpus = corpus
        self._contracts = {contract.name: contract for contract in corpus.contracts}
        self._engines: dict[str, dict[str, Retriever]] = {}
        embed = embedder()
        clauses = {
            category: [
                (contract.number, clause)
                for contract in corpus.contracts
                for clause in contract.clauses.get(category, ())
            ]
            for category in CATEGORIES
        }
        self._meaning = meaning_of(corpus, embed)
        self._lexicon = Lexicon(corpus.contracts)
        self._clauses = {
            category: embed.embed([clause for _, clause in known])
            for category, known in clauses.items()
            if known
        }
        self._owners = {
            category: np.asarray([number for number, _ in known], dtype=np.intp)
            for category, known in clauses.items()
        }

    def question(self, name: str, category: str, queries: Mapping[str, str] | None = None) -> Question:
        """One category of one contract, whether or not somebody labelled it.

        Args:
            name: The contract.
            category: What is asked about.
            queries: Formulation -> text; as `formulations` gives them when None.
        """
        import numpy as np

        contract, meaning = self._contracts[name], self._meaning[name]
        if queries is None:
            queries = formulations(category, self._corpus.descriptions[category])
        found = _found(self._engines_of(contract), category, queries, len(contract.windows))
        known = self._clauses.get(category)
        nothing = np.zeros((len(contract.windows), 0), dtype=np.float32)
        return Question(
            name,
            contract.number,
            category,
            contract.gold.get(category, frozenset()),
            found,
            candidates(found, _texts(queries), CUES[category], depth=DEPTH),
            nothing if known is None else meaning.resemblance(known),
            self._owners[category],
            self._lexicon,
        )

    def _engines_of(self, contract: Contract) -> dict[str, Retriever]:
        if contract.name not in self._engines:
            documents = documents_of(contract)
            self._engines[contract.name] = {
                "words": Bm25(documents),
                "feedback": Feedback(documents),
                "sentences": Pooled(documents, Bm25, parts=contract.parts),
                "meaning": self._meaning[contract.name],
            }
        return self._engines[contract.name]


def questions(ranker: Ranker, corpus: Corpus, roles: Collection[Role] = get_args(Role)) -> list[Question]:
    """Every question that can be judged, in the order of `Corpus.pairs`.

    Args:
        ranker: Of the corpus.
        corpus: The contracts.
        roles: Those of the contracts that are asked about.
    """
    return [
        ranker.question(contract.name, category)
        for contract, category, _ in corpus.pairs()
        if contract.role in roles
    ]


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
    columns = [one, three, _standard(one), _standard(three), _nearness(three)]
    for told in question.lexicon.scores(question.number, question.category, known).T:
        columns += [told, _standard(told), _nearness(told)]
    return np.asarray(np.stack(columns, axis=1)[question.windows], dtype=float)


def _found(
    engines: Mapping[str, Retriever], category: str, queries: Mapping[str, str], everything: int
) -> dict[str, list[Hit]]:
    """The rankings of one question: of each engine with all wordings, and of several engines together."""
    query = queries["question"]
    wordings = Wordings({category: [text for form, text in queries.items() if form != "question"]})
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


def _texts(queries: Mapping[str, str]) -> dict[str, str]:
    clauses = [text for form, text in queries.items() if form.startswith("wording")]
    return {"question": queries["question"], "name": queries["name"], "wordings": " ".join(clauses)}


def _nearness(values: NDArray[Any]) -> NDArray[np.float64]:
    import numpy as np

    rank = np.empty(len(values))
    rank[np.argsort(-values, kind="stable")] = np.arange(1, len(values) + 1)
    return 1 / (5 + rank)


def _standard(values: NDArray[Any]) -> NDArray[Any]:
    return (values - values.mean()) / (values.std() + 1e-9)
