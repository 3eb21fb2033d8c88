"""Retrieval on real contracts (CUAD): hit rates by method, and whether a system knows when it is right.

Needs the folder of contracts beside the repository; without it there is nothing to measure and this says so. Settings were compared
with all contracts in sight; what is fitted (re-ranker, signals, prior) never saw the contract it judges.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.cuad_fitted import cross_fit
from gapless.gap.clustered import clustered, units
from gapless.gap.signal_quality import auroc_estimate
from gapless.retrievers.rerank import folds_of

if TYPE_CHECKING:
    from contract_risk.cuad_learnt import Judged
    from contract_risk.cuad_rank import Question

ROOT = Path(__file__).parents[1]
EVIDENCE = 5
DATA = ROOT.parent / "shared" / "data" / "cuad_supplier_dev"
DEPTHS = (1, 3, 5, 10, 20)
METHODS = {
    "bm25": "plain BM25",
    "plain hybrid": "hybrid, one wording",
    "expanded words": "BM25, expanded (no labels)",
    "expanded feedback": "BM25, expanded, RM3 (no labels)",
    "pooled words": "BM25 by sentence, expanded (no labels)",
    "pooled meaning": "embeddings by sentence, expanded (no labels)",
    "expanded": "hybrid, expanded (no labels)",
    "re-ranked": "re-ranked (cross-fitted)",
}
TARGETS = {"bm25": "= .8064", "expanded": ">= .93", "re-ranked": ">= .95"}
_ACCURATE = 0.95
_TOLD = ("top probability", "margin", "presence", "agrees with expanded", "nearest clause")
"""Signals that stand in the run table beside the learnt one."""


@dataclass(frozen=True)
class Study:
    """Every question with what was found and what was learnt of it."""

    questions: list[Question]
    judged: list[Judged]
    prior: NDArray[np.float64]
    """Log odds of a category in other contracts."""

    @property
    def contracts(self) -> list[str]:
        """The group of each question."""
        return [question.contract for question in self.questions]

    @property
    def answerable(self) -> NDArray[np.bool_]:
        """Whether the contract has such a clause."""
        return np.asarray([bool(question.gold) for question in self.questions])

    def order(self, method: str, at: int) -> tuple[int, ...]:
        """Windows of a question, best first."""
        if method == "re-ranked":
            return self.judged[at].windows
        return tuple(int(hit.id) for hit in self.questions[at].found[method])

    def hit(self, method: str, k: int = EVIDENCE) -> NDArray[np.bool_]:
        """Whether a gold window is among the first `k`; never for a question without such a clause."""
        found = [bool(q.gold & set(self.order(method, at)[:k])) for at, q in enumerate(self.questions)]
        return np.asarray(found)

    def recall(self, method: str, k: int) -> NDArray[np.float64]:
        """Share of the gold windows among the first `k`; 0 for a question without such a clause."""
        shares = [
            len(q.gold & set(self.order(method, at)[:k])) / max(1, len(q.gold))
            for at, q in enumerate(self.questions)
        ]
        return np.asarray(shares)

    @cached_property
    def says(self) -> NDArray[np.bool_]:
        """Whether answer-or-absent answers: a hit is at least as probable as that there is no such clause."""
        return np.asarray([one.found for one in self.judged])

    @cached_property
    def decided(self) -> NDArray[np.bool_]:
        """Whether answer-or-absent is right: a gold window in the five, or rightly absent."""
        return np.where(self.says, self.hit("re-ranked"), ~self.answerable)

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        """P(answer-or-absent is right)."""
        return np.asarray([one.confidence for one in self.judged])


def study(directory: Path = DATA, seed: int = 0) -> Study:
    """Reads, ranks and cross-fits; the first run embeds the contracts, which takes minutes.

    Args:
        directory: The folder of contracts.
        seed: Of the shuffle that cuts the contracts into folds.
    """
    if str(ROOT / "examples") not in sys.path:
        sys.path.append(str(ROOT / "examples"))
    from contract_risk.cuad_corpus import load
    from contract_risk.cuad_rank import Ranker, questions

    corpus = load(directory)
    asked = questions(Ranker(corpus), corpus)
    judged, prior = cross_fit(asked, seed=seed)
    return Study(asked, judged, np.asarray(prior))


def run(
    directory: Path = DATA, runs: Path | None = None, *, parts: bool = False, seed: int = 0
) -> list[dict[str, Any]]:
    """Every figure with its interval; what cannot be measured on these contracts has no row.

    Args:
        directory: The folder of contracts.
        runs: Where the run table of answer-or-absent goes; nowhere when None.
        parts: Whether that table holds the signals apart too.
        seed: Of the folds.
    """
    if not directory.is_dir():
        print(f"  not measured: no contracts at {directory.name} beside the repository", file=sys.stderr)
        return []
    done = study(directory, seed)
    if runs is not None:
        write_runs(done, runs, parts=parts)
    rows = [*_retrieval(done), *_slices(done), *_knowing(done), *_deciding(done)]
    return [row for row in rows if row["value"] is not None]


def write_runs(done: Study, path: Path, *, parts: bool = False) -> None:
    """Writes a `gapless.runs/1` table of answer-or-absent: one run per question, all of them decided, none held back.

    Contracts are cut in halves, one to calibrate on and one to test on. The one signal "retrieve" is the learnt probability that
    the decision is right, from models that never saw the contract.

    Args:
        done: The study.
        path: Where the table goes.
        parts: Write the signals apart too ("retrieve#bm25" and so on), and set half of the contracts for calibration aside
            as "tune": a gate with parts fits a model of its own there.
    """
    half = folds_of(done.contracts, 2, seed=1)
    quarter = folds_of(done.contracts, 4, seed=1)  # the same shuffle: two quarters make a half
    with path.open("w", encoding="utf-8") as file:
        for at, question in enumerate(done.questions):
            split = "test" if half[at] else "tune" if parts and quarter[at] == 0 else "cal"
            signals = _parts(done, at) if parts else {}
            line = {
                "kind": "run",
                "arm": "shadow",
                "case": f"{question.number}/{question.category}",
                "trial": 0,
                "outcome": "correct" if done.decided[at] else "wrong",
                "group": question.contract,
                "split": split,
                "slice": {"answerable": "yes" if question.gold else "no", "category": question.category},
                "planned": ["retrieve", "decide"],
                "steps": _steps(done, at),
                "signals": {"retrieve": float(done.confidence[at])} | signals,
            }
            file.write(json.dumps(line) + "\n")


def _parts(done: Study, at: int) -> dict[str, float]:
    """The learnt signal, the raw score and the prior, each within 0..1, and some of what the learnt one was made of."""
    from contract_risk.cuad_learnt import SIGNALS, bm25_of

    score = bm25_of(done.questions[at])
    known = {
        "learnt": done.confidence[at],
        "bm25": score / (1 + score),
        "prior": 1 / (1 + np.exp(-done.prior[at])),
    } | {name: done.judged[at].signals[SIGNALS.index(name)] for name in _TOLD}
    return {f"retrieve#{name}": float(value) for name, value in known.items()}


def _steps(done: Study, at: int) -> list[dict[str, Any]]:
    question = done.questions[at]
    found = not question.gold or bool(question.gold & set(done.judged[at].windows[:EVIDENCE]))
    return [
        {"node": "retrieve", "layer": "context", "ok": found, "ms": 0.0},
        {
            "node": "decide",
            "layer": "orchestration",
            "ok": bool(done.says[at]) == bool(question.gold),
            "ms": 0.0,
        },
    ]


def _retrieval(done: Study) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for method, named in METHODS.items():
        target = TARGETS.get(method, "")
        rows.append(_rate(f"hit@5, {named}", done.hit(method), done.answerable, done, target))
    for method in ("bm25", "plain hybrid", "expanded", "re-ranked"):
        for k in DEPTHS:
            rows.append(
                _rate(f"recall@{k}, {METHODS[method]}", done.recall(method, k), done.answerable, done)
            )
    return rows


def _slices(done: Study) -> list[dict[str, Any]]:
    category = np.asarray([question.category for question in done.questions])
    return [
        _rate(
            f"hit@5, {METHODS[method]}: {name}", done.hit(method), done.answerable & (category == name), done
        )
        for name in sorted(set(category))
        for method in ("bm25", "expanded", "re-ranked")
    ]


def _knowing(done: Study) -> list[dict[str, Any]]:
    """Whether the learnt signal knows when the five windows hold a gold one, against the raw score and the prior."""
    from contract_risk.cuad_learnt import bm25_of

    learnt = np.asarray([one.p_hit for one in done.judged])
    others = {
        "raw top BM25 score": np.asarray([bm25_of(question) for question in done.questions]),
        "category prior, no text read": done.prior,
    }
    hit, every = done.hit("re-ranked"), np.ones(len(done.questions), dtype=bool)
    rows = [_area("AUROC of a hit, learnt, all pairs", learnt, None, hit, every, done, ">= .88")]
    rows.append(_area("AUROC of a hit, learnt, answerable pairs", learnt, None, hit, done.answerable, done))
    for name, other in others.items():
        rows.append(_area(f"AUROC of a hit, {name}", other, None, hit, every, done))
        rows.append(_area(f"  learnt less {name}", learnt, other, hit, every, done, "low > 0"))
    rows.append(
        _area("AUROC of answer-or-absent being right", done.confidence, None, done.decided, every, done)
    )
    return rows


def _deciding(done: Study) -> list[dict[str, Any]]:
    every, yes = np.ones(len(done.questions), dtype=bool), done.answerable
    right = done.decided
    balanced = (right[yes].mean() + right[~yes].mean()) / 2
    order = np.argsort(-done.confidence, kind="stable")
    accurate = np.cumsum(right[order]) / np.arange(1, len(order) + 1) >= _ACCURATE
    coverage = (int(np.flatnonzero(accurate)[-1]) + 1) / len(order) if accurate.any() else 0.0
    return [
        _rate("answer-or-absent, right", right, every, done, ">= .88"),
        _rate("always absent, right", ~yes, every, done),
        _rate("answer-or-absent, right on answerable pairs", right, yes, done),
        _rate("answer-or-absent, right on unanswerable pairs", right, ~yes, done),
        {"what": "answer-or-absent, balanced", "value": float(balanced), "unit": "share"},
        {
            "what": f"coverage at accuracy {_ACCURATE:.2f}, best threshold in hindsight",
            "value": coverage,
            "unit": "share",
            "target": ">= .75",
        },
    ]


def _rate(
    what: str, values: NDArray[Any], keep: NDArray[np.bool_], done: Study, target: str = ""
) -> dict[str, Any]:
    """A mean over pairs with its interval by contracts."""
    groups = [name for name, kept in zip(done.contracts, keep, strict=True) if kept]
    estimate = clustered(np.asarray(values, dtype=float)[keep], units(groups, weighting="runs"))
    return _row(what, estimate.point, estimate.low, estimate.high, int(keep.sum()), len(set(groups)), target)


def _area(
    what: str,
    signal: NDArray[Any],
    other: NDArray[Any] | None,
    right: NDArray[np.bool_],
    keep: NDArray[np.bool_],
    done: Study,
    target: str = "",
) -> dict[str, Any]:
    """An AUROC, or what it is above another, with the percentiles of a bootstrap over contracts."""
    groups = np.asarray(done.contracts)[keep]
    less = None if other is None else other[keep]
    found = auroc_estimate(signal[keep], right[keep], groups, np.arange(len(groups)), 0, less=less)
    named = what if found.point is not None else f"{what}: {found.reason}"
    return _row(named, found.point, found.low, found.high, int(keep.sum()), len(set(groups)), target)


def _row(
    what: str,
    value: float | None,
    low: float | None,
    high: float | None,
    pairs: int,
    groups: int,
    target: str,
) -> dict[str, Any]:
    limits = f"({low:.3f}, {high:.3f})" if low is not None and high is not None else ""
    return {
        "what": what,
        "value": value,
        "unit": f"n={pairs}",
        "ratio": limits,
        "target": target,
        "low": low,
        "high": high,
        "pairs": pairs,
        "contracts": groups,
    }


def main() -> None:
    """`python -m bench.cuad [FOLDER] [--seed N] [--runs FILE [--parts]]` prints every figure; `--runs` also writes the run table."""
    parser = argparse.ArgumentParser(prog="python -m bench.cuad", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DATA, help="contracts in CUAD's form")
    parser.add_argument("--runs", type=Path, help="write a gapless.runs/1 table there")
    parser.add_argument("--parts", action="store_true", help="with --runs: the signals apart too")
    parser.add_argument("--seed", type=int, default=0, help="of the folds; 0 by default")
    given = parser.parse_args()
    for row in run(given.folder, given.runs, parts=given.parts, seed=given.seed):
        print(
            f"  {row['what']:66} {row['value']:7.4f} {row.get('ratio', ''):>16} {row['unit']:7} {row.get('target', '')}"
        )


if __name__ == "__main__":
    main()
