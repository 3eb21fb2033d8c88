"""`gapless checkup context`: which retriever it asks, and that one which cannot be opened is a finding."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gapless.cli.main import cli
from gapless.errors import InvalidTarget, MissingExtra, UsageError, WeightsUnavailable
from gapless.operations.checkup_retrieval import RetrievalAsk, asked_by, open_retrieval
from gapless.retrievers.minilm import MiniLM
from gapless.settings import locate

CODE = """
SHELF = {f"d{n}": f"document {n} about {'apples bolts cranes'.split()[n % 3]}" for n in range(40)}

def search(query):
    asked = set(query.split())
    return [{"id": i, "text": t} for i, t in SHELF.items() if asked & set(t.split()[1:2])][:5]
"""

OBJECTS = """
from types import SimpleNamespace
from langchain_core.documents import Document as Theirs
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore
from gapless.retrievers.base import Document
from gapless.retrievers.sqlite_store import SqliteStore

class Numbers(Embeddings):
    def embed_query(self, text):
        number = int(text.split()[-1])
        return [1.0 if at == number else 0.0 for at in range(40)]
    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]

def function(query):
    return [f"d{query.split()[-1]}"]

ours = SqliteStore()
ours.upsert([Document(f"d{n}", f"number {n}") for n in range(40)])
langchain_store = InMemoryVectorStore(Numbers())
langchain_store.add_documents([Theirs(id=f"d{n}", page_content=f"number {n}") for n in range(40)])
langchain_retriever = langchain_store.as_retriever(search_kwargs={"k": 3})

class LlamaIndexLike:  # the shape of its NodeWithScore
    def retrieve(self, query):
        node = SimpleNamespace(text="x", node_id=f"d{query.split()[-1]}", score=0.5, metadata={})
        return [node]

llama_index = LlamaIndexLike()
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own_retrieval.py").write_text(CODE)
    lines = [{"query": f"what of {n}", "relevant": [f"d{n}"], "group": f"d{n}"} for n in range(40)]
    Path("queries.jsonl").write_text("\n".join(map(json.dumps, lines)))
    Path("gapless.toml").write_text(
        '[checkup]\nretriever = "own_retrieval.py:search"\nqueries = "queries.jsonl"\n'
    )
    for name in ("own_retrieval", "retrievers"):
        sys.modules.pop(name, None)


def checkup(*words: str) -> dict[str, Any]:
    done = CliRunner().invoke(cli, ["checkup", "context", "--json", "--quiet", "--no-budget", *words])
    assert done.exit_code == 0, done.output or done.exception
    return json.loads(done.stdout)


def findings(*words: str) -> dict[str, Any]:
    return {one["probe"]: one for one in checkup(*words)["findings"]}


def test_the_retriever_that_is_named() -> None:
    told = checkup()
    assert (told["subject"], told["notes"]) == ("", [])  # no workflow is opened for it
    found = {one["probe"]: one for one in told["findings"]}
    assert {one["layer"] for one in found.values()} == {"context"}
    assert found["retrieval-quality"]["status"] == "ok"
    assert "recall@5 is 100.0 %" in found["retrieval-quality"]["said"]
    assert "no unanswerable query" in found["unanswerable"]["said"]
    assert "--chunking" in found["chunking"]["said"]


@pytest.mark.parametrize(
    "name", ["function", "ours", "langchain_store", "langchain_retriever", "llama_index"]
)
def test_objects_are_asked_by_the_method_of_their_kind(name: str) -> None:
    Path("retrievers.py").write_text(OBJECTS)
    Path("gapless.toml").write_text(
        f'[checkup]\nretriever = "retrievers.py:{name}"\nqueries = "queries.jsonl"\n'
    )
    found = findings()
    assert found["retriever-answers"]["status"] == "ok", found["retriever-answers"]["said"]
    assert found["retrieval-quality"]["status"] == "ok"


def test_a_class_in_place_of_an_object_is_said() -> None:
    with pytest.raises(InvalidTarget, match="the class dict: make one"):
        asked_by(dict, "x.py:Store")
    with pytest.raises(InvalidTarget, match="is int; name a function of a query"):
        asked_by(3, "x.py:three")


