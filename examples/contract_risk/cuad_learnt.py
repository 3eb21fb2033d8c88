"""What is learnt from labelled contracts: a re-ranker, and how probable it is that its evidence holds, or that there is no such clause.

Nothing is fitted on a contract that it judges. The model of the signals needs windows that were put in order in the same
honest way, so the contracts that are learnt from are cross-fitted among themselves; a model that saw its own labels would
look surer than it is on new ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contract_risk.cuad_rank import RESEMBLANCE, Question, resemblance
from contract_risk.cuad_search import EVIDENCE
from gapless import UsageError
from gapless.retrievers.rerank import Reranker, fit, folds_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDS = 4
"""Parts in which the contracts that are learnt from are cross-fitted."""
ORDER_PULL = 1000.0
"""Ridge of the re-ranker that puts windows in order: its features say nearly the same, and little data tells them apart."""
PRESENCE_PULL = 10.0
"""Ridge of the re-ranker that says how probable the best windows are: more is to be learnt of whole contracts without a clause."""
SIGNAL_PULL = 10.0
_LEAST = 1e-9
SIGNALS = (
    "top probability",
    "any of five",
    "margin",
    "first to second",
    "presence",
    "presence of sixth",
    "presence in five",
    "presence of first",
    "presence, first to second",
    "presence, margin",
    "agrees with expanded",
    "agrees with words",
    "agrees with meaning",
    "agrees with bm25",
    "bm25",
    "best sentence",
    "best meaning",
    "nearest clause",
    "nearest clause of first",
    "cues of first",
    "length",
    "prior",
)
"""What is known about one answer; a level for each category stands beside them."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One question after the re-ranker."""

    windows: tuple[int, ...]
    """In the re-ranker's order."""
    probabilities: tuple[float, ...]
    """Of each window, that it is gold."""
    signals: NDArray[np.float64]
    """[SIGNALS], then one column per category."""
    p_hit: float
    """P(a gold window is among the first five)."""
    p_absent: float
    """P(the contract has no such clause)."""

    @property
    def found(self) -> bool:
        """Whether to answer: a hit is at least as probable as that there is no such clause."""
        return self.p_hit >= self.p_absent

    @property
    def confidence(self) -> float:
        """P(the answer is right), or P(it is right that there is none)."""
        return max(self.p_hit, self.p_absent)


class Learnt:
    """Fitted on some questions, for those of other contracts.

    Args:
        known: Questions whose labels may be read.
        folds: Their parts in cross-fitting, by number; cut by contract when None.

    Raises:
        UsageError: They are of one contract only, or all of one kind.
    """

    def __init__(self, known: Sequence[Question], folds: Sequence[int] | None = None) -> None:
        import numpy as np

        cut = (
            np.asarray(folds)
            if folds is not None
            else folds_of([question.contract for question in known], FOLDS)
        )
        absent = np.asarray([not question.gold for question in known], dtype=bool)
        if len(np.unique(cut)) < 2 or absent.all() or not absent.any():
            raise UsageError(
                f"{len(known)} questions of {len({q.contract for q in known})} contracts are too few to learn from; give more contracts."
            )
        categories = sorted({question.category for question in known})
        order = [np.zeros(0)] * len(known)
        hit = np.zeros(len(known), dtype=bool)
        for fold in np.unique(cut):
            left = np.flatnonzero(cut == fold)
            others = _Order([known[at] for at in np.flatnonzero(cut != fold)], categories)
            for at in left:
                windows, _, order[at] = others.of(known[at])
                hit[at] = bool(known[at].gold & set(windows[:EVIDENCE]))
        names = (*SIGNALS, *categories)
        rows = np.asarray(order)
        self._order = _Order(known, categories)
        self._sure = fit(names, rows, hit, pull=SIGNAL_PULL)
        self._gone = fit(names, rows, absent, pull=SIGNAL_PULL)

    def judge(self, question: Question, evidence: Sequence[int] | None = None) -> Judged:
        """The windows in order, and how probable it is that the first five hold a clause.

        Args:
            question: Of a contract that nothing was fitted on.
            evidence: Windows that are handed over instead of the first five; the others follow in the re-ranker's order.
        """
        windows, probabilities, signals = self._order.of(question, evidence)
        p_hit, p_absent = (float(model.probabilities(signals[None])[0]) for model in (self._sure, self._gone))
        return Judged(tuple(windows), tuple(probabilities), signals, p_hit, p_absent)

    def prior(self, category: str) -> float:
        """Log odds that a contract has such a clause; reads no text."""
        return self._order.priors.get(category, 0.0)


