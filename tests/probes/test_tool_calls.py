"""What the probes say of tools that are called: on functions and documents, which need no process of their own."""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import tool_functions
import tool_server
from click.testing import CliRunner
from http_shop import document, shop

from gapless.cli.main import cli
from gapless.frameworks.mcp.reading import tools_of
from gapless.frameworks.target import find
from gapless.probes.base import ProbeUnavailable, Subject
from gapless.probes.shelf import probe
from gapless.probes.tool import called, partial, steady
from gapless.probes.tool.visit import Mixed, Repeated, Together, Tried, Visit
from gapless.records.finding import Finding
from gapless.records.tools import Offer, ToolAnswer, ToolSchema
from gapless.settings import ServerSettings

CALLS: list[str] = []
"""Of the module that the probes load from this file."""


def remove_order(order: str) -> str:
    """Removes an order."""
    CALLS.append(order)
    return "removed"


def look_up(order: str) -> str:
    """Looks an order up."""
    return "Error: no such table" if order else "nothing"


def delete_order(order: str) -> str:
    """Deletes an order."""
    return "Error: no such order"


def open_order(order: str) -> dict[str, str]:
    """Opens an order."""
    if not order:
        raise ValueError("order must not be empty")
    return {"order": order}


def read_order(order: str) -> dict[str, str]:
    """Reads an order."""
    if order == "gone":
        raise ConnectionError("the order book is down")
    return {"order": order}


def subject(name: str, *, file: str = __file__, **more: Any) -> Subject:
    effects = more.pop("allow_effects", False)
    server = ServerSettings(
        functions=f"{file}:{name}", **({"read_only": ("look_*", "read_*", "open_*")} | more)
    )
    return Subject(servers={"orders": server}, seconds=15.0, allow_effects=effects)


def found(name: str, of: Subject) -> Finding:
    (finding,) = probe(name)(of)
    return finding


def test_an_error_that_is_answered_to_right_arguments_is_no_success() -> None:
    seen = found("tool-honesty", subject("look_up"))
    assert seen.status == "fail"
    assert "look_up" in seen.said


def test_a_tool_that_acts_and_dresses_its_error_as_success_is_found() -> None:
    of = subject("delete_order", allow_effects=True)
    told = found("tool-honesty", of)
    assert told.status == "fail"
    assert "delete_order answered success with the text 'Error: no such order'" in told.said
    with pytest.raises(ProbeUnavailable, match="only errors came from orders: delete_order"):
        found("tool-twice", of)


def test_arguments_that_must_fail_are_named_by_the_user() -> None:
    told = found("tool-honesty", subject("read_order", failing={"read_order": {"order": "gone"}}))
    assert "read_order with order" in told.said  # it takes anything for a text
    lies = found("tool-honesty", subject("read_order", failing={"read_order": {"order": "there"}}))
    assert "read_order with arguments that must fail was answered with success" in lies.said


def test_arguments_that_work_are_named_by_the_user() -> None:
    errors = found("tool-at-once", subject("open_order"))
    assert "only errors came from orders: open_order" in errors.said
    works = found("tool-at-once", subject("open_order", arguments={"open_order": {"order": "A-1"}}))
    assert "only errors" not in works.said


def test_tools_that_are_not_safe_are_called_with_leave_only() -> None:
    calls = find(f"{__file__}:CALLS")
    without = subject("remove_order")
    with pytest.raises(ProbeUnavailable, match="no tool is declared read-only"):
        found("tool-twice", without)
    assert calls == []
    made = found("tool-twice", subject("remove_order", allow_effects=True))
    assert made.status == "ok"
    assert "cannot be seen" in made.said
    assert calls


def booking() -> list[Any]:
    """A tool that says it may be repeated, and counts its calls where no reading tool shows it."""
    from langchain_core.tools import StructuredTool

    made: list[str] = []

    def book(order: str) -> int:
        made.append(order)
        return len(made)

    acting = {"readOnlyHint": False, "idempotentHint": True, "destructiveHint": False}
    return [StructuredTool.from_function(book, description="Books an order.", metadata=acting)]


BOOKING = booking()


