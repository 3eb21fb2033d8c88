"""JSON Schemas of tools: what holds against them, what a caller could send, and what a server must refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from gapless.frameworks.tools.openapi_schemas import LISTS, MAPS, ONE, at

TEXT = frozenset(
    "title description examples $comment $schema $id $anchor deprecated readOnly writeOnly".split()
)
"""Keywords for readers: they allow and forbid nothing."""
_MOST_DEPTH = 12
_DEFINED = frozenset(("$defs", "definitions"))
_UNORDERED = frozenset(("required", "enum", "type"))
_SINGLE = ONE | {"additionalItems", "contentSchema"}
_MOST_MADE = 100_000
"""Characters and items of arguments that are made: a schema may ask for more than any machine holds."""
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
        found = target(root, reference)
        if found is None:
            return schema
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**found, **beside} if isinstance(found, Mapping) and beside else found
    return schema


def target(root: Any, reference: str) -> Any:
    """What a reference within a document stands for, by its place or by an anchor; None where nothing is there.

    Example:
        >>> target({"$defs": {"a": {"$anchor": "A", "type": "null"}}}, "#A")
        {'$anchor': 'A', 'type': 'null'}
    """
    if reference == "#":
        return root
    found = at(root, reference)
    return found if found is not None or reference.startswith("#/") else _named(root, reference, 0)


def _named(node: Any, reference: str, depth: int) -> Any:
    if depth > 4 * _MOST_DEPTH:
        return None
    if isinstance(node, Mapping):
        held = cast("Mapping[str, Any]", node)
        if reference in (f"#{held.get('$anchor', '')}", held.get("$id")):
            return held
        below = list(held.values())
    else:
        below = cast("list[Any]", node) if isinstance(node, list) else []
    found = (_named(one, reference, depth + 1) for one in below)
    return next((one for one in found if one is not None), None)


def canonical(value: Any) -> str:
    """A value as text that does not depend on the order of keys.

    Example:
        >>> canonical({"b": 1, "a": 2}) == canonical({"a": 2, "b": 1})
        True
    """
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=repr)


class TooLarge(Exception):
    """A schema asks for more than anybody writes: references can multiply, and lengths be anything."""


class Inliner:
    """Puts in place of each reference what it stands for, and things whose order means nothing into one order.

    Args:
        root: The document that references are within.
        most: The largest number of subschemas, in all that is asked of it.
        texts: Whether keywords for readers stay.
    """

    def __init__(self, root: Any, most: int = 50_000, *, texts: bool = True) -> None:
        self._root, self._left, self._texts = root, most, texts
        self._within: list[str] = []
        self.lost = False
        """Whether a reference was met that cannot be followed, or that other ones may not mean what they say."""

    def of(self, node: Any) -> Any:
        """A schema without references; one that recurs is named by how many references lie between.

        Raises:
            TooLarge: It grows beyond what it may.
        """
        self._left -= 1
        if self._left < 0:
            raise TooLarge
        if not isinstance(node, Mapping):
            return node
        schema = cast("Mapping[str, Any]", node)
        self.lost |= "$dynamicRef" in schema or "$recursiveRef" in schema
        self.lost |= isinstance(schema.get("$id"), str) and schema is not self._root
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return self._keywords(schema)
        beside = self._keywords({key: one for key, one in schema.items() if key != "$ref"})
        behind = self._behind(reference)
        if isinstance(behind, dict) and not behind.keys() & beside.keys():
            return behind | beside
        return {"$ref": behind, **beside} if beside else behind

    def _behind(self, reference: str) -> Any:
        found = target(self._root, reference)
        if found is None:
            self.lost = True
            return {"$ref": reference}
        if reference in self._within:
            return {"$ref": len(self._within) - self._within.index(reference)}
        self._within.append(reference)
        try:
            return self.of(found)
        finally:
            self._within.pop()

    def _keywords(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        return {key: self._keyword(key, one) for key, one in schema.items() if self._counts(key)}

    def _counts(self, key: str) -> bool:
        return key not in _DEFINED and (self._texts or not (key in TEXT or key.startswith("x-")))

    def _keyword(self, key: str, value: Any) -> Any:
        if key in MAPS and isinstance(value, Mapping):
            return {name: self.of(one) for name, one in cast("Mapping[str, Any]", value).items()}
        if isinstance(value, list) and (key in LISTS or key == "items"):
            made = [self.of(one) for one in cast("list[Any]", value)]
            return sorted(made, key=canonical) if key.endswith("Of") else made
        if isinstance(value, list) and key in _UNORDERED:
            return sorted(cast("list[Any]", value), key=canonical)
        return self.of(value) if key in _SINGLE else value


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
    """The least arguments that a schema takes; None where none were found that it does, or they would be too large.

    Example:
        >>> sample({"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]})
        {'n': 3}
    """
    if fault_of(schema):
        return None
    try:
        made = _sample(schema, schema, 0, _MOST_MADE)
    except TooLarge:
        return None
    return made if isinstance(made, dict) and not breach(schema, made) else None


def _sample(schema: Any, root: Any, depth: int, room: int) -> Any:
    """A value; `room` is how many characters and items it may have in all."""
    schema = resolved(schema, root)
    if not isinstance(schema, Mapping) or depth > _MOST_DEPTH:
        return None
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("examples", "enum", "anyOf", "oneOf"):
        if isinstance(schema.get(key), list) and schema[key]:
            first = schema[key][0]
            return _sample(first, root, depth + 1, room) if key.endswith("Of") else first
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    return _of_kind("object" if "properties" in schema else str(kind), schema, root, depth, room)


def _of_kind(kind: str, schema: Mapping[str, Any], root: Any, depth: int, room: int) -> Any:
    if kind == "object":
        properties, required = schema.get("properties"), schema.get("required")
        known = cast("Mapping[str, Any]", properties) if isinstance(properties, Mapping) else {}
        wanted = cast("list[str]", required) if isinstance(required, list) else []
        each = _share(len(wanted), room)
        return {name: _sample(known.get(name, {}), root, depth + 1, each) for name in wanted}
    if kind == "array":
        least = schema.get("minItems", 0)
        each = _share(least, room)
        return [_sample(schema.get("items", {}), root, depth + 1, each)] * int(least)
    if kind == "string":
        least = schema.get("minLength", 0)
        _share(least, room)
        return "x" * int(least)
    if kind in ("integer", "number"):
        return _number(schema)
    return _OF_TYPE.get(kind)


def _share(parts: float, room: int) -> int:
    """The room that each of so many parts has."""
    if parts > room:
        raise TooLarge
    return room // max(1, int(parts))


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
