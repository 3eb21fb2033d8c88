"""A fingerprint stays the same in every process, and changes with the code a workflow reaches."""

import importlib
import itertools
import os
import subprocess
import sys
import time

import pytest
from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.tools import tool

from gapless.frameworks.target import adapt, load

APP = """
from langgraph.graph import StateGraph, START
from langchain_core.prompts import ChatPromptTemplate
import helpers
from helpers import clean as tidy

PROMPT = "Answer shortly"
LIMIT = 3
CACHE = {"a": object(), "b": {1, 2, 3}}
chat = ChatPromptTemplate.from_messages([("user", "{query}")])

def unrelated():
    return 1

def shorten(text):
    return text[:LIMIT]

def make(suffix):
    def node(state):
        return {"answer": tidy(shorten(PROMPT)) + suffix + helpers.sign()}
    return node

def route(state):
    return "b"

class Callable:
    def __call__(self, state):
        return {}

def build():
    graph = StateGraph(dict)
    graph.add_node("a", make("!"))
    graph.add_node("b", lambda state: chat.invoke(state))
    graph.add_node("c", Callable())
    graph.add_edge(START, "a")
    graph.add_conditional_edges("a", route, ["b", "c"])
    return graph.compile()

graph = build()
"""
HELPERS = """
def clean(text):
    return text.strip()

def sign():
    return mark()

def mark():
    return "s"
"""
PROBE = "from gapless.frameworks.target import load; print(load('app.py:graph').fingerprint)"


@pytest.fixture
def printed(tmp_path, monkeypatch):
    """The fingerprint of a version of the program."""
    versions = itertools.count()
    monkeypatch.setattr(sys, "path", list(sys.path))

    def take(app=APP, helpers=HELPERS):
        for name in ("app", "helpers"):
            sys.modules.pop(name, None)
        folder = tmp_path / str(next(versions))
        folder.mkdir()
        (folder / "app.py").write_text(app)
        (folder / "helpers.py").write_text(helpers)
        importlib.invalidate_caches()
        return load("app.py:graph", root=folder).fingerprint

    yield take
    for name in ("app", "helpers"):
        sys.modules.pop(name, None)


def test_it_is_the_same_in_every_process(tmp_path, printed):
    here = printed()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", PROBE]
        done = subprocess.run(
            command, cwd=tmp_path / "0", env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == here


def test_it_ignores_comments_and_code_that_is_not_reached(printed):
    first = printed()
    assert printed() == first
    assert printed(APP.replace("def shorten(text):", "# why\n\n\ndef shorten(text):  # short")) == first
    assert printed(APP.replace("return 1", "return 2")) == first


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"Answer shortly"', '"Answer at length"'),
        ("LIMIT = 3", "LIMIT = 4"),
        ("text[:LIMIT]", "text[LIMIT:]"),
        ('make("!")', 'make("?")'),
        ('return "b"', 'return "c"'),
        ("lambda state: chat", "lambda state: 1 or chat"),
        ("return {}\n", "return None\n"),
        ('"user", "{query}"', '"system", "{query}"'),
        ('["b", "c"])', '["b", "c", "a"])'),
    ],
)
def test_it_changes_with_what_the_steps_reach(printed, old, new):
    assert old in APP
    assert printed(APP.replace(old, new)) != printed()


def test_it_follows_imports_into_the_programs_own_modules(printed):
    assert printed(helpers=HELPERS.replace("text.strip()", "text.lstrip()")) != printed()
    assert printed(helpers=HELPERS.replace('return "s"', 'return "t"')) != printed()


def test_an_agents_prompt_and_tools_count():
    def fingerprint(prompt, *tools):
        model = GenericFakeChatModel(messages=iter([]))
        return adapt(create_agent(model, list(tools), system_prompt=prompt)).fingerprint

    @tool
    def weather(city: str) -> str:
        """Weather of a city."""
        return city

    @tool("weather", description="Weather of a town.")
    def described(city: str) -> str:
        return city

    assert fingerprint("short", weather) == fingerprint("short", weather)
    several = {fingerprint("short", weather), fingerprint("long", weather), fingerprint("short", described)}
    assert len(several) == 3


class Mute(str):
    """A text that cannot be printed."""

    def __str__(self):
        raise ValueError("no text")

    __repr__ = __str__
    __hash__ = str.__hash__