def test_a_tool_that_may_be_repeated_and_answers_otherwise_is_named() -> None:
    told = found("tool-twice", subject("BOOKING", allow_effects=True))
    assert (told.status, "answered otherwise by orders: book" in told.said) == ("warn", True), told.said
    assert "nobody can tell whether it acted twice" in told.next_step


def test_a_document_without_an_address_says_why_nothing_was_called(tmp_path: Path) -> None:
    (tmp_path / "api.json").write_text(json.dumps(document()))
    bare = Subject(servers={"shop": ServerSettings(openapi=str(tmp_path / "api.json"))})
    for name in (
        "tool-honesty",
        "tool-latency",
        "tool-cancel",
        "tool-fuzz",
        "tool-twice",
        "tool-at-once",
        "tool-partial",
    ):
        with pytest.raises(ProbeUnavailable, match="base_url"):
            found(name, bare)
    assert found("tool-lint", bare).status in ("ok", "warn")


def test_a_document_is_called_and_fuzzed(tmp_path: Path) -> None:
    (tmp_path / "api.json").write_text(json.dumps(document()))
    with shop() as service:
        server = ServerSettings(openapi=str(tmp_path / "api.json"), base_url=service.url)
        of = Subject(servers={"shop": server}, seconds=30.0)
        assert found("tool-server", of).status == "ok"
        assert found("tool-output", of).status == "ok"
        honest = found("tool-honesty", of)
        assert honest.status == "ok", honest.said
        with suppress(ProbeUnavailable):  # what is answered at once cannot be given up
            assert found("tool-cancel", of).status == "ok"
        wrong = found("tool-fuzz", of)  # it takes numbers above the largest that its document allows
        assert wrong.status == "fail"
        assert "showPet" in wrong.said
        assert {path.split("?")[0] for path, _ in service.asked} >= {
            "/pets/0",
            "/pets",
            "/gapless_no_such_tool",
        }
        again = CliRunner().invoke(cli, shlex.split(wrong.command)[1:])
        assert "its own schema refuses these arguments" in again.stdout
        assert again.exit_code == 0


def test_what_fuzzing_found_is_sent_again_by_the_command_beside_it() -> None:
    of = Subject(servers={"orders": tool_functions.source("price_per_piece", read_only=("*",))}, seconds=30.0)
    made = found("tool-fuzz", of)
    assert '{"price": 0, "pieces": 0}' in made.said
    assert "--allow-effects" in made.command  # it is safe only because the user says so
    again = CliRunner().invoke(cli, shlex.split(made.command)[1:])
    assert again.exit_code == 1
    assert "ZeroDivisionError" in again.stdout


def answer(text: str = "a", ended: Any = "answered", **more: Any) -> ToolAnswer:
    return ToolAnswer(ended=ended, text=text, **more)


def visited(monkeypatch: pytest.MonkeyPatch, room: Any, **more: Any) -> None:
    visit = Visit("orders", offer=Offer(name="orders", tools=(ToolSchema(name="t"),)), **more)
    monkeypatch.setattr(room, "heard", lambda subject: (visit,))


@pytest.mark.parametrize(
    ("told", "status", "said"),
    [
        (
            {"declared": True, "moved": ("list",), "watched": ("list",)},
            "fail",
            "its second call shows in list",
        ),
        (
            {"declared": True, "second": answer("already there", "tool-error")},
            "fail",
            "its second call failed",
        ),
        ({"declared": False, "moved": ("list",), "watched": ("list",)}, "ok", "acts each time, as it says"),
        ({"declared": True, "watched": ("list",)}, "ok", "watched through list"),
    ],
)
def test_what_the_second_call_did_decides(
    monkeypatch: pytest.MonkeyPatch, told: dict[str, Any], status: str, said: str
) -> None:
    one = Repeated(**({"tool": "t", "first": answer(), "second": answer()} | told))
    visited(monkeypatch, steady, repeated=[one])
    (made,) = steady.twice(Subject())
    assert made.status == status
    assert said in made.said


def test_answers_that_differ_are_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    visited(monkeypatch, steady, called=[Tried("t", answer("1")), Tried("t", answer("2"))])
    (made,) = steady.twice(Subject())
    assert (made.status, "orders: t" in made.said) == ("warn", True)


