"""The figures of one arm: recall and hit rate of the search, how often the agent is right, and whether it knows.

Figures of what was fitted count on the contracts that nothing was fitted on: those to certify and to test on together
("fresh"), and those to test on alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from contract_risk.cuad_arms import LEARNT, Reranking, arm_of, corpus_of
from contract_risk.cuad_corpus import Corpus, Role
from contract_risk.cuad_search import EVIDENCE, formulations

DEPTHS = (1, 3, 5, 10, 20)
PARTS: dict[str, tuple[Role, ...]] = {
    "all": ("tune", "cal", "test"),
    "tune": ("tune",),
    "fresh": ("cal", "test"),
    "test": ("test",),
}
"""Part -> whose contracts it holds."""
_SHOWN_PARTS = ("fresh", "test")


@dataclass(frozen=True, slots=True)
class Asked:
    """One question, and what one arm made of it."""

    contract: str
    role: Role
    gold: frozenset[int]
    windows: tuple[int, ...]
    """The best 20, best first."""
    score: float
    """Of the best window."""
    said: bool
    """Whether the agent said that there is such a clause."""
    confidence: float
    """How sure it is of what it said."""
    known: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Of the learnt arm: P(a labelled clause is in the evidence), the top score of plain word search, the category's prior."""

    @property
    def hit(self) -> bool:
        """Whether a labelled clause is in the evidence."""
        return bool(self.gold & set(self.windows[:EVIDENCE]))

    @property
    def right(self) -> bool:
        """Whether the agent's answer is right."""
        return self.said and self.hit if self.gold else not self.said


def recall_table(directory: Path, arm: str) -> dict[str, dict[str, Any]]:
    """Figures by part of the contracts, see `PARTS`.

    Returns:
        part -> {"contracts", "answerable", "unanswerable": how many contracts, and pairs; "recall", "hit": k -> mean over
        answerable pairs; "auroc_answerable", "auroc_all": the top score as a sign that a labelled clause is in the evidence;
        "success_answerable", "success_unanswerable", "success_balanced", "success": of the agent}. A figure without data is None.
    """
    asked = ask(directory, arm)
    return {part: _table([one for one in asked if one.role in roles]) for part, roles in PARTS.items()}


def figures(directory: Path, arm: str) -> list[dict[str, Any]]:
    """The same as rows to print: {"arm", "figure", and a column for each part}."""
    table = {part: _flat(values) for part, values in recall_table(directory, arm).items()}
    return [
        {"arm": arm, "figure": name, **{part: values[name] for part, values in table.items()}}
        for name in table["all"]
    ]


def summary(directory: Path, arm: str) -> dict[str, str]:
    """The same in a few lines for people: name -> figures."""
    table = recall_table(directory, arm)
    depths = "/".join(str(k) for k in DEPTHS)
    lines = {} if arm == LEARNT else _whole(table["all"], depths)
    for part in _SHOWN_PARTS:
        own = table[part]
        named = f"{own['contracts']} contracts ({' and '.join(PARTS[part])})"
        lines[f"on {named}: hit@{depths}"] = " ".join(_shown(value) for value in own["hit"].values())
        rates = ("success_answerable", "success_unanswerable", "success_balanced", "success")
        lines[f"on {named}: right on answerable / unanswerable / balanced / all"] = " / ".join(
            _shown(own[name]) for name in rates
        )
    return lines if arm != LEARNT else _parting(table) | lines


def knowledge(directory: Path) -> dict[str, list[dict[str, Any]]]:
    """What the learnt arm thinks of its own answers, and what its signals have to beat, apart for each part.

    Returns:
        Whose contracts -> one row per pair: {"contract", "hit", "right"; "p_hit", "confidence": the learnt signals of either;
        "raw": the top score of plain word search; "prior": log odds that a contract has such a clause, no text read}.
    """
    asked = ask(directory, LEARNT)
    return {
        f"{len({one.contract for one in asked if one.role in PARTS[part]})} contracts ({' and '.join(PARTS[part])})": [
            _known(one) for one in asked if one.role in PARTS[part]
        ]
        for part in _SHOWN_PARTS
    }


def _known(one: Asked) -> dict[str, Any]:
    p_hit, raw, prior = one.known
    told = {"p_hit": p_hit, "confidence": one.confidence, "raw": raw, "prior": prior}
    return {"contract": one.contract, "hit": one.hit, "right": one.right, **told}


def _whole(table: dict[str, Any], depths: str) -> dict[str, str]:
    """What needs no labels and can be held against published figures."""
    return {
        "pairs": f"{table['answerable']} answerable, {table['unanswerable']} unanswerable, {table['contracts']} contracts",
        f"recall@{depths}": " ".join(_shown(value) for value in table["recall"].values()),
        f"hit@{depths}": " ".join(_shown(value) for value in table["hit"].values()),
        "AUROC of the top score, answerable / all": " / ".join(
            _shown(table[name]) for name in ("auroc_answerable", "auroc_all")
        ),
    }


def _parting(table: dict[str, dict[str, Any]]) -> dict[str, str]:
    """How the contracts are parted."""
    n = {part: table[part]["contracts"] for part in ("tune", "all", "fresh", "test")}
    said = (
        f"{n['tune']} contracts to tune on (re-ranker, signal and rule are fitted on these only), {n['fresh'] - n['test']} to certify on, "
        f"{n['test']} to test on; one fitted whole for both"
    )
    return {"parts": said}


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


@lru_cache(maxsize=4)
def ask(directory: Path, arm: str) -> list[Asked]:
    """Every question of every contract, as one arm answers it."""
    corpus, chosen = corpus_of(directory), arm_of(directory, arm)
    asked: list[Asked] = []
    for contract, category, gold in corpus.pairs():
        queries = _queries(corpus, category)
        hits = chosen.find(contract.name, category, queries, max(DEPTHS))
        windows = tuple(int(hit.id) for hit in hits)
        said, confidence = chosen.decide(contract.name, category, queries, windows[:EVIDENCE])
        known = (0.0, 0.0, 0.0)
        if isinstance(chosen, Reranking):
            p_hit = chosen.judged(contract.name, category, queries).p_hit
            known = (p_hit, *chosen.others(contract.name, category, queries))
        score = hits[0].score if hits else 0.0
        asked.append(Asked(contract.name, contract.role, gold, windows, score, said, confidence, known))
    return asked


def _queries(corpus: Corpus, category: str) -> dict[str, str]:
    return formulations(category, corpus.descriptions[category])


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
        "contracts": len({one.contract for one in asked}),
        "answerable": len(answerable),
        "unanswerable": len(unanswerable),
        "recall": {k: _mean(shares[k]) for k in DEPTHS},
        "hit": {k: _mean([share > 0 for share in shares[k]]) for k in DEPTHS},
        "auroc_answerable": _auroc(answerable),
        "auroc_all": _auroc(asked),
        "success_answerable": with_clause,
        "success_unanswerable": without,
        "success_balanced": balanced,
        "success": _mean([one.right for one in asked]),
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

    hit = np.asarray([one.hit for one in asked], dtype=bool)
    yes, no = int(hit.sum()), int((~hit).sum())
    if not yes or not no:
        return None
    ranks = rankdata([one.score for one in asked])
    return float((ranks[hit].sum() - yes * (yes + 1) / 2) / (yes * no))
