"""The plain run table: what is read of it, and how a bad line is refused."""

from __future__ import annotations

import gzip
import io
import json
import math
from typing import Any

import pytest

from gapless.errors import ImporterError
from gapless.records.trial import ComponentRun, Run
from gapless.trace.importers.base import Learnt, Replayed, recognise
from gapless.trace.importers.run_table import read
from gapless.trace.importers.source import Source

RUN: dict[str, Any] = {"kind": "run", "case": "c1", "trial": 0, "outcome": "wrong"}


def source(data: bytes | list[Any]) -> Source:
    if not isinstance(data, bytes):
        data = "\n".join(json.dumps(line) for line in data).encode()
    return Source(io.BytesIO(data), "runs.jsonl")


def rows(data: bytes | list[Any], learnt: Learnt | None = None) -> list[Any]:
    return list(read(source(data), learnt or Learnt()))


def only(line: dict[str, Any]) -> Run:
    ((_, run),) = rows([RUN | line])
    return run


def test_a_run_with_everything_the_format_knows() -> None:
    steps = [
        {"node": "retrieve", "layer": "context", "visit": 1, "attempt": 1, "ok": False, "ms": 12.5},
        {"node": "retrieve", "layer": "context", "visit": 1, "attempt": 2, "ok": None, "ms": 3},
    ]
    line = RUN | {
        "arm": "B",
        "group": "g",
        "slice": {"n": 1, "t": True},
        "planned": ["retrieve"],
        "steps": steps,
    }
    line |= {"signals": {"retrieve": 0.83, "x": None}, "shadow_correct": False, "split": "deploy"}
    learnt = Learnt()
    ((arm, run),) = rows([line], learnt)
    assert (arm, run.group, run.slice, run.planned) == ("B", "g", {"n": "1", "t": "true"}, ("retrieve",))
    assert (run.signals, run.shadow_correct, run.split) == ({"retrieve": 0.83, "x": None}, False, "test")
    assert [(e.step, e.visit, e.attempt, e.ok, e.ms) for e in run.events] == [
        ("retrieve", 1, 1, False, 12.5),
        ("retrieve", 1, 2, None, 3.0),
    ]
    assert learnt.layers == {"retrieve": "context"}
    assert run.labelled


def test_what_is_left_out_is_not_made_up() -> None:
    ((arm, run),) = rows([RUN | {"steps": [{"node": "a"}]}])
    assert (arm, run.group) == ("A", "c1")
    assert math.isnan(run.ms)
    assert math.isnan(run.events[0].ms)
    assert run.events[0].ok is None


def test_visits_are_counted_where_they_are_left_out() -> None:
    steps = [{"node": "a"}, {"node": "a", "attempt": 2}, {"node": "b"}, {"node": "a"}]
    assert [(e.step, e.visit) for e in only({"steps": steps}).events] == [
        ("a", 1),
        ("a", 1),
        ("b", 1),
        ("a", 2),
    ]


def test_unknown_keys_are_kept_whatever_they_hold() -> None:
    run = only(
        {"ms": "soon", "why": [1, {"x": None}], "steps": [{"node": "a", "status": "fine"}, {"node": "b"}]}
    )
    assert run.metadata == {"ms": "soon", "why": [1, {"x": None}]}
    assert run.step_metadata == {0: {"status": "fine"}}
    (part,) = rows([{"kind": "component", "node": "a", "case": "c", "trial": 0, "ok": None, "layer": 3}])
    assert isinstance(part, ComponentRun)
    assert part.metadata == {"layer": 3}


REPLAY = {"kind": "replay", "case": "c", "trial": 0, "node": "a", "arm": "golden", "rep": 1, "ok": True}


def test_a_replay_waits_for_its_trial() -> None:
    own = {"condition": "B", "outcome": "correct", "ms": 7.5}
    bare, full = rows([REPLAY, REPLAY | {"ok": None, "gapless": own | {"reason": "no judge"}, "more": 1}])
    assert isinstance(bare, Replayed)
    assert (bare.condition, bare.run.step, bare.run.arm, bare.run.rep) == (None, "a", "golden", 1)
    assert (bare.run.ok, bare.run.group, bare.run.position, bare.run.outcome) == (True, "", 0, None)
    assert math.isnan(bare.run.ms)
    assert (full.condition, full.run.ok, full.run.reason, full.run.ms) == ("B", None, "no judge", 7.5)
    assert full.run.outcome == "correct"


def test_lines_may_be_blank_and_begin_with_a_mark_and_be_compressed() -> None:
    plain = b"\xef\xbb\xbf\n\r\n" + json.dumps(RUN).encode() + b"\r\n\n"
    assert len(rows(plain)) == 1
    assert len(rows(gzip.compress(plain))) == 1
    more = json.dumps(RUN | {"trial": 1}).encode()
    assert len(rows(gzip.compress(plain) + gzip.compress(more))) == 2


