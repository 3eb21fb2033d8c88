"""What is learnt on CUAD, strictly cross-fitted: no contract is judged by anything that saw a label of it.

Contracts are cut into folds. For each fold the re-ranker is fitted on the others and puts the fold's candidates in order. The model
of the signals needs candidates that were put in order in the same honest way, so the others are cross-fitted once more
among themselves, without the fold; a model that saw them would look surer than it is on new ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gapless.retrievers.rerank import Reranker, fit, folds_of

if TYPE_CHECKING:
    from contract_risk.cuad_rank import Question

FOLDS = 5
EVIDENCE = 5
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
    """One question after cross-fitting."""

    windows: tuple[int, ...]
    """In the re-ranker's order."""
    signals: NDArray[np.float64]
    """[SIGNALS], then one column per category."""
    p_hit: float
    """P(a gold window is among the first five)."""
    p_absent: float
    """P(the contract has no such clause)."""


def cross_fit(questions: Sequence[Question], folds: int = FOLDS, seed: int = 0) -> list[Judged]:
    """Every question, judged by models fitted on other contracts only."""
    fold = folds_of([question.contract for question in questions], folds, seed)
    judged: dict[int, Judged] = {}
    for number in range(int(fold.max()) + 1):
        out = np.flatnonzero(fold == number)
        rest = np.flatnonzero(fold != number)
        if len(rest):
            judged |= zip(out.tolist(), _judge(questions, rest, out, fold), strict=True)
    return [judged[at] for at in range(len(questions))]


def _judge(
    questions: Sequence[Question], rest: NDArray[np.intp], out: NDArray[np.intp], fold: NDArray[np.intp]
) -> list[Judged]:
    """The questions `out`, by models of the questions `rest`."""
    known: list[Any] = [None] * len(questions)
    for inner in np.unique(fold[rest]):
        left = rest[fold[rest] == inner]
        known_by = rest[fold[rest] != inner]
        for at, seen in zip(left, _ordered(questions, known_by, left), strict=True):
            known[at] = seen
    learnt = [known[at] for at in rest]
    rows = np.asarray([signals for _, signals in learnt])
    hit = np.asarray(
        [
            bool(questions[at].gold & set(windows[:EVIDENCE]))
            for at, (windows, _) in zip(rest, learnt, strict=True)
        ]
    )
    absent = np.asarray([not questions[at].gold for at in rest])
    names = (*SIGNALS, *_categories(questions))
    sure, gone = (fit(names, rows, label, pull=SIGNAL_PULL) for label in (hit, absent))
    judged: list[Judged] = []
    for windows, signals in _ordered(questions, rest, out):
        p_hit, p_absent = (float(model.probabilities(signals[None])[0]) for model in (sure, gone))
        judged.append(Judged(tuple(windows), signals, p_hit, p_absent))
    return judged


def rerankers(
    questions: Sequence[Question], known: NDArray[np.intp], pulls: Sequence[float]
) -> list[Reranker]:
    """Re-rankers fitted on the questions `known`, which look at the labelled clauses of each other's contracts.

    Args:
        questions: All questions.
        known: Positions of those whose labels may be read.
        pulls: The ridge of each re-ranker.
    """
    from contract_risk.cuad_rank import RESEMBLANCE

    contracts = frozenset(questions[at].number for at in known)
    rows = np.vstack([_rows(questions[at], contracts) for at in known])
    right = np.asarray([window in questions[at].gold for at in known for window in questions[at].windows])
    names = (*questions[int(known[0])].seen.names, *RESEMBLANCE)
    return [fit(names, rows, right, pull=pull) for pull in pulls]


def _ordered(
    questions: Sequence[Question], known: NDArray[np.intp], asked: NDArray[np.intp]
) -> list[tuple[list[int], NDArray[np.float64]]]:
    """Windows in the order of a re-ranker that knows only `known`, and the signals of that order."""
    order_by, present_by = rerankers(questions, known, (ORDER_PULL, PRESENCE_PULL))
    contracts = frozenset(questions[at].number for at in known)
    priors = priors_of(questions, known)
    categories = _categories(questions)
    found: list[tuple[list[int], NDArray[np.float64]]] = []
    for question in (questions[at] for at in asked):
        rows = _rows(question, contracts)
        probability = order_by.probabilities(rows)
        order = np.argsort(-probability, kind="stable")
        windows = [question.windows[place] for place in order]
        columns = dict(zip(order_by.names, rows[order].T, strict=True))
        signals = [
            *_shape(probability[order]),
            *_presence(present_by.probabilities(rows[order])),
            *_evidence(question, windows, columns),
            priors.get(question.category, 0.0),
            *(float(question.category == name) for name in categories),
        ]
        found.append((windows, np.asarray(signals)))
    return found


def priors_of(questions: Sequence[Question], known: NDArray[np.intp]) -> dict[str, float]:
    """Category -> log odds that a contract has such a clause, one of each added; reads no text."""
    counts: dict[str, list[int]] = {}
    for at in known:
        pair = counts.setdefault(questions[at].category, [1, 1])
        pair[bool(questions[at].gold)] += 1
    return {category: float(np.log(yes / no)) for category, (no, yes) in counts.items()}


def _rows(question: Question, contracts: frozenset[int]) -> NDArray[np.float64]:
    from contract_risk.cuad_rank import resemblance

    return np.hstack([question.seen.rows, resemblance(question, contracts)])


def _categories(questions: Sequence[Question]) -> list[str]:
    return sorted({question.category for question in questions})


def _shape(probability: NDArray[np.float64]) -> list[float]:
    """Top, any of five, margin from first to sixth and from first to second."""
    logit = _logit(probability)
    return [
        logit[0],
        _any_of_five(probability),
        logit[0] - logit[min(EVIDENCE, len(logit) - 1)],
        logit[0] - logit[min(1, len(logit) - 1)],
    ]


def _presence(probability: NDArray[np.float64]) -> list[float]:
    """The same of the second re-ranker, whose own order may differ."""
    own = np.sort(probability)[::-1]
    top, _, margin, second = _shape(own)
    of_first = float(_logit(probability)[0])
    return [top, top - margin, _any_of_five(probability), of_first, second, margin]


def _evidence(question: Question, windows: list[int], columns: dict[str, NDArray[Any]]) -> list[float]:
    """Agreement of other rankings with the first five windows, and how well these fit in absolute terms."""
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


def bm25_of(question: Question) -> float:
    """The top score of plain word search, 0 when it finds nothing."""
    return question.found["bm25"][0].score if question.found["bm25"] else 0.0


def _any_of_five(probability: NDArray[np.float64]) -> float:
    return float(np.log(max(_LEAST, 1 - np.prod(1 - probability[:EVIDENCE]))))


def _logit(probability: NDArray[np.float64]) -> list[float]:
    bounded = np.clip(probability, _LEAST, 1 - _LEAST)
    return np.log(bounded / (1 - bounded)).tolist()
