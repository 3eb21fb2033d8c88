"""A small re-ranker: a logistic line over what several rankings say of each candidate, kept as a readable file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from gapless.errors import UsageError
from gapless.retrievers.base import Hit, Retriever
from gapless.retrievers.bm25 import words
from gapless.retrievers.cache import publish

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMAT = "gapless.reranker/1"
_NEAR = 5
"""Ranks that still count much in 1 / (5 + rank)."""


class Reranker(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """P(a candidate is right) = 1 / (1 + exp(-(bias + sum of weight * (feature - centre) / spread)))."""

    format: str = FORMAT
    names: tuple[str, ...]
    """The features, in their order."""
    centre: tuple[float, ...]
    """Mean of each feature where it was fitted."""
    spread: tuple[float, ...]
    """Standard deviation of each feature there; 1 for one that never varied."""
    weights: tuple[float, ...]
    """Per feature, on the standardised scale, so that they can be compared."""
    bias: float

    def probabilities(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """float array [N], within 0..1.

        Args:
            rows: float array [N, features].
        """
        import numpy as np
        from scipy.special import expit

        standard = (np.asarray(rows) - np.asarray(self.centre)) / np.asarray(self.spread)
        return expit(standard @ np.asarray(self.weights) + self.bias)

    def save(self, path: Path) -> Path:
        """Writes it as JSON that people can read, whole or not at all."""
        text = msgspec.json.format(msgspec.json.encode(self), indent=2)
        return publish(path, lambda draft: draft.write_bytes(text + b"\n"))

    @classmethod
    def load(cls, path: Path) -> Reranker:
        """Reads what `save` wrote.

        Raises:
            UsageError: The file cannot be read, or is not a re-ranker.
        """
        try:
            found = msgspec.json.decode(path.read_bytes(), type=cls)
        except (OSError, msgspec.MsgspecError) as error:
            raise UsageError(f"{path}: not a re-ranker: {error}. Write one with Reranker.save.") from error
        lengths = {len(found.names), len(found.centre), len(found.spread), len(found.weights)}
        numbers = (*found.centre, *found.spread, *found.weights, found.bias)
        if (
            found.format != FORMAT
            or len(lengths) > 1
            or not all(map(math.isfinite, numbers))
            or min(found.spread, default=1) <= 0
        ):
            raise UsageError(
                f"{path}: not a re-ranker: expected {FORMAT!r} with one finite centre, positive spread and finite weight per name, got {found.format!r} with {len(found.names)} names."
            )
        return found


def fit(
    names: Sequence[str],
    rows: NDArray[np.float64],
    right: NDArray[np.bool_],
    *,
    weights: NDArray[np.float64] | None = None,
    pull: float = 1.0,
) -> Reranker:
    """Fits a re-ranker on candidates whose rightness is known.

    Args:
        names: What the columns are called.
        rows: float array [N, features], finite.
        right: bool array [N].
        weights: float array [N]: how much each candidate counts; 1 each when None.
        pull: Ridge penalty on the standardised weights, above 0: what keeps them finite where the classes come apart.

    Raises:
        UsageError: A feature is not finite, or the shapes do not fit.
    """
    import numpy as np

    values = np.asarray(rows, dtype=float)
    if values.shape != (len(right), len(names)) or not np.isfinite(values).all():
        raise UsageError(
            f"a re-ranker takes finite rows [{len(right)}, {len(names)}]; got {values.shape}, {int((~np.isfinite(values)).sum())} not finite."
        )
    centre, spread = values.mean(axis=0), values.std(axis=0)
    spread[spread < 1e-12] = 1.0
    design = np.column_stack([(values - centre) / spread, np.ones(len(values))])
    # the bias is free: the base rate is what it is
    line = logistic(design, right, weights=weights, pull=np.append(np.full(len(names), pull), 1e-6))
    return Reranker(
        names=tuple(names),
        centre=tuple(centre.tolist()),
        spread=tuple(spread.tolist()),
        weights=tuple(line[:-1].tolist()),
        bias=float(line[-1]),
    )


def logistic(
    rows: NDArray[np.float64],
    right: NDArray[np.bool_],
    *,
    weights: NDArray[np.float64] | None = None,
    pull: float | NDArray[np.float64] = 1.0,
) -> NDArray[np.float64]:
    """float array [columns]: the line of a ridge-penalised logistic regression; nothing is added to the columns.

    Args:
        rows: float array [N, columns].
        right: bool array [N].
        weights: float array [N]; 1 each when None.
        pull: Ridge penalty, for all columns or for each.
    """
    import numpy as np
    from scipy.optimize import minimize
    from scipy.special import expit

    weight = np.ones(len(right)) if weights is None else weights
    sign = np.where(right, 1.0, -1.0)

    def loss(line: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = sign * (rows @ line)
        slope = -weight * sign * expit(-margin)
        size = weight @ np.logaddexp(0, -margin) + 0.5 * np.sum(pull * line * line)
        return float(size), rows.T @ slope + pull * line

    start: Any = np.zeros(rows.shape[1])
    return minimize(loss, start, jac=True, method="L-BFGS-B").x


def folds_of(groups: Sequence[str], folds: int = 5, seed: int = 0) -> NDArray[np.intp]:
    """int array [N]: the fold of each row; a group lies in one fold, and the folds hold equally many groups, give or take one."""
    import numpy as np

    names = sorted(set(groups))
    place = np.random.default_rng(seed).permutation(len(names)) % min(folds, len(names))
    fold = dict(zip(names, place.tolist(), strict=True))
    return np.asarray([fold[group] for group in groups], dtype=np.intp)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Everything that several rankings found for one query, and what they say of each."""

    hits: tuple[Hit, ...]
    """In the order of the first ranking that found them."""
    names: tuple[str, ...]
    """What the columns are called; the same for every query over the same rankings."""
    rows: Any
    """float array [hits, names]."""


