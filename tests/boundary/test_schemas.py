from __future__ import annotations

import dataclasses
from typing import Any, NotRequired, TypedDict

import jsonschema_rs
import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.boundary.schemas import MAX_KEYS, DeclaredSchema, LearntSchema, is_data_key
from gapless.errors import UsageError

_plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "b", "total", "x_1234", "2024-01-01"]), inner, max_size=4)
    ),
    max_leaves=12,
)


def _learnt(values: list[Any]) -> LearntSchema:
    schema = LearntSchema()
    for value in values:
        schema.observe(value)
    return schema


@settings(max_examples=150, deadline=None)
@given(st.lists(_plain, min_size=1, max_size=6))
def test_what_was_observed_never_breaches(values: list[Any]) -> None:
    schema = _learnt(values)
    validator = jsonschema_rs.validator_for(schema.to_json_schema())
    for value in values:
        assert schema.breaches(value) == ()
        assert validator.is_valid(value)


@settings(max_examples=100, deadline=None)
@given(st.lists(_plain, max_size=5), st.lists(_plain, max_size=5))
def test_merging_equals_learning_all_in_one_place(left: list[Any], right: list[Any]) -> None:
    merged, swapped = _learnt(left), _learnt(right)
    merged.merge(_learnt(right))
    swapped.merge(_learnt(left))
    together = _learnt(left + right)
    assert merged.to_json_schema() == together.to_json_schema() == swapped.to_json_schema()


def test_breaches_name_the_place_and_what_was_allowed() -> None:
    schema = _learnt([{"total": 12, "items": [{"id": "a"}]}, {"total": 1.5, "items": [], "note": None}])
    assert schema.breaches({"total": "12", "items": [{"id": 3}]}) == (
        "total is a string, not number",
        "items[].id is an integer, not string",
    )
    assert schema.breaches({"items": []}) == ("total is missing",)
    assert schema.breaches({"total": 3, "items": [], "new": True}) == (), "a new key is no breach"


def test_keys_that_are_data_share_one_schema() -> None:
    schema = _learnt([{"credit_card_4421486": {"brand": "visa"}}, {"gift_card_1234567": {"brand": "x"}}])
    assert schema.fields == {}
    assert schema.breaches({"certificate_9999999": {"brand": 4}}) != ()
    assert is_data_key("2024-05-20")
    assert not is_data_key("address1")


def test_memory_is_bounded_in_keys_and_in_depth() -> None:
    schema = LearntSchema()
    deep: Any = 1
    for _ in range(60):
        deep = {"next": deep}
    values = [{f"key{letter}{other}": 1} for letter in "abcdefghij" for other in "abcdefghij"]
    for value in [*values, deep]:
        schema.observe(value)
    assert len(values) > MAX_KEYS
    assert len(msgspec.json.encode(schema)) < 2_000
    assert all(schema.breaches(value) == () for value in [*values, deep])


def test_a_learner_travels_as_json() -> None:
    schema = _learnt([{"a": [1, {"b": None}]}])
    assert msgspec.json.decode(msgspec.json.encode(schema), type=LearntSchema) == schema


class _Typed(TypedDict):
    total: float
    note: NotRequired[str]


@dataclasses.dataclass
class _Data:
    total: float


class _Struct(msgspec.Struct):
    total: float


class _Model(pydantic.BaseModel):
    total: float = pydantic.Field(alias="TOTAL")


@pytest.mark.parametrize(
    "declared",
    [
        _Typed,
        _Data,
        _Struct,
        _Model,
        {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]},
    ],
    ids=["typeddict", "dataclass", "struct", "pydantic", "json-schema"],
)
def test_declared_schemas_of_every_form_say_the_same(declared: Any) -> None:
    schema = DeclaredSchema.of(declared)
    assert schema.breaches({"total": 1.5}) == ()
    assert len(schema.breaches({"total": "much"})) == 1
    assert schema.breaches({"total": "much"})[0].startswith("total: ")
    assert len(schema.breaches({})) == 1


def test_a_declaration_that_is_no_schema_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="is no schema"):
        DeclaredSchema.of(42)
    with pytest.raises(UsageError, match="no valid JSON Schema"):
        DeclaredSchema.of({"type": "nonsense"}).breaches(1)
    assert "cannot be validated" in DeclaredSchema.of({"type": "string"}).breaches(b"x")[0]