def test_one_that_cannot_be_imported_is_a_finding() -> None:
    Path("own_retrieval.py").write_text("raise RuntimeError('no index here')")
    found = findings()
    assert found["retriever-answers"]["status"] == "fail"
    assert "no index here" in found["retriever-answers"]["said"]
    assert found["freshness"]["status"] == "not-applicable"


def test_queries_that_cannot_be_read_are_a_reason() -> None:
    Path("queries.jsonl").write_text('{"query": "a", "relevent": []}')
    done = CliRunner().invoke(cli, ["checkup", "context", "--json", "--quiet"])
    assert done.exit_code == 1
    found = json.loads(done.stdout)["findings"]
    (first,) = [one for one in found if one["status"] == "fail"]
    assert "queries.jsonl:1: unknown key `relevent`" in first["said"]
    assert "relevent" not in " ".join(one["said"] for one in found if one is not first)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (("--queries", "nofile.jsonl"), "nofile.jsonl: labelled queries cannot be read"),
        (("--queries", "bad.jsonl"), "bad.jsonl:1: unknown key `relevent`"),
        (("--chunking", "nofolder"), "nofolder: there is no such folder"),
    ],
)
def test_what_was_named_on_the_command_line_and_cannot_be_used_is_refused(
    said: tuple[str, ...], why: str
) -> None:
    Path("bad.jsonl").write_text('{"query": "a", "relevent": []}')
    done = CliRunner().invoke(cli, ["checkup", "context", "--quiet", *said])
    assert isinstance(done.exception, UsageError)
    assert why in str(done.exception)


def test_no_queries() -> None:
    Path("gapless.toml").write_text('[checkup]\nretriever = "own_retrieval.py:search"\n')
    assert '[checkup] queries = "queries.jsonl"' in findings()["retrieval-quality"]["said"]


def texts() -> None:
    Path("gapless.toml").write_text("")
    Path("texts").mkdir()
    clauses = [
        f"Clause {n}: {thing} are insured."
        for n, thing in enumerate("apples bolts cranes drums".split() * 10)
    ]
    Path("texts/all.txt").write_text(
        "\n\n".join(f"{clause} {'More is said here. ' * 20}" for clause in clauses)
    )
    lines = [{"query": f"clause {n} insured", "texts": [clause]} for n, clause in enumerate(clauses)]
    Path("quoted.jsonl").write_text("\n".join(map(json.dumps, lines)))


def test_a_folder_of_texts_is_searched_by_words_where_there_are_no_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load() -> MiniLM:
        raise MissingExtra("sentence embeddings", "demo")

    monkeypatch.setattr(MiniLM, "load", load)
    texts()
    told = checkup("--chunking", "texts", "--queries", "quoted.jsonl")
    found = {one["probe"]: one for one in told["findings"]}
    assert any(
        "Words alone are searched: sentence embeddings needs the extra `demo`" in note
        for note in told["notes"]
    )
    assert found["retrieval-quality"]["status"] == "ok", found["retrieval-quality"]["said"]
    assert "the best is told apart from 0 of 26 others" in found["chunking"]["said"]
    assert len([one for one in found["chunking"]["figures"] if "words" in one.get("spread", "")]) >= 18


def test_a_folder_of_texts_with_the_engines_side_by_side() -> None:
    try:
        MiniLM.load()
    except (MissingExtra, WeightsUnavailable) as error:
        pytest.skip(f"the weights are not here: {error}")
    texts()
    found = findings("--chunking", "texts", "--queries", "quoted.jsonl")
    names = {one["name"] for one in found["engines-compared"]["figures"]}
    assert {"recall@5, in use", "recall@5, sparse", "recall@5, dense"} <= names
    assert found["stored-vectors"]["status"] == "ok"


def test_a_folder_without_texts_is_said() -> None:
    Path("gapless.toml").write_text('[checkup]\ntexts = "nowhere"\nqueries = "queries.jsonl"\n')
    found = [one for one in checkup()["findings"] if "nowhere: there is no such folder" in one["said"]]
    assert [one["status"] for one in found] == ["fail"]


