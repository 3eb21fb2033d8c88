from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract_risk import cuad
from contract_risk.cuad_arms import NAMES
from contract_risk.cuad_categories import CATEGORIES
from contract_risk.cuad_corpus import load, roles_of
from contract_risk.cuad_decision import Rule, Seen
from contract_risk.cuad_search import Search, formulations

from gapless import UsageError, Verdict
from gapless.errors import WeightsUnavailable
from gapless.operations.demo_cuad import known
from gapless.retrievers.minilm import MiniLM

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "cuad_supplier_dev"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason=f"real contracts are not here: {REAL}")
INSURANCE = "The Supplier shall maintain commercial general liability insurance of two million dollars."
ASSIGNMENT = "Neither party may assign this Agreement without the prior written consent of the other."


def filler(seed: int, words: int) -> str:
    draw = np.random.default_rng(seed)
    vocabulary = ["goods", "delivery", "price", "order", "term", "notice", "schedule", "invoice", "quality"]
    return " ".join(draw.choice(vocabulary, size=words))


def row(**labels: list[str]) -> dict[str, str]:
    named = {name.replace("_", "-"): value for name, value in labels.items()}
    return {category: repr(named.get(category, [])) for category in CATEGORIES}


def write(folder: Path, contracts: list[tuple[str, str, dict[str, str]]]) -> Path:
    with (folder / "contracts.jsonl").open("w") as file:
        file.writelines(json.dumps({"name": name, "text": text}) + "\n" for name, text, _ in contracts)
    with (folder / "master_clauses.jsonl").open("w") as file:
        file.writelines(json.dumps({"name": name, "row": labels}) + "\n" for name, _, labels in contracts)
    with (folder / "category_descriptions.csv").open("w", encoding="utf-8-sig", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["Category (incl. context and answer)", "Description"])
        lines.writerows(
            [f"Category: {name.title()}", f"Description: Is there a clause on {name.lower()}?"]
            for name in CATEGORIES
        )
    return folder