@pytest.mark.parametrize(
    ("answers", "steady_alone", "status"),
    [
        ((answer("a"), answer("a")), True, "ok"),
        ((answer("a"), answer("b")), True, "fail"),
        ((answer("a"), answer("b")), False, "ok"),
        ((answer("a"), answer("locked", "tool-error")), False, "fail"),
        ((answer("a"), answer("", "timeout")), True, "fail"),
    ],
)
def test_calls_at_the_same_time_are_held_against_calls_alone(
    monkeypatch: pytest.MonkeyPatch, answers: Any, steady_alone: bool, status: str
) -> None:
    visited(monkeypatch, steady, together=[Together("t", answers, steady_alone, answer("a"))])
    (made,) = steady.at_once(Subject())
    assert made.status == status


A, B = answer("a"), answer("b")


@pytest.mark.parametrize(
    ("answers", "alone", "status", "said"),
    [
        ((A, B), ((A, A), (B, B)), "ok", "2 with different arguments to 1 tool had each its own answer"),
        ((B, B), ((A, A), (B, B)), "fail", "gave 1 of 2 calls at the same time the answer to another"),
        ((answer("c"), B), ((A, A), (B, B)), "fail", "answered otherwise in 1 of 2"),
        ((answer("", "timeout"), B), ((A, A), (B, B)), "fail", "left 1 of 2"),
        ((answer("c"), B), ((A, answer("d")), (B, B)), "ok", "t, whose answers change by themselves"),
    ],
)
def test_different_arguments_at_the_same_time_get_their_own_answers(
    monkeypatch: pytest.MonkeyPatch, answers: Any, alone: Any, status: str, said: str
) -> None:
    one = Mixed("t", answers, alone, 2)
    visited(monkeypatch, steady, together=[Together("t", (A,), True, A)], mixed=[one])
    (made,) = steady.at_once(Subject())
    assert (made.status, said in made.said) == (status, True), made.said


def test_a_server_that_keeps_the_last_argument_for_all_calls_is_found() -> None:
    sick = found("tool-at-once", Subject(servers={"orders": tool_server.command("keeps")}, seconds=30.0))
    assert "the answer to another call's arguments" in sick.said
    well = found(
        "tool-at-once", Subject(servers={"orders": tool_server.command("keeps-apart")}, seconds=30.0)
    )
    assert (well.status, "had each its own answer" in well.said) == ("ok", True), well.said


def test_a_tool_with_a_clock_in_its_answers_is_not_compared() -> None:
    of = Subject(servers={"orders": tool_functions.source("find_order_now", read_only=("*",))}, seconds=30.0)
    made = found("tool-at-once", of)
    assert made.status == "ok"
    assert "find_order_now, whose answers change by themselves" in made.said
    assert made.undecided.startswith("different arguments")


def test_the_user_names_the_different_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    from gapless.probes.tool import survey
    from gapless.probes.tool.visit import Fuzzed

    monkeypatch.setattr(survey, "fuzz", lambda tool, *_, **__: Fuzzed(tool.name, unable="no library"))
    several = ({"order": "A-1"}, {"order": "A-2"}, {"order": "A-3"})
    servers = {
        "orders": tool_functions.source("find_order", read_only=("*",), arguments={"find_order": several})
    }
    assert found("tool-at-once", Subject(servers=servers, seconds=30.0)).status == "fail"
    servers = {"orders": tool_functions.source("find_order", read_only=("*",))}
    alone = found("tool-at-once", Subject(servers=servers, seconds=30.0))
    assert (alone.status, alone.undecided.startswith("different arguments")) == ("ok", True)


@pytest.mark.parametrize(
    ("told", "status"),
    [
        (answer(ms=2500.0), "warn"),
        (answer(ms=2500.0, progress=(1.0, 2.0)), "ok"),
        (answer(progress=(1.0, 1.0)), "fail"),
    ],
)
def test_long_calls_say_something(monkeypatch: pytest.MonkeyPatch, told: ToolAnswer, status: str) -> None:
    visited(monkeypatch, partial, called=[Tried("t", told)])
    (made,) = partial.progress(Subject())
    assert made.status == status


