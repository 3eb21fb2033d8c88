"""How schemas changed: nothing where nothing did, whatever the order of keys; and no narrowing goes unseen."""

from __future__ import annotations

import json
import random
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gapless.probes.tool.drift import drift
from gapless.probes.tool.schema_drift import turns
from gapless.records.tools import Hints, Offer, ToolSchema

NAMES = st.sampled_from(["a", "b", "c"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["", "x", "yy"]), st.just(0.5)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=5,
)


def leaves() -> st.SearchStrategy[Any]:
    kinds = st.sampled_from(["string", "integer", "number", "boolean", "null"])
    return st.one_of(
        st.just({}),
        st.fixed_dictionaries({"type": kinds}, optional={"description": st.sampled_from(["p", "q"])}),
        st.fixed_dictionaries({"type": st.lists(kinds, min_size=1, max_size=3, unique=True)}),
        st.fixed_dictionaries({"enum": st.lists(SCALARS, min_size=1, max_size=3, unique_by=repr)}),
        st.fixed_dictionaries({"const": SCALARS}),
        st.fixed_dictionaries(
            {"type": st.just("integer")},
            optional={"minimum": st.integers(-2, 2), "maximum": st.integers(-2, 2)},
        ),
        st.fixed_dictionaries(
            {"type": st.just("string")},
            optional={"minLength": st.integers(0, 2), "maxLength": st.integers(0, 2)},
        ),
    )


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(NAMES, inner, max_size=3)},
            optional={
                "required": st.lists(NAMES, max_size=2, unique=True),
                "additionalProperties": st.one_of(st.booleans(), inner),
            },
        ),
        st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner}, optional={"minItems": st.integers(0, 2)}
        ),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=3)}),
    )


SCHEMAS = st.recursive(leaves(), nested, max_leaves=6)