def made_up(folder: Path, contracts_: int) -> Path:
    """Made-up contracts in CUAD's form: none may be assigned, the even ones are insured."""
    contracts: list[tuple[str, str, dict[str, str]]] = []
    for number in range(contracts_):
        insured = number % 2 == 0
        clause = INSURANCE if insured else ""
        text = f"{filler(number, 200)}.\n\n{clause} {filler(number + 50, 150)}. {ASSIGNMENT} {filler(number + 90, 40)}"
        labels = row(Anti_Assignment=[ASSIGNMENT], Insurance=[INSURANCE] if insured else [])
        contracts.append((f"Contract {number}", text, labels))
    return write(folder, contracts)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight of them."""
    return made_up(tmp_path, 8)


class Hashed:
    """Embeds a text as counts of its words in a few buckets; stands in for the model where only the plumbing matters."""

    @classmethod
    def load(cls) -> Hashed:
        return cls()

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        vectors = np.full((len(texts), 64), 1e-3, dtype=np.float32)
        for at, text in enumerate(texts):
            for word in text.lower().split():
                vectors[at, sum(word.encode()) % 64] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GAPLESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("contract_risk.cuad_search.MiniLM", Hashed)


def test_windows_and_gold(tmp_path: Path) -> None:
    crossing = "the aggregate liability of either party is limited to the fees paid"
    words = [f"w{n}" for n in range(145)] + crossing.split() + [f"v{n}" for n in range(200)]
    text = "  \n".join(words)
    labels = row(
        Insurance=["aggregate liability of either party is limited <omitted> v150 v151 v152 v153 v154 v155"],
        Exclusivity=["short label"],
        Anti_Assignment=["nobody wrote this sentence into the contract"],
    )
    (contract,) = load(write(tmp_path, [("one", text, labels)])).contracts
    assert [len(window.split()) for window in contract.windows] == [150, 150, 57]
    assert " ".join(contract.windows).split() == words
    assert contract.gold["Insurance"] == {0, 1, 2}  # across a border, and a second piece further on
    assert contract.gold["Audit Rights"] == frozenset()
    assert "Exclusivity" not in contract.gold  # too short to be located
    assert "Anti-Assignment" not in contract.gold  # not in the text: left out
    assert [word for part in contract.parts for word in part.text.split()] == words


def test_what_is_not_cuad_is_refused_with_the_place(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"category_descriptions\.csv: cannot be read"):
        load(folder / "nowhere")
    clauses = folder / "master_clauses.jsonl"
    good = clauses.read_text()
    clauses.write_text(good.replace('"Exclusivity": "[]"', '"Exclusivity": "[oops"', 1))
    with pytest.raises(UsageError, match=r"'Contract 0', column 'Exclusivity'.*'\[oops'"):
        load(folder)
    clauses.write_text(good.replace("Contract 3", "Contract 33"))
    with pytest.raises(UsageError, match="no row for the contract 'Contract 3'"):
        load(folder)
    clauses.write_text(good + "{broken\n")
    with pytest.raises(UsageError, match=r"master_clauses\.jsonl:9: expected"):
        load(folder)
    clauses.write_text(good)
    (folder / "category_descriptions.csv").write_text("Category: Insurance,Description: x\n")
    with pytest.raises(UsageError, match="no description of Cap On Liability"):
        load(folder)


def test_suite_asks_every_contract_for_every_category(folder: Path) -> None:
    suite = cuad.suite(folder)
    assert len(suite.cases) == 8 * 16
    assert len({case.unit for case in suite.cases}) == 8
    case = next(case for case in suite.cases if case.id == "2/Insurance")
    assert case.input == {"contract": "Contract 2", "category": "Insurance"}
    assert case.slice == {"answerable": "yes", "category": "Insurance"}
    assert case.path == ("understand", "retrieve", "decide", "answer")
    assert case.golden["retrieve"]["evidence"][0]["window"] == 1
    assert "maintain commercial general liability insurance" in case.golden["retrieve"]["evidence"][0]["text"]
    absent = next(case for case in suite.cases if case.id == "3/Insurance")
    assert absent.slice["answerable"] == "no"
    assert absent.path == cuad.planned_path(answerable=False)
    assert suite.digest() == cuad.suite(folder).digest()


@pytest.mark.parametrize("arm", NAMES)
def test_the_agent_answers_and_declines(tmp_path: Path, arm: str, no_model: None) -> None:
    graph = cuad.workflow(made_up(tmp_path, 16), arm)
    right = 0
    for number in range(16):
        out = graph.invoke({"contract": f"Contract {number}", "category": "insurance"})
        assert out["category"] == "Insurance"
        assert len(out["evidence"]) == len({passage["window"] for passage in out["evidence"]}) <= 5
        assert all(passage["ranks"] for passage in out["evidence"])
        assert 0 <= out["confidence"] <= 1
        right += out["answer"]["found"] == (number % 2 == 0)
    assert right >= 14  # the stand-in for the model knows no meaning
    found = graph.invoke({"contract": "Contract 2", "category": "Insurance"})["evidence"]
    assert any("general liability insurance" in passage["text"] for passage in found)


def test_contracts_are_parted_by_name_alone(folder: Path) -> None:
    names = [f"Contract {number}" for number in range(86)]
    roles = roles_of(names)
    assert [list(roles.values()).count(role) for role in ("tune", "cal", "test")] == [22, 43, 21]
    assert roles_of(names[::-1]) == roles
    assert {case.group: case.split for case in cuad.suite(folder).cases} == roles_of(names[:8])


def test_the_rule_that_is_certified_is_the_one_that_is_evaluated(tmp_path: Path, no_model: None) -> None:
    """Labels of the contracts to certify and to test on change nothing that the agent says."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = made_up(tmp_path / "one", 16), made_up(tmp_path / "two", 16)
    roles = roles_of([f"Contract {number}" for number in range(16)])
    clauses = two / "master_clauses.jsonl"
    records = [json.loads(line) for line in clauses.read_text().splitlines()]
    for record in records:
        if roles[record["name"]] != "tune":
            record["row"] = row(Exclusivity=[ASSIGNMENT])
    clauses.write_text("".join(json.dumps(record) + "\n" for record in records))
    for arm in ("bm25", cuad.LEARNT):
        before, after = cuad.workflow(one, arm), cuad.workflow(two, arm)
        for number in range(0, 16, 3):
            asked = {"contract": f"Contract {number}", "category": "Insurance"}
            first, second = before.invoke(asked), after.invoke(asked)
            assert first["answer"] == second["answer"]
            assert first["confidence"] == pytest.approx(second["confidence"], abs=1e-6)


@pytest.mark.parametrize(
    "given",
    [{"contract": "Contract 99", "category": "Insurance"}, {"contract": "Contract 1", "category": "Weather"}],
)
def test_an_unknown_name_is_an_error(folder: Path, given: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="is named"):
        cuad.workflow(folder, "bm25").invoke(given)


