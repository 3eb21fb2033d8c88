"""Lint of tools: each rule finds its fault, a well described tool passes, and real servers' answers can be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tool_server
from fastmcp import FastMCP
from fastmcp.exceptions import ToolError

from gapless.frameworks.mcp.reading import tools_of
from gapless.probes.tool.linting import lint, safe
from gapless.probes.tool.reading import crash_in, disguise_in, doubt_in
from gapless.probes.tool.schemas import breach, misfits, resolved, sample
from gapless.records.tools import Offer, ToolAnswer, ToolSchema

DATA = Path(__file__).parents[3] / "shared" / "data" / "mcp_tools_list"
GOOD = tool_server.described()


def rules(**changed: Any) -> set[str]:
    wire = {key: value for key, value in (GOOD | changed).items() if value is not None}
    return {issue.rule for issue in lint(Offer(name="s", tools=tools_of([wire])))}


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {n: {"description": "d"} | p for n, p in properties.items()}}


def test_a_well_described_tool_passes() -> None:
    assert rules() == set()


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"name": ""}, "no-name"),
        ({"name": "a" * 65}, "long-name"),
        ({"name": "orders/search"}, "odd-name"),
        ({"description": " "}, "no-description"),
        ({"inputSchema": None}, "no-input-schema"),
        ({"inputSchema": {}}, "empty-input-schema"),
        ({"inputSchema": {"$schema": "https://json-schema.org/draft/2020-12/schema"}}, "empty-input-schema"),
        ({"inputSchema": {"type": "object"}}, "open-input-schema"),
        ({"inputSchema": {"type": "array", "items": {"type": "string"}}}, "root-no-object"),
        ({"inputSchema": {"type": "objekt"}}, "invalid-input-schema"),
        (
            {"inputSchema": {"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}}},
            "invalid-input-schema",
        ),
        ({"inputSchema": 7}, "invalid-input-schema"),
        ({"inputSchema": schema(a={})}, "untyped-field"),
        ({"inputSchema": schema(a={"type": "object", "properties": {"b": {"title": "B"}}})}, "untyped-field"),
        ({"inputSchema": schema(a={"type": "array"})}, "untyped-items"),
        ({"inputSchema": {"type": "object", "properties": {"a": {"type": "string"}}}}, "undescribed-fields"),
        ({"inputSchema": schema(a={"type": "string"}) | {"required": ["b"]}}, "unknown-required"),
        ({"outputSchema": None}, "no-output-schema"),
        ({"outputSchema": {"type": "nothing"}}, "invalid-output-schema"),
        ({"annotations": None}, "no-hints"),
        ({"name": "delete_orders"}, "misleading-read-only"),
        ({"name": "sendMail"}, "misleading-read-only"),
        ({"name": "orders", "description": "Removes orders."}, "misleading-read-only"),
        ({"annotations": {"readOnlyHint": True, "destructiveHint": True}}, "contradictory-hints"),
        ({"name": "drop_table", "annotations": {"destructiveHint": False}}, "misleading-destructive"),
        ({"name": "drop_table", "annotations": {}}, "unsaid-destructive"),
    ],
)
def test_each_rule_finds_its_fault(changed: dict[str, Any], rule: str) -> None:
    assert rule in rules(**changed)


def test_two_tools_of_one_name() -> None:
    issues = lint(Offer(name="s", tools=tools_of([GOOD, GOOD])))
    assert [issue.rule for issue in issues] == ["duplicate-name"] * 2


@pytest.mark.parametrize("name", ["get_post", "list_updates", "search_deleted", "describe_set"])
def test_what_follows_a_reading_verb_is_a_thing(name: str) -> None:
    assert rules(name=name, description="Of orders.") == set()


def test_only_what_is_declared_safe_and_sounds_so_is_called() -> None:
    def one(name: str, **hints: bool) -> ToolSchema:
        return tools_of([{"name": name, "inputSchema": {}, "annotations": hints}])[0]

    assert safe(one("search", readOnlyHint=True))
    assert safe(one("set_title", idempotentHint=True, destructiveHint=False))
    assert not safe(one("search"))
    assert not safe(one("delete", readOnlyHint=True))
    assert not safe(one("delete", idempotentHint=True, destructiveHint=False))
    assert not safe(one("set_title", idempotentHint=True))


@pytest.mark.parametrize(
    "one",
    [
        schema(a={"type": "integer", "exclusiveMinimum": 3}) | {"required": ["a"]},
        schema(a={"type": "string", "minLength": 2}, b={"enum": ["x"]}) | {"required": ["a", "b"]},
        {"type": "object", "properties": {"f": {"$ref": "#/$defs/F"}}, "required": ["f"], "$defs": {"F": schema(n={"type": "number"}) | {"required": ["n"]}}},
        schema(a={"anyOf": [{"type": "null"}, {"type": "string"}]}, b={"type": "array", "minItems": 1, "items": {"type": "boolean"}}) | {"required": ["a", "b"]},
    ],
)  # fmt: skip
def test_arguments_that_fit_and_arguments_that_do_not(one: dict[str, Any]) -> None:
    made = sample(one)
    assert made is not None
    assert not breach(one, made)
    wrong = list(misfits(one))
    assert wrong
    assert all(breach(one, bad) for bad, _ in wrong)


def test_no_arguments_are_made_up_where_none_are_known_to_fit() -> None:
    assert sample(schema(a={"type": "string", "pattern": "^[0-9]{4}$"}) | {"required": ["a"]}) is None
    assert sample({"type": "objekt"}) is None


def test_what_the_user_vouches_for_needs_no_hints() -> None:
    tools = tools_of([tool_server.described() | {"annotations": {}}])
    offer = Offer(name="orders", tools=tools)
    assert [issue.rule for issue in lint(offer)] == ["no-hints"]
    assert lint(offer, ("search_*",)) == ()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Error: no such table", True),
        ("Traceback (most recent call last):", True),
        ('{"error": "denied"}', True),
        ("HTTP 503 from upstream", True),
        ("ValueError: not a date", True),
        ("Error executing tool look_up: no such table", True),
        ("Error code 12 means that the order is closed.", False),
        ("Error codes of the API. 12 means: closed", False),
        ('{"status": "failed"}', False),
        ('{"status_code": 404}', False),
        ("3 errors were found", False),
        ("500 orders", False),
        ("The error rate is 2 %", False),
        ("", False),
    ],
)
def test_a_text_that_reads_like_a_failure(text: str, error: bool) -> None:
    assert bool(disguise_in(ToolAnswer(ended="answered", text=text))) is error


def test_what_may_be_a_right_answer_is_doubtful_only_where_nothing_declares_it() -> None:
    state = {"type": "object", "properties": {"status": {"enum": ["paid", "failed"]}}}
    told = ToolAnswer(ended="answered", structured={"status": "failed"}, has_structured=True)
    assert doubt_in(told, None) == "status failed"
    assert doubt_in(told, state) == ""
    assert doubt_in(told, {"type": "array"}) == "status failed"
    assert doubt_in(told, {"type": "nummer"}) == "status failed"
    assert doubt_in(ToolAnswer(ended="answered", text="Error: denied"), None) == ""  # no doubt there


@pytest.mark.parametrize(
    "field",
    [
        {"type": "string", "minLength": 10**11},
        {"type": "array", "minItems": 10**11},
        {"type": "array", "minItems": 999, "items": {"type": "array", "minItems": 999}},
        {"$ref": "#"},
    ],
)
def test_no_schema_makes_arguments_without_end(field: Any) -> None:
    names = "abcdefghij"
    whole = {"type": "object", "properties": dict.fromkeys(names, field), "required": list(names)}
    assert sample(whole) is None
    assert list(misfits(whole)) == []


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared tools/list answers are not on this machine")
def test_answers_of_real_servers_are_read_and_linted() -> None:
    read, refused = {}, {}
    for file in sorted(DATA.glob("*.json")):
        name = file.stem.partition("__")[2]
        try:
            read[name] = lint(Offer(name=name, tools=tools_of(json.loads(file.read_text()))))
        except ValueError as error:
            refused[name] = str(error)
    assert len(read) == 9
    assert all(
        name.endswith("-examples") for name in refused if name != "server-sqlite"
    )  # its server never answered
    found = {name: {issue.rule for issue in issues} for name, issues in read.items()}
    assert found["server-filesystem"] == {"undescribed-fields"}
    assert found["server-github"] == {"no-hints", "no-output-schema", "undescribed-fields"}
    assert "unsaid-destructive" in found["memory-projection-demo"] | found["server-memory"]
    assert not [issue for issues in read.values() for issue in issues if issue.severity == "fail"]


def test_only_places_in_the_document_are_followed() -> None:
    root = {"type": "object", "$defs": {"a": {"type": "null"}}}
    assert resolved({"$ref": "#"}, root) == root
    assert resolved({"$ref": "#/$defs/a"}, root) == {"type": "null"}
    for elsewhere in ("#a", "#/$defs/b", "other.json#/a"):
        assert resolved({"$ref": elsewhere}, root) == {"$ref": elsewhere}


@pytest.mark.parametrize(
    ("raised", "crash"),
    [
        (ZeroDivisionError("division by zero"), True),
        (KeyError("q"), True),
        (ValueError("b must not be 0"), False),
        (ToolError("'q'"), False),
    ],
)
async def test_what_fastmcp_says_of_an_error_that_nobody_expected_is_a_crash(
    raised: Exception, crash: bool
) -> None:
    server = FastMCP("sums")

    @server.tool
    def divide() -> None:
        raise raised

    with pytest.raises(ToolError) as told:
        await server.call_tool("divide", {})
    assert bool(crash_in(ToolAnswer(ended="tool-error", text=str(told.value)))) is crash