def candidates(
    found: Mapping[str, Sequence[Hit]],
    texts: Mapping[str, str],
    cues: Sequence[str] = (),
    *,
    depth: int | None = None,
) -> Candidates:
    """The candidates of one query with their features.

    Per ranking: the score, nearness of the rank (1 / (5 + rank), 0 if absent), share of the best score, and distance of the
    score from the ranking's mean in standard deviations. Per formulation: share of its words in the candidate. And the
    share of cue words.

    Args:
        found: Ranking -> its hits, best first.
        texts: Name of a formulation of the query -> its text.
        cues: Words that passages about this topic use; a phrase counts when all its words stand side by side.
        depth: What no ranking has among its first `depth` is no candidate; all are when None.
    """
    import numpy as np

    hits: dict[str, Hit] = {}
    for answer in found.values():
        for hit in answer[:depth]:
            hits.setdefault(hit.id, hit)
    columns: dict[str, list[float]] = {}
    for ranking, answer in found.items():
        columns |= _said(ranking, answer, list(hits))
    bags = [words(hit.text) for hit in hits.values()]
    for name, text in texts.items():
        asked = set(words(text))
        columns[f"{name} overlap"] = [len(asked & set(bag)) / max(1, len(asked)) for bag in bags]
    phrases = [f" {' '.join(words(cue))} " for cue in cues]
    flat = [f" {' '.join(bag)} " for bag in bags]
    columns["cues"] = [sum(phrase in text for phrase in phrases) / max(1, len(phrases)) for text in flat]
    rows = np.asarray(list(columns.values()), dtype=float).reshape(len(columns), len(hits)).T
    return Candidates(hits=tuple(hits.values()), names=tuple(columns), rows=rows)


def _said(ranking: str, answer: Sequence[Hit], ids: Sequence[str]) -> dict[str, list[float]]:
    """What one ranking says of each candidate; one it did not find scores as its last hit."""
    import numpy as np

    scores = np.asarray([hit.score for hit in answer], dtype=float)
    best, last = (float(scores[0]), float(scores[-1])) if len(scores) else (0.0, 0.0)
    mean, spread = (float(scores.mean()), float(scores.std())) if len(scores) else (0.0, 0.0)
    place = {hit.id: (rank, hit.score) for rank, hit in enumerate(answer, start=1)}
    told = [place.get(name, (math.inf, last)) for name in ids]
    return {
        f"{ranking} score": [score for _, score in told],
        f"{ranking} nearness": [1 / (_NEAR + rank) for rank, _ in told],
        f"{ranking} of best": [score / best if best > 0 else 0.0 for _, score in told],
        f"{ranking} above mean": [(score - mean) / spread if spread > 0 else 0.0 for _, score in told],
    }


class Reranked:
    """Several engines, and a fitted re-ranker that puts what they find in order; the score is the probability.

    Args:
        arms: Name -> engine, as the re-ranker was fitted.
        model: Of the features of `candidates` over these arms and the formulation "query".
        cues: Words that what is looked for usually contains, as the re-ranker was fitted.
        depth: How deep each arm is read.

    Raises:
        UsageError: At the first search, when the re-ranker was fitted on other features.
    """

    def __init__(
        self,
        arms: Mapping[str, Retriever],
        model: Reranker,
        *,
        cues: Sequence[str] = (),
        depth: int = 20,
    ) -> None:
        self._arms = dict(arms)
        self._model = model
        self._cues = tuple(cues)
        self._depth = depth

    def search(self, query: str, k: int) -> list[Hit]:
        """The candidates that are most probably right; each hit has its rank in every arm."""
        found = {name: arm.search(query, max(k, self._depth)) for name, arm in self._arms.items()}
        seen = candidates(found, {"query": query}, self._cues)
        if seen.names != self._model.names:
            raise UsageError(
                f"the re-ranker was fitted on {list(self._model.names)}, and these arms give {list(seen.names)}."
            )
        return ordered(seen, self._model.probabilities(seen.rows), found)[: max(k, 0)]


def ordered(
    seen: Candidates, probabilities: NDArray[np.float64], found: Mapping[str, Sequence[Hit]]
) -> list[Hit]:
    """The candidates, most probable first, with that as their score; equals keep the order of the candidates."""
    ranks: dict[str, dict[str, int]] = {hit.id: {} for hit in seen.hits}
    for arm, answer in found.items():
        for rank, hit in enumerate(answer, start=1):
            if hit.id in ranks:  # an arm may be read deeper than candidates are taken from it
                ranks[hit.id][arm] = rank
    order = sorted(range(len(seen.hits)), key=lambda at: -probabilities[at])
    return [
        Hit(
            id=seen.hits[at].id,
            score=float(probabilities[at]),
            text=seen.hits[at].text,
            ranks=ranks[seen.hits[at].id],
            indexed_at=seen.hits[at].indexed_at,
            metadata=seen.hits[at].metadata,
        )
        for at in order
    ]
