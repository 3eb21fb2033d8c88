"""JSON Schemas of tools: what holds against them, what a caller could send, and what a server must refuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from gapless.frameworks.tools.openapi_schemas import at

_MOST_DEPTH = 12
_OF_TYPE: dict[str, Any] = {"boolean": False, "null": None}
_WRONG: tuple[Any, ...] = ({"no": "such"}, "no such", 0.5, [[]], None)
"""Values of which a typed field refuses at least one."""


def fault_of(schema: Any) -> str:
    """Why something is no JSON Schema; empty where it is one. No reference is fetched from anywhere.

    Example:
        >>> fault_of({"type": "object"}), fault_of(7)
        ('', 'it is int, not an object')
    """
    import jsonschema_rs

    if not isinstance(schema, Mapping | bool):
        return f"it is {type(schema).__name__}, not an object"
    try:
        jsonschema_rs.validator_for(cast("dict[str, Any]", schema), offline=True)
    except ValueError as error:  # jsonschema_rs.ValidationError among them
        return str(error).partition("\n")[0]
    return ""


def breach(schema: Any, value: Any) -> str:
    """What in a value breaks a schema; empty where it fits, or where the schema itself is none.

    Example:
        >>> breach({"type": "object", "required": ["a"]}, {})
        '"a" is a required property'
    """
    import jsonschema_rs

    try:
        validator = jsonschema_rs.validator_for(cast("dict[str, Any]", schema), offline=True)
    except ValueError:
        return ""
    for error in validator.iter_errors(value):
        where = "/".join(str(part) for part in error.instance_path)
        return f"{where}: {error.message}" if where else error.message
    return ""


def resolved(schema: Any, root: Any) -> Any:
    """What a schema's reference within its document stands for; the schema itself where it has none.

    Example:
        >>> resolved({"$ref": "#/$defs/a"}, {"$defs": {"a": {"type": "null"}}})
        {'type': 'null'}
    """
    for _ in range(_MOST_DEPTH):
        reference = schema.get("$ref") if isinstance(schema, Mapping) else None
        if not isinstance(reference, str) or not reference.startswith("#"):
            return schema
        found = root if reference == "#" else at(root, reference)
        if found is None:
            return schema
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**found, **beside} if isinstance(found, Mapping) and beside else found
    return schema


def fields(schema: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every declared field with its JSON pointer, at any depth; definitions where they are used, once."""
    yield from _fields(schema, schema, "", set(), 0)


def _fields(
    schema: Any, root: Any, where: str, seen: set[str], depth: int
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(schema, Mapping) or depth > _MOST_DEPTH:
        return
    reference = schema.get("$ref")
    if isinstance(reference, str):
        if reference in seen:
            return
        seen.add(reference)
        schema = resolved(schema, root)
        if not isinstance(schema, Mapping):
            return
    properties = schema.get("properties")
    for name, field in properties.items() if isinstance(properties, Mapping) else ():
        here = f"{where}/properties/{name}"
        if isinstance(field, Mapping):
            yield here, field
        yield from _fields(field, root, here, seen, depth + 1)
    for key in ("items", "additionalProperties"):
        yield from _fields(schema.get(key), root, f"{where}/{key}", seen, depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        for number, one in enumerate(schema[key] if isinstance(schema.get(key), list) else ()):
            yield from _fields(one, root, f"{where}/{key}/{number}", seen, depth + 1)


def sample(schema: Any) -> dict[str, Any] | None:
    """The least arguments that a schema takes; None where none were found that it does.

    Example:
        >>> sample({"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]})
        {'n': 3}
    """
    if fault_of(schema):
        return None
    made = _sample(schema, schema, 0)
    return made if isinstance(made, dict) and not breach(schema, made) else None


def _sample(schema: Any, root: Any, depth: int) -> Any:
    schema = resolved(schema, root)
    if not isinstance(schema, Mapping) or depth > _MOST_DEPTH:
        return None
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("examples", "enum", "anyOf", "oneOf"):
        if isinstance(schema.get(key), list) and schema[key]:
            first = schema[key][0]
            return _sample(first, root, depth + 1) if key.endswith("Of") else first
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    return _of_kind("object" if "properties" in schema else str(kind), schema, root, depth)


def _of_kind(kind: str, schema: Mapping[str, Any], root: Any, depth: int) -> Any:
    if kind == "object":
        properties, required = schema.get("properties"), schema.get("required")
        known = cast("Mapping[str, Any]", properties) if isinstance(properties, Mapping) else {}
        wanted = cast("list[str]", required) if isinstance(required, list) else []
        return {name: _sample(known.get(name, {}), root, depth + 1) for name in wanted}
    if kind == "array":
        return [_sample(schema.get("items", {}), root, depth + 1)] * int(schema.get("minItems", 0))
    if kind == "string":
        return "x" * int(schema.get("minLength", 0))
    if kind in ("integer", "number"):
        return _number(schema)
    return _OF_TYPE.get(kind)


def _number(schema: Mapping[str, Any]) -> Any:
    least = schema.get("minimum")
    if least is None and "exclusiveMinimum" in schema and not isinstance(schema["exclusiveMinimum"], bool):
        least = schema["exclusiveMinimum"] + 1
    most = schema.get("maximum")
    return least if least is not None else min(0, most) if most is not None else 0


def misfits(schema: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Arguments that a schema refuses, each with why: what a server has to refuse as well.

    Example:
        >>> next(misfits({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}))
        ({}, 'without n')
    """
    good = sample(schema)
    if good is None:
        return
    if good and breach(schema, {}):
        yield {}, f"without {', '.join(good)}"
    properties = resolved(schema, schema).get("properties")
    for name in properties if isinstance(properties, Mapping) else ():
        for wrong in _WRONG:
            bad = {**good, str(name): wrong}
            if breach(schema, bad):
                yield bad, f"with {name}={wrong!r}"
                break
