from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from gapless.errors import UsageError
from gapless.retrievers.base import Document, Hit
from gapless.retrievers.bm25 import Bm25
from gapless.retrievers.rerank import Reranked, Reranker, candidates, fit, folds_of

WORDS = {"plain": "The Supplier is insured.", "cue": "A certificate of insurance, per occurrence."}


def hits(*scored: tuple[str, float]) -> list[Hit]:
    return [Hit(id=name, score=score, text=WORDS.get(name, name)) for name, score in scored]


def test_features_by_hand() -> None:
    found = {"words": hits(("plain", 4.0), ("cue", 2.0)), "meaning": hits(("cue", 0.5), ("other", 0.1))}
    seen = candidates(found, {"query": "insured supplier"}, ["certificate of insurance", "policy"])
    assert [hit.id for hit in seen.hits] == ["plain", "cue", "other"]
    told = {name: seen.rows[:, at].tolist() for at, name in enumerate(seen.names)}
    assert told["words score"] == [4, 2, 2]  # what was not found scores as the last that was
    assert told["words nearness"] == pytest.approx([1 / 6, 1 / 7, 0])
    assert told["meaning of best"] == pytest.approx([0.2, 1, 0.2])
    assert told["words above mean"] == pytest.approx([1, -1, -1])
    assert told["query overlap"] == [1, 0, 0]
    assert told["cues"] == [0, 0.5, 0]


def test_only_the_first_of_each_ranking_are_candidates() -> None:
    found = {"x": hits(("a", 3), ("b", 2), ("c", 1)), "y": hits(("c", 3), ("a", 2))}
    seen = candidates(found, {}, depth=1)
    assert [hit.id for hit in seen.hits] == ["a", "c"]
    assert seen.rows[1, seen.names.index("x nearness")] == pytest.approx(1 / 8)  # its rank there still counts


def test_no_hits_and_equal_scores_are_finite() -> None:
    nothing = candidates({"x": []}, {"query": ""}, [])
    assert nothing.rows.shape == (0, len(nothing.names))
    equal = candidates({"x": hits(("a", 0), ("b", 0)), "y": []}, {"query": ""}, [])
    assert np.isfinite(equal.rows).all()
    assert equal.names == candidates({"x": [], "y": []}, {"query": "?"}, ["c"]).names


def test_the_line_agrees_with_another_implementation() -> None:
    import statsmodels.api as models

    draw = np.random.default_rng(0)
    rows = draw.normal(size=(400, 3)) * [1, 10, 0.1] + [0, 5, 2]
    right = draw.random(400) < 1 / (1 + np.exp(-(rows[:, 0] - 0.2 * rows[:, 1])))
    ours = fit(("a", "b", "c"), rows, right, pull=1e-9)
    standard = models.add_constant((rows - rows.mean(0)) / rows.std(0))
    bias, *weights = models.Logit(right, standard).fit(disp=0).params
    assert ours.weights == pytest.approx(weights, abs=1e-3)
    assert ours.bias == pytest.approx(bias, abs=1e-3)
    drawn_in = fit(("a", "b", "c"), rows, right, pull=50.0)
    assert np.linalg.norm(drawn_in.weights) < np.linalg.norm(ours.weights)
    assert drawn_in.probabilities(rows).mean() == pytest.approx(right.mean(), abs=1e-4)  # the bias is free


def test_weights_count_as_repetitions() -> None:
    draw = np.random.default_rng(1)
    rows = np.asarray([[-1.0], [1.0]] * 20)  # the same centre and spread with and without repetition
    right = draw.random(40) < 0.5
    twice = fit(("a",), np.vstack([rows, rows]), np.concatenate([right, right]))
    assert fit(("a",), rows, right, weights=np.full(40, 2.0)).weights == pytest.approx(
        twice.weights, abs=1e-4
    )


def test_one_class_and_a_constant_feature() -> None:
    model = fit(("a", "flat"), np.asarray([[1.0, 7.0], [2.0, 7.0]]), np.asarray([True, True]))
    assert (model.probabilities(np.asarray([[1.5, 7.0]])) > 0.9).all()
    assert model.weights[1] == pytest.approx(0)
    assert np.isfinite(model.bias)


