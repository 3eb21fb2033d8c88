"""The plainest value that a JSON schema allows, for answers that nobody scripted."""

from __future__ import annotations

from typing import Any, cast

_PLAIN: dict[str, Any] = {"string": "text", "integer": 0, "number": 0.0, "boolean": False, "null": None}
_MAX_DEPTH = 8


def sample(schema: dict[str, Any]) -> Any:
    """A value of the schema's shape: first alternatives, smallest numbers, required properties.

    It follows types, properties, enums, bounds and references; patterns, formats and conditions are not read.

    Example:
        >>> sample({"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]})
        {'n': 3}
    """
    return _sample(schema, schema, 0)


def _sample(schema: Any, root: dict[str, Any], depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return None
    table = cast("dict[str, Any]", schema)
    for key in ("const", "default"):
        if key in table:
            return table[key]
    if table.get("enum"):
        return table["enum"][0]
    if "$ref" in table:
        return _sample(_resolve(str(table["$ref"]), root), root, depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        if table.get(key):
            return _sample(table[key][0], root, depth + 1)
    return _of_type(table, root, depth)


def _of_type(schema: dict[str, Any], root: dict[str, Any], depth: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else None)
    if isinstance(kind, list):
        kind = cast("list[Any]", kind)[0] if kind else None
    if kind == "object":
        properties = cast("dict[str, Any]", schema.get("properties", {}))
        wanted = cast("list[str]", schema.get("required", list(properties)))
        return {name: _sample(properties.get(name), root, depth + 1) for name in wanted}
    if kind == "array":
        return [_sample(schema.get("items"), root, depth + 1)] * int(schema.get("minItems", 0))
    if kind in ("integer", "number"):
        return schema.get("minimum", _PLAIN[kind])
    if kind == "string":
        return _PLAIN["string"].ljust(int(schema.get("minLength", 0)), "t")[: schema.get("maxLength")]
    return _PLAIN.get(str(kind), {})


def _resolve(reference: str, root: dict[str, Any]) -> Any:
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = cast("dict[str, Any]", found).get(part) if isinstance(found, dict) else None
    return found
