"""Values come back in their classes, or not at all; and making them calls nobody who was not asked."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import importlib
import math
import types
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from langchain_core.messages import AIMessage, ToolMessage
from pydantic import BaseModel, Field

from gapless.records.form import CannotRebuild, fitted, form_of, misfit, rebuild
from gapless.records.value import to_plain


class Colour(enum.Enum):
    RED = "r"
    PAIR = (1, 2)


@dataclasses.dataclass(frozen=True)
class Page:
    text: str
    span: Any = None


class Model(BaseModel):
    n: int = 0
    note: str | None = None
    any: Any = None


class Wider(Model):
    extra: int = 5


class Holder(BaseModel):
    inner: Model


class Hiding(BaseModel):
    seen: int = 0
    hidden: int = Field(default=1, exclude=True)


class Own(Exception):
    pass


class Pair(NamedTuple):
    a: int
    b: Any


class Ordered(collections.OrderedDict[Any, Any]):
    pass


def again(value: Any) -> Any:
    return rebuild(to_plain(value), form_of(value))


@pytest.mark.parametrize(
    "value",
    [
        {Colour.RED},
        {(1, 2), (3, 4)},
        frozenset({frozenset({1}), frozenset({2, 3})}),
        {dt.date(2026, 1, 2)},
        {1: "a", "b": 2},
        {(1, "x"): 3},
        {Colour.RED: 1, True: 2},
        {1.5: 1, None: 2, b"\x00": 3},
        {dt.date(2026, 1, 2): 1},
        Ordered({1: 2}),
        collections.defaultdict(list, {"a": [1]}),
        Colour.PAIR,
        2**70,
        bytearray(b"ab"),
        ValueError("no"),
        Own("no"),
        Pair(1, (2,)),
        types.MappingProxyType({"a": (1,)}),
        Model(any=(1, Page("x", (0, 1)))),
        Holder(inner=Model(n=2)),
        ToolMessage(content="x", tool_call_id="1", artifact=Page("y")),
        {"a/b": {"~": (1,)}},
        dt.timedelta(days=2, microseconds=3),
        Path("/a/b"),
        math.inf,
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_value_comes_back_in_its_classes_at_every_depth(value: Any) -> None:
    made = again(value)
    assert made == value or (made.args == value.args)
    assert type(made) is type(value)
    assert form_of(made) == form_of(value)


def test_arrays_keep_their_type_and_shape() -> None:
    for value in (
        np.array([0.1], dtype=np.float32),
        np.zeros((0, 3)),
        np.array(5),
        np.arange(6).reshape(2, 3),
    ):
        made = again(value)
        assert (made.dtype, made.shape) == (value.dtype, value.shape)
        assert np.array_equal(made, value)


def test_a_model_keeps_what_was_never_set() -> None:
    made = again(Model(n=1))
    assert made.model_fields_set == {"n"}  # a graph writes no None over what is there
    assert again(AIMessage(content="hi")).model_fields_set == AIMessage(content="hi").model_fields_set


@pytest.mark.parametrize(
    "value",
    [
        {1: "a", "1": "b"},
        Own("a", 2),
        KeyError("k"),
        Holder(inner=Wider(extra=7)),
        Hiding(hidden=2),
        np.array([1, "a"], dtype=object),
    ],
    ids=["keys that read the same", "arguments", "key error", "a subclass", "an excluded field", "objects"],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_plain_data_says_too_little_of_is_refused(value: Any) -> None:
    with pytest.raises(CannotRebuild):
        again(value)


@pytest.mark.parametrize("name", ["subprocess:Popen", "threading:Thread", "socket:socket", "os:system"])
def test_a_form_from_somebody_elses_store_calls_no_class_that_takes_no_plain_data(
    tmp_path: Path, name: str
) -> None:
    importlib.import_module(name.partition(":")[0])  # loaded, as in any program
    with pytest.raises(CannotRebuild):
        rebuild(["touch", str(tmp_path / "made")], {"": name})
    assert fitted(["touch", str(tmp_path / "made")], {"": name}) == ["touch", str(tmp_path / "made")]
    assert not (tmp_path / "made").exists()


def test_another_value_is_made_as_far_as_it_fits() -> None:
    form = form_of({"page": Page("x", (0, 1)), "tags": {"a"}, "day": dt.date(2026, 1, 2)})
    made = fitted({"page": {"text": "y", "span": [2, 3]}, "tags": 5, "day": "soon"}, form)
    assert made == {"page": Page("y", (2, 3)), "tags": 5, "day": "soon"}
    assert fitted({"n": 4}, form_of(Model(n=1, note="x"))) == Model(n=4)
    assert misfit({"n": "no"}, form_of(Model())) is not None
    assert misfit({"txet": "a"}, form_of(Page("x"))) is not None
    assert misfit({"text": "a"}, form_of(Page("x"))) is None
