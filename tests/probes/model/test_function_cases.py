"""How function calls are judged: on our own corpus, and on BFCL's cases where they are at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gapless.probes.base import ProbeUnavailable
from gapless.probes.model.corpus import EXTRACTIONS, FUNCTION_CASES, FunctionCase
from gapless.probes.model.endpoints.base import Reply
from gapless.probes.model.function_cases import (
    CATEGORIES,
    Call,
    cases,
    matched,
    parsed,
    read_category,
    right,
    schema_of,
    truth,
    valid,
)
from gapless.probes.model.functions import Answered
from gapless.probes.model.structured import fits

BFCL = Path(__file__).parents[4] / "shared" / "data" / "bfcl_v4_cases"
needs_bfcl = pytest.mark.skipif(not BFCL.is_dir(), reason="the BFCL cases are not there")
UNTRUE: dict[tuple[str, int], str] = {
    ("parallel_multiple_21", 1): "arrays are given as the text data['sales']",
    ("parallel_multiple_26", 1): "an argument `type` that the schema does not have",
    ("parallel_multiple_94", 0): "words where the schema says integers",
}
"""(case, place among its calls): calls of the published ground truth that break their own published schema, and how."""


def broken(case: FunctionCase, call: tuple[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """The call with each of its required arguments dropped, and renamed."""
    name, arguments = call
    (tool,) = [tool for tool in case.tools if tool["name"] == name][:1]
    found: list[tuple[str, dict[str, Any]]] = []
    for key in tool["parameters"].get("required", []):
        rest = {k: v for k, v in arguments.items() if k != key}
        found += [(name, rest), (name, rest | {f"{key}_x": arguments.get(key)})]
    return found


@needs_bfcl
@pytest.mark.parametrize("category", CATEGORIES)
def test_every_ground_truth_call_passes_the_schema_check_and_a_broken_one_fails(category: str) -> None:
    read = list(read_category(BFCL, category))
    assert len(read) > 150
    checked = failed = 0
    for case in read:
        for i, call in enumerate(truth(case)):
            assert valid(case, call) != ((case.id, i) in UNTRUE), (case.id, call)
            checked += 1
            for worse in broken(case, call):
                assert not valid(case, worse), (case.id, worse)
                failed += 1
        assert matched(case, truth(case)), case.id
    assert checked >= len(read)
    assert failed > len(read)


@needs_bfcl
def test_a_few_of_each_category_are_asked() -> None:
    found, source = cases(BFCL)
    assert source == "BFCL v4"
    assert len(found) == 28
    assert sum(not case.calls and not case.any_call for case in found) == 4
    assert sum(len(case.calls) > 1 for case in found) == 8


def test_our_own_corpora_are_right_by_their_own_rules() -> None:
    for case in FUNCTION_CASES:
        assert matched(case, truth(case))
        assert all(valid(case, call) for call in truth(case))
        assert not any(valid(case, worse) for call in truth(case) for worse in broken(case, call))
    for text in EXTRACTIONS:
        assert fits(text.schema, text.right)
        assert not fits(text.schema, text.right | {"extra": 1})
        assert not fits(text.schema, {})
    assert [text.kind for text in EXTRACTIONS[:6]] == ["flat", "enum", "array", "nested", "union", "optional"]


def test_a_folder_without_cases_is_said(tmp_path: Path) -> None:
    with pytest.raises(ProbeUnavailable, match="none of BFCL's files"):
        cases(tmp_path)
    (tmp_path / "BFCL_v4_multiple.json").write_text("{oops")
    with pytest.raises(ProbeUnavailable, match="cannot be read"):
        cases(tmp_path)


def test_arguments_are_right_as_bfcl_says() -> None:
    said = {"city": ["Rome", "Roma"], "days": [3], "unit": ["C", ""], "where": [{"x": [1], "y": [2, ""]}]}
    good = {"city": "rome", "days": 3, "where": {"x": 1}}
    assert right(said, good)
    assert right(said, good | {"unit": "C", "where": {"x": 1, "y": 2}})
    for wrong in (
        {"days": 4},
        {"unit": "F"},
        {"more": 1},
        {"days": "3"},
        {"days": True},
        {"where": {"x": 2}},
    ):
        assert not right(said, good | wrong), wrong
    assert not right(said, {"city": "Rome", "where": {"x": 1}})


def test_bfcls_types_become_json_schema() -> None:
    said = {
        "type": "dict",
        "properties": {"type": {"type": "float"}, "x": {"type": "tuple", "items": {"type": "any"}}},
        "optional": True,
    }
    properties = {"type": {"type": "number"}, "x": {"type": "array", "items": {}}}
    assert schema_of(said) == {"type": "object", "properties": properties}


def judged(case: FunctionCase, made: list[Call] | None) -> Answered:
    return Answered(case, made, Reply(intended_s=0.0, started_s=0.0))


def test_silence_is_told_from_a_wrong_call() -> None:
    one = next(case for case in FUNCTION_CASES if len(case.calls) == 1)
    none = next(case for case in FUNCTION_CASES if not case.calls)
    both = next(case for case in FUNCTION_CASES if len(case.calls) == 2)
    assert judged(one, []).silent
    assert not judged(one, parsed([("get_weather", "{")])).silent
    assert not judged(one, parsed([("other", "{}")])).named
    assert not judged(both, truth(both)[:1]).right
    assert judged(both, truth(both)[::-1]).right
    assert judged(none, []).right
    assert not judged(none, [("get_stock", {"article": 1})]).right


@pytest.mark.parametrize(
    "line", ['{"id": "a"}', "[1]", '{"id": "a", "question": [], "function": []}', '{"id": 1, "question": 2}']
)
def test_a_file_of_another_form_is_said(tmp_path: Path, line: str) -> None:
    (tmp_path / "BFCL_v4_irrelevance.json").write_text(line)
    with pytest.raises(ProbeUnavailable, match="irrelevance is not of BFCL's form"):
        cases(tmp_path)