def test_a_broken_feature_is_refused() -> None:
    with pytest.raises(UsageError, match="1 not finite"):
        fit(("a",), np.asarray([[1.0], [np.nan]]), np.asarray([True, False]))
    with pytest.raises(UsageError, match=r"finite rows \[2, 1\]; got \(2, 2\)"):
        fit(("a",), np.ones((2, 2)), np.asarray([True, False]))


def test_the_file_is_readable_and_comes_back_the_same(tmp_path: Path) -> None:
    model = fit(("a", "b"), np.random.default_rng(0).normal(size=(50, 2)), np.arange(50) % 3 == 0)
    file = model.save(tmp_path / "deep" / "reranker.json")
    assert json.loads(file.read_text())["names"] == ["a", "b"]
    assert Reranker.load(file) == model


@pytest.mark.parametrize(
    "change",
    [
        {"format": "another/1"},
        {"weights": [1.0]},
        {"spread": [0.0, 1.0]},
        {"bias": "much"},
        {"surprise": 1},
        {"bias": 1e999},
    ],
)
def test_what_is_not_a_reranker_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    file = tmp_path / "reranker.json"
    Reranker(names=("a", "b"), centre=(0, 0), spread=(1, 1), weights=(1, 2), bias=0).save(file)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(UsageError, match="not a re-ranker"):
        Reranker.load(file)
    with pytest.raises(UsageError, match="not a re-ranker"):
        Reranker.load(tmp_path / "nowhere.json")


class Fixed:
    """A search engine that always answers the same."""

    def __init__(self, answer: Sequence[Hit]) -> None:
        self.answer = list(answer)

    def search(self, query: str, k: int) -> list[Hit]:
        return self.answer[:k]


def test_the_reranker_learns_which_ranking_to_believe() -> None:
    draw = np.random.default_rng(2)
    rows, right = [], []
    for _ in range(60):
        gold = int(draw.integers(6))
        good = [f"d{gold}"] + [f"d{at}" for at in draw.permutation(6) if at != gold]
        found = {"good": _answer(good), "bad": _answer([f"d{at}" for at in draw.permutation(6)])}
        seen = candidates(found, {"query": "?"})
        rows.append(seen.rows)
        right += [hit.id == f"d{gold}" for hit in seen.hits]
    model = fit(seen.names, np.vstack(rows), np.asarray(right))
    arms = {"good": Fixed(_answer(["x", "y", "z"])), "bad": Fixed(_answer(["z", "y", "x"]))}
    found = Reranked(arms, model).search("?", 2)
    assert [hit.id for hit in found] == ["x", "y"]
    assert found[0].ranks == {"good": 1, "bad": 3}
    assert 0 <= found[1].score < found[0].score <= 1
    assert Reranked({"good": Fixed([]), "bad": Fixed([])}, model).search("?", 2) == []
    with pytest.raises(UsageError, match="fitted on"):
        Reranked({"good": Bm25([Document("a", "a")])}, model).search("a", 1)


def _answer(order: Sequence[str]) -> list[Hit]:
    return [Hit(id=name, score=9.0 - rank, text=name) for rank, name in enumerate(order)]


def test_a_group_lies_in_one_fold_and_folds_are_even() -> None:
    groups = [f"g{n % 23}" for n in range(200)]
    fold = folds_of(groups, 5, seed=3)
    assert {
        group: len({int(f) for f, g in zip(fold, groups, strict=True) if g == group}) for group in groups
    } == (dict.fromkeys(groups, 1))
    sizes = [len({g for f, g in zip(fold, groups, strict=True) if f == number}) for number in range(5)]
    assert sorted(sizes) == [4, 4, 5, 5, 5]
    assert folds_of(groups, 5, seed=3).tolist() == fold.tolist()
    assert folds_of(groups[::-1], 5, seed=3).tolist() == fold.tolist()[::-1]  # by name, not by place
    assert set(folds_of(["a", "b"], 5).tolist()) == {0, 1}