class Nothing:
    """A proxy without its object: asking for anything raises, even for its class."""

    def __getattribute__(self, name):
        raise RuntimeError("unbound")

    def __repr__(self):
        raise RuntimeError("unbound")


class Key:
    """A key without a text."""

    def __repr__(self):
        raise ValueError("no text")


def closing_over(value):
    def work(text):
        return value, text

    return work


def itself(kind):
    held = [] if kind == "list" else {}
    held.append(held) if kind == "list" else held.update(me=held, other=[held])
    return held


def deep(levels):
    held = ["x"]
    for _ in range(levels):
        held = [held]
    return held


HELD = {
    "a key that raises": {Key(): 1, Mute("a"): 2, "b": Mute("c")},
    "a bare proxy": Nothing(),
    "a proxy": [Nothing(), {"a": Nothing()}],
    "a list that holds itself": itself("list"),
    "a dict that holds itself": itself("dict"),
    "deeper than the stack": deep(100_000),
    "many numbers": list(range(1_000_000)),
    "many rows": [{"id": n, "tags": ["a", n]} for n in range(100_000)],
    "a long number": 10**10_000,
    "a long text": "x" * 20_000_000,
    "half a letter": ["\ud83d", {"\ud83d": 1}],
}


@pytest.mark.parametrize("what", HELD)
def test_whatever_a_closure_holds_it_has_a_fingerprint(what):
    value = HELD[what]
    began = time.perf_counter()
    work = adapt(closing_over(value))
    assert time.perf_counter() - began < 5
    assert work.fingerprint == adapt(closing_over(value)).fingerprint


def test_plain_data_in_a_closure_counts_in_its_order():
    prints = [
        adapt(closing_over(value)).fingerprint
        for value in ([1, 2], [2, 1], {"a": 1, "b": 2}, {"a": 2, "b": 1})
    ]
    assert len(set(prints)) == 4


def test_code_behind_much_data_still_counts(printed):
    app = "rows = [{{'n': [n]}} for n in range(30_000)]\ndef make(rows, after):\n    return lambda text: after(text, rows)\ndef after(text, rows):\n    return text + {!r}\ngraph = make(rows, after)\n"
    assert printed(app.format("a")) != printed(app.format("b"))


def test_values_exchanged_within_a_contract_are_another_contract() -> None:
    from gapless.boundary.contract import Contract
    from gapless.boundary.guards.gate import Gate
    from gapless.boundary.signals.score_margin import ScoreMargin
    from gapless.frameworks.fingerprint import fingerprint_code

    def contract(first: int, second: int) -> Contract:
        signals = {"a": ScoreMargin(scores="x", k=first), "b": ScoreMargin(scores="x", k=second)}
        return Contract(gate=Gate(signals=signals, calibrated="gates.json"))

    assert fingerprint_code([contract(5, 6)]) == fingerprint_code([contract(5, 6)])
    assert fingerprint_code([contract(5, 6)]) != fingerprint_code([contract(6, 5)])
    assert fingerprint_code([Contract(timeout_s=1, deadline_s=2)]) != fingerprint_code(
        [Contract(timeout_s=2, deadline_s=1)]
    )


def test_a_model_that_the_environment_names_counts(tmp_path, monkeypatch):
    text = """
import os
from langchain_openai import ChatOpenAI
from langgraph.graph import START, StateGraph

model = ChatOpenAI(model=os.environ["NAMED_MODEL"], api_key=os.environ["NAMED_KEY"], base_url="http://127.0.0.1:9/v1")

def ask(state):
    return {"answer": model.invoke(state["query"]).content}

graph = StateGraph(dict).add_node(ask).add_edge(START, "ask").compile()

def alone(query):
    return model.invoke(query).content
"""
    (tmp_path / "named_model_app.py").write_text(text)

    def prints(named, key):
        monkeypatch.setenv("NAMED_MODEL", named)
        monkeypatch.setenv("NAMED_KEY", key)
        sys.modules.pop("named_model_app", None)
        return [load(f"named_model_app.py:{name}", root=tmp_path).fingerprint for name in ("graph", "alone")]

    first, again, other_key, other = (
        prints(*said) for said in (("one", "k"), ("one", "k"), ("one", "l"), ("two", "k"))
    )
    assert first == again == other_key  # a secret is no part of what a workflow is
    assert not set(first) & set(other)
