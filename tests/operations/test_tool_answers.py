"""`gapless tools call`, and schemas that are learnt from answers: by calling, from records, held against later."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tool_server
from click.testing import CliRunner, Result
from http_shop import document, shop

from gapless.boundary.schemas import LearntSchema
from gapless.cli.main import cli
from gapless.errors import InvalidTarget, UnknownName, UsageError
from gapless.operations.tool_answers import learnt
from gapless.operations.tools_lock import read_lock
from gapless.records.tools import LockedServer, ToolSchema

LOCK = Path("tools.lock.json")
FUNCTIONS = '''
ANSWER = {"orders": ["A-1"]}

def search(query: str):
    """Finds orders.

    Args:
        query: What to look for.
    """
    return ANSWER

def declared(query: str) -> dict[str, list[str]]:
    """Finds orders."""
    return ANSWER

def tell(query: str):
    """Tells in prose."""
    return f"nothing of {query} here"

ALL = [search, declared, tell]
'''


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GAPLESS_DATABASE_URL", raising=False)


def name_functions(text: str = FUNCTIONS, file: str = "order_tools.py") -> None:
    """Functions under a file of their own: a module is imported once."""
    Path(file).write_text(text)
    Path("gapless.toml").write_text(
        f'[checkup.servers.orders]\nfunctions = "{file}:ALL"\nread_only = ["*"]\n'
    )


def tools(*words: str, server: str | None = None) -> Result:
    started = ("--", *tool_server.command(server).command) if server is not None else ()
    return CliRunner().invoke(cli, ["tools", *words, *started])


def locked(tool: str) -> ToolSchema:
    lock = read_lock(LOCK)
    assert lock is not None
    return lock.servers["orders"].tools[tool]


def test_a_call_by_hand_shows_how_it_ended() -> None:
    well = tools("call", "--tool", "search_orders", "--arguments", '{"query": "x"}', "--json", server="")
    made = json.loads(well.stdout)
    assert well.exit_code == 0
    assert made["schema"] == "gapless.tools-call/1"
    assert made["answer"]["structured"] == {"orders": ["A-1"]}
    ill = tools("call", "--tool", "search_orders", "--arguments", "{}", server="")
    assert ill.exit_code == 1
    assert "its own schema refuses these arguments" in ill.stdout
    broken = tools(
        "call", "--tool", "search_orders", "--arguments", '{"query": "x"}', server="other-than-declared"
    )
    assert broken.exit_code == 1
    assert "the answer breaks the output schema" in broken.stdout


def test_an_error_that_calls_itself_a_success_is_none() -> None:
    lie = ("call", "--tool", "search_orders", "--arguments", "{}")
    shown = tools(*lie, server="error-as-success")
    assert shown.exit_code == 1
    assert "calls itself a success and is an error" in shown.stdout
    told = json.loads(tools(*lie, "--json", server="error-as-success").stdout)
    assert told["disguise"] == "Error: cannot do that"


def test_a_call_that_cannot_be_made_is_said() -> None:
    Path("api.json").write_text(json.dumps(document()))
    with shop() as service:
        base = ("call", "api.json", "--base-url", service.url)
        error = tools(*base, "--tool", "addPet", "--arguments", '{"body": {"name": "Kit"}}').exception
        assert isinstance(error, UsageError)
        assert "--allow-effects" in str(error)
        assert service.asked == []
        left = tools(*base, "--tool", "addPet", "--arguments", '{"body": {"name": "Kit"}}', "--allow-effects")
        assert left.exit_code == 0
        assert isinstance(tools(*base, "--tool", "nobody").exception, UnknownName)
        assert isinstance(tools(*base, "--tool", "showPet").exception, InvalidTarget)
    for wrong in ("[1]", "{"):
        error = tools("call", "api.json", "--tool", "showPet", "--arguments", wrong).exception
        assert isinstance(error, UsageError)


def test_documents_and_functions_are_linted_locked_and_compared() -> None:
    Path("api.json").write_text(json.dumps(document()))
    assert tools("lint", "api.json").exit_code == 0
    name_functions()
    assert tools("lint", "order_tools.py:ALL").exit_code == 0
    assert tools("lock", "api.json").exit_code == 0
    changed = document()
    changed["paths"]["/pets"]["get"]["parameters"][0]["required"] = True
    Path("api.json").write_text(json.dumps(changed))
    drift = tools("diff", "api.json", "--json")
    assert drift.exit_code == 1
    (change,) = json.loads(drift.stdout)["changes"]
    assert (change["tool"], change["where"]) == ("listPets", "input/properties/kind")


def test_schemas_are_inferred_only_where_none_is_declared() -> None:
    name_functions()
    made = tools("lock", "orders", "--sample", "4")
    assert "inferred, not declared: what search answers, from" in made.stderr
    assert locked("search").inferred_from == 4
    assert locked("search").inferred_output_schema["required"] == ["orders"]
    assert locked("declared").inferred_output_schema is None
    assert locked("tell").inferred_output_schema is None
    assert "inferred" not in json.dumps(json.loads(LOCK.read_text())["servers"]["orders"]["tools"]["tell"])


def test_an_inferred_schema_is_no_declared_one_that_drifted() -> None:
    name_functions()
    tools("lock", "orders", "--sample", "4")
    assert tools("diff", "orders", "--strict").exit_code == 0
    name_functions(FUNCTIONS.replace('["A-1"]', '"none"'), "other_tools.py")
    found = tools("diff", "orders", "--sample", "3", "--json")
    made = json.loads(found.stdout)
    assert made["changes"] == []
    assert made["held"] == 6
    assert {(one["tool"], one["inferred"]) for one in made["answers"]} == {
        ("search", True),
        ("declared", False),
    }
    assert found.exit_code == 1  # for the declared one
    shown = tools("diff", "orders", "--sample", "3").stdout
    assert "inferred from earlier ones (never declared)" in " ".join(shown.split())
    seen = CliRunner().invoke(cli, ["checkup", "tool", "--json", "--quiet"])
    output = next(one for one in json.loads(seen.stdout)["findings"] if one["probe"] == "tool-output")
    assert output["status"] == "fail"


def test_answers_unlike_the_inferred_schema_are_to_look_at() -> None:
    only = FUNCTIONS.replace("ALL = [search, declared, tell]", "ALL = [search]")
    name_functions(only, "first_tools.py")
    tools("lock", "orders", "--sample", "4")
    name_functions(only.replace('["A-1"]', '"none"'), "second_tools.py")
    assert tools("diff", "orders", "--sample", "3").exit_code == 0
    assert tools("diff", "orders", "--sample", "3", "--strict").exit_code == 1
    seen = CliRunner().invoke(cli, ["checkup", "tool", "--json", "--quiet"])
    output = next(one for one in json.loads(seen.stdout)["findings"] if one["probe"] == "tool-output")
    assert output["status"] == "warn"
    assert "the server declares none" in output["said"]


def test_what_was_learnt_stays_when_a_change_is_accepted() -> None:
    name_functions()
    tools("lock", "orders", "--sample", "4")
    name_functions(FUNCTIONS.replace("Finds orders.", "Finds all orders."), "renamed_tools.py")
    assert tools("lock", "orders", "--accept", "all").exit_code == 0
    assert locked("search").description == "Finds all orders."
    assert locked("search").inferred_from == 4


def test_a_list_in_a_file_has_nothing_to_call() -> None:
    Path("answer.json").write_text(json.dumps({"tools": [tool_server.described()]}))
    assert isinstance(tools("lock", "answer.json", "--sample", "2").exception, UsageError)


RECORDED = """
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph
from typing import Any, TypedDict