BAD: list[tuple[Any, str]] = [
    (
        RUN | {"outcome": "corect"},
        "`outcome` is 'corect'; allowed: correct, wrong, escalated, failed, unjudged",
    ),
    (RUN | {"trial": -1}, "`trial`: expected `int` >= 0"),
    (RUN | {"trial": True}, "`trial`: expected `int`, got `bool`"),
    (RUN | {"trial": 2**40}, "`trial`: expected `int` <= 2147483647"),
    (RUN | {"case": 7}, "`case`: expected `str`, got `int`"),
    (RUN | {"case": ""}, "`case`: may not be empty"),
    (RUN | {"arm": ""}, "`arm`: may not be empty"),
    (RUN | {"split": "train"}, "`split` is 'train'; allowed: tune, cal, test, deploy"),
    (RUN | {"steps": [{"node": ""}]}, "`steps[0].node`: may not be empty"),
    (RUN | {"steps": [{"node": "a", "visit": 0}]}, "`steps[0].visit`: expected `int` >= 1"),
    (RUN | {"steps": [{"node": "a", "attempt": 0}]}, "`steps[0].attempt`: expected `int` >= 1"),
    (RUN | {"steps": [{"node": "a", "ms": -0.1}]}, "`steps[0].ms`: expected `float` >= 0"),
    (RUN | {"steps": [{"node": "a", "ok": "yes"}]}, "`steps[0].ok`: expected `bool | null`, got `str`"),
    (
        RUN | {"steps": [{"node": "a", "layer": "gpu"}]},
        "`steps[0].layer` is 'gpu'; allowed: hardware, model",
    ),
    (RUN | {"steps": [{"ok": True, "foo": 1}]}, "missing required field `node`"),
    (RUN | {"steps": "a"}, "`steps`: expected `array`, got `str`"),
    ({"more": 1} | RUN | {"steps": "a"}, "`steps`: expected `array`, got `str`"),
    ({"more": 1} | RUN | {"steps": ["a"]}, "`steps[0]`: expected `object`, got `str`"),
    ({"kind": "run", "case": "c", "outcome": "wrong"}, "object missing required field `trial`"),
    ({"case": "c"}, "object missing required field `kind`"),
    ({"kind": "rune"}, "`kind` is 'rune'; allowed: run, component, replay"),
    ({"kind": "replay", "case": "c", "trial": 0, "node": "a", "arm": "B"}, "allowed: golden, observed"),
    ([1], "expected `object`, got `array`"),
    (
        b'{"kind":"run","case":"c","trial":0,"outcome":"wrong","steps":[{"node":"a","ms":NaN}]}',
        "no NaN or Infinity",
    ),
    (
        b'{"kind":"run","case":"c","trial":0,"outcome":"wrong","steps":[{"node":"a","ms":1e999}]}',
        "out of range",
    ),
    (b'{"kind":"run","case":"c\xff","trial":0,"outcome":"wrong"}', "is not UTF-8"),
    (b'{"kind":"run","case":"\\ud800","trial":0,"outcome":"wrong"}', "is no JSON"),
    (b'{"kind":"run","case":"c","trial":0,', "is no JSON: input data was truncated"),
    (b"not json", "is no JSON"),
    (b'{"kind":"run","deep":' + b"[" * 100_000 + b"}", "is nested too deeply"),
    (RUN | {"gapless": {"blame": "a"}, "outcome": "correct"}, "a correct run has lost nothing"),
    (
        RUN | {"gapless": {"after_review": "wrong"}, "outcome": "failed"},
        "only an escalated run comes before a reviewer",
    ),
    (RUN | {"gapless": {"ms": "long"}}, "`gapless.ms`: expected `float | null`, got `str`"),
]


@pytest.mark.parametrize(("line", "said"), BAD, ids=[said[:40] for _, said in BAD])
def test_a_bad_line_is_refused_with_its_number_and_what_is_wrong(line: Any, said: str) -> None:
    good = json.dumps(RUN | {"case": "good"}).encode()
    bad = line if isinstance(line, bytes) else json.dumps(line).encode()
    with pytest.raises(ImporterError) as refused:
        rows(good + b"\n\n" + bad + b"\n" + good)
    assert refused.value.line == 3
    assert str(refused.value).startswith("runs.jsonl, line 3: ")
    assert said.lower() in str(refused.value).lower()
    assert "Nothing was ingested" in str(refused.value)


def test_a_step_belongs_to_one_layer() -> None:
    def at(layer: str) -> dict[str, Any]:
        return RUN | {"steps": [{"node": "a", "layer": layer}]}

    with pytest.raises(
        ImporterError, match="line 3: step 'a' is said to be of layer 'tool', in line 1 of layer 'model'"
    ):
        rows([at("model"), at("model"), at("tool")])


@pytest.mark.parametrize("keep", [0.5, 0.98])
def test_a_gzip_file_that_was_cut_off_is_said_to_be(keep: float) -> None:
    lines = [RUN | {"case": f"c{i}", "noise": f"{hash(str(i))}"} for i in range(2000)]
    whole = gzip.compress("\n".join(json.dumps(line) for line in lines).encode())
    with pytest.raises(ImporterError, match="gzip data ends early"):
        rows(whole[: int(len(whole) * keep)])


def test_a_damaged_gzip_file_is_said_to_be() -> None:
    whole = bytearray(
        gzip.compress(b"\n".join(json.dumps(RUN | {"case": f"c{i}"}).encode() for i in range(3000)))
    )
    whole[len(whole) // 2] ^= 0xFF
    with pytest.raises(ImporterError, match=r"gzip data is damaged|line [0-9]+: "):
        rows(bytes(whole))


def test_formats_are_told_by_how_a_file_begins() -> None:
    assert recognise(source([RUN])) == "run-table"
    assert recognise(source(b"oops")) == "run-table"
    assert recognise(source([{"task_id": 0, "traj": []}])) == "tau-bench"
    assert recognise(source(b" \n[{}]")) == "tau-bench"
    with pytest.raises(ImporterError, match="is empty"):
        recognise(source(b"\n \n"))


def test_what_is_quoted_cannot_drive_a_terminal() -> None:
    with pytest.raises(ImporterError) as refused:
        rows([RUN | {"outcome": "\x1b[31m" + "long" * 1000}])
    assert "\x1b" not in str(refused.value)
    assert len(str(refused.value)) < 700
