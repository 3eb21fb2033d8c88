"""Schemas of what steps hand over: learnt from values as they stream by, or declared by the workflow's author.

A learnt schema never refuses what it was learnt from. It says nothing about the meaning of a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import msgspec

from gapless.errors import UsageError
from gapless.records.value import is_redacted

MAX_DEPTH = 8
MAX_KEYS = 64
ANYTHING = "*"
_DATA_KEY = re.compile(r"^\W*\d|\d{3}|[@/\s]|^[0-9a-f-]{16,}$|^.{65,}$")


class LearntSchema(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What values at one place looked like: their kinds, keys and items. Bounded in depth and in keys."""

    seen: int = 0
    """Values observed."""
    kinds: dict[str, int] = {}
    """JSON type -> how many values had it; a whole number is an "integer"."""
    fields: dict[str, LearntSchema] = {}
    """Key -> its schema, for objects whose keys are names."""
    values: LearntSchema | None = None
    """One schema for all values whose keys are data (ids, dates), or that are too many to be names."""
    items: LearntSchema | None = None
    """One schema for all items of arrays."""
    map: bool = False
    """Whether there were too many keys: then every key counts as data."""
    deep: bool = False
    """Whether the depth limit was met here: what lies below was not looked at."""

    def observe(self, value: Any, depth: int = 0) -> None:
        """Learns one plain value."""
        self.seen += 1
        kind = kind_of(value)
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if kind not in ("object", "array"):
            return
        if depth >= MAX_DEPTH:
            self.deep = True
        elif kind == "object":
            self._observe_object(cast("dict[str, Any]", value), depth)
        else:
            self.items = self.items or LearntSchema()
            for item in cast("list[Any]", value):
                self.items.observe(item, depth + 1)

    def merge(self, other: LearntSchema) -> None:
        """Adds what another learner saw; the order of merging does not matter."""
        self.seen += other.seen
        for kind, count in other.kinds.items():
            self.kinds[kind] = self.kinds.get(kind, 0) + count
        self.deep = self.deep or other.deep
        self.items = _merged(self.items, other.items)
        self.values = _merged(self.values, other.values)
        for key, schema in other.fields.items():
            self.fields[key] = cast("LearntSchema", _merged(self.fields.get(key), schema))
        if other.map or self.map or len(self.fields) > MAX_KEYS:
            self._become_map()

    def breaches(self, value: Any) -> tuple[str, ...]:
        """What in a value was never observed: a missing key that was always there, a kind never seen at its place.

        A key nobody has seen yet is no breach.

        Example:
            >>> schema = LearntSchema()
            >>> schema.observe({"total": 12, "currency": "EUR"})
            >>> schema.breaches({"total": "12"})
            ('currency is missing', 'total is a string, not integer')
        """
        return tuple(self._breaches(value, ""))

    def to_json_schema(self) -> dict[str, Any]:
        """The same as JSON Schema (2020-12); what was observed is valid against it."""
        if not self.seen:
            return {}
        kinds = sorted(self.allowed_kinds())
        schema: dict[str, Any] = {"type": kinds[0] if len(kinds) == 1 else kinds}
        if self.deep:
            return schema
        if "object" in self.kinds:
            schema["properties"] = {key: field.to_json_schema() for key, field in sorted(self.fields.items())}
            schema["required"] = sorted(self.required())
            if self.values is not None:
                schema["additionalProperties"] = self.values.to_json_schema()
        if self.items is not None and self.items.seen:
            schema["items"] = self.items.to_json_schema()
        return schema

    def required(self) -> frozenset[str]:
        """Keys that every observed object had."""
        objects = self.kinds.get("object", 0)
        return frozenset(key for key, field in self.fields.items() if field.seen >= objects)

    def allowed_kinds(self) -> frozenset[str]:
        """The kinds seen; "number" covers "integer"."""
        kinds = set(self.kinds)
        return frozenset(kinds - {"integer"} if "number" in kinds else kinds)

    def field(self, key: str) -> LearntSchema | None:
        """The schema of a key's value; None when the key was never seen."""
        return self.values if self.map or is_data_key(key) else self.fields.get(key)

    def _observe_object(self, value: dict[str, Any], depth: int) -> None:
        for key, inner in value.items():
            if self.map or is_data_key(key):
                self.values = self.values or LearntSchema()
                self.values.observe(inner, depth + 1)
            else:
                self.fields.setdefault(key, LearntSchema()).observe(inner, depth + 1)
        if len(self.fields) > MAX_KEYS:
            self._become_map()

    def _become_map(self) -> None:
        for schema in self.fields.values():
            self.values = _merged(self.values, schema)
        self.fields = {}
        self.map = True

    def _breaches(self, value: Any, path: str) -> Iterator[str]:
        if not self.seen:
            return
        kind = kind_of(value)
        allowed = self.allowed_kinds()
        if kind not in allowed and not (kind == "integer" and "number" in allowed):
            yield f"{path or 'the value'} is {_article(kind)}, not {' or '.join(sorted(allowed))}"
        elif self.deep:
            return
        elif kind == "object":
            yield from self._object_breaches(cast("dict[str, Any]", value), path)
        elif kind == "array" and self.items is not None:
            for item in cast("list[Any]", value):
                yield from self.items._breaches(item, f"{path}[]")

    def _object_breaches(self, value: dict[str, Any], path: str) -> Iterator[str]:
        for key in sorted(self.required() - value.keys()):
            yield f"{joined(path, key)} is missing"
        for key, inner in value.items():
            schema = self.field(key)
            if schema is not None:
                yield from schema._breaches(inner, joined(path, key))


