"""The small parts of an answer: pieces, sampled values, draws, templates."""

from __future__ import annotations

import math
import re
from pathlib import Path
from statistics import median
from typing import Any

import jsonschema_rs
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gapless.testing.fake_llm import Fault, Latency, Lognormal, Spread, parse_script
from gapless.testing.fake_llm.asked import Asked, Turn, pieces
from gapless.testing.fake_llm.luck import Luck
from gapless.testing.fake_llm.sample import sample
from gapless.testing.fake_llm.template import TemplateFailed, fill

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "fake-llm.md"


@given(st.text())
def test_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text
    assert all(pieces(text))


SCHEMAS: list[dict[str, Any]] = [
    {"type": "object", "properties": {"a": {"type": "string", "minLength": 6}}, "required": ["a"]},
    {"type": "array", "items": {"type": "integer", "minimum": 4}, "minItems": 2},
    {"anyOf": [{"const": 5}, {"type": "null"}]},
    {"$ref": "#/$defs/x", "$defs": {"x": {"enum": ["p", "q"]}}},
    {"type": ["boolean", "null"]},
    {"properties": {"n": {"type": "number"}, "s": {"type": "string", "maxLength": 2}}},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_a_sample_fits_its_schema(schema: dict[str, Any]) -> None:
    assert jsonschema_rs.is_valid(schema, sample(schema))


def test_a_schema_that_refers_to_itself_ends() -> None:
    tree: Any = {"type": "object", "properties": {"child": {"$ref": "#"}}, "required": ["child"]}
    assert "child" in sample(tree)


def test_rates_hold_over_many_questions() -> None:
    faults = {"429": Fault(rate=0.1), "empty": Fault(rate=0.3)}
    drawn = [Luck(0, f"question {number}", 0).fault(faults) for number in range(4000)]
    for name, rate in (("429", 0.1), ("empty", 0.3), (None, 0.6)):
        assert abs(drawn.count(name) / 4000 - rate) < 4 * math.sqrt(rate * (1 - rate) / 4000)


def test_latency_follows_its_distribution() -> None:
    slow = Latency(ttft_ms=Spread(lognormal=Lognormal(median=200, sigma=0.5)))
    firsts = [Luck(0, f"question {number}", 0).pace(slow).first_s for number in range(2000)]
    assert median(firsts) == pytest.approx(0.2, rel=0.1)
    assert Luck(0, "q", 0).pace(slow).first_s == Luck(0, "q", 0).pace(slow).first_s
    assert Luck(0, "q", 1).pace(slow).first_s != Luck(0, "q", 0).pace(slow).first_s


def test_the_same_question_has_the_same_digest_whatever_its_bookkeeping() -> None:
    turns = (Turn(role="user", text="hi"),)
    whole = Asked(endpoint="chat", model="m", turns=turns)
    assert (
        whole.digest == Asked(endpoint="chat", model="m", turns=turns, stream=True, include_usage=True).digest
    )
    assert whole.digest != Asked(endpoint="chat", model="m", turns=turns, seed=1).digest
    assert whole.digest != Asked(endpoint="responses", model="m", turns=turns).digest


def test_templates_run_no_code_and_are_filled_once() -> None:
    assert fill("{{ user }}", {"user": "{{ 7 * 7 }}"}) == "{{ 7 * 7 }}"
    with pytest.raises(TemplateFailed):
        fill("{{ user.__class__.__mro__[1].__subclasses__() }}", {"user": "x"})
    with pytest.raises(TemplateFailed):
        fill("{{ groups[3] }}", {"groups": ()})


def test_the_scripts_in_the_how_to_are_right() -> None:
    blocks = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", PAGE.read_text(encoding="utf-8"), re.M)
    scripts = [yaml.safe_load(block) for block in blocks if block.lstrip().startswith(("rules:", "seed:"))]
    assert len(scripts) == 2
    for script in scripts:
        parse_script(script, str(PAGE))