def shuffled(value: Any, order: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        order.shuffle(keys)
        return {key: shuffled(value[key], order) for key in keys}
    return [shuffled(one, order) for one in value] if isinstance(value, list) else value


@given(SCHEMAS, st.randoms(use_true_random=False))
def test_a_schema_against_itself_is_no_drift_in_any_order_of_keys(schema: Any, order: random.Random) -> None:
    assert turns(schema, schema) == []
    assert turns(schema, shuffled(schema, order)) == []


@given(SCHEMAS, SCHEMAS)
def test_what_changed_one_way_changed_back_the_other_way(before: Any, after: Any) -> None:
    assert bool(turns(before, after)) == bool(turns(after, before))


@given(SCHEMAS, SCHEMAS, st.lists(VALUES, min_size=5, max_size=20))
def test_where_nothing_is_called_narrower_every_value_that_passed_still_does(
    before: Any, after: Any, values: list[Any]
) -> None:
    seen = {turned.turn for turned in turns(before, after)}
    assume(not seen & {"narrower", "other", "required", "field-removed", "field-added"})
    for value in values:
        if jsonschema_rs.is_valid(before, value):
            assert jsonschema_rs.is_valid(after, value), value


def tool(schema: Any = None, output: Any = None, **more: Any) -> ToolSchema:
    return ToolSchema(name="t", input_schema=schema, output_schema=output, **more)


def only(before: ToolSchema, after: ToolSchema) -> tuple[str, str]:
    (change,) = drift({"t": before}, Offer(name="s", tools=(after,)))
    return change.kind, change.where


def fields(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


TEXT, NUMBER = {"type": "string"}, {"type": "number"}
RECURSIVE = {
    "$defs": {
        "N": {
            "properties": {
                "v": {"type": "integer"},
                "n": {"anyOf": [{"$ref": "#/$defs/N"}, {"type": "null"}]},
            }
        }
    },
    "$ref": "#/$defs/N",
}
WIDER = json.loads(json.dumps(RECURSIVE).replace("integer", "number"))


@pytest.mark.parametrize(
    ("before", "after", "given_", "answered"),
    [
        (fields(a=TEXT), fields("a", a=TEXT), "breaking", "compatible"),
        (fields("a", a=TEXT), fields(a=TEXT), "compatible", "breaking"),
        (fields(a=TEXT), fields("b", a=TEXT, b=TEXT), "breaking", "compatible"),
        (fields(a=TEXT), fields(a=TEXT, b=TEXT), "compatible", "compatible"),
        (fields(a=TEXT, b=TEXT), fields(a=TEXT), "breaking", "breaking"),
        (fields(a=TEXT), fields(a=NUMBER), "breaking", "breaking"),
        (fields(a={"type": "integer"}), fields(a=NUMBER), "compatible", "breaking"),
        (fields(a=NUMBER), fields(a={"type": "integer"}), "breaking", "compatible"),
        (fields(a=TEXT), fields(a={"anyOf": [{"type": "null"}, TEXT]}), "compatible", "breaking"),
        (fields(a={"enum": ["x", "y"]}), fields(a={"enum": ["x"]}), "breaking", "compatible"),
        (fields(a={"enum": ["x"]}), fields(a={"enum": ["y", "x"]}), "compatible", "breaking"),
        (fields(a=TEXT), fields(a={"type": "string", "maxLength": 9}), "breaking", "compatible"),
        (fields(a=TEXT), fields(a=TEXT) | {"additionalProperties": False}, "breaking", "compatible"),
        (fields(a={"type": "array"}), fields(a={"type": "array", "items": TEXT}), "breaking", "compatible"),
        (fields(a=TEXT), fields(a={"type": "string", "description": "d"}), "description", "description"),
        (fields(a=TEXT), fields(a={"type": "string", "not": {"const": "x"}}), "breaking", "compatible"),
        (fields(a={"if": TEXT}), fields(a={"if": NUMBER}), "breaking", "breaking"),
        (
            fields(a={"type": "string", "default": "x"}),
            fields(a={"type": "string", "default": "y"}),
            "breaking",
            "description",
        ),
        (RECURSIVE, WIDER, "compatible", "breaking"),
    ],
)
def test_a_change_is_judged_by_who_has_to_follow_it(
    before: Any, after: Any, given_: str, answered: str
) -> None:
    kinds = {c.kind for c in drift({"t": tool(before)}, Offer(name="s", tools=(tool(after),)))}
    worst = next(kind for kind in ("breaking", "compatible", "description") if kind in kinds)
    assert worst == given_
    kinds = {c.kind for c in drift({"t": tool({}, before)}, Offer(name="s", tools=(tool({}, after),)))}
    assert next(kind for kind in ("breaking", "compatible", "description") if kind in kinds) == answered


def test_whole_tools_schemas_words_and_hints() -> None:
    assert [(c.kind, c.said) for c in drift({"t": tool({})}, Offer(name="s"))] == [
        ("breaking", "the tool is gone")
    ]
    (new,) = drift({}, Offer(name="s", tools=(tool({}),)))
    assert (new.kind, new.said) == ("compatible", "the tool is new")
    declared = tool(fields(a=TEXT))
    assert only(tool({"$schema": "x"}), declared) == ("breaking", "input")
    assert only(declared, tool({})) == ("breaking", "input")
    assert only(tool({}), tool({}, {})) == ("compatible", "output")
    assert only(tool({}, {}), tool({})) == ("breaking", "output")
    assert only(tool({}, description="a"), tool({}, description="b")) == ("description", "description")
    reads, silent = Hints(read_only=True), Hints()
    assert only(tool({}, annotations=reads), tool({}, annotations=silent)) == ("breaking", "annotations")
    assert only(tool({}, annotations=silent), tool({}, annotations=reads)) == ("compatible", "annotations")


def test_a_schema_that_is_nested_too_deeply_is_no_crash() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(400):
        deep = {"type": "array", "items": deep}
    assert turns(deep, deep) == []
    assert turns(deep, {"type": "array", "items": deep})


NARROW = {"$anchor": "F", "type": "object", "properties": {"id": TEXT}, "required": ["id"]}
NARROWER = {
    "$anchor": "F",
    "type": "object",
    "properties": {"id": NUMBER, "pin": TEXT},
    "required": ["id", "pin"],
}
BEHIND = {"$ref": "#/$defs/F"}


@pytest.mark.parametrize(
    "field",
    [
        BEHIND,
        {"$ref": "#F"},
        {"$ref": "#/$defs/L/anyOf/0"},
        BEHIND | {"required": ["other"]},
        {"allOf": [BEHIND], "description": "d"},
        {"oneOf": [BEHIND, {"type": "null"}], "discriminator": {"propertyName": "kind"}},
        {"type": "object", "oneOf": [BEHIND, {"maxProperties": 0}]},
        {"type": "array", "prefixItems": [BEHIND]},
        {"type": "array", "items": [BEHIND]},
        {"type": "object", "patternProperties": {".*": BEHIND}},
        {"type": "object", "dependentSchemas": {"a": BEHIND}},
        {"if": BEHIND, "then": {"minProperties": 1}},
        {"not": {"anyOf": [BEHIND]}},
        {"type": "array", "contains": BEHIND},
        {"type": "object", "unknownKeyword": 1, "additionalProperties": {"allOf": [BEHIND]}},
    ],
)
def test_no_definition_changes_unseen_wherever_it_is_referred_to(field: Any) -> None:
    def whole(definition: Any, note: str) -> Any:
        body = {"type": "object", "properties": {"filter": field}, "description": note}
        return body | {"$defs": {"F": definition, "L": {"anyOf": [definition]}}}

    assert turns(whole(NARROW, "p"), whole(NARROW, "p")) == []
    changes = drift({"t": tool(whole(NARROW, "p"))}, Offer(name="s", tools=(tool(whole(NARROWER, "q")),)))
    assert changes[0].kind == "breaking", changes


def test_other_names_and_another_order_are_no_drift() -> None:
    def tree(name: str) -> Any:
        inner = {"type": "object", "properties": {"n": {"$ref": f"#/$defs/{name}"}}, "required": ["n", "m"]}
        return {"allOf": [{"$ref": f"#/$defs/{name}"}], "$defs": {name: inner}}

    other = tree("Leaf")
    other["$defs"]["Leaf"]["required"] = ["m", "n"]
    assert turns(tree("Node"), other) == []


def test_what_only_lies_about_is_read_too() -> None:
    (seen,) = turns({"$defs": {"A": {"description": "a"}}}, {"$defs": {"A": {"description": "b"}}})
    assert seen.turn == "text"


def test_what_cannot_be_followed_is_not_taken_for_reviewed() -> None:
    far = {"properties": {"a": {"$ref": "https://example.com/a.json"}}, "required": ["a"]}
    assert turns(far, far) == []
    assert "other" in {one.turn for one in turns(far, far | {"description": "b"})}
    elsewhere = {"properties": {"a": {"$ref": "https://example.com/b.json"}}, "required": ["a"]}
    assert "other" in {one.turn for one in turns(far, elsewhere)}


def test_a_malformed_keyword_that_changed_is_no_reviewed_one() -> None:
    assert [one.turn for one in turns({"required": "a"}, {"required": "b"})] == ["other"]
    changed = turns({"required": "a", "title": "A"}, {"required": "b", "title": "B"})
    assert "other" in {one.turn for one in changed}


def test_references_that_multiply_take_no_time() -> None:
    def bomb(kind: str) -> Any:
        defs: dict[str, Any] = {"d0": {"type": kind}}
        for n in range(1, 60):
            below = {"$ref": f"#/$defs/d{n - 1}"}
            defs[f"d{n}"] = {"not": {"allOf": [below, below]}}
        return {"$ref": "#/$defs/d59", "$defs": defs}

    assert [one.turn for one in turns(bomb("string"), bomb("number"))] == ["other"]