class State(TypedDict, total=False):
    query: str
    found: Any


@tool
def search(query: str) -> dict:
    '''Finds orders.'''
    return {"orders": [query], "pages": 1}


def look(state: State) -> dict[str, Any]:
    return {"found": search.invoke({"query": state["query"]})}


built = StateGraph(State)
built.add_node("look", look)
built.add_edge(START, "look")
built.add_edge("look", END)
graph = built.compile()
"""


def test_recorded_calls_teach_a_schema_too() -> None:
    Path("recorded_app.py").write_text(RECORDED)
    Path("suite.jsonl").write_text(
        "\n".join(json.dumps({"id": q, "input": {"query": q}}) for q in ("a", "b"))
    )
    measured = CliRunner().invoke(
        cli, ["measure", "recorded_app.py:graph", "--cases", "suite.jsonl", "--quiet"]
    )
    assert measured.exit_code == 0, measured.output
    name_functions()
    made = tools("lock", "orders", "--from-records")
    assert "inferred, not declared: what search answers, from 2" in made.stderr
    assert locked("search").inferred_output_schema["required"] == ["orders", "pages"]


def test_errors_and_prose_teach_nothing() -> None:
    server = LockedServer(tools={"a": ToolSchema(name="a")})
    assert learnt(server, {"a": ["prose", {"error": "no such table"}]}) == server
    found = learnt(server, {"a": [{"n": 1}, {"n": 2, "m": None}]}).tools["a"]
    expected = LearntSchema()
    expected.observe({"n": 1})
    expected.observe({"n": 2, "m": None})
    assert (found.inferred_output_schema, found.inferred_from) == (expected.to_json_schema(), 2)
