"""Targets: what a user may name, and what they are told when it cannot be used."""

import sys

import pytest

from gapless.errors import InvalidTarget, MissingExtra, UsageError
from gapless.frameworks.target import adapt, load

GRAPH = """
from langgraph.graph import StateGraph, START
builder = StateGraph(dict)
builder.add_node("a", lambda state: {})
builder.add_edge(START, "a")
graph = builder.compile()
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def put(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return tmp_path

    yield put
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.parametrize(
    "target", ["flow_a.py:graph", "flow_a.py", "flow_a:graph", "flow_a", "flow_a.py:builder"]
)
def test_files_and_modules_with_and_without_a_name(write, target):
    workflow = load(target, root=write("flow_a.py", GRAPH))
    assert workflow.target == target
    assert [step.name for step in workflow.shape.steps] == ["a"]


def test_a_file_in_a_package_may_import_relatively(write):
    write("pack_b/__init__.py", "")
    write("pack_b/names.py", "NAME = 'graph'")
    root = write("pack_b/app.py", "from .names import NAME" + GRAPH)
    assert load("pack_b/app.py:graph", root=root).shape.steps[0].name == "a"
    assert "pack_b.app" in sys.modules


def test_a_file_named_like_an_installed_module_is_still_the_file(write):
    root = write("json.py", GRAPH)
    assert load("json.py", root=root).shape.steps[0].name == "a"
    assert sys.modules["json"].__file__ != str(root / "json.py")


def test_a_factory_is_called(write):
    made = GRAPH + "\ndef make(name='x'):\n    return graph\n\nasync def later():\n    return graph\n"
    root = write("flow_c.py", made)
    assert load("flow_c.py:make", root=root).shape.steps[0].name == "a"
    assert load("flow_c.py:later", root=root).shape.steps[0].name == "a"


@pytest.mark.parametrize(
    ("name", "text", "target", "message"),
    [
        (
            "e1.py",
            "import nowhere_to_be_found",
            "e1.py",
            r"ModuleNotFoundError: No module named 'nowhere_to_be_found' \(.*e1.py:1\)",
        ),
        ("e2.py", "x = 1\ny = x / 0", "e2.py:graph", r"ZeroDivisionError: division by zero \(.*e2.py:2\)"),
        ("e3.py", "def (", "e3.py:graph", r"SyntaxError: .*e3.py:1\)"),
        ("e4.py", "raise SystemExit(3)", "e4.py:graph", r"SystemExit: 3 \(.*e4.py:1\)"),
        (
            "e5.py",
            GRAPH + "other = builder.compile()",
            "e5.py",
            r"several graphs. Name one: e5.py:graph, e5.py:other",
        ),
        ("e6.py", "def answer(q): return q", "e6.py", r"holds no graph; it has answer"),
        ("e7.py", "def answer(q): return q", "e7.py:anser", r"has no 'anser'. It has answer"),
        ("e8.py", "graph = 3", "e8.py:graph", r"int is nothing gapless can run"),
        ("e9.py", "def make(): return 3", "e9.py:make", r"int is nothing gapless can run"),
        ("e0.py", "", "missing.py:graph", r"there is no file .*missing.py"),
        ("e0.py", "", "no_such_module_at_all:graph", r"No module named 'no_such_module_at_all'"),
    ],
)
def test_what_cannot_be_used_is_said_with_place_and_remedy(write, name, text, target, message):
    with pytest.raises(InvalidTarget, match=message):
        load(target, root=write(name, text))


def test_an_adapted_workflow_is_taken_as_it_is():
    workflow = adapt(lambda question: question)
    assert adapt(workflow) is workflow


def test_a_function_with_a_default_is_a_workflow_if_it_makes_none():
    def answer(question="?"):
        return question

    assert adapt(answer).shape.only_route() == ("answer",)


def test_without_langgraph_the_extra_is_named(monkeypatch):
    from gapless.frameworks.langgraph import record

    monkeypatch.setitem(sys.modules, "langgraph.graph", None)
    with pytest.raises(MissingExtra, match=r"pip install 'gapless\[langgraph\]'"):
        record(object())


def test_a_version_of_langgraph_that_cannot_be_recorded_is_named(monkeypatch):
    from gapless.frameworks.langgraph import need

    monkeypatch.setitem(sys.modules, "gapless.frameworks.langgraph.private", None)
    with pytest.raises(UsageError, match=r"LangGraph 1\..* cannot be recorded"):
        need()


async def test_an_async_factory_works_inside_a_running_loop() -> None:
    from gapless.frameworks.target import adapt

    async def make() -> object:
        def answer(question: str) -> str:
            return question

        return answer

    assert adapt(make).shape.steps[0].name == "answer"
