"""Fuzzing of tools: arguments that fit any schema, the smallest failing ones, and bounds that hold."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import storage_directory

from gapless.errors import EndpointError
from gapless.frameworks.mcp.reading import tools_of
from gapless.probes.tool.arguments import valid_arguments
from gapless.probes.tool.fuzzing import MISSING, STRANGER, _elsewhere, answers_of, fuzz
from gapless.probes.tool.schemas import breach
from gapless.probes.tool.visit import Fuzzed
from gapless.records.tools import ToolAnswer, ToolSchema

RELEASED = Path(__file__).parents[3] / "shared" / "data" / "mcp_tools_list"
NODE = {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Node"}}}}
SCHEMAS: tuple[dict[str, Any], ...] = (
    {"type": "object"},
    {"type": "object", "properties": {}, "additionalProperties": False},
    {"type": "object", "properties": {"q": {"type": "string", "pattern": "^[a-z]{3}$"}}, "required": ["q"]},
    {"type": "object", "properties": {"n": {"type": ["integer", "null"], "minimum": 3, "maximum": 5}}},
    {"type": "object", "properties": {"day": {"type": "string", "format": "date"}}, "required": ["day"]},
    {"type": "object", "properties": {"k": {"enum": ["a", 1, None]}, "c": {"const": 4}}, "required": ["k", "c"]},
    {"type": "object", "properties": {"x": {"anyOf": [{"type": "boolean"}, {"type": "null"}]}}, "required": ["x"]},
    {"type": "object", "properties": {"t": {"type": "array", "items": {"type": "number"}, "minItems": 2, "uniqueItems": True}}, "required": ["t"]},
    {"type": "object", "properties": {"p": {"prefixItems": [{"type": "string"}, {"type": "integer"}]}}, "required": ["p"]},
    {"type": "object", "properties": {"any": {"description": "whatever"}}, "required": ["any"]},
    {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 2},
    {"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"type": "object"}]},
    {"type": "object", "properties": {"root": {"$ref": "#/$defs/Node"}}, "required": ["root"], "$defs": {"Node": NODE}},
)  # fmt: skip


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: json.dumps(schema)[:60])
def test_arguments_fit_their_schema(schema: dict[str, Any]) -> None:
    seen: list[Any] = []

    @settings(max_examples=15, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(valid_arguments(schema))
    def fit(arguments: Any) -> None:
        seen.append(arguments)
        assert breach(schema, arguments) == ""

    fit()
    assert seen


def described(file: Path) -> list[ToolSchema]:
    """The tools in a file that say what they take; none where it holds no answer to tools/list (two are error texts)."""
    try:
        found = tools_of(json.loads(file.read_text()))
    except ValueError:
        return []
    return [tool for tool in found if isinstance(tool.input_schema, dict) and tool.input_schema]


@pytest.mark.skipif(not RELEASED.is_dir(), reason="needs the tools of released servers")
def test_arguments_can_be_made_for_the_tools_of_released_servers() -> None:
    tools = [tool for file in sorted(RELEASED.glob("*.json")) for tool in described(file)]
    assert len(tools) > 50

    @settings(max_examples=len(tools), database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def fit(data: Any) -> None:
        tool = data.draw(st.sampled_from(tools))
        assert breach(tool.input_schema, data.draw(valid_arguments(tool.input_schema))) == ""

    fit()


def test_references_elsewhere_are_not_fetched() -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:1/a.json"}}}
    made = fuzz(ToolSchema(name="t", input_schema=schema), lambda arguments: ANSWERED, calls=10, seconds=5)
    assert "http://127.0.0.1:1/a.json" in made.unable


ANSWERED = ToolAnswer(ended="answered", text="done", structured={"n": 1}, has_structured=True)
REFUSED = ToolAnswer(ended="tool-error", text="n must be a whole number")
TOOL = ToolSchema(
    name="t",
    input_schema={
        "type": "object",
        "properties": {"n": {"type": "integer"}, "note": {"type": "string"}},
        "required": ["n"],
        "additionalProperties": False,
    },
)
Work = Callable[[Mapping[str, Any]], ToolAnswer]


def fuzzed(work: Work, tool: ToolSchema = TOOL, **more: Any) -> Fuzzed:
    return fuzz(tool, work, **({"calls": 80, "seconds": 20.0} | more))


def strictly(work: Work) -> Work:
    """A tool that refuses what its schema refuses."""
    return lambda arguments: REFUSED if breach(TOOL.input_schema, dict(arguments)) else work(arguments)


def faults(made: Fuzzed) -> dict[str, dict[str, Any]]:
    return {one.fault: dict(one.arguments) for one in made.failures}


def test_a_tool_that_keeps_its_word_has_no_failure() -> None:
    made = fuzzed(strictly(lambda arguments: ANSWERED))
    assert made.failures == ()
    assert made.valid > 20
    assert made.invalid > 5


def test_the_smallest_breaking_arguments_are_found_and_again_the_same() -> None:
    def work(arguments: Mapping[str, Any]) -> ToolAnswer:
        crashed = arguments["n"] > 40
        return ToolAnswer(ended="tool-error", text="KeyError: 41") if crashed else ANSWERED

    assert faults(fuzzed(strictly(work))) == {"crash": {"n": 41}}
    assert fuzzed(strictly(work)) == fuzzed(strictly(work))


def test_an_answer_that_is_not_as_declared_is_found() -> None:
    tool = ToolSchema(name="t", input_schema=TOOL.input_schema, output_schema={"required": ["total"]})
    assert faults(fuzzed(strictly(lambda arguments: ANSWERED), tool)) == {"breach": {"n": 0}}


def test_wrong_arguments_that_are_answered_are_found() -> None:
    found = faults(fuzzed(lambda arguments: ANSWERED))
    assert found.keys() == {"ignored", "accepted"}
    assert STRANGER in found["ignored"]
    assert breach(TOOL.input_schema, found["accepted"])


def test_a_value_that_is_only_turned_into_the_right_type_is_told_apart() -> None:
    def work(arguments: Mapping[str, Any]) -> ToolAnswer:
        if set(arguments) - {"n", "note"} or not isinstance(arguments.get("note", ""), str):
            return REFUSED
        try:
            int(arguments["n"])
        except (KeyError, TypeError, ValueError):
            return REFUSED
        return ANSWERED if isinstance(arguments["n"], bool | int | str) else REFUSED

    assert faults(fuzzed(work)).keys() == {"cast"}


def test_a_server_that_ends_is_not_called_again() -> None:
    calls: list[Any] = []

    def work(arguments: Mapping[str, Any]) -> ToolAnswer:
        calls.append(arguments)
        raise EndpointError("the connection closed")

    assert faults(fuzzed(work)).keys() == {"died"}
    assert len(calls) == 1


def test_the_bounds_hold() -> None:
    calls: list[float] = []

    def work(arguments: Mapping[str, Any]) -> ToolAnswer:
        calls.append(time.monotonic())
        return ANSWERED

    fuzzed(work, calls=30)
    assert len(calls) <= 30
    calls.clear()
    fuzzed(work, seconds=0.0)
    assert len(calls) == 0


def test_a_search_that_time_ended_says_so() -> None:
    def slow(arguments: Mapping[str, Any]) -> ToolAnswer:
        time.sleep(0.05)
        return ANSWERED

    assert fuzzed(strictly(slow), seconds=0.5).cut
    assert not fuzzed(strictly(lambda arguments: ANSWERED)).cut


def test_answers_are_collected() -> None:
    until = time.monotonic() + 20
    assert (
        len(answers_of(TOOL, lambda arguments: ANSWERED, calls=7, until=until, sendable=lambda a: True)) == 7
    )


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "hypothesis_jsonschema", None)
    assert fuzzed(lambda arguments: ANSWERED).unable == MISSING


def test_no_folder_is_left_where_the_user_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPLESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    with _elsewhere():
        assert storage_directory("tmp", intent_to_write=False).path.is_relative_to(tmp_path / "cache")
    assert not storage_directory("tmp", intent_to_write=False).path.is_relative_to(tmp_path / "cache")
