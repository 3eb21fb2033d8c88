"""Half a surrogate pair: refused in a suite with its place, escaped or counted as omitted in what a workflow does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gapless import step
from gapless.errors import InvalidSuite
from gapless.evals.suite import from_data, load
from gapless.operations.measure import Ask, measure_into
from gapless.operations.open import open_store
from gapless.operations.report import report_on
from gapless.operations.run import run_program
from gapless.records.trial import Verdict
from gapless.report.text import render
from gapless.settings import Place, Privacy, Settings

HALF = "a\ud83d"


@pytest.mark.parametrize(
    ("case", "place"),
    [
        ({"id": HALF, "input": 1}, "id holds"),
        ({"id": "a", "input": HALF}, "input holds"),
        ({"id": "a", "input": {"q": ["x", HALF]}}, "input.q[1] holds"),
        ({"id": "a", "input": {HALF: 1}}, "a key of input holds"),
        ({"id": "a", "group": HALF}, "group holds"),
        ({"id": "a", "slice": {"kind": HALF}}, "slice.kind holds"),
        ({"id": "a", "path": [HALF]}, "path[0] holds"),
        ({"id": "a", "golden": {"s": {"t": HALF}}}, "golden.s.t holds"),
        ({"id": "a", "checks": {"end": [{"exact": {"value": HALF}}]}}, "checks.end[0][1].value holds"),
    ],
)
def test_a_suite_says_where_it_is(tmp_path: Path, case: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidSuite) as raised:
        from_data([case])
    assert place in str(raised.value)
    str(raised.value).encode()  # the sentence itself can be printed
    (tmp_path / "suite.json").write_text(json.dumps([case]))
    with pytest.raises(InvalidSuite, match=r"suite\.json, case 1"):
        load(tmp_path / "suite.json")
    (tmp_path / "inputs.jsonl").write_text(json.dumps(HALF) + "\n")
    with pytest.raises(InvalidSuite, match=r"inputs\.jsonl:1"):
        load(tmp_path / "inputs.jsonl")


def test_a_suite_name_and_a_file_name_are_looked_at(tmp_path: Path) -> None:
    with pytest.raises(InvalidSuite, match="name holds"):
        from_data({"name": HALF, "cases": [1]})
    file = tmp_path / "caf\udce9.jsonl"
    try:
        file.write_text("1\n")
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system takes UTF-8 names only, as that of macOS does")
    with pytest.raises(InvalidSuite, match="the file's name holds"):
        load(file)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    database = f"sqlite:///{tmp_path / '.gapless' / 'gapless.db'}"
    return Place(root=str(tmp_path), settings=Settings(timeout_s=20), database=database)


@step
def speak(how: str) -> Any:
    """Hands over, raises or returns something that cannot be written down."""
    if how == "raises":
        raise ValueError(f"no letter: {HALF}")
    return {"value": HALF, "key": {HALF: 1}, "text": HALF, "fine": "fine"}[how]


def talk(how: str) -> Any:
    """The workflow."""
    return speak(how)


def never(context: Any) -> Verdict:
    """A check whose reason cannot be written down."""
    return Verdict(check="never", status="fail", reason=HALF)


@pytest.mark.parametrize("redact", [(), ("how",)])
async def test_what_a_workflow_does_with_it_is_recorded(place: Place, redact: tuple[str, ...]) -> None:
    place = Place(root=place.root, settings=Settings(privacy=Privacy(redact=redact)), database=place.database)
    suite = [{"id": how, "input": {"how": how}} for how in ("value", "key", "raises", "fine")]
    with open_store(place) as store:
        measured = await measure_into(store, talk, suite, Ask(), place=place)
        records = {record.case: record for record in store.records(measured.measurement.id)}
        assert {case: record.outcome for case, record in records.items()} == {
            "value": "unjudged",
            "key": "unjudged",
            "raises": "failed",
            "fine": "unjudged",
        }
        assert [records[case].omitted > 0 for case in ("value", "key", "raises", "fine")] == [
            True,
            True,
            False,
            False,
        ]
        error = records["raises"].error
        assert error is not None
        assert error.message == r"no letter: a\ud83d"
        render(report_on(store, measured.measurement)).encode()


async def test_a_check_may_say_it(place: Place) -> None:
    suite = [{"id": "a", "input": {"how": "fine"}, "checks": {"end": [never]}}]
    with open_store(place) as store:
        measured = await measure_into(store, talk, suite, Ask(), place=place)
        (run,) = store.runs(measured.measurement.id)
        assert r"a\ud83d" in run.why


PROGRAM = """
from typing import TypedDict
from langgraph.graph import END, START, StateGraph
class State(TypedDict, total=False):
    text: str
graph = StateGraph(State)
graph.add_node("write", lambda state: {"text": state["text"] + "!"})
graph.add_edge(START, "write")
graph.add_edge("write", END)
graph.compile().invoke({"text": "a\\ud83d"})
"""


@pytest.mark.parametrize("redact", [(), ("text",)])
def test_a_program_may_use_it(place: Place, tmp_path: Path, redact: tuple[str, ...]) -> None:
    place = Place(root=place.root, settings=Settings(privacy=Privacy(redact=redact)), database=place.database)
    (tmp_path / "program.py").write_text(PROGRAM)
    with open_store(place) as store:
        ran = run_program(store, tmp_path / "program.py", [], place)
        assert (ran.exit_code, ran.trials) == (0, 1)
        (record,) = store.records(ran.measurements[0].id)
        assert record.omitted > 0
