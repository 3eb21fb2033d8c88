"""Decides whether a contract has such a clause at all: a line through how well its best evidence fits the question.

The line is fitted on the contracts to tune on and judges all others, so that the rule that is certified is the rule that is
evaluated. It knows how often a category occurs and what fits usually look like for it, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contract_risk.cuad_corpus import Corpus
from contract_risk.cuad_search import Search, formulations
from gapless import UsageError
from gapless.retrievers.rerank import logistic

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PULL = 1.0
"""Ridge penalty: some categories occur in two contracts of a half only."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One question with what the search found, for fitting."""

    category: str
    scores: Mapping[str, float]
    """Ranking -> how well the best evidence fits."""
    present: bool
    """Whether the contract has such a clause."""
    found: bool
    """Whether a labelled clause is in the evidence."""


class Rule:
    """A logistic line over standardised scores, with one level per category, and the threshold that balances both errors.

    Args:
        seen: The questions it is fitted on. Those with a clause and those without weigh the same in total.
    """

    def __init__(self, seen: Sequence[Seen]) -> None:
        import numpy as np

        self._categories = sorted({question.category for question in seen})
        self._rankings = list(seen[0].scores)
        self._usual = {
            category: _usual([one for one in seen if one.category == category])
            for category in self._categories
        }
        self._anywhere = _usual(seen)
        present = np.asarray([question.present for question in seen], dtype=bool)
        rows = np.asarray([self._row(question.category, question.scores) for question in seen])
        self._weights = _fit(rows, present)
        found = np.asarray([question.found for question in seen], dtype=bool)
        self._threshold = _threshold(rows @ self._weights, present, found)

    def judge(self, category: str, scores: Mapping[str, float]) -> tuple[bool, float]:
        """Whether there is such a clause, and how sure that is (0.5 to 1; not calibrated)."""
        from scipy.special import expit

        doubt = float(self._row(category, scores) @ self._weights) - self._threshold
        return doubt >= 0, float(expit(abs(doubt)))

    def _row(self, category: str, scores: Mapping[str, float]) -> NDArray[np.float64]:
        import numpy as np

        mean, spread = self._usual.get(category, self._anywhere)
        own = (np.asarray([scores[ranking] for ranking in self._rankings]) - mean) / spread
        level = np.asarray([float(category == name) for name in self._categories])
        return np.concatenate([own, level])


def rule_of(corpus: Corpus, search: Search) -> Rule:
    """The rule of a search, fitted on the contracts to tune on.

    Raises:
        UsageError: None of these has such a clause, or all have.
    """
    seen: list[Seen] = []
    for contract, category, gold in corpus.pairs():
        if contract.role == "tune":
            queries = formulations(category, corpus.descriptions[category])
            windows = [int(hit.id) for hit in search.find(contract.name, queries)]
            scores = search.scores(contract.name, queries, windows)
            seen.append(Seen(category, scores, bool(gold), bool(gold & set(windows))))
    if len({question.present for question in seen}) < 2:
        raise UsageError(
            "a rule is fitted on a quarter of the contracts, and these have every clause or none; give more contracts."
        )
    return Rule(seen)


def _usual(seen: Sequence[Seen]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and spread of every ranking's score."""
    import numpy as np

    scores = np.asarray([list(question.scores.values()) for question in seen])
    return scores.mean(axis=0), scores.std(axis=0) + 1e-9


def _fit(rows: NDArray[np.float64], present: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The line; questions with a clause and those without weigh the same in total."""
    import numpy as np

    counts = np.where(present, present.sum(), (~present).sum())
    return logistic(rows, present, weights=0.5 * len(present) / counts, pull=_PULL)


def _threshold(line: NDArray[np.float64], present: NDArray[np.bool_], found: NDArray[np.bool_]) -> float:
    """The cut at which success on questions with a clause and on those without is best on average."""
    import numpy as np

    order = np.argsort(line, kind="stable")
    declined = np.cumsum(~present[order]) / max(1, (~present).sum())
    lost = np.cumsum((present & found)[order]) / max(1, present.sum())
    below = int(np.argmax(np.concatenate([[0.0], declined - lost])))  # how many questions lie under the cut
    edges = np.concatenate([[line.min() - 1], line[order], [line.max() + 1]])
    return float((edges[below] + edges[below + 1]) / 2)
