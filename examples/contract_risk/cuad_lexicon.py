"""Which words and word pairs labelled clauses use more than contracts at large do.

A relevance model (Lavrenko and Croft 2001, SIGIR) with Dirichlet smoothing (Zhai and Lafferty 2004, TOIS): a sentence scores
sum of tf * ln(1 + count in known clauses / (mass * share at large)), divided by the square root of its length, words and pairs
apart; a window scores as its best sentence. Only clauses of contracts that are allowed are counted; the shares at large need
no labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from contract_risk.cuad_corpus import Contract
from gapless.retrievers.bm25 import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KINDS = ("words", "pairs")
MASS = 1_000.0
"""How many words of contracts at large a known clause is held against; of 50, 200 and 1,000 the best in cross-validation."""
_MOST = 2
"""A word that a sentence repeats counts so often at most."""
_SHORTEST = 8
_NOTHING = -9.0
"""Score of a window without a sentence."""


class Lexicon:
    """Words and pairs of the labelled clauses of each contract, and where they stand in every window.

    Args:
        contracts: All contracts; whose labels may be read is said at each question.
    """

    def __init__(self, contracts: Iterable[Contract]) -> None:
        import numpy as np

        contracts = tuple(contracts)
        self._clauses: dict[tuple[int, str], Counter[str]] = {
            (contract.number, category): Counter(term for clause in clauses for term in _terms(clause))
            for contract in contracts
            for category, clauses in contract.clauses.items()
        }
        self._ids = {
            term: at
            for at, term in enumerate(dict.fromkeys(t for found in self._clauses.values() for t in found))
        }
        self._pair = np.asarray([" " in term for term in self._ids], dtype=bool)
        at_large: Counter[str] = Counter()
        self._windows: dict[
            int, tuple[Any, NDArray[np.float64], NDArray[np.intp], NDArray[np.intp], int]
        ] = {}
        for contract in contracts:
            told = [_terms(part.text) for part in contract.parts]
            for terms in told:
                at_large.update(terms)
            self._windows[contract.number] = self._placed(contract, told)
        totals = [sum(n for term, n in at_large.items() if (" " in term) is pair) for pair in (False, True)]
        self._share = np.asarray(
            [(at_large[term] + 0.5) / (totals[" " in term] + 0.5) for term in self._ids], dtype=float
        )
        self._sums: dict[tuple[str, frozenset[int]], NDArray[np.float64]] = {}

    def scores(self, number: int, category: str, known: frozenset[int]) -> NDArray[np.float64]:
        """float array [windows, KINDS]: how much each window of a contract reads like known clauses.

        Args:
            number: The contract; its own clauses are never counted.
            category: What the clauses are about.
            known: Numbers of the contracts whose labels may be read.
        """
        import numpy as np

        counts = self._counted(category, known)
        if number in known:
            counts = counts - self._vector(self._clauses.get((number, category), {}))
        weights = np.zeros((len(counts), len(KINDS)))
        used = np.flatnonzero(counts > 0)
        weights[used, self._pair[used].astype(int)] = np.log1p(counts[used] / (MASS * self._share[used]))
        terms, root, part, owner, n = self._windows[number]
        told = (terms @ weights) / root[:, None]
        best = np.full((n, len(KINDS)), _NOTHING)
        np.maximum.at(best, owner, told[part])
        return best

    def _counted(self, category: str, known: frozenset[int]) -> NDArray[np.float64]:
        import numpy as np

        if (category, known) not in self._sums:
            total = np.zeros(len(self._ids))
            for number in known:
                total += self._vector(self._clauses.get((number, category), {}))
            self._sums[category, known] = total
        return self._sums[category, known]

    def _vector(self, counts: Mapping[str, int]) -> NDArray[np.float64]:
        import numpy as np

        found = np.zeros(len(self._ids))
        found[[self._ids[term] for term in counts]] = list(counts.values())
        return found

    def _placed(self, contract: Contract, told: list[list[str]]) -> Any:
        """The terms of each sentence, the root of its length, and which sentence lies in which window."""
        import numpy as np
        from scipy.sparse import csr_array

        cells = [
            (at, self._ids[term], min(n, _MOST))
            for at, terms in enumerate(told)
            for term, n in Counter(terms).items()
            if term in self._ids
        ]
        rows, columns, values = (
            (list(column) for column in zip(*cells, strict=True)) if cells else ([], [], [])
        )
        terms = csr_array(
            (np.asarray(values, dtype=float), (rows, columns)), shape=(len(told), len(self._ids))
        )
        root = np.sqrt([max(_SHORTEST, (len(one) + 1) // 2) for one in told])
        placed = [(at, owner) for at, part in enumerate(contract.parts) for owner in part.owners]
        part, owner = (np.asarray([pair[side] for pair in placed], dtype=np.intp) for side in (0, 1))
        return terms, root, part, owner, len(contract.windows)


def _terms(text: str) -> list[str]:
    """The words of a text, and each two that stand side by side."""
    own = words(text)
    return own + [f"{one} {two}" for one, two in pairwise(own)]
