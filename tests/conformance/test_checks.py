"""What every check of the shelf must do: build from its example, answer whatever it is given, and say why."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapless.errors import InvalidSuite
from gapless.evals.checks.base import (
    MISSING,
    TABLE,
    CheckContext,
    available,
    build,
    check_class,
    prepare,
    run_check,
)
from gapless.evals.suite import load
from gapless.records.suite import Case, CheckSpec
from gapless.records.trial import StepEvent, Verdict

ATOMS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=4)
)
PLAIN = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["answer", "total", "id", "retrieved", "suppliers", "type"])
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
CHECKS = sorted(TABLE)
DOCS = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-suite.md"


def example(name: str) -> CheckSpec:
    return prepare(CheckSpec(name=name, params=check_class(name).example), Path())


@pytest.mark.parametrize("name", CHECKS)
def test_it_builds_from_its_example(name: str) -> None:
    assert build(example(name)).name == name  # type: ignore[attr-defined]
    assert name in available()


@pytest.mark.parametrize("name", CHECKS)
@settings(max_examples=60, deadline=None)
@given(value=PLAIN, golden=PLAIN | st.just(MISSING), events=st.booleans())
def test_it_never_raises_and_always_says_why(name: str, value: Any, golden: Any, events: bool) -> None:
    context = CheckContext(
        case=Case(id="c", input="in"),
        where="end",
        value=value,
        golden=golden,
        events=(StepEvent(step="a", output="x"), StepEvent(step="b", output="x")) if events else (),
        load={"x": value}.__getitem__,
    )
    for params in ({}, example(name).params):
        try:
            check = build(CheckSpec(name=name, params=params))
        except InvalidSuite:
            assert params == {}
            continue
        verdict = asyncio.run(run_check(check, context))
        assert isinstance(verdict, Verdict)
        assert verdict.check == name
        assert verdict.status == "pass" or verdict.reason
        assert "raised" not in verdict.reason or name == "python", verdict.reason
        assert verdict.score is None or verdict.score == verdict.score


@pytest.mark.parametrize("name", CHECKS)
def test_a_wrong_parameter_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidSuite, match=f"check `{name}`: unknown parameter `gone_astray`"):
        build(CheckSpec(name=name, params={**example(name).params, "gone_astray": 1}))
    for field in dataclasses.fields(check_class(name)):
        if field.type != "Any":
            with pytest.raises(InvalidSuite, match=f"check `{name}`"):
                build(CheckSpec(name=name, params={**example(name).params, field.name: object()}))


@pytest.mark.parametrize("name", CHECKS)
def test_it_is_described(name: str) -> None:
    kind = check_class(name)
    assert kind.__doc__
    assert kind.__doc__.startswith("Passes when")
    assert re.search(rf"^\| `{name}` \|", DOCS.read_text(encoding="utf-8"), re.M), (
        "not in docs/how-to/write-a-suite.md"
    )


def test_every_example_of_the_page_is_a_suite(tmp_path: Path) -> None:
    (tmp_path / "assessment.json").write_text('{"type": "object"}')
    (tmp_path / "checks.py").write_text(
        "def names_the_cap(context, least):\n    return True\n\nf = names_the_cap\n"
    )
    page = DOCS.read_text(encoding="utf-8")
    examples = [cell.replace("\\|", "|") for cell in re.findall(r"^\| `\w+` \|.*\| `(.*)` \|$", page, re.M)]
    assert len(examples) == len(CHECKS)
    short = re.findall(r"`(\w+: [^`{]+)`", page.split("Most have a short form")[1].splitlines()[0])
    assert len(short) == 5
    lines = "".join(f"    - {text}\n" for text in (*examples, *short))
    (tmp_path / "all.yaml").write_text(f"- checks:\n    end:\n{lines}", encoding="utf-8")
    assert len(load(tmp_path / "all.yaml").cases[0].checks["end"]) == len(CHECKS) + 5
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", page, re.S)):
        (tmp_path / f"{number}.yaml").write_text(block, encoding="utf-8")
        assert load(tmp_path / f"{number}.yaml").cases
