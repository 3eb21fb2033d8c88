"""How good ranked answers are, query by query, with intervals: a thin door to ir-measures, which computes the measures."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapless.errors import MissingExtra
from gapless.gap.clustered import clustered, units
from gapless.records.estimate import Estimate

DEPTHS = (1, 3, 5, 10)


@dataclass(frozen=True, slots=True)
class Judged:
    """What each measure says of each query."""

    queries: tuple[str, ...]
    values: Mapping[str, NDArray[np.float64]]
    """Measure ("recall@5", "precision@5", "ndcg@10", "mrr") -> float array [queries], each within [0, 1]."""


def judge(
    relevant: Mapping[str, Mapping[str, int]],
    ranked: Mapping[str, Sequence[str]],
    *,
    depths: Sequence[int] = DEPTHS,
) -> Judged:
    """Judges the answers to queries whose relevant documents are known.

    Args:
        relevant: Query -> relevant document -> grade, 1 and more; at least one per query.
        ranked: Query -> ids of the documents found, best first. A query without an answer counts with 0 everywhere; an id
            that comes twice counts where it comes first, and the place of the second is lost.
        depths: The k of recall@k, precision@k and ndcg@k.

    Returns:
        recall@k = relevant among the first k / relevant; precision@k = relevant among the first k / k; ndcg@k with gain =
        grade and discount log2(rank + 1), against the best order there is; mrr = 1 / rank of the first relevant one.

    Raises:
        MissingExtra: ir-measures is not installed.
        ValueError: A query has no relevant document: recall is not defined.

    Source:
        MacAvaney, Macdonald and Ounis 2022, ECIR, "Streamlining Evaluation with ir-measures"; the arithmetic is trec_eval's.

    Example:
        >>> found = judge({"q": {"a": 1, "b": 1}}, {"q": ["x", "a", "y"]}, depths=(3,))
        >>> {name: round(float(values[0]), 4) for name, values in found.values.items()}
        {'recall@3': 0.5, 'precision@3': 0.3333, 'ndcg@3': 0.3869, 'mrr': 0.5}
    """
    try:
        import ir_measures
    except ImportError as error:
        raise MissingExtra("ranking measures (ir-measures)", "checkup") from error
    for query, grades in relevant.items():
        if not grades:
            raise ValueError(f"query {query!r} has no relevant document: recall is not defined")
    names: dict[Any, str] = {}
    for depth in depths:
        for label, kind in (
            ("recall", ir_measures.R),
            ("precision", ir_measures.P),
            ("ndcg", ir_measures.nDCG),
        ):
            names[kind @ depth] = f"{label}@{depth}"
    names[ir_measures.RR] = "mrr"
    values = {name: np.zeros(len(relevant)) for name in names.values()}
    qrels: list[Any] = []
    run: list[Any] = []
    for at, (query, grades) in enumerate(relevant.items()):
        # ids become numbers: trec_eval reads them as C strings, which end at the first NUL
        codes = {name: str(code) for code, name in enumerate(grades)}
        qrels += [ir_measures.Qrel(str(at), codes[name], grade) for name, grade in grades.items()]
        places = _places(ranked.get(query, ()), codes)
        # trec_eval sorts by score and breaks ties by id, so the place itself is the score
        run += [ir_measures.ScoredDoc(str(at), code, -float(place)) for place, code in enumerate(places)]
    if run:
        for metric in ir_measures.iter_calc(list(names), qrels, run):
            values[names[metric.measure]][int(metric.query_id)] = metric.value
    return Judged(tuple(relevant), values)


def _places(ids: Sequence[str], codes: Mapping[str, str]) -> list[str]:
    """One code per place; a second copy keeps its place under a name of its own, or all behind it would move up."""
    seen: set[str] = set()
    found: list[str] = []
    for place, name in enumerate(ids):
        found.append(codes[name] if name in codes and name not in seen else f"x{place}")
        seen.add(name)
    return found


def estimates(judged: Judged, groups: Sequence[Hashable], *, level: float = 0.95) -> dict[str, Estimate]:
    """The mean of each measure over all queries, groups as the unit.

    Args:
        judged: The queries.
        groups: Group of each query, in their order.
        level: Two-sided confidence level.
    """
    table = units(groups, weighting="runs")  # the mean over queries, as the field has it
    return {name: clustered(values, table, level=level) for name, values in judged.values.items()}


def by_slice(
    values: NDArray[np.float64],
    groups: Sequence[Hashable],
    slices: Sequence[Mapping[str, str]],
    *,
    level: float = 0.95,
) -> dict[tuple[str, str], Estimate]:
    """One measure in each slice, with limits that hold for all slices at once (Bonferroni).

    Args:
        values: float array [queries].
        groups: Group of each query.
        slices: What each query is filed under: dimension -> value.
        level: Two-sided confidence level of all of them together.

    Returns:
        (dimension, value) -> estimate; a dimension with one value is no slice.
    """
    kinds: dict[str, set[str]] = {}
    for one in slices:
        for name, value in one.items():
            kinds.setdefault(name, set()).add(value)
    keys = [
        (name, value) for name, found in sorted(kinds.items()) if len(found) > 1 for value in sorted(found)
    ]
    each = 1 - (1 - level) / max(1, len(keys))
    found: dict[tuple[str, str], Estimate] = {}
    for name, value in keys:
        rows = [at for at, one in enumerate(slices) if one.get(name) == value]
        found[name, value] = clustered(
            values[rows], units([groups[at] for at in rows], weighting="runs"), level=each
        )
    return found
