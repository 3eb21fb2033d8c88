"""Schemas of an OpenAPI document as JSON Schema (2020-12) that stands alone. References elsewhere are never followed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast
from urllib.parse import unquote

Direction = Literal["request", "response"]
MAPS = frozenset("properties patternProperties dependentSchemas".split())
"""Keywords that hold schemas by name."""
LISTS = frozenset("allOf anyOf oneOf prefixItems".split())
"""Keywords that hold a list of schemas."""
ONE = frozenset(
    "items additionalProperties not if then else contains propertyNames unevaluatedProperties unevaluatedItems".split()
)
"""Keywords that hold one schema."""
_OWN = frozenset("nullable discriminator xml externalDocs example".split())
"""OpenAPI's own keywords, which JSON Schema does not know."""


def at(document: Any, reference: str) -> Any:
    """What a reference within a document stands for; None where it is elsewhere, or nothing is there.

    Example:
        >>> at({"components": {"schemas": {"Pet": {"type": "object"}}}}, "#/components/schemas/Pet")
        {'type': 'object'}
    """
    if not reference.startswith("#/"):
        return None
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = _below(found, unquote(part).replace("~1", "/").replace("~0", "~"))
    return found


def _below(held: Any, key: str) -> Any:
    if isinstance(held, list):
        inner = cast("list[Any]", held)
        return inner[int(key)] if key.isdecimal() and int(key) < len(inner) else None
    return cast("Mapping[str, Any]", held).get(key) if isinstance(held, Mapping) else None


class Schemas:
    """Turns the schemas of one document into ones that stand alone.

    Args:
        document: The whole document.
        direction: Whether values are sent or received: `readOnly` fields are not sent, `writeOnly` ones not received.
        old: Whether the document is OpenAPI 3.0, whose schemas are a dialect of their own (`nullable`, boolean
            `exclusiveMinimum`, nothing beside `$ref`).
    """

    def __init__(self, document: Any, direction: Direction, *, old: bool) -> None:
        self._document, self._old = document, old
        self._absent = "readOnly" if direction == "request" else "writeOnly"
        self._names: dict[str, str] = {}
        self._shared: dict[str, Any] = {}

    def alone(self, schema: Any) -> Any:
        """One schema with everything it refers to beside it."""
        self._names, self._shared = {}, {}
        made = self._schema(schema)
        return {**made, "$defs": self._shared} if self._shared and isinstance(made, dict) else made

    def _schema(self, node: Any) -> Any:
        if not isinstance(node, Mapping):
            return node
        schema = cast("Mapping[str, Any]", node)
        reference = schema.get("$ref")
        if isinstance(reference, str):
            beside = {} if self._old else self._keywords({k: v for k, v in schema.items() if k != "$ref"})
            return {"$ref": self._reference(reference), **beside}
        return self._keywords(schema)

    def _reference(self, reference: str) -> str:
        target = at(self._document, reference)
        if target is None:
            return reference  # elsewhere, or nowhere: left as it is, so that whoever reads the schema sees it
        if reference not in self._names:
            name = reference.rpartition("/")[2] or "root"
            while name in self._names.values():
                name += "_"
            self._names[reference] = name
            self._shared[name] = self._schema(target)
        return f"#/$defs/{self._names[reference]}"

    def _keywords(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, value in schema.items():
            if key in MAPS and isinstance(value, Mapping):
                made[key] = {name: self._schema(one) for name, one in value.items()}
            elif key in LISTS and isinstance(value, list):
                made[key] = [self._schema(one) for one in cast("list[Any]", value)]
            elif key in ONE:
                made[key] = self._schema(value)
            elif key not in _OWN:
                made[key] = value
        if self._old:
            _modern(schema, made)
        return self._one_way(schema, made)

    def _one_way(self, schema: Mapping[str, Any], made: dict[str, Any]) -> dict[str, Any]:
        """Without the fields that do not travel in this direction; they are not required there either."""
        said = schema.get("properties")
        if not isinstance(said, Mapping):
            return made
        left_out = {name for name, one in said.items() if self._stays(one)}
        if left_out:
            made["properties"] = {n: one for n, one in made["properties"].items() if n not in left_out}
            made["required"] = [name for name in made.get("required", ()) if name not in left_out]
        return made

    def _stays(self, field: Any) -> bool:
        if isinstance(field, Mapping) and isinstance(field.get("$ref"), str):
            field = at(self._document, field["$ref"])
        return isinstance(field, Mapping) and field.get(self._absent) is True


def _modern(schema: Mapping[str, Any], made: dict[str, Any]) -> None:
    """What OpenAPI 3.0 says otherwise than JSON Schema does."""
    if schema.get("nullable") is True and isinstance(schema.get("type"), str):
        made["type"] = [schema["type"], "null"]
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            made["enum"] = [*schema["enum"], None]
    for limit, strict in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(made.get(strict), bool) and made.pop(strict) and limit in made:
            made[strict] = made.pop(limit)
    if "example" in schema:
        made["examples"] = [schema["example"]]