def test_the_reference_agent_stands_in_and_its_trouble_is_a_note(tmp_path: Path) -> None:
    Path("gapless.toml").write_text("")

    def broken() -> Any:
        raise WeightsUnavailable("no network")

    found = open_retrieval(RetrievalAsk(), locate(), broken)
    assert found.retrieve is None
    assert found.notes == ("The reference agent's retriever cannot be opened: no network",)
    assert open_retrieval(RetrievalAsk(), locate(), None).notes == ()


def test_what_the_reference_agent_is_asked() -> None:
    from contract_risk.corpus import generate
    from contract_risk.labelled import labelled, shown

    corpus = generate(12, 7)
    known = {one.id for one in shown(corpus)}
    queries = labelled(corpus)
    assert len(queries) == 12 * 6
    assert all(set(one.relevant) <= known and one.answerable == bool(one.relevant) for one in queries)
    assert any(not one.answerable for one in queries)


@pytest.mark.full
def test_a_fresh_clone_measures_the_reference_agents_retriever() -> None:
    try:
        MiniLM.load()
    except (MissingExtra, WeightsUnavailable) as error:
        pytest.skip(f"the weights are not here: {error}")
    Path("gapless.toml").write_text("")
    found = findings()
    lines = (
        "retriever-answers",
        "retrieval-quality",
        "engines-compared",
        "freshness",
        "stored-vectors",
        "retrieval-latency",
    )
    assert {name: found[name]["status"] for name in lines if name != "retrieval-latency"} == dict.fromkeys(
        lines[:-1], "ok"
    )
    assert "over 330 queries" in found["retrieval-quality"]["said"]
    assert found["unanswerable"]["status"] in (
        "warn",
        "fail",
    )  # raw scores do not know that a clause is missing


STORE = """
from gapless.retrievers.base import Document
from gapless.retrievers.sqlite_store import SqliteStore

store = SqliteStore("made.db")
store.upsert([Document(f"d{n}", f"document {n} of apples", 1.0, {"n": n}) for n in range(40)])
"""


@pytest.fixture
def a_store() -> None:
    Path("own_store.py").write_text(STORE)
    sys.modules.pop("own_store", None)
    lines = [{"query": f"document {n}", "relevant": [f"d{n}"], "filter": {"n": n}} for n in range(40)]
    Path("queries.jsonl").write_text("\n".join(map(json.dumps, lines)))


def test_a_search_store_is_named_as_a_retriever(a_store: None) -> None:
    Path("gapless.toml").write_text(
        '[checkup]\nretriever = "own_store.py:store"\nqueries = "queries.jsonl"\n'
    )
    found = findings("--leave")
    assert found["retrieval-quality"]["status"] == "ok"
    assert found["filters"]["status"] == "ok"
    assert found["freshness"]["status"] == "fail"  # indexed in 1970
    assert "searches by words alone" in found["stored-vectors"]["said"]
    assert found["update-visibility"]["status"] == "ok"


def test_a_search_store_is_named_by_its_kind_and_place(a_store: None) -> None:
    exec(STORE, {})
    Path("gapless.toml").write_text(
        '[checkup]\nqueries = "queries.jsonl"\n[checkup.store]\nkind = "builtin"\nplace = "made.db"\n'
    )
    found = findings()
    assert found["retrieval-quality"]["status"] == "ok"
    assert found["filters"]["status"] == "ok"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ('kind = "bultin"', "Did you mean `builtin`?"),
        ('kind = "builtin"', 'Say place = \\"documents.db\\"'),
        ('kind = "builtin"\nplace = "none.db"', "is not there. A checkup makes no store."),
        ('kind = "usearch"\nplace_env = "GAPLESS_NO_SUCH"', "the variable GAPLESS_NO_SUCH is not set"),
        ('kind = "pinecone"', "wraps a client of yours"),
        ('kind = "pgvector"\nplace = "postgresql://127.0.0.1:1/none"', "PostgreSQL"),
    ],
)
def test_a_store_that_cannot_be_opened_is_a_finding(a_store: None, said: str, why: str) -> None:
    Path("gapless.toml").write_text(f'[checkup]\nqueries = "queries.jsonl"\n[checkup.store]\n{said}\n')
    found = findings()
    assert found["retriever-answers"]["status"] == "fail"
    assert why.replace("\\", "") in found["retriever-answers"]["said"]
    assert not Path("none.db").exists()
