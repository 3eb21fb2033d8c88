"""The figures of one arm: recall and hit rate of the search, and how often the agent is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract_risk.cuad_corpus import Corpus, load
from contract_risk.cuad_decision import Judges
from contract_risk.cuad_search import EVIDENCE, Search, formulations

DEPTHS = (1, 3, 5, 10, 20)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question, and what one arm made of it."""

    half: int
    gold: frozenset[int]
    windows: tuple[int, ...]
    """The best 20, best first."""
    score: float
    """Of the best window."""
    said: bool
    """Whether the agent said that there is such a clause."""

    @property
    def right(self) -> bool:
        """Whether the agent's answer is right."""
        if not self.gold:
            return not self.said
        return self.said and bool(self.gold & set(self.windows[:EVIDENCE]))


def recall_table(directory: Path, arm: str) -> dict[str, dict[str, Any]]:
    """Figures on all contracts, and apart on the half that settings were chosen on ("tune") and on the other ("test").

    Returns:
        "all", "tune", "test" -> {"answerable", "unanswerable": pairs; "recall", "hit": k -> mean over answerable pairs;
        "auroc_answerable", "auroc_all": the top score as a sign that a labelled clause is in the evidence;
        "success_answerable", "success_unanswerable", "success_balanced": of the agent}. A figure without data is None.
    """
    asked = _ask(load(directory), arm)
    return {
        "all": _table(asked),
        "tune": _table([one for one in asked if one.half == 0]),
        "test": _table([one for one in asked if one.half == 1]),
    }


def figures(directory: Path, arm: str) -> list[dict[str, Any]]:
    """The same as rows to print: {"arm", "figure", "all", "tune", "test"}."""
    table = {part: _flat(values) for part, values in recall_table(directory, arm).items()}
    return [
        {"arm": arm, "figure": name, **{part: values[name] for part, values in table.items()}}
        for name in table["all"]
    ]


def summary(directory: Path, arm: str) -> dict[str, str]:
    """The same in a few lines for people: name -> figures."""
    table = recall_table(directory, arm)
    whole = table["all"]
    depths = "/".join(str(k) for k in DEPTHS)
    return {
        "pairs": f"{whole['answerable']} answerable, {whole['unanswerable']} unanswerable",
        f"recall@{depths}": " ".join(_shown(value) for value in whole["recall"].values()),
        f"hit@{depths}": " ".join(_shown(value) for value in whole["hit"].values()),
        "hit@5 where settings were chosen / elsewhere": " / ".join(
            _shown(table[part]["hit"][EVIDENCE]) for part in ("tune", "test")
        ),
        "AUROC of the top score, answerable / all": " / ".join(
            _shown(whole[name]) for name in ("auroc_answerable", "auroc_all")
        ),
        "agent right, answerable / unanswerable / balanced": " / ".join(
            _shown(whole[f"success_{name}"]) for name in ("answerable", "unanswerable", "balanced")
        ),
    }


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def _ask(corpus: Corpus, arm: str) -> list[Asked]:
    search = Search(corpus, arm)
    judges = Judges(corpus, search)
    asked: list[Asked] = []
    for contract, category, gold in corpus.pairs():
        queries = formulations(category, corpus.descriptions[category])
        hits = search.find(contract.name, queries, max(DEPTHS))
        windows = tuple(int(hit.id) for hit in hits)
        scores = search.scores(contract.name, queries, windows[:EVIDENCE])
        said, _ = judges.judge(contract.name, category, scores)
        # of a single ranking its own score, of several their fused one
        score = (
            next(iter(scores.values())) if len(scores) == 1 else max((hit.score for hit in hits), default=0.0)
        )
        asked.append(Asked(contract.half, gold, windows, score, said))
    return asked


def _table(asked: Sequence[Asked]) -> dict[str, Any]:
    answerable = [one for one in asked if one.gold]
    unanswerable = [one for one in asked if not one.gold]
    shares = {k: [len(one.gold & set(one.windows[:k])) / len(one.gold) for one in answerable] for k in DEPTHS}
    with_clause, without = (
        _mean([one.right for one in answerable]),
        _mean([one.right for one in unanswerable]),
    )
    balanced = (with_clause + without) / 2 if with_clause is not None and without is not None else None
    return {
        "answerable": len(answerable),
        "unanswerable": len(unanswerable),
        "recall": {k: _mean(shares[k]) for k in DEPTHS},
        "hit": {k: _mean([share > 0 for share in shares[k]]) for k in DEPTHS},
        "auroc_answerable": _auroc(answerable),
        "auroc_all": _auroc(asked),
        "success_answerable": with_clause,
        "success_unanswerable": without,
        "success_balanced": balanced,
    }


def _flat(table: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            flat |= {f"{name}@{k}": each for k, each in value.items()}
        else:
            flat[name] = value
    return flat


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _auroc(asked: Sequence[Asked]) -> float | None:
    """Chance that a question with a labelled clause in its evidence has a higher top score than one without (ties half)."""
    import numpy as np
    from scipy.stats import rankdata

    hit = np.asarray([bool(one.gold & set(one.windows[:EVIDENCE])) for one in asked], dtype=bool)
    yes, no = int(hit.sum()), int((~hit).sum())
    if not yes or not no:
        return None
    ranks = rankdata([one.score for one in asked])
    return float((ranks[hit].sum() - yes * (yes + 1) / 2) / (yes * no))
