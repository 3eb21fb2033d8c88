"""JSON Schemas of what annotations declare, for values in their plain form. What cannot be told is left out."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, cast, get_type_hints

import msgspec

_LOOSE = ("decimal_schema", "timedelta_schema", "bytes_schema")
"""Types whose plain form differs from what pydantic writes: a schema of them would only mislead."""
_REF = "#/$defs/"


def object_schema(annotations: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schema of a mapping some keys of which are declared; other keys are free and none is required.

    Args:
        annotations: Key -> annotation. A key whose annotation says nothing, or that nobody can read, is left out.

    Returns:
        None when nothing is left.
    """
    properties: dict[str, Any] = {}
    shared: dict[str, Any] = {}
    for number, (key, annotation) in enumerate(annotations.items()):
        schema = _schema_of(annotation)
        if schema:
            schema = _moved(schema, f"{_REF}{number}.")
            shared |= {f"{number}.{name}": inner for name, inner in schema.pop("$defs", {}).items()}
            properties[key] = schema
    return {"properties": properties, "$defs": shared} if properties else None


def return_schema(function: Any) -> dict[str, Any] | None:
    """The schema of what a function is annotated to return.

    Returns:
        None when the annotation says nothing, when nobody can read it, and where a text is allowed: a text that spells
        out JSON is read as data everywhere else.
    """
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return None
    try:
        annotation = get_type_hints(function, include_extras=True).get("return", Any)
    except Exception:  # a name that only a type checker knows
        return None
    schema = _schema_of(annotation)
    kinds = {kind.get("type", "string") for kind in schema.get("anyOf", [_resolved(schema)])}
    return schema if "string" not in kinds else None


def _schema_of(annotation: Any) -> dict[str, Any]:
    """The schema of an annotation in pydantic's words, else in msgspec's; empty when neither can read it."""
    for read in (_pydantic_schema, _msgspec_schema):
        with suppress(
            Exception
        ):  # foreign annotations: a class of any kind, a name that only a type checker knows
            if (schema := read(annotation)) is not None:
                return _open(schema)
    return {}


def _pydantic_schema(annotation: Any) -> dict[str, Any] | None:
    if (
        "pydantic" not in sys.modules
    ):  # whoever annotates with its models has imported it; others need not wait
        return None
    from pydantic import TypeAdapter

    return TypeAdapter(annotation).json_schema(by_alias=False, schema_generator=_generator())


def _msgspec_schema(annotation: Any) -> dict[str, Any]:
    return msgspec.json.schema(annotation)  # it knows typing.TypedDict on every Python, and its own Structs


@lru_cache(maxsize=1)
def _generator() -> Any:
    from pydantic.json_schema import GenerateJsonSchema

    def anything(self: Any, schema: Any) -> dict[str, Any]:
        return {}

    members: dict[str, Any] = dict.fromkeys(_LOOSE, anything)
    members["ignored_warning_kinds"] = {"skipped-choice", "non-serializable-default"}
    return type("PlainForm", (GenerateJsonSchema,), members)


def _open(schema: Any) -> Any:
    """A schema without bans on further keys (a subclass and a computed field have some), and free where forms differ."""
    if isinstance(schema, dict):
        if schema.get("format") in ("duration", "decimal"):
            return {}
        items = cast("dict[str, Any]", schema).items()
        return {key: _open(inner) for key, inner in items if (key, inner) != ("additionalProperties", False)}
    return [_open(inner) for inner in cast("list[Any]", schema)] if isinstance(schema, list) else schema


def _moved(schema: Any, place: str) -> Any:
    """A schema whose shared parts lie at another place."""
    if isinstance(schema, dict):
        items = cast("dict[str, Any]", schema).items()
        return {
            key: place + inner.removeprefix(_REF)
            if key == "$ref" and isinstance(inner, str)
            else _moved(inner, place)
            for key, inner in items
        }
    return (
        [_moved(inner, place) for inner in cast("list[Any]", schema)] if isinstance(schema, list) else schema
    )


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    name = str(schema.get("$ref", "")).removeprefix(_REF)
    return schema.get("$defs", {}).get(name, {}) if name else schema
