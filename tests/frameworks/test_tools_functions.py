"""Python functions and LangChain tools as tools."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from gapless.errors import InvalidTarget
from gapless.frameworks.tools.functions import FunctionTools, open_functions
from gapless.records.tools import ToolAnswer, ToolSchema

SOURCE = '''
import time
from dataclasses import dataclass
from langchain_core.tools import ToolException, tool


@dataclass
class Order:
    number: int


def search(query: str, limit: int = 5, *, fresh: bool = True) -> list[dict]:
    """Finds orders.

    Looks in all of them.

    Args:
        query: What to look for,
            in words.
        limit (int): How many.

    Returns:
        Them.
    """
    return [{"query": query}][:limit]


async def total(order: Order) -> dict:
    """Sums an order up."""
    return {"total": order.number * 2}


def anything(**more):
    """Takes anything."""
    return sorted(more)


def fails(kind: str) -> str:
    """Fails."""
    if kind == "exit":
        raise SystemExit(3)
    raise KeyError(kind)


def hangs() -> str:
    """Hangs."""
    time.sleep(3)


@tool
def add(a: int, b: int = 1) -> int:
    """Adds two numbers."""
    if b == 0:
        raise ToolException("nothing to add")
    return a + b


add.handle_tool_error = True
add.metadata = {"readOnlyHint": True}
ALL = [search, total, anything, fails, hangs, add]
NAMED = {"one": search}
NO = 7
'''


@pytest.fixture
def tools(tmp_path: Path) -> FunctionTools:
    (tmp_path / "some_tools.py").write_text(SOURCE)
    return open_functions("some_tools.py:ALL", "mine", tmp_path)


def schemas(tools: FunctionTools) -> dict[str, ToolSchema]:
    return {one.name: one for one in asyncio.run(tools.offer()).tools}


def called(tools: FunctionTools, name: str, timeout_s: float = 10.0, **arguments: Any) -> ToolAnswer:
    return asyncio.run(tools.call(name, arguments, timeout_s))


def test_signatures_and_docstrings_are_schemas(tools: FunctionTools) -> None:
    search = schemas(tools)["search"]
    assert search.description == "Finds orders.\n\nLooks in all of them."
    assert search.input_schema == {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "What to look for, in words."},
            "limit": {"type": "integer", "description": "How many.", "default": 5},
            "fresh": {"type": "boolean", "default": True},
        },
        "required": ["query"],
        "additionalProperties": False,
    }
    assert search.output_schema["type"] == "array"
    assert "additionalProperties" not in schemas(tools)["anything"].input_schema


def test_langchain_tools_bring_their_own(tools: FunctionTools) -> None:
    add = schemas(tools)["add"]
    assert add.input_schema["required"] == ["a"]
    assert add.annotations.read_only is True
    assert called(tools, "add", a=2, b=3).text == "5"


def test_calls_end_as_they_do(tools: FunctionTools) -> None:
    found = called(tools, "search", query="x")
    assert (found.ended, found.structured) == ("answered", [{"query": "x"}])
    assert called(tools, "total", order={"number": 4}).structured == {"total": 8}
    assert called(tools, "anything", a=1, b=2).structured == ["a", "b"]
    assert called(tools, "fails", kind="x").text == "KeyError: 'x'"
    assert called(tools, "fails", kind="exit").ended == "tool-error"
    refused = called(tools, "search")
    assert (refused.ended, refused.text) == ("tool-error", "refused: missing a required argument: 'query'")


def test_an_error_that_a_langchain_tool_handles_itself_is_still_one(tools: FunctionTools) -> None:
    told = called(tools, "add", a=1, b=0)
    assert (told.ended, told.text) == ("tool-error", "nothing to add")
    assert called(tools, "add", a="x").ended == "tool-error"


def test_what_hangs_is_left_behind(tools: FunctionTools) -> None:
    begun = time.monotonic()
    assert called(tools, "hangs", 0.1).ended == "timeout"
    assert time.monotonic() - begun < 2.5


def test_what_are_no_tools_is_said(tmp_path: Path, tools: FunctionTools) -> None:
    assert [
        one.name for one in asyncio.run(open_functions("some_tools.py:NAMED", "m", tmp_path).offer()).tools
    ] == ["search"]
    for reference in ("some_tools.py:NO", "some_tools.py:nobody", "some_tools.py", "nowhere.py:ALL"):
        with pytest.raises(InvalidTarget):
            open_functions(reference, "mine", tmp_path)
    with pytest.raises(InvalidTarget):
        called(tools, "nobody")