class _Order:
    """Two re-rankers that know some questions only, and the signals of the order that they give."""

    def __init__(self, known: Sequence[Question], categories: Sequence[str]) -> None:
        self._contracts = frozenset(question.number for question in known)
        self._by, self._presence = rerankers(known, (ORDER_PULL, PRESENCE_PULL))
        self._categories = categories
        self.priors = priors_of(known)

    def of(
        self, question: Question, evidence: Sequence[int] | None = None
    ) -> tuple[list[int], list[float], NDArray[np.float64]]:
        import numpy as np

        rows = _rows(question, self._contracts)
        probability = self._by.probabilities(rows)
        order = np.argsort(-probability, kind="stable")
        if evidence is not None:
            first = {window: at for at, window in enumerate(evidence)}
            # a stable sort: what is not handed over keeps its place behind the evidence
            order = np.asarray(
                sorted(order.tolist(), key=lambda at: first.get(question.windows[at], len(first))),
                dtype=np.intp,
            )
        windows = [question.windows[place] for place in order]
        columns = dict(zip(self._by.names, rows[order].T, strict=True))
        signals = [
            *_shape(probability[order]),
            *_shape_of_presence(self._presence.probabilities(rows[order])),
            *_evidence(question, windows, columns),
            self.priors.get(question.category, 0.0),
            *(float(question.category == name) for name in self._categories),
        ]
        return windows, probability[order].tolist(), np.asarray(signals)


def rerankers(known: Sequence[Question], pulls: Sequence[float]) -> list[Reranker]:
    """Re-rankers fitted on some questions, which look at the labelled clauses of each other's contracts.

    Args:
        known: Questions whose labels may be read.
        pulls: The ridge of each re-ranker.
    """
    import numpy as np

    contracts = frozenset(question.number for question in known)
    rows = np.vstack([_rows(question, contracts) for question in known])
    right = np.asarray([window in question.gold for question in known for window in question.windows])
    names = (*known[0].seen.names, *RESEMBLANCE)
    return [fit(names, rows, right, pull=pull) for pull in pulls]


def priors_of(known: Sequence[Question]) -> dict[str, float]:
    """Category -> log odds that a contract has such a clause, one of each added; reads no text."""
    import numpy as np

    counts: dict[str, list[int]] = {}
    for question in known:
        counts.setdefault(question.category, [1, 1])[bool(question.gold)] += 1
    return {category: float(np.log(yes / no)) for category, (no, yes) in counts.items()}


def bm25_of(question: Question) -> float:
    """The top score of plain word search, 0 when it finds nothing."""
    return question.found["bm25"][0].score if question.found["bm25"] else 0.0


def _rows(question: Question, contracts: frozenset[int]) -> NDArray[np.float64]:
    import numpy as np

    return np.hstack([question.seen.rows, resemblance(question, contracts)])


def _shape(probability: NDArray[np.float64]) -> list[float]:
    """Top, any of five, margin from first to sixth and from first to second."""
    logit = _logit(probability)
    return [
        logit[0],
        _any_of_five(probability),
        logit[0] - logit[min(EVIDENCE, len(logit) - 1)],
        logit[0] - logit[min(1, len(logit) - 1)],
    ]


def _shape_of_presence(probability: NDArray[np.float64]) -> list[float]:
    """The same of the second re-ranker, whose own order may differ."""
    import numpy as np

    own = np.sort(probability)[::-1]
    top, _, margin, second = _shape(own)
    of_first = float(_logit(probability)[0])
    return [top, top - margin, _any_of_five(probability), of_first, second, margin]


def _evidence(question: Question, windows: list[int], columns: Mapping[str, NDArray[Any]]) -> list[float]:
    """Agreement of other rankings with the first five windows, and how well these fit in absolute terms."""
    import numpy as np

    five = set(windows[:EVIDENCE])
    rankings = ("expanded", "expanded words", "pooled meaning", "bm25")
    fits = ("best sentence score", "best meaning score", "nearest clause")
    return [
        *(len(five & question.top(ranking)) / EVIDENCE for ranking in rankings),
        bm25_of(question),
        *(float(columns[name][:EVIDENCE].max()) for name in fits),
        float(columns["three nearest"][0]),
        float(columns["cues"][0]),
        float(np.log(len(question.likeness))),
    ]


def _any_of_five(probability: NDArray[np.float64]) -> float:
    import numpy as np

    return float(np.log(max(_LEAST, 1 - np.prod(1 - probability[:EVIDENCE]))))


def _logit(probability: NDArray[np.float64]) -> list[float]:
    import numpy as np

    bounded = np.clip(probability, _LEAST, 1 - _LEAST)
    return np.log(bounded / (1 - bounded)).tolist()