@dataclass(frozen=True)
class DeclaredSchema:
    """A schema that the workflow's author wrote, as JSON Schema."""

    schema: dict[str, Any]

    @classmethod
    def of(cls, declared: Any) -> DeclaredSchema:
        """Reads a JSON Schema, pydantic model, TypedDict, dataclass or msgspec Struct.

        Raises:
            UsageError: It is none of these, or contains a type that has no JSON Schema.
        """
        return cls(_json_schema(declared))

    def breaches(self, value: Any, *, null: bool = False) -> tuple[str, ...]:
        """What in a plain value the schema does not allow, each with its place.

        Args:
            value: The value.
            null: Whether null may stand anywhere: a value that is not there has no type.
        """
        try:
            errors = list(self._validator.iter_errors(value))
        except ValueError as error:  # bytes are plain data, but not JSON
            return (f"the value cannot be validated: {error}",)
        return tuple(
            _described(error.message, error.instance_path)
            for error in errors
            if not is_redacted(error.instance)  # it was masked after it was handed over
            and not (null and error.instance is None)
        )

    def at(self, path: str) -> dict[str, Any]:
        """What the schema says of a place ("summary.total", "items[].id", "" is the whole); nothing is an empty one.

        Example:
            >>> schema = DeclaredSchema({"properties": {"hits": {"items": {"type": "integer"}}}})
            >>> schema.at("hits[]"), schema.at("note")
            ({'type': 'integer'}, {})
        """
        node = self.schema
        for part in path.replace("[]", ".[]").split("."):
            if part:
                below: Any = node.get("items") if part == "[]" else node.get("properties", {}).get(part)
                node = self._resolved(below) if isinstance(below, dict) else {}
        return node

    def _resolved(self, node: Any) -> dict[str, Any]:
        name = str(node.get("$ref", "")).removeprefix("#/$defs/")
        return self.schema.get("$defs", {}).get(name, {}) if name else node

    @cached_property
    def _validator(self) -> Any:
        import jsonschema_rs

        try:
            return jsonschema_rs.validator_for(self.schema)
        except ValueError as error:  # jsonschema_rs.ValidationError among them
            raise UsageError(f"The declared schema is no valid JSON Schema: {error}") from error


def kind_of(value: Any) -> str:
    """The JSON type of a plain value; bytes count as a string.

    Example:
        >>> kind_of(3), kind_of(True), kind_of(None)
        ('integer', 'boolean', 'null')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, dict):
        return "object"
    return "array" if isinstance(value, list) else "string"


def is_data_key(key: str) -> bool:
    """Whether a key looks like data (an id, a date, a sentence) rather than a name.

    Example:
        >>> is_data_key("credit_card_4421486"), is_data_key("payment_methods")
        (True, False)
    """
    return _DATA_KEY.search(key) is not None


def joined(path: str, key: str) -> str:
    """The path of a key inside an object at `path`."""
    return f"{path}.{key}" if path else key


def _merged(one: LearntSchema | None, other: LearntSchema | None) -> LearntSchema | None:
    if other is None:
        return one
    merged = one if one is not None else LearntSchema()
    merged.merge(other)
    return merged


def _article(kind: str) -> str:
    return kind if kind == "null" else f"an {kind}" if kind[0] in "aio" else f"a {kind}"


def _described(message: str, path: list[str | int]) -> str:
    place = ".".join(str(part) for part in path)
    return f"{place}: {message[:200]}" if place else message[:200]


def _json_schema(declared: Any) -> dict[str, Any]:
    if isinstance(declared, dict):
        return cast("dict[str, Any]", declared)
    if hasattr(declared, "model_json_schema"):
        return declared.model_json_schema(by_alias=False, mode="serialization")
    try:
        if isinstance(declared, type):
            return msgspec.json.schema(declared)
    except (TypeError, RuntimeError) as error:
        raise UsageError(
            f"{declared.__name__} has no JSON Schema: {error}. Declare a JSON Schema (a dict) instead."
        ) from error
    raise UsageError(
        f"{declared!r} is no schema. Allowed: a JSON Schema (a dict), a pydantic model, a TypedDict, a dataclass, "
        "a msgspec Struct."
    )
