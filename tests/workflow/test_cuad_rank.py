from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from contract_risk.cuad_categories import CATEGORIES
from contract_risk.cuad_corpus import load
from contract_risk.cuad_rank import DEPTH, RESEMBLANCE, Question, Ranker, questions, resemblance
from contract_risk.cuad_wordings import CUES, WORDINGS

from gapless.errors import WeightsUnavailable
from gapless.retrievers.minilm import MiniLM

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data" / "cuad_supplier_dev"
CLAUSES = {
    "Insurance": "The Supplier shall maintain general liability insurance of two million dollars at its cost.",
    "Anti-Assignment": "Neither party may assign this Agreement without the prior written consent of the other.",
}


class Hashed:
    """Embeds a text as counts of its words in a few buckets; stands in for the model where only the plumbing matters."""

    @classmethod
    def load(cls) -> Hashed:
        return cls()

    def embed(self, texts: list[str]) -> np.ndarray:
        vectors = np.full((len(texts), 64), 1e-3, dtype=np.float32)
        for at, text in enumerate(texts):
            for word in text.lower().split():
                vectors[at, sum(word.encode()) % 64] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write(folder: Path, contracts: int, flipped: int | None = None) -> Path:
    """Made-up contracts in CUAD's form, every second one insured; of `flipped` the labels say the opposite."""
    filler = np.random.default_rng(0)
    stock = ["goods", "delivery", "price", "order", "term", "notice", "schedule", "invoice", "quality"]
    texts, labels = [], []
    for number in range(contracts):
        insured = number % 2 == 0
        clauses = [CLAUSES["Anti-Assignment"], *([CLAUSES["Insurance"]] if insured else [])]
        text = " ".join(f"{' '.join(filler.choice(stock, 400))}. {clause}" for clause in clauses)
        row = dict.fromkeys(CATEGORIES, "[]")
        row["Anti-Assignment"] = repr([CLAUSES["Anti-Assignment"]])
        row["Insurance"] = repr([CLAUSES["Insurance"]] if insured else [])
        if number == flipped:
            row = {category: repr([" ".join(text.split()[:30])]) for category in CATEGORIES}
        texts.append({"name": f"Contract {number}", "text": text})
        labels.append({"name": f"Contract {number}", "row": row})
    for name, records in (("contracts", texts), ("master_clauses", labels)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    head = "Category,Description\n"
    rows = "".join(f'"Category: {name}","Description: Is there a clause on {name}?"\n' for name in CATEGORIES)
    (folder / "category_descriptions.csv").write_text(head + rows)
    return folder


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The benchmark, with the stand-in for the model."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setenv("GAPLESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("contract_risk.cuad_search.MiniLM", Hashed)
    import bench.cuad

    return bench.cuad


def asked_of(folder: Path) -> list[Question]:
    corpus = load(folder)
    return questions(Ranker(corpus), corpus)


def test_every_category_has_wordings_and_cues() -> None:
    assert set(WORDINGS) == set(CUES) == set(CATEGORIES)
    assert all(len(set(wordings)) == 3 for wordings in WORDINGS.values())
    assert all(CUES.values())


def test_questions_are_described_without_their_labels(bench: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    true, flipped = asked_of(write(tmp_path / "one", 4)), asked_of(write(tmp_path / "two", 4, flipped=1))
    for one, other in zip(true, flipped, strict=True):
        assert one.found == other.found
        assert np.array_equal(one.seen.rows, other.seen.rows)
        assert np.isfinite(one.seen.rows).all()
        assert len(one.seen.hits) <= DEPTH * len(one.found)
    insured = next(q for q in true if (q.number, q.category) == (2, "Insurance"))
    assert insured.gold & insured.top("expanded")


def test_resemblance_looks_at_the_clauses_it_is_allowed(bench: ModuleType, tmp_path: Path) -> None:
    question = next(q for q in asked_of(write(tmp_path, 6)) if (q.number, q.category) == (0, "Insurance"))
    everybody = resemblance(question, frozenset(range(6)))
    assert question.windows[int(everybody[:, RESEMBLANCE.index("clause pairs")].argmax())] in question.gold
    assert everybody.shape == (len(question.seen.hits), len(RESEMBLANCE))
    assert question.windows[int(everybody[:, 1].argmax())] in question.gold
    assert not resemblance(question, frozenset({0})).any()  # its own labels are never read
    assert not resemblance(question, frozenset({1, 3, 5})).any()  # none of these has such a clause


def test_nothing_learnt_saw_a_label_of_its_own_contract(bench: ModuleType, tmp_path: Path) -> None:
    from bench.cuad_fitted import cross_fit

    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    true, flipped = asked_of(write(tmp_path / "one", 10)), asked_of(write(tmp_path / "two", 10, flipped=3))
    (before, _), (after, _) = cross_fit(true), cross_fit(flipped)
    moved = [abs(one.p_hit - other.p_hit) for one, other in zip(before, after, strict=True)]
    assert max(moved) > 0.01  # others learn from it
    for question, one, other in zip(true, before, after, strict=True):
        if question.number == 3:
            assert one.windows == other.windows
            assert one.signals == pytest.approx(other.signals, abs=1e-4)  # sums in another order
            assert (one.p_hit, one.p_absent) == pytest.approx((other.p_hit, other.p_absent), abs=1e-4)


def test_the_benchmark_prints_rows_and_writes_a_table(bench: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "contracts"
    folder.mkdir()
    table = tmp_path / "runs.jsonl"
    rows = {row["what"]: row for row in bench.run(write(folder, 10), table)}
    assert rows["hit@5, plain BM25"]["pairs"] == 15
    assert rows["hit@5, re-ranked (cross-fitted)"]["value"] > 0.9
    assert rows["always absent, right"]["value"] == pytest.approx(145 / 160)
    assert rows["answer-or-absent, right"]["low"] <= rows["answer-or-absent, right"]["value"]
    runs = [json.loads(line) for line in table.read_text().splitlines()]
    assert len(runs) == 160
    assert all(set(run["signals"]) == {"retrieve"} and 0 <= run["signals"]["retrieve"] <= 1 for run in runs)
    splits = {run["group"]: run["split"] for run in runs}
    assert sorted(splits.values()) == ["cal"] * 5 + ["test"] * 5
    assert all(run["split"] == splits[run["group"]] for run in runs)


def test_the_table_with_parts_can_be_ingested(bench: ModuleType, tmp_path: Path) -> None:
    from gapless.trace.importers.base import Learnt
    from gapless.trace.importers.run_table import read
    from gapless.trace.importers.source import Source

    done = bench.study(write(tmp_path, 10))
    bench.write_runs(done, tmp_path / "runs.jsonl", parts=True)
    table = (tmp_path / "runs.jsonl").open("rb")
    with table:
        rows: list[Any] = [row for _, row in read(Source(table, "runs.jsonl"), Learnt())]
    assert {row.split for row in rows} == {"tune", "cal", "test"}
    splits: dict[str, set[str]] = {}
    for row in rows:
        splits.setdefault(row.group, set()).add(row.split)
    assert all(len(own) == 1 for own in splits.values())
    assert {"retrieve", "retrieve#bm25", "retrieve#prior"} <= set(rows[0].signals)


def test_without_contracts_nothing_is_measured(bench: ModuleType, tmp_path: Path, capsys: Any) -> None:
    assert bench.run(tmp_path / "nowhere") == []
    assert "not measured: no contracts" in capsys.readouterr().err


@pytest.mark.full
@pytest.mark.timeout(1500)
@pytest.mark.skipif(not REAL.is_dir(), reason=f"real contracts are not here: {REAL}")
def test_real_contracts(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        MiniLM.load()
    except WeightsUnavailable as error:
        pytest.skip(f"the weights cannot be downloaded here: {error}")
    monkeypatch.syspath_prepend(str(ROOT))
    import bench.cuad

    rows = {row["what"]: row for row in bench.cuad.run(REAL)}
    assert rows["hit@5, plain BM25"]["value"] == pytest.approx(0.8064, abs=5e-5)
    assert rows["hit@5, hybrid, expanded (no labels)"]["value"] >= 0.93
    assert rows["hit@5, re-ranked (cross-fitted)"]["value"] >= 0.95
    assert rows["AUROC of a hit, learnt, all pairs"]["value"] >= 0.88
    assert rows["  learnt less raw top BM25 score"]["low"] > 0
    assert rows["  learnt less category prior, no text read"]["low"] > 0
    assert rows["answer-or-absent, right"]["value"] >= 0.88
    assert rows["always absent, right"]["value"] == pytest.approx(0.726, abs=5e-4)
    assert rows["coverage at accuracy 0.95, best threshold in hindsight"]["value"] >= 0.75
