"""Ranking measures against trec_eval's own code, against plain arithmetic, and in the cases where others go wrong."""

from __future__ import annotations

import math
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval

from gapless.errors import MissingExtra
from gapless.gap.clustered import clustered, units
from gapless.gap.ranking import DEPTHS, by_slice, estimates, judge

THEIRS = {
    **{f"recall@{k}": f"recall_{k}" for k in DEPTHS},
    **{f"precision@{k}": f"P_{k}" for k in DEPTHS},
    **{f"ndcg@{k}": f"ndcg_cut_{k}" for k in DEPTHS},
    "mrr": "recip_rank",
}


def run_file(folder: Path) -> tuple[Path, Path]:
    """Sixty queries over two hundred documents, graded, in TREC's form; some answers are short, some find nothing right."""
    draw = random.Random(7)
    qrels, run = folder / "qrels.txt", folder / "run.txt"
    with qrels.open("w") as judged, run.open("w") as found:
        for query in range(60):
            for document in draw.sample(range(200), draw.randint(1, 8)):
                judged.write(f"q{query} 0 d{document} {draw.choice([1, 1, 2, 3])}\n")
            for rank, document in enumerate(draw.sample(range(200), draw.choice([0, 3, 40, 150])), start=1):
                found.write(f"q{query} Q0 d{document} {rank} {500 - rank} test\n")
    return qrels, run


def test_equal_to_trec_eval_on_one_run_file(tmp_path: Path) -> None:
    qrels, run = run_file(tmp_path)
    relevant: dict[str, dict[str, int]] = {}
    ranked: dict[str, list[str]] = {}
    scores: dict[str, dict[str, float]] = {}
    for query, _, document, grade in map(str.split, qrels.read_text().splitlines()):
        relevant.setdefault(query, {})[document] = int(grade)
    for query, _, document, _, score, _ in map(str.split, run.read_text().splitlines()):
        ranked.setdefault(query, []).append(document)
        scores.setdefault(query, {})[document] = float(score)
    judged = judge(relevant, ranked)
    theirs = pytrec_eval.RelevanceEvaluator(relevant, set(THEIRS.values())).evaluate(scores)
    assert len(judged.queries) == 60
    assert set(judged.values) == set(THEIRS)
    for at, query in enumerate(judged.queries):
        for name, values in judged.values.items():
            assert values[at] == pytest.approx(theirs.get(query, {}).get(THEIRS[name], 0.0), abs=1e-9)


def by_hand(relevant: dict[str, int], ids: list[str], k: int) -> dict[str, float]:
    right = [name in relevant for name in ids]
    gain = sum(relevant.get(name, 0) / math.log2(rank + 2) for rank, name in enumerate(ids[:k]))
    ideal = sum(grade / math.log2(rank + 2) for rank, grade in enumerate(sorted(relevant.values())[::-1][:k]))
    return {
        f"recall@{k}": sum(right[:k]) / len(relevant),
        f"precision@{k}": sum(right[:k]) / k,
        f"ndcg@{k}": gain / ideal,
        "mrr": 1 / (right.index(True) + 1) if any(right) else 0.0,
    }


def test_equal_to_plain_arithmetic() -> None:
    draw = random.Random(3)
    for _ in range(40):
        pool = [f"d{n}" for n in range(30)]
        relevant = {name: draw.randint(1, 4) for name in draw.sample(pool, draw.randint(1, 5))}
        ids = draw.sample(pool, draw.randint(1, 30))
        found = judge({"q": relevant}, {"q": ids}, depths=(5,))
        for name, value in by_hand(relevant, ids, 5).items():
            assert found.values[name][0] == pytest.approx(value, abs=1e-9)


def test_ids_are_any_text_and_order_alone_counts() -> None:
    odd = ["\x00", "", "a b", "東京", "a\x00b"]
    judged = judge({"q": {"a\x00b": 1}}, {"q": odd}, depths=(5,))
    assert judged.values["mrr"][0] == pytest.approx(0.2)
    # trec_eval would order equal scores by id: "z" before "a"
    assert judge({"q": {"z": 1}}, {"q": ["a", "z"]}).values["mrr"][0] == pytest.approx(0.5)


def test_a_double_counts_once_and_its_place_is_lost() -> None:
    twice = judge({"q": {"a": 1, "b": 1}}, {"q": ["a", "a", "b"]}, depths=(2, 3)).values
    assert (twice["recall@2"][0], twice["recall@3"][0]) == (0.5, 1.0)
    assert twice["precision@3"][0] == pytest.approx(2 / 3)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    with pytest.raises(MissingExtra, match=r"pip install 'gapless\[checkup\]'"):
        judge({"q": {"a": 1}}, {"q": ["a"]})


def test_no_answer_is_zero_and_nothing_relevant_is_refused() -> None:
    judged = judge({"q": {"a": 1}, "r": {"b": 1}}, {"q": ["a"]})
    assert judged.values["recall@1"].tolist() == [1.0, 0.0]
    assert judge({"q": {"a": 1}}, {}).values["mrr"].tolist() == [0.0]
    with pytest.raises(ValueError, match="'r' has no relevant document"):
        judge({"r": {}}, {"r": ["a"]})


def test_intervals_are_by_group_and_the_mean_is_over_queries() -> None:
    relevant = {f"q{n}": {"a": 1} for n in range(30)}
    ranked = {f"q{n}": ["a"] if n % 3 else ["b"] for n in range(30)}
    groups = [min(n // 5, 4) for n in range(30)]
    judged = judge(relevant, ranked)
    found = estimates(judged, groups)["recall@1"]
    assert found.point == pytest.approx(2 / 3)
    assert found.n_groups == 5
    assert found == clustered(judged.values["recall@1"], units(groups, weighting="runs"))


def test_slices_hold_all_at_once() -> None:
    values = np.asarray([1.0, 0.0] * 20)
    slices = [{"topic": "a" if n % 4 < 2 else "b", "same": "x"} for n in range(40)]
    found = by_slice(values, list(range(40)), slices)
    assert set(found) == {("topic", "a"), ("topic", "b")}
    alone = clustered(values[:20], list(range(20)))
    assert found["topic", "a"].level == pytest.approx(0.975)
    assert (found["topic", "a"].high or 0) > (alone.high or 0)