def test_a_call_that_was_answered_before_it_was_given_up_shows_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quick = Visit("orders", given_up=ToolAnswer(ended="answered"))
    monkeypatch.setattr(called, "heard", lambda subject: (quick,))
    with pytest.raises(ProbeUnavailable, match="orders had answered before the call could be given up"):
        found("tool-cancel", Subject())


def took(*ms: float) -> list[Tried]:
    return [Tried("t", answer(ms=one)) for one in (5000.0, *ms)]  # the first call warms the tool up


@pytest.mark.parametrize(
    ("calls", "status", "said", "undecided"),
    [
        (took(*[100.0] * 72), "ok", "p95 100.0 ms in 72 calls", ""),
        (took(*[100.0] * 69, *[1500.0] * 3), "ok", "p95 100.0 ms", "p95 may be as high as 1,500 ms"),
        (took(*[100.0] * 68, *[1500.0] * 4), "warn", "p95 1500.0 ms", ""),
        (
            took(*[100.0] * 19),
            "ok",
            "p75 100.0 ms in 19 calls",
            "p95 is not estimable from n=19: n of at least 72",
        ),
        (took(100.0, 100.0), "ok", "100.0 ms at most in 2 calls", "from n=2: n of at least 72"),
        (took(*[100.0] * 14, *[1500.0] * 5), "warn", "p95 at least 1500.0 ms", ""),
        (took(1500.0), "warn", "1500.0 ms at most in 1 call", ""),
    ],
)
def test_time_is_held_against_the_highest_quantile_that_there_is(
    monkeypatch: pytest.MonkeyPatch, calls: list[Tried], status: str, said: str, undecided: str
) -> None:
    visited(monkeypatch, called, called=calls)
    (made,) = called.latency(Subject())
    assert made.status == status
    assert said in made.said
    assert undecided in made.undecided
    assert bool(made.undecided) == bool(undecided)


def test_a_quantile_that_is_not_estimable_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    visited(monkeypatch, called, called=took(*[100.0] * 19))
    (made,) = called.latency(Subject())
    assert [figure.name for figure in made.figures] == ["orders: t, p50", "orders: t, p75"]


def broken_order(order: str) -> dict[str, str]:
    """Reads an order."""
    raise ConnectionError("the order book is down")


@pytest.mark.parametrize("name", ["tool-output", "tool-partial"])
def test_where_every_call_failed_that_is_the_reason(name: str) -> None:
    of = subject("broken_order", read_only=("*",))
    with pytest.raises(ProbeUnavailable) as failed:
        found(name, of)
    said = str(failed.value)
    assert said.startswith(
        "no call was answered, first: ConnectionError: the order book is down; only errors"
    )
    assert "declared read-only" not in said


def test_where_nothing_declares_its_answers_that_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    visited(monkeypatch, called, called=[Tried("t", answer())])
    with pytest.raises(ProbeUnavailable, match="no tool that answered declares an output schema"):
        list(called.output(Subject()))


def one_tool(monkeypatch: pytest.MonkeyPatch, told: ToolAnswer, schema: Any, **more: Any) -> None:
    tool = ToolSchema(name="t", output_schema=schema)
    visit = Visit("orders", offer=Offer(name="orders", tools=(tool,)), called=[Tried("t", told)], **more)
    monkeypatch.setattr(called, "heard", lambda subject: (visit,))


FAILED = ToolAnswer(ended="answered", structured={"status": "failed"}, has_structured=True)
REFUSED = ToolAnswer(ended="protocol-error")


def test_what_reads_like_an_error_and_may_be_the_answer_is_to_look_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = [Tried("t", REFUSED, "without a")]
    one_tool(monkeypatch, FAILED, None, unknown=REFUSED, refused=wrong)
    (made,) = called.honesty(Subject())
    assert (made.status, "'status failed'" in made.said) == ("warn", True)
    one_tool(monkeypatch, FAILED, {"type": "object"}, unknown=REFUSED, refused=wrong)
    (made,) = called.honesty(Subject())
    assert (made.status, made.undecided) == ("ok", "")


def test_where_wrong_arguments_were_not_tried_honesty_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    one_tool(monkeypatch, answer(), None, unknown=REFUSED)
    (made,) = called.honesty(Subject())
    assert made.status == "ok"
    assert made.undecided.startswith(
        "wrong arguments were not tried with orders: no arguments that its tools must"
    )