def test_unknown_arm_and_too_few_contracts(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="no arm is named 'dense'; there are bm25, plain, hybrid, expanded, learnt"
    ):
        cuad.workflow(folder, "dense")
    lonely = tmp_path / "lonely"
    lonely.mkdir()
    write(lonely, [("one", f"{filler(1, 300)} {ASSIGNMENT}", row(Anti_Assignment=[ASSIGNMENT]))])
    with pytest.raises(UsageError, match="give more contracts"):
        cuad.workflow(lonely, "bm25")


def test_arms_are_versions_of_the_workflow(folder: Path, no_model: None) -> None:
    from gapless.frameworks.langgraph.identity import fingerprint_of

    prints = {fingerprint_of(cuad.workflow(folder, arm), "contract_risk") for arm in NAMES}
    assert len(prints) == len(NAMES)


class Context:
    """What a check is given, as far as the judges here read it."""

    def __init__(self, case: Any, where: str, value: Any) -> None:
        self.case, self.value, self.golden = case, value, case.golden.get(where)


def test_judges(folder: Path) -> None:
    cases = {case.id: case for case in cuad.suite(folder).cases}
    insured, bare = cases["2/Insurance"], cases["3/Insurance"]

    def end(case: Any, found: bool, windows: list[int]) -> Verdict:
        return cuad.judge(Context(case, "end", {"answer": {"found": found, "windows": windows}}))

    assert end(insured, True, [0, 1]).status == "pass"
    assert end(insured, True, [9, 9, 9, 9, 9, 1]).status == "fail"
    assert "declined" in end(insured, False, []).reason
    assert end(bare, False, []).status == "pass"
    assert "no such clause" in end(bare, True, [0]).reason
    evidence = {"evidence": [{"window": 0}]}
    assert cuad.judge_evidence(Context(insured, "retrieve", evidence)).status == "fail"
    assert cuad.judge_evidence(Context(bare, "retrieve", evidence)).status == "pass"
    assert cuad.judge_decision(Context(bare, "decide", {"found": True})).status == "fail"


def test_the_rule_balances_both_errors() -> None:
    draw = np.random.default_rng(0)
    seen = [
        Seen("rare", {"words": float(draw.normal(4 * present))}, present, present)
        for present in [True] * 10 + [False] * 190
    ]
    rule = Rule(seen)
    said = [rule.judge(one.category, one.scores)[0] for one in seen]
    assert np.mean(said[:10]) >= 0.9
    assert np.mean(said[10:]) <= 0.1
    assert rule.judge("never seen", {"words": 9.0})[0]
    assert not rule.judge("never seen", {"words": -3.0})[0]
    assert rule.judge("rare", {"words": 30.0})[1] == pytest.approx(1, abs=1e-3)


def test_figures_are_rows_and_lines(folder: Path) -> None:
    rows = {row["figure"]: row for row in cuad.figures(folder, "bm25")}
    assert (rows["answerable"]["all"], rows["unanswerable"]["all"]) == (12, 116)
    assert rows["recall@20"]["all"] == pytest.approx(4 / 12)  # "Assignment" is not "assign": no stemming
    assert rows["hit@5"]["tune"] is not None
    assert cuad.summary(folder, "bm25")["pairs"] == "12 answerable, 116 unanswerable, 8 contracts"


@needs_real
def test_word_search_reproduces_the_reference_figures() -> None:
    table = cuad.recall_table(REAL, "bm25")["all"]
    assert (table["answerable"], table["unanswerable"]) == (377, 999)
    recall = [round(table["recall"][k], 4) for k in (1, 3, 5, 10, 20)]
    hit = [round(table["hit"][k], 4) for k in (1, 3, 5, 10, 20)]
    assert recall == [0.3025, 0.5162, 0.6105, 0.7369, 0.8446]
    assert hit == [0.5411, 0.7374, 0.8064, 0.8886, 0.9496]
    assert [round(table[name], 3) for name in ("auroc_answerable", "auroc_all")] == [0.568, 0.672]


