"""Python functions and LangChain tools as tools: schemas from annotations, docstrings and `args_schema`; calls in this process."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, cast, get_type_hints

import msgspec

from gapless.errors import InvalidTarget
from gapless.frameworks.declared import object_schema, return_schema
from gapless.frameworks.target import find
from gapless.frameworks.tools.aside import aside
from gapless.records.tools import Hints, Offer, ToolAnswer, ToolSchema
from gapless.records.value import to_plain

_ARGS = re.compile(r"^\s*(?:Args|Arguments|Parameters):\s*$")
_ARG = re.compile(r"^\s+\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.+)$")
_HINTS = {
    "read_only": "readOnlyHint",
    "destructive": "destructiveHint",
    "idempotent": "idempotentHint",
    "open_world": "openWorldHint",
}
_MOST_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class Callee:
    """One function as a tool, and how it is called."""

    tool: ToolSchema
    call: Callable[[Mapping[str, Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Failed:
    """What a tool answered that calls its own answer an error."""

    text: str


def open_functions(reference: str, name: str, root: Path | None = None) -> FunctionTools:
    """The tools behind "tools.py:TOOLS": a function, a LangChain tool, or a list, tuple or mapping of such.

    Raises:
        InvalidTarget: It cannot be imported, or is none of these.
    """
    found = find(reference, root)
    if isinstance(found, Mapping):
        listed = list(cast("Mapping[Any, Any]", found).values())
    else:
        listed = list(cast("list[Any]", found)) if isinstance(found, list | tuple | set) else [found]
    return FunctionTools([_callee(one, reference) for one in listed], name)


def _callee(value: Any, reference: str) -> Callee:
    if hasattr(value, "args_schema") and hasattr(value, "ainvoke"):
        return _of_langchain(value)
    if callable(value) and not isinstance(value, type):
        return _of_function(value, reference)
    raise InvalidTarget(
        f"{reference}: {value!r} is no tool. Name a function, a LangChain tool, or a list of them."
    )


class FunctionTools:
    """Functions of this process as tools."""

    noise = 0

    def __init__(self, callees: list[Callee], name: str) -> None:
        self._name, self._listed = name, callees
        self._callees = {one.tool.name: one for one in callees}

    async def offer(self, timeout_s: float = 20.0) -> Offer:
        """What the functions say of themselves."""
        return Offer(
            name=self._name, protocol="Python functions", tools=tuple(one.tool for one in self._listed)
        )

    def cannot(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """Why a call cannot be made: never."""
        return ""

    def differs(self, tool: str, arguments: Mapping[str, Any]) -> bool:
        """Whether wrong arguments are still wrong where they arrive: always."""
        return True

    async def unknown(self, timeout_s: float) -> ToolAnswer | None:
        """Nobody but the framework can ask a function for another one."""
        return None

    async def call(self, tool: str, arguments: Mapping[str, Any], timeout_s: float = 20.0) -> ToolAnswer:
        """Calls a function. What it raises is an error told; a blocking one that takes too long goes on in its thread.

        Raises:
            InvalidTarget: There is no such function.
        """
        if tool not in self._callees:
            raise InvalidTarget(f"{self._name} has no function {tool!r}.")
        begun = time.perf_counter()

        def ended(how: Any, text: str, **more: Any) -> ToolAnswer:
            ms = (time.perf_counter() - begun) * 1e3
            return ToolAnswer(ended=how, text=text[:_MOST_SHOWN], ms=ms, **more)

        limit = asyncio.timeout(timeout_s)
        try:
            async with limit:
                value = await self._callees[tool].call(arguments)
        except (Exception, SystemExit) as error:  # the user's own code
            if limit.expired():
                return ended("timeout", f"no answer within {timeout_s:g} s")
            return ended("tool-error", f"{type(error).__name__}: {error}")
        if isinstance(value, Failed):
            return ended("tool-error", value.text)
        plain = to_plain(value)
        text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False, default=repr)
        return ended("answered", text, structured=plain, has_structured=not isinstance(plain, str))


def _of_function(function: Callable[..., Any], reference: str) -> Callee:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise InvalidTarget(f"{reference}: {function!r} does not say what it takes: {error}.") from error
    try:
        hints = get_type_hints(function, include_extras=True)
    except Exception:  # a name that only a type checker knows
        hints = dict[str, Any]()
    doc = inspect.getdoc(function) or ""
    tool = ToolSchema(
        name=str(getattr(function, "__name__", type(function).__name__)),
        description=_before_args(doc),
        input_schema=_arguments_schema(list(signature.parameters.values()), hints, _args_in(doc)),
        output_schema=return_schema(function),
    )

    async def call(arguments: Mapping[str, Any]) -> Any:
        try:
            signature.bind(**arguments)
        except TypeError as error:  # Python's own refusal, before anything of the function runs
            return Failed(f"refused: {error}")
        given = {name: _converted(value, hints.get(name)) for name, value in arguments.items()}
        if inspect.iscoroutinefunction(function):
            return await function(**given)
        made = await aside(lambda: function(**given))
        return await made if inspect.isawaitable(made) else made

    return Callee(tool, call)


def _arguments_schema(
    parameters: list[inspect.Parameter], hints: Mapping[str, Any], words: Mapping[str, str]
) -> dict[str, Any]:
    named = [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    known = object_schema({one.name: hints[one.name] for one in named if one.name in hints}) or {}
    properties: dict[str, Any] = {}
    for one in named:
        field: dict[str, Any] = dict(known.get("properties", {}).get(one.name, {}))
        if one.name in words and "$ref" not in field:
            field.setdefault("description", words[one.name])
        if one.default is None or isinstance(one.default, str | int | float | bool):
            field.setdefault("default", one.default)
        properties[one.name] = field
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required := [one.name for one in named if one.default is one.empty]:
        schema["required"] = required
    if not any(one.kind is one.VAR_KEYWORD for one in parameters):
        schema["additionalProperties"] = False
    return schema | ({"$defs": known["$defs"]} if known.get("$defs") else {})


def _converted(value: Any, annotation: Any) -> Any:
    """An object's fields as the record that the function declares, as every agent framework hands it over."""
    if not (isinstance(annotation, type) and isinstance(value, dict)):
        return value
    validate: Any = getattr(annotation, "model_validate", None)
    if validate is not None:
        return validate(value)
    if is_dataclass(annotation) or issubclass(annotation, msgspec.Struct):
        return msgspec.convert(value, cast("type[Any]", annotation))
    return value


