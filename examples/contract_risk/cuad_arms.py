"""The ways in which the agent searches and decides: rankings fused and a rule on top, or all that can be learnt.

Whatever is fitted is fitted on the contracts to tune on, and is the same for every other contract.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from contract_risk.cuad_corpus import Corpus, load
from contract_risk.cuad_decision import rule_of
from contract_risk.cuad_learnt import Judged, Learnt, bm25_of
from contract_risk.cuad_rank import Question, Ranker, questions
from contract_risk.cuad_search import ARMS, EVIDENCE, Search
from gapless import UsageError
from gapless.retrievers.base import Hit
from gapless.retrievers.rerank import ordered

LEARNT = "learnt"
NAMES = (*ARMS, LEARNT)
_KEPT = 64
"""Questions with all their rankings that are held in memory: a decision follows soon after its retrieval."""


class Arm(Protocol):
    """One way to search and to decide."""

    def find(self, contract: str, category: str, queries: Mapping[str, str], k: int = EVIDENCE) -> list[Hit]:
        """The best windows, best first."""
        ...

    def decide(
        self, contract: str, category: str, queries: Mapping[str, str], windows: Sequence[int]
    ) -> tuple[bool, float]:
        """Whether these windows hold such a clause, and how sure that is, 0 to 1."""
        ...


class Fused:
    """Rankings fused by rank, and a line through how well the evidence fits.

    Args:
        corpus: The contracts.
        arm: One of `ARMS`.
    """

    def __init__(self, corpus: Corpus, arm: str) -> None:
        self._search = Search(corpus, arm)
        self._rule = rule_of(corpus, self._search)

    def find(self, contract: str, category: str, queries: Mapping[str, str], k: int = EVIDENCE) -> list[Hit]:
        """The windows that most rankings have early."""
        return self._search.find(contract, queries, k)

    def decide(
        self, contract: str, category: str, queries: Mapping[str, str], windows: Sequence[int]
    ) -> tuple[bool, float]:
        """By the rule; the confidence is not calibrated."""
        return self._rule.judge(category, self._search.scores(contract, queries, windows))


class Reranking:
    """Everything that the retrievers say, put in order by a re-ranker, and the learnt probability that the answer is right.

    Args:
        corpus: The contracts.
    """

    def __init__(self, corpus: Corpus) -> None:
        self._ranker = Ranker(corpus)
        self.learnt = Learnt(questions(self._ranker, corpus, ("tune",)))
        self._asked = lru_cache(maxsize=_KEPT)(self._ask)
        self._own = lru_cache(maxsize=_KEPT)(self._judge)

    def find(self, contract: str, category: str, queries: Mapping[str, str], k: int = EVIDENCE) -> list[Hit]:
        """The windows that most probably hold such a clause; that is their score."""
        question = self._question(contract, category, queries)
        judged = self.judged(contract, category, queries)
        of = dict(zip(judged.windows, judged.probabilities, strict=True))
        return ordered(question.seen, [of[window] for window in question.windows], question.found)[:k]

    def decide(
        self, contract: str, category: str, queries: Mapping[str, str], windows: Sequence[int]
    ) -> tuple[bool, float]:
        """Answers where a hit is at least as probable as that there is no such clause."""
        judged = self.judged(contract, category, queries, windows)
        return judged.found, judged.confidence

    def judged(
        self, contract: str, category: str, queries: Mapping[str, str], windows: Sequence[int] | None = None
    ) -> Judged:
        """All that is known of one answer; of the re-ranker's own evidence when no windows are given."""
        own = self._own(contract, category, tuple(queries.items()))
        if windows is None or tuple(windows) == own.windows[: len(windows)]:
            return own
        return self.learnt.judge(self._question(contract, category, queries), windows)

    def others(self, contract: str, category: str, queries: Mapping[str, str]) -> tuple[float, float]:
        """What the learnt signal has to beat: the top score of plain word search, and a prior that reads no text."""
        return bm25_of(self._question(contract, category, queries)), self.learnt.prior(category)

    def _judge(self, contract: str, category: str, queries: tuple[tuple[str, str], ...]) -> Judged:
        return self.learnt.judge(self._asked(contract, category, queries))

    def _question(self, contract: str, category: str, queries: Mapping[str, str]) -> Question:
        return self._asked(contract, category, tuple(queries.items()))

    def _ask(self, contract: str, category: str, queries: tuple[tuple[str, str], ...]) -> Question:
        return self._ranker.question(contract, category, dict(queries))


@lru_cache(maxsize=2)
def corpus_of(directory: Path) -> Corpus:
    """The contracts of a folder, read once."""
    return load(directory)


@lru_cache(maxsize=len(NAMES))
def arm_of(directory: Path, name: str) -> Arm:
    """An arm over a folder of contracts, fitted once.

    Raises:
        UsageError: There is no such arm, or too few contracts.
    """
    if name not in NAMES:
        raise UsageError(f"no arm is named {name!r}; there are {', '.join(NAMES)}.")
    corpus = corpus_of(directory)
    if {contract.role for contract in corpus.contracts} != {"tune", "cal", "test"}:
        raise UsageError(
            f"{len(corpus.contracts)} contracts cannot be parted into those to tune on, to certify on and to test on; give more contracts."
        )
    return Reranking(corpus) if name == LEARNT else Fused(corpus, name)