@pytest.mark.full
@pytest.mark.timeout(1500)  # embeds 20,000 sentences on the first run of a machine
@needs_real
def test_more_wordings_find_more_and_the_learnt_signal_knows() -> None:
    try:
        MiniLM.load()
    except WeightsUnavailable as error:
        pytest.skip(f"the weights cannot be downloaded here: {error}")
    tables = {arm: cuad.recall_table(REAL, arm) for arm in ("bm25", "expanded", cuad.LEARNT)}
    for part in ("all", "tune", "fresh", "test"):
        for k in (1, 3, 5, 10, 20):
            assert tables["expanded"][part]["recall"][k] > tables["bm25"][part]["recall"][k]
            assert tables["expanded"][part]["hit"][k] > tables["bm25"][part]["hit"][k]
    assert tables["expanded"]["all"]["hit"][5] >= 0.93
    learnt, words = tables[cuad.LEARNT]["fresh"], tables["bm25"]["fresh"]
    assert (tables["bm25"]["fresh"]["contracts"], tables["bm25"]["test"]["contracts"]) == (64, 21)
    assert learnt["hit"][5] >= 0.94
    assert learnt["success_balanced"] > words["success_balanced"]
    assert learnt["success"] >= 0.85
    lines = cuad.summary(REAL, cuad.LEARNT)
    assert "22 contracts to tune on" in lines["parts"]
    assert "43 to certify on" in lines["parts"]
    for rows in cuad.knowledge(REAL).values():
        evidence = known(rows)["a labelled clause is in the evidence"]
        assert (evidence["learnt"].point or 0) >= 0.88
        for other in ("raw score", "prior"):
            assert (evidence[f"learnt less {other}"].low or 0) > 0


@pytest.mark.full
@pytest.mark.timeout(1500)
@needs_real
def test_the_fusion_constant_is_near_the_best_where_settings_may_be_chosen() -> None:
    from contract_risk import cuad_search

    corpus = load(REAL)
    recall: dict[float, float] = {}
    for k0 in (5, 10, 20, 40, 60):
        try:
            search = Search(corpus, "hybrid", k0=k0)
        except WeightsUnavailable as error:
            pytest.skip(f"the weights cannot be downloaded here: {error}")
        shares = []
        for contract, category, gold in corpus.pairs():
            if gold and contract.role == "tune":
                queries = formulations(category, corpus.descriptions[category])
                found = {int(hit.id) for hit in search.find(contract.name, queries)}
                shares.append(len(gold & found) / len(gold))
        recall[k0] = float(np.mean(shares))
    assert recall[cuad_search.K0] >= max(recall.values()) - 0.01


async def test_measured_trials_agree_with_the_figures(folder: Path) -> None:
    from gapless.evals.judge import Judge
    from gapless.evals.plan import Planned
    from gapless.evals.trial import Conditions, run_trial
    from gapless.frameworks.target import adapt

    runner = adapt(cuad.workflow(folder, "bm25"), target="cuad")
    judge = Judge(runner.shape)
    right: dict[str, list[bool]] = {"yes": [], "no": []}
    for case in cuad.suite(folder).cases:
        record = (await run_trial(runner, Planned(case, 0), Conditions(), judge)).record
        assert record.outcome in ("correct", "wrong")
        assert (record.blame in ("retrieve", "decide")) == (record.outcome == "wrong")
        assert record.path[:3] == ("understand", "retrieve", "decide")
        right[case.slice["answerable"]].append(record.outcome == "correct")
    table = cuad.recall_table(folder, "bm25")["all"]
    assert np.mean(right["yes"]) == pytest.approx(table["success_answerable"])
    assert np.mean(right["no"]) == pytest.approx(table["success_unanswerable"])


async def test_the_demo_certifies_and_evaluates_one_rule(tmp_path: Path, no_model: None) -> None:
    from contract_risk.demo import Demo

    from gapless.operations.demo_cuad import demo_cuad
    from gapless.operations.demo_stage import Stage
    from gapless.operations.open import open_store
    from gapless.operations.progress import Stop, silent
    from gapless.settings import Place, Settings

    folder = tmp_path / "contracts"
    folder.mkdir()
    place = Place(root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path}/d.db")
    with open_store(place) as store:
        stage = Stage(store=store, place=place, tell=silent, say=lambda text: None, stop=Stop())
        shown = await demo_cuad(Demo(), stage, made_up(folder, 12))
    assert [act.name for act in shown.acts] == ["bm25", "expanded", "learnt"]
    assert [act.report.gap.success.n_groups for act in shown.acts] == [9, 9, 9]  # none that was tuned on
    assert [made.n_groups for made in shown.certificates] == [6, 6, 6]
    assert [made.alpha for made in shown.certificates] == [0.05, 0.10, 0.20]
    assert all(made.tested is not None and made.tested.coverage.n_groups == 3 for made in shown.certificates)
    assert "takes 48 independent groups" in shown.certificates[0].advice[0]
    notes = "\n".join(shown.notes)
    assert "3 contracts to tune on" in notes
    assert "learnt less prior" in notes
    assert "balanced" in notes
