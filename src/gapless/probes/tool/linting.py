"""Lint of tools: what in a description leads a model, or the code that calls for it, astray."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from gapless.probes.tool.schemas import fault_of, fields
from gapless.probes.verbs import ACTS, DESTROYS, WORDS, named, reads
from gapless.records.tools import Offer, ToolIssue, ToolSchema

MOST_NAME = 64
"""Characters that the function calling of the large model APIs takes."""
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_TYPES = ("type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "not", "if", "properties", "items")


def lint(offer: Offer, read_only: Iterable[str] = ()) -> tuple[ToolIssue, ...]:
    """Everything that is wrong with the tools of one server, in their order.

    Args:
        offer: Its tools.
        read_only: Patterns of tools that the user says only read: these need not say so themselves.
    """
    names = Counter(tool.name for tool in offer.tools)
    found: list[ToolIssue] = []
    if offer.breach:
        said = f"strict clients see none of the tools: {offer.breach}"
        found.append(
            ToolIssue(server=offer.name, tool="(all)", rule="not-as-mcp-says", severity="fail", said=said)
        )
    for tool in offer.tools:
        vouched = any(fnmatchcase(tool.name, pattern) for pattern in read_only)
        for rule, severity, said, where in _all(tool, names):
            if rule == "no-hints" and vouched:
                continue
            name = tool.name or "(no name)"
            found.append(
                ToolIssue(server=offer.name, tool=name, rule=rule, severity=severity, said=said, where=where)
            )
    return tuple(found)


def writes(tool: ToolSchema) -> str:
    """The word in a tool's name, or at the beginning of its description, that says it changes something; else empty.

    Example:
        >>> writes(ToolSchema(name="delete_file")), writes(ToolSchema(name="get_post"))
        ('delete', '')
    """
    return _verb(tool, ACTS)


def safe(tool: ToolSchema) -> bool:
    """Whether a probe may call it: declared read-only, or idempotent and not destructive, and nothing speaks against it."""
    hints = tool.annotations
    if hints.read_only:
        return not writes(tool) and not hints.destructive
    return bool(hints.idempotent) and hints.destructive is False and not _verb(tool, DESTROYS)


def _verb(tool: ToolSchema, verbs: frozenset[str]) -> str:
    if reads(tool.name):
        return ""
    if found := named(tool.name, verbs):
        return found
    first = next((word.lower() for word in WORDS.findall(tool.description)), "")
    return next(
        (form for form in (first, first.removesuffix("s"), first.removesuffix("es")) if form in verbs), ""
    )


Said = tuple[str, Any, str, str]


def _all(tool: ToolSchema, names: Counter[str]) -> Iterable[Said]:
    yield from _naming(tool, names)
    yield from _input(tool)
    yield from _output(tool)
    yield from _hints(tool)


def _naming(tool: ToolSchema, names: Counter[str]) -> Iterator[Said]:
    if not tool.name:
        yield "no-name", "fail", "it has no name: nobody can call it", ""
    elif names[tool.name] > 1:
        yield "duplicate-name", "fail", f"{names[tool.name]} tools have this name: one is never called", ""
    if len(tool.name) > MOST_NAME:
        yield "long-name", "fail", f"{len(tool.name)} characters: model APIs take {MOST_NAME}", ""
    elif tool.name and not _NAME.fullmatch(tool.name):
        yield "odd-name", "warn", "model APIs take letters, digits, _ and - only", ""
    if not tool.description.strip():
        yield "no-description", "fail", "no description: a model chooses by it", ""


def _input(tool: ToolSchema) -> Iterator[Said]:
    schema = tool.input_schema
    if schema is None:
        yield "no-input-schema", "fail", "no input schema: a model has to guess the arguments", "/inputSchema"
        return
    if fault := fault_of(schema):
        yield "invalid-input-schema", "fail", f"no valid JSON Schema: {fault}", "/inputSchema"
        return
    if not isinstance(schema, Mapping):
        return
    if not set(schema) - {"$schema", "title", "description"}:
        said = "the input schema is empty: every argument passes, and a model has to guess them"
        yield "empty-input-schema", "fail", said, "/inputSchema"
    elif schema.get("type") != "object":
        said = f"the root is {schema.get('type', 'untyped')!s}; MCP asks for an object"
        yield "root-no-object", "fail", said, "/inputSchema"
    elif not set(schema) & {"properties", "additionalProperties", "anyOf", "oneOf", "allOf", "$ref"}:
        said = (
            "no arguments are declared, yet any pass: say `additionalProperties: false` where it takes none"
        )
        yield "open-input-schema", "warn", said, "/inputSchema"
    yield from _fields(schema)


def _fields(schema: Mapping[str, Any]) -> Iterator[Said]:
    silent: list[str] = []
    for where, field in fields(schema):
        if not any(key in field for key in _TYPES):
            yield "untyped-field", "warn", f"{_last(where)} has no type", f"/inputSchema{where}"
        elif field.get("type") == "array" and not set(field) & {"items", "prefixItems"}:
            yield (
                "untyped-items",
                "warn",
                f"{_last(where)} does not say what it holds",
                f"/inputSchema{where}",
            )
        if not field.get("description") and where.count("/properties/") == 1 and "$ref" not in field:
            silent.append(_last(where))
    if silent:
        yield "undescribed-fields", "warn", f"not described: {', '.join(silent)}", "/inputSchema/properties"
    properties, required = schema.get("properties"), schema.get("required")
    if isinstance(properties, Mapping) and isinstance(required, list):
        for name in [name for name in required if name not in properties]:
            yield "unknown-required", "warn", f"{name} is required and not declared", "/inputSchema/required"


def _output(tool: ToolSchema) -> Iterator[Said]:
    if tool.output_schema is None:
        yield (
            "no-output-schema",
            "warn",
            "no output schema: nothing says when an answer is whole",
            "/outputSchema",
        )
    elif fault := fault_of(tool.output_schema):
        yield "invalid-output-schema", "fail", f"no valid JSON Schema: {fault}", "/outputSchema"


def _hints(tool: ToolSchema) -> Iterator[Said]:
    hints, where = tool.annotations, "/annotations"
    verb, destroys = writes(tool), _verb(tool, DESTROYS)
    if hints.read_only and verb:
        said = f"says that it only reads, yet its words say “{verb}”: it would be retried, and run unasked"
        yield "misleading-read-only", "fail", said, where
    if hints.read_only and hints.destructive:
        yield "contradictory-hints", "fail", "says that it only reads and that it destroys", where
    if destroys and hints.destructive is False and not hints.read_only:
        said = f"says that it destroys nothing, yet its words say “{destroys}”"
        yield "misleading-destructive", "fail", said, where
    elif destroys and hints.destructive is None and not hints.read_only:
        said = f"its words say “{destroys}”, and `destructiveHint: true` is not said"
        yield "unsaid-destructive", "warn", said, where
    elif hints.read_only is None and hints.destructive is None and hints.idempotent is None:
        said = "nothing says whether it reads or acts: callers must assume the worst, and cannot retry it"
        yield "no-hints", "warn", said, where


def _last(where: str) -> str:
    return where.rpartition("/properties/")[2]
