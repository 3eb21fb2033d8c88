"""Suites from every format are one record, and whatever is wrong is one error that names place, value and remedy."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from gapless.errors import InvalidSuite
from gapless.evals.checks.base import CheckContext, build, judge_all
from gapless.evals.suite import from_data, from_inputs, load, validate_against
from gapless.records.suite import Case, CheckSpec, Suite
from gapless.records.workflow import Shape, Step

YAML = """\
- id: c1
  group: supplier-7
  split: tune
  slice: {category: cap-on-liability, answerable: true}
  input: {query: "the cap?", when: 2026-01-02}
  path: [retrieve, call_tool, synthesize]
  golden: {retrieve: {retrieved: [d1, d2]}}
  checks:
    end:
      - numeric: {path: total, value: 12, tol: 0.01}
      - grounded_figures
    retrieve:
      - recall_at_k: {k: 5, min: 0.8}
- id: c2
  input: {query: "no", when: 2026-01-03}
"""
CASES: list[dict[str, Any]] = [
    {
        "id": "c1",
        "group": "supplier-7",
        "split": "tune",
        "slice": {"category": "cap-on-liability", "answerable": True},
        "input": {"query": "the cap?", "when": "2026-01-02"},
        "path": ["retrieve", "call_tool", "synthesize"],
        "golden": {"retrieve": {"retrieved": ["d1", "d2"]}},
        "checks": {
            "end": [{"numeric": {"path": "total", "value": 12, "tol": 0.01}}, "grounded_figures"],
            "retrieve": [{"recall_at_k": {"k": 5, "min": 0.8}}],
        },
    },
    {"id": "c2", "input": {"query": "no", "when": "2026-01-03"}},
]


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def error_of(folder: Path, name: str, text: str) -> str:
    with pytest.raises(InvalidSuite) as caught:
        load(written(folder, name, text))
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{folder}/", "")


def test_every_format_gives_the_same_record(tmp_path: Path) -> None:
    suite = load(written(tmp_path, "a.yaml", YAML))
    lines = "\n".join(json.dumps(case) for case in CASES)
    others = [
        load(written(tmp_path, "a.jsonl", lines)),
        load(written(tmp_path, "b.jsonl", "\ufeff" + lines.replace("\n", "\r\n\n"))),
        load(written(tmp_path, "a.json", json.dumps(CASES))),
        load(written(tmp_path, "b.json", json.dumps({"cases": CASES}))),
        load(written(tmp_path, "c.py", f"cases = {CASES!r}")),
        load(
            Path(str(written(tmp_path, "d.py", f"def mine():\n    return {{'cases': {CASES!r}}}")) + ":mine")
        ),
        from_data(CASES),
        from_data([Case(id="c1", **_record_fields(suite)), CASES[1]]),
    ]
    for other in others:
        assert other.cases == suite.cases
        assert other.digest() == suite.digest()
    assert suite.name == "a"
    assert suite.cases[0].slice["answerable"] == "true"
    assert suite.cases[0].checks["end"][1] == CheckSpec(name="grounded_figures")


def _record_fields(suite: Suite) -> dict[str, Any]:
    case = suite.cases[0]
    return {
        name: getattr(case, name) for name in ("group", "split", "slice", "input", "path", "golden", "checks")
    }


def test_a_python_file_may_hold_a_suite_and_import_its_neighbours(tmp_path: Path) -> None:
    written(tmp_path, "neighbour_of_suite.py", "QUESTION = 'q'")
    text = "from gapless import Case, Suite\nfrom neighbour_of_suite import QUESTION\nsuite = Suite(name='mine', seed=3, cases=(Case(id='a', input=QUESTION),))"
    suite = load(written(tmp_path, "s.py", text))
    assert (suite.name, suite.seed, suite.cases[0].input) == ("mine", 3, "q")


def test_csv(tmp_path: Path) -> None:
    text = 'id,group,split,slice.kind,input.query,input.deep.n,expected,expected.total\nc1,g,test,x,"a, b",1,yes,\nc2,,,,q,2,,12\n'
    suite = load(written(tmp_path, "a.csv", text))
    one, two = suite.cases
    assert one.input == {"query": "a, b", "deep": {"n": "1"}}
    assert (one.group, one.split, one.slice) == ("g", "test", {"kind": "x"})
    assert one.checks["end"][0].params == {"path": "", "value": "yes", "as_text": True}
    assert (two.group, two.slice, two.checks["end"][0].params["path"]) == (None, {}, "total")
    semicolons = load(written(tmp_path, "b.csv", "id;input;expected\nc1;q;1,5\n"))
    assert semicolons.cases[0].checks["end"][0].params["value"] == "1,5"
    assert load(written(tmp_path, "c.csv", "question,city\nwho?,Rome\n")).cases[0].input == {
        "question": "who?",
        "city": "Rome",
    }


async def test_what_a_csv_file_expects_holds_for_numbers_too(tmp_path: Path) -> None:
    case = load(written(tmp_path, "a.csv", "input,expected.total\nq,12\n")).cases[0]
    context = CheckContext(case=case, where="end", value={"total": 12})
    verdicts = await judge_all([build(spec) for spec in case.checks["end"]], context)
    assert [verdict.status for verdict in verdicts] == ["pass"]


def test_checks_of_the_whole_suite_hold_where_a_case_has_none_of_its_own(tmp_path: Path) -> None:
    text = "name: mine\nseed: 7\nchecks: {end: [grounded_names], a: [golden]}\ncases:\n- {id: x}\n- {id: y, checks: {end: }}\n"
    suite = load(written(tmp_path, "a.yml", text))
    assert (suite.name, suite.seed) == ("mine", 7)
    assert [spec.name for spec in suite.cases[0].checks["end"]] == ["grounded_names"]
    assert suite.cases[1].checks == {"end": (), "a": (CheckSpec(name="golden"),)}


def test_yaml_words_stay_words(tmp_path: Path) -> None:
    text = "- {id: 007, input: [no, yes, on, 12:30, 1e3, true, 1.5, 2026-01-02, 0x1f, ~], group: 8}"
    case = load(written(tmp_path, "a.yaml", text)).cases[0]
    assert (case.id, case.group) == ("007", "8")
    assert case.input == ["no", "yes", "on", "12:30", "1e3", True, 1.5, "2026-01-02", 31, None]


def test_yaml_anchors_and_merges(tmp_path: Path) -> None:
    text = "checks: {}\ncases:\n- &first {id: a, input: 1, group: g}\n- {<<: *first, id: b}\n"
    assert [(c.id, c.group) for c in load(written(tmp_path, "a.yaml", text)).cases] == [
        ("a", "g"),
        ("b", "g"),
    ]


@pytest.mark.parametrize("read", [load, from_inputs])
def test_inputs_without_labels(tmp_path: Path, read: Any) -> None:
    lines = '"one"\n{"query": "two"}\n["three"]\n4\nnull\n'
    suite = read(written(tmp_path, "inputs.jsonl", lines))
    assert [(c.id, c.input) for c in suite.cases] == [
        ("c1", "one"),
        ("c2", {"query": "two"}),
        ("c3", ["three"]),
        ("c4", 4),
        ("c5", None),
    ]
    assert [c.input for c in read(written(tmp_path, "inputs.txt", "one\n\ntwo\n")).cases] == ["one", "two"]
    assert [c.input for c in read(written(tmp_path, "i.json", '["one", {"q": 2}]')).cases] == [
        "one",
        {"q": 2},
    ]
    labelled = read(written(tmp_path, "l.jsonl", '{"id": "x", "input": {"q": 1}}\n{"input": {"q": 2}}'))
    assert [(c.id, c.input) for c in labelled.cases] == [("x", {"q": 1}), ("c2", {"q": 2})]
    assert not any(case.checks for case in suite.cases)


def test_an_input_may_have_keys_of_a_case_when_the_file_holds_inputs(tmp_path: Path) -> None:
    file = written(tmp_path, "inputs.jsonl", '{"id": 5, "question": "who?"}')
    assert from_inputs(file).cases[0].input == {"id": 5, "question": "who?"}
    with pytest.raises(InvalidSuite, match=r"write \{input: \{\.\.\.\}\}"):
        load(file)


def test_live_data_becomes_plain() -> None:
    suite = from_data([{"input": {"when": dt.date(2026, 1, 2), "tags": ("a",)}}], name="live")
    assert suite.cases[0].input == {"when": "2026-01-02", "tags": ["a"]}
    assert [case.input for case in from_data(["one", {"query": "two"}]).cases] == ["one", {"query": "two"}]
    assert from_data(suite) is suite


BAD = [
    (
        "a.yaml",
        "- id: x\n  inptu: 1\n",
        ["a.yaml:2", "unknown key `inptu`", "Did you mean `input`?", "Allowed: id"],
    ),
    ("a.yaml", "- id: x\n- id: y\n- id: x\n", ["a.yaml:3", "'x' is already used at a.yaml:1", "rename"]),
    ("a.jsonl", '{"id": "x"}\n{"id": "x"}', ["a.jsonl:2", "'x' is already used at a.jsonl:1"]),
    ("a.jsonl", '{"id": "x"}\n{"id": "y"', ["a.jsonl:2: is no JSON", "column 11"]),
    ("a.json", '[{"id": "x"},\n {"id": ]', ["a.json:2: is no JSON"]),
    ("a.json", '[{"id": "x", "id": "y"}]', ["a.json:1", "key `id` stands twice"]),
    ("a.yaml", "- id: x\n  id: y\n", ["a.yaml:1", "key `id` stands twice"]),
    ("a.yaml", "- id: [x\n", ["a.yaml:", "is no YAML"]),
    ("a.yaml", "- !!python/object:os.system {}\n", ["a.yaml:1", "is no YAML"]),
    ("a.yaml", "", ["a.yaml: holds no cases"]),
    ("a.yaml", "cases: {}\n", ["`cases` is no list"]),
    ("a.yaml", "id: x\n", ["one mapping without `cases`"]),
    ("a.yaml", "nmae: x\ncases: [{id: x}]\n", ["a.yaml:1", "unknown key `nmae`", "Did you mean `name`?"]),
    ("a.yaml", "seed: a\ncases: [{id: x}]\n", ["seed is 'a', allowed is a whole number"]),
    (
        "a.yaml",
        "- {id: x, split: tset}\n",
        ["case 'x'", "split is 'tset'", "tune, cal, test", "Did you mean `test`?"],
    ),
    ("a.yaml", "- {id: x, path: retrieve}\n", ["path is 'retrieve', allowed is a list of steps"]),
    ("a.yaml", "- {id: x, golden: [1]}\n", ["golden is [1]", "mapping from steps"]),
    ("a.yaml", "- {id: x, slice: [1]}\n", ["slice is [1], allowed is a mapping"]),
    ("a.yaml", "- {id: [1]}\n", ["id is [1], allowed is a text"]),
    ("a.yaml", "- {id: x, input: {n: .nan}}\n", ["input.n is no number", "case 'x'"]),
    ("a.json", '[{"id": "x", "golden": {"a": {"b": [1, NaN]}}}]', ["golden.a.b[1] is no number"]),
    ("a.yaml", "- {id: x, checks: [exact]}\n", ["checks is ['exact']", "mapping from `end` or a step"]),
    (
        "a.yaml",
        "- id: x\n  checks:\n    end:\n    - exat: 1\n",
        [
            "a.yaml:4, case 'x', checks.end",
            "unknown check `exat`",
            "Did you mean `exact`?",
            "Available: contains",
        ],
    ),
    (
        "a.yaml",
        "- id: x\n  checks:\n    end:\n    - numeric:\n      path: total\n",
        ["a.yaml:4", "the keys numeric, path", "Indent its parameters"],
    ),
    (
        "a.yaml",
        "- {id: x, checks: {end: [{numeric: {tolerance: 1}}]}}\n",
        ["unknown parameter `tolerance`", "tol"],
    ),
    (
        "a.yaml",
        "- {id: x, checks: {end: [{numeric: {tol: wide}}]}}\n",
        ["check `numeric`", "`float`", "`$.tol`", "wide"],
    ),
    ("a.yaml", "- {id: x, checks: {end: [{numeric: {tol: -1}}]}}\n", ["tol is -1", "0 or more"]),
    ("a.yaml", "- {id: x, checks: {end: [{numeric: {tol: .nan}}]}}\n", ["tol is no number (NaN"]),
    ("a.yaml", "- {id: x, checks: {end: [{numeric: {path: 'a..b'}}]}}\n", ["'a..b' is no path"]),
    ("a.yaml", "- {id: x, checks: {end: [{regex: '('}]}}\n", ["pattern '(' is no regular expression"]),
    ("a.yaml", "- {id: x, checks: {end: [{regex: {}}]}}\n", ["check `regex`", "pattern"]),
    ("a.yaml", "- {id: x, checks: {end: [{trajectory: sideways}]}}\n", ["check `trajectory`", "sideways"]),
    ("a.yaml", "- {id: x, checks: {end: [{json_schema: {schema: {type: 7}}}]}}\n", ["no valid JSON Schema"]),
    ("a.yaml", "- {id: x, checks: {end: [{json_schema: gone.json}]}}\n", ["gone.json cannot be read"]),
    ("a.yaml", "- {id: x, checks: {end: [{python: gone_module:f}]}}\n", ["gone_module cannot be imported"]),
    ("a.yaml", "- {id: x, checks: {end: [{python: 'json:gone'}]}}\n", ["json has no function 'gone'"]),
    ("a.yaml", "- {id: x, checks: {end: [{golden: 3}]}}\n", ["check `golden`", "allowed is a mapping"]),
    ("a.yaml", "- {id: x, checks: {end: [4]}}\n", ["4 is no check"]),
    ("a.yaml", "- {id: x}\n- just text\n", ["a.yaml, case 2", "'just text' is no case"]),
    ("a.csv", "id,input\nc1\n", ["a.csv:2", "1 cells, the header has 2 columns"]),
    ("a.csv", "id,id\nc1,c2\n", ["a.csv:1", "column `id` stands twice"]),
    ("a.csv", "id,inptu\nc1,c2\n", ["a.csv:2", "unknown key `inptu`"]),
    ("a.csv", 'id,input\nc1,"a\n', ["a.csv:", "is no CSV"]),
    ("a.toml", "x = 1", ["ending in '.toml' is no suite", ".yaml"]),
    ("a.py", "raise RuntimeError('boom')", ["a.py raised RuntimeError: boom"]),
    ("a.py", "x = 1", ["has no `suite` or `cases`"]),
    ("a.py", "def cases(): 1 / 0", ["a.py:cases raised ZeroDivisionError"]),
    ("a.py", "cases = 3", ["expected a list of cases", "got int"]),
    ("a.py", "cases = [{'id': 'x', 'input': object()}]", ["case 'x'", "without a plain form"]),
]


@pytest.mark.parametrize(
    ("name", "text", "words"), BAD, ids=[f"{i}-{name}" for i, (name, _, _) in enumerate(BAD)]
)
def test_bad_suites_end_in_one_clear_error(tmp_path: Path, name: str, text: str, words: list[str]) -> None:
    message = error_of(tmp_path, name, text)
    for expected in words:
        assert expected in message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidSuite, match=r"gone\.yaml: cannot be read: No such file"):
        load(tmp_path / "gone.yaml")
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(InvalidSuite, match="cannot be read: Is a directory"):
        load(tmp_path / "folder.yaml")
    file = tmp_path / "latin.yaml"
    file.write_bytes("- {id: x,\n input: Köln}".encode("latin-1"))
    with pytest.raises(InvalidSuite, match=r"latin\.yaml:2: is not UTF-8 \(byte 0xf6\)"):
        load(file)
    with pytest.raises(InvalidSuite, match="does not exist"):
        load(tmp_path / "gone.py")
    with pytest.raises(InvalidSuite, match="no_such_module_x cannot be imported"):
        load(Path("no_such_module_x:cases"))


SHAPE = Shape(steps=(Step(name="retrieve"), Step(name="draft")))


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ({"golden": {"retreive": {}}}, "golden names step `retreive`"),
        ({"path": ["retrieve", "write"]}, "path names step `write`"),
        ({"checks": {"retriev": ["golden"]}}, "Did you mean `retrieve`"),
        ({"checks": {"end": [{"trajectory": {"path": ["x"]}}]}}, "check `trajectory` names step `x`"),
        ({"checks": {"end": [{"latency": {"max_ms": 1, "step": "x"}}]}}, "check `latency` names step `x`"),
        ({"checks": {"end": [{"grounded_figures": {"evidence": ["input.q", "x.docs"]}}]}}, "names step `x`"),
    ],
)
def test_steps_that_the_workflow_does_not_have(case: dict[str, Any], words: str) -> None:
    suite = from_data([{"id": "c1", **case}])
    with pytest.raises(InvalidSuite) as caught:
        validate_against(suite, SHAPE)
    assert words in str(caught.value)
    assert "case 'c1'" in str(caught.value)
    assert "retrieve, draft" in str(caught.value)
    validate_against(suite, Shape())


def test_steps_that_the_workflow_has() -> None:
    case = {
        "golden": {"retrieve": {}, "end": 1, "outer/draft": {}},
        "path": ["draft"],
        "checks": {
            "end": [{"grounded_figures": {"evidence": ["input", "state", "draft[0]"]}}],
            "draft": ["golden"],
        },
    }
    validate_against(from_data([case]), SHAPE)


async def test_checks_of_ones_own_lie_beside_the_suite(tmp_path: Path) -> None:
    written(tmp_path, "mine.py", "def good(context, least=0):\n    return context.value > least\n")
    written(tmp_path, "shape.json", '{"type": "integer"}')
    text = "checks:\n  end:\n  - python: mine.py:good\n  - python: {function: mine.py:good, params: {least: 9}}\n  - json_schema: shape.json\ncases: [{id: x}]\n"
    suite = load(written(tmp_path, "a.yaml", text))
    specs = suite.cases[0].checks["end"]
    context = CheckContext(case=suite.cases[0], where="end", value=5)
    verdicts = await judge_all([build(spec) for spec in specs], context)
    assert [verdict.status for verdict in verdicts] == ["pass", "fail", "pass"]
    assert specs[2].params == {"schema": {"type": "integer"}}
    before = suite.digest()
    assert load(tmp_path / "a.yaml").digest() == before
    written(tmp_path, "mine.py", "def good(context, least=0):\n    return True\n")
    changed = load(tmp_path / "a.yaml")
    assert changed.digest() != before
    verdicts = await judge_all([build(spec) for spec in changed.cases[0].checks["end"]], context)
    assert [verdict.status for verdict in verdicts] == ["pass", "pass", "pass"]


def is_five(context: CheckContext) -> bool:
    return context.value == 5


async def test_live_functions_are_checks() -> None:
    suite = from_data([{"id": "x", "checks": {"end": [is_five]}}])
    spec = suite.cases[0].checks["end"][0]
    assert spec.params["function"].endswith(":is_five")
    context = CheckContext(case=suite.cases[0], where="end", value=5)
    assert [verdict.status for verdict in await judge_all([build(spec)], context)] == ["pass"]
    lambdas = [lambda context: context.value == 5, lambda context: context.value == 6]
    case = from_data([{"checks": {"end": lambdas}}]).cases[0]
    verdicts = await judge_all([build(spec) for spec in case.checks["end"]], context)
    assert [verdict.status for verdict in verdicts] == ["pass", "fail"]
    limit = 5
    with pytest.raises(InvalidSuite, match="uses variables of the function round it"):
        from_data([{"id": "x", "checks": {"end": [lambda context: context.value == limit]}}])


def test_a_suite_is_the_same_wherever_it_lies(tmp_path: Path) -> None:
    text = "def right(context):\n    return True\n\ncases = [{'id': 'x', 'checks': {'end': [right]}}]\n"
    digests = set()
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        suite = load(written(tmp_path / folder, "suite.py", text))
        assert suite.cases[0].checks["end"][0].params["function"] == "suite.py:right"
        digests.add(suite.digest())
    assert len(digests) == 1