@pytest.mark.parametrize("schema", [{"type": "nummer"}, {"$ref": "https://example.com/n.json"}])
def test_what_no_answer_can_be_held_against_is_left_out_and_named(
    monkeypatch: pytest.MonkeyPatch, schema: Any
) -> None:
    one_tool(monkeypatch, FAILED, schema)
    with pytest.raises(ProbeUnavailable, match="orders: t: its output schema cannot be used"):
        found("tool-output", Subject())
    tools = (
        ToolSchema(name="t", output_schema=schema),
        ToolSchema(name="u", output_schema={"type": "object"}),
    )
    visit = Visit(
        "orders", offer=Offer(name="orders", tools=tools), called=[Tried("t", FAILED), Tried("u", FAILED)]
    )
    monkeypatch.setattr(called, "heard", lambda subject: (visit,))
    made = found("tool-output", Subject())
    assert (made.status, made.said) == ("ok", "1 answers fit their output schemas")
    assert made.undecided.startswith("not judged: orders: t: its output schema cannot be used")


def test_how_soon_a_tool_fails_is_no_latency(monkeypatch: pytest.MonkeyPatch) -> None:
    visited(monkeypatch, called, called=[Tried("t", answer("no licence", "tool-error"))] * 3)
    with pytest.raises(ProbeUnavailable, match="no call was answered, first: no licence"):
        found("tool-latency", Subject())


def test_a_tool_that_could_not_be_fuzzed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from gapless.probes.tool import fuzzed
    from gapless.probes.tool.visit import Fuzzed

    visited(monkeypatch, fuzzed, fuzzed=[Fuzzed("t", 5, 5), Fuzzed("u", unable="no library")])
    (made,) = fuzzed.fuzzed(Subject())
    assert (made.status, made.said) == (
        "ok",
        "5 calls with arguments that fit and 5 with ones that do not, to 1 tool",
    )
    assert made.undecided == "not tried, or not wholly: u: no library"


def test_a_server_that_asks_for_more_than_there_is_takes_no_line_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = {"name": "q", "in": "query", "required": True, "schema": {"type": "string", "minLength": 10**11}}
    look = {"operationId": "read_a", "parameters": [field], "responses": {"200": {"description": "ok"}}}
    api = {"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": {"/a": {"get": look}}}
    (tmp_path / "api.json").write_text(json.dumps(api))
    orders = tool_functions.source("find_order", read_only=("*",))
    evil = ServerSettings(openapi=str(tmp_path / "api.json"), base_url="http://127.0.0.1:9")
    both = {"orders": orders, "evil": evil}
    of = Subject(servers=both, seconds=3.0)
    assert found("tool-latency", of).said.startswith("orders: find_order")
    from gapless.probes.tool import survey

    whys = [visit.uncalled for visit in survey.visits(of)]
    assert whys == ["", "evil: read_a: no arguments could be made from its schema: name some that work"]

    def least(schema: Any) -> Any:
        if "q" in schema["properties"]:
            raise MemoryError("too much")
        return {"order": "A"}

    monkeypatch.setattr(survey, "sample", least)
    of = Subject(servers=both, seconds=3.0)
    started = found("tool-server", of)
    assert (started.status, started.said) == ("fail", "evil: the visit broke off: MemoryError: too much")
    assert found("tool-latency", of).said.startswith("orders: find_order")


def test_a_tool_that_is_called_read_only_and_deletes_by_its_words_is_named_as_not_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire = {"name": "delete_orders", "description": "Deletes orders.", "inputSchema": {"type": "object"}}
    offer = Offer(name="orders", tools=tools_of([wire | {"annotations": {"readOnlyHint": True}}]))
    visit = Visit("orders", offer=offer, called=[Tried("t", answer("1")), Tried("t", answer("1"))])
    monkeypatch.setattr(steady, "heard", lambda subject: (visit,))
    (made,) = steady.twice(Subject())
    assert made.status == "ok"
    assert "not called, for want of a hint" in made.said
    assert made.said.endswith("delete_orders (--allow-effects)")
