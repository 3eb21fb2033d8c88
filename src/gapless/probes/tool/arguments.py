"""Hypothesis strategies for what a JSON Schema takes.

hypothesis-jsonschema makes strings, numbers and enumerations from their keywords. Its objects stand on private parts of
Hypothesis that newer releases no longer have, so objects, arrays, alternatives and references are put together here from
public ones. What comes out is only offered; whoever uses it asks a validator.
"""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Mapping
from typing import Any, cast

from gapless.probes.tool.schemas import breach, fields, resolved

_lock = threading.Lock()
"""Filters of warnings hold for every thread."""
_ROOM, _MOST_NESTED, _LONGEST = 4, 24, 5000
_NO_VALUE = "gapless_no_such_value"
_TEXT = frozenset(
    "title description default examples $schema $id $comment deprecated readOnly writeOnly".split()
)
_OBJECT = frozenset("properties required additionalProperties minProperties patternProperties".split())
_ARRAY = frozenset("items prefixItems minItems uniqueItems contains".split())


def valid_arguments(schema: Any) -> Any:
    """A strategy of arguments that a schema takes; undeclared ones are left out where it declares any.

    Raises:
        ImportError: hypothesis-jsonschema is not installed.
        ValueError: The schema holds something that no strategy is made from.
    """
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries that this one stands on
        import hypothesis_jsonschema  # noqa: F401 # pyright: ignore[reportUnusedImport]  # only to see whether it is there

        made = _Maker(schema).of(schema, 0)
        made.validate()

    def fits(value: Any) -> bool:
        return isinstance(value, dict) and not breach(schema, value)

    return made.filter(fits)


def anything() -> Any:
    """A strategy of small JSON values of every kind."""
    from hypothesis import strategies as st

    numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    atoms = st.none() | st.booleans() | numbers | st.text(max_size=8)
    return st.recursive(
        atoms,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
        max_leaves=3,
    )


def beyond(schema: Any) -> dict[str, list[Any]]:
    """Field -> values just outside of what is said of it, by its name.

    Example:
        >>> beyond({"properties": {"n": {"maximum": 9}, "kind": {"enum": ["a"]}}})
        {'n': [10], 'kind': ['gapless_no_such_value']}
    """
    found: dict[str, list[Any]] = {}
    for where, field in fields(schema):
        outside: list[Any] = []
        for key, step in (("minimum", -1), ("exclusiveMinimum", 0), ("maximum", 1), ("exclusiveMaximum", 0)):
            if isinstance(field.get(key), int | float) and not isinstance(field[key], bool):
                outside.append(field[key] + step)
        least, most = field.get("minLength"), field.get("maxLength")
        outside += ["x" * (least - 1)] if isinstance(least, int) and 0 < least < _LONGEST else []
        outside += ["x" * (most + 1)] if isinstance(most, int) and most < _LONGEST else []
        outside += [_NO_VALUE] if "enum" in field or "const" in field else []
        if outside:
            found.setdefault(where.rpartition("/")[2], []).extend(outside)
    return found


class _Maker:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._behind: dict[str, Any] = {}

    def of(self, node: Any, depth: int) -> Any:
        from hypothesis import strategies as st

        if node is False:
            return st.nothing()
        if not isinstance(node, Mapping) or depth > _MOST_NESTED:
            return anything()
        schema = cast("dict[str, Any]", {key: one for key, one in node.items() if key not in _TEXT})
        reference = schema.get("$ref")
        if isinstance(reference, str):
            return self._reference(schema, reference, depth)
        for key in ("anyOf", "oneOf"):
            if isinstance(schema.get(key), list):
                beside = {name: one for name, one in schema.items() if name != key}
                ways = [_merged([beside, resolved(one, self._root)]) for one in schema[key]]
                return st.one_of([self.of(way, depth + 1) for way in ways])
        if isinstance(schema.get("allOf"), list):
            beside = {name: one for name, one in schema.items() if name != "allOf"}
            return self.of(
                _merged([beside, *(resolved(one, self._root) for one in schema["allOf"])]), depth + 1
            )
        if "const" in schema or "enum" in schema:
            return st.sampled_from([schema["const"]] if "const" in schema else list(schema["enum"]))
        return self._of_kinds(schema, depth)

    def _reference(self, schema: dict[str, Any], reference: str, depth: int) -> Any:
        from hypothesis import strategies as st

        found = resolved(schema, self._root)
        if found is schema or (isinstance(found, Mapping) and "$ref" in found):
            raise ValueError(f"{reference} is not within it")
        if reference not in self._behind:  # a schema may refer to itself
            self._behind[reference] = st.deferred(lambda: self.of(found, depth + 1))
        return self._behind[reference]

    def _of_kinds(self, schema: dict[str, Any], depth: int) -> Any:
        from hypothesis import strategies as st

        said = schema.get("type")
        if said is None:
            said = "object" if set(schema) & _OBJECT else "array" if set(schema) & _ARRAY else None
        kinds = cast("list[Any]", said) if isinstance(said, list) else [said]
        return st.one_of([self._of_kind(kind, schema, depth) for kind in kinds])

    def _of_kind(self, kind: Any, schema: dict[str, Any], depth: int) -> Any:
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, depth)
        if kind is None:
            return anything()
        from hypothesis_jsonschema import from_schema

        return from_schema({**schema, "type": kind})

    def _object(self, schema: dict[str, Any], depth: int) -> Any:
        from hypothesis import strategies as st

        properties = cast("dict[str, Any]", schema.get("properties") or {})
        required = [str(name) for name in schema.get("required") or ()]
        if not properties and not required:
            inner = self.of(schema.get("additionalProperties", True), depth + 1)
            least = int(schema.get("minProperties", 0))
            return st.dictionaries(
                st.text(min_size=1, max_size=8), inner, min_size=least, max_size=least + _ROOM
            )
        must = {name: self.of(properties.get(name, True), depth + 1) for name in required}
        may = {name: self.of(one, depth + 1) for name, one in properties.items() if name not in must}
        return st.fixed_dictionaries(must, optional=may)

    def _array(self, schema: dict[str, Any], depth: int) -> Any:
        from hypothesis import strategies as st

        first = [self.of(one, depth + 1) for one in schema.get("prefixItems") or ()]
        if first:
            return st.tuples(*first).map(list)
        least = int(schema.get("minItems", 0))
        most = min(int(schema.get("maxItems", least + _ROOM)), least + _ROOM)
        distinct = _canonical if schema.get("uniqueItems") is True else None
        inner = self.of(schema.get("items", True), depth + 1)
        return st.lists(inner, min_size=least, max_size=max(least, most), unique_by=distinct)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _merged(schemas: list[Any]) -> Any:
    """One schema in place of several that all hold, as far as their keywords can simply stand beside each other."""
    made: dict[str, Any] = {}
    for schema in schemas:
        if schema is False:
            return False
        for key, value in schema.items() if isinstance(schema, Mapping) else ():
            if key == "properties":
                made[key] = {**made.get(key, {}), **value}
            elif key == "required":
                made[key] = [*dict.fromkeys([*made.get(key, ()), *value])]
            else:
                made[key] = value
    return made