def _before_args(doc: str) -> str:
    lines = doc.splitlines()
    end = next((n for n, line in enumerate(lines) if _ARGS.match(line)), len(lines))
    return "\n".join(lines[:end]).strip()


def _args_in(doc: str) -> dict[str, str]:
    """What a Google docstring says of each argument."""
    lines = doc.splitlines()
    begin = next((n for n, line in enumerate(lines) if _ARGS.match(line)), len(lines))
    found: dict[str, str] = {}
    last = ""
    for line in lines[begin + 1 :]:
        if line.strip() and not line.startswith(" "):
            break
        match = _ARG.match(line)
        if match is not None:
            last = match[1]
            found[last] = match[2].strip()
        elif line.strip() and last:
            found[last] += f" {line.strip()}"
    return found


def _of_langchain(tool: Any) -> Callee:
    schema = getattr(tool, "tool_call_schema", tool.args_schema)
    said: Any = schema if isinstance(schema, dict) else schema.model_json_schema()
    metadata: Mapping[str, Any] = getattr(tool, "metadata", None) or {}
    hints = {ours: metadata.get(theirs) for ours, theirs in _HINTS.items()}
    described = ToolSchema(
        name=str(tool.name),
        description=str(tool.description or ""),
        input_schema=said,
        annotations=Hints(**{key: value for key, value in hints.items() if isinstance(value, bool)}),
    )

    async def call(arguments: Mapping[str, Any]) -> Any:
        # as a model calls it: only then a tool that handles its own errors says that it failed
        asked = {"type": "tool_call", "id": "gapless", "name": tool.name, "args": dict(arguments)}
        own_coroutine = getattr(tool, "coroutine", None) is not None
        made = await (tool.ainvoke(asked) if own_coroutine else aside(lambda: tool.invoke(asked)))
        content = getattr(made, "content", made)
        if getattr(made, "status", None) == "error":
            return Failed(str(content))
        return _data(content) if isinstance(content, str) else content

    return Callee(described, call)


def _data(text: str) -> Any:
    """The data in a text that spells it out: LangChain hands every answer over as text."""
    if text.strip()[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
