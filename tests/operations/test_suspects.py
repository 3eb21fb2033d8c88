"""Suspects of what others ran and of what gapless ran: from the store alone, whatever the table holds."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from gapless import step
from gapless.operations.export import export
from gapless.operations.ingest import ingest
from gapless.operations.measure import Ask, measure_into
from gapless.operations.open import open_store
from gapless.operations.suspects import suspects_of
from gapless.records.label import Label
from gapless.records.suspects import Suspects
from gapless.report.suspects import render, render_json, render_markdown
from gapless.settings import Place, Privacy, Settings

ROOT = Path(__file__).parents[2]
AGENTRX = ROOT.parent / "shared" / "data" / "agentrx_tau_retail"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path / 'gapless.db'}")


def run(case: str, outcome: str, *steps: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "run", "case": case, "trial": 0, "outcome": outcome, "steps": list(steps)}


def suspects(place: Place, *rows: Any, **more: Any) -> Suspects:
    file = Path(place.root, "foreign.jsonl")
    file.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    (measurement,) = ingest(place, [str(file)]).measurements
    with open_store(place) as store:
        return suspects_of(store, measurement, **more)


def faces(found: Suspects) -> tuple[str, dict[str, Any], str]:
    return (
        render(found, width=100, color=False),
        json.loads(render_json(found)),
        render_markdown(found),
    )


def table(*outcomes: str) -> list[dict[str, Any]]:
    """Step b fails where a trial is lost."""
    return [
        run(f"c{n}", outcome, {"node": "a", "ok": None}, {"node": "b", "ok": outcome == "correct"}, {"node": "c"})
        for n, outcome in enumerate(outcomes)
    ]  # fmt: skip


def test_a_small_run_table(place: Place) -> None:
    found = suspects(place, *table(*["wrong"] * 4, *["correct"] * 12, "unjudged"))
    assert (found.n_trials, found.n_lost, found.n_correct, found.n_unjudged) == (17, 4, 12, 1)
    (row,) = found.steps
    assert (row.step, row.share.point, row.share.n_runs, row.share.n_groups) == ("b", 1.0, 4, 4)
    first = found.trials[0].suspects[0]
    assert (first.step, first.visit, first.position) == ("b", 1, 2)
    assert first.reasons == (
        "its check failed [failed check: in 4 of 4 lost trials and 0 of 12 correct ones]",
    )
    text, body, marked = faces(found)
    assert "1 trial is not judged and was left out" in text
    assert (body["schema"], body["steps"][0]["share"]["n_runs"]) == ("gapless.suspects/1", 4)
    assert "`b`" in marked
    for face in (text, json.dumps(body), marked):
        assert "suspected" in face.lower()
        assert "cause" not in face.lower()


def test_evidence_that_a_table_names_is_weighed_and_travels(place: Place, tmp_path: Path) -> None:
    odd = {"node": "a", "message": 4, "evidence": {"stale-index": "the index was 40 days old"}}
    rows = [run(f"l{n}", "failed", odd, {"node": "b"}) for n in range(5)]
    rows += [run(f"k{n}", "correct", {"node": "a"}, {"node": "b"}) for n in range(5)]
    found = suspects(place, *rows)
    first = found.trials[0].suspects[0]
    assert (first.step, first.message) == ("a", 4)
    assert first.reasons[0].startswith("the index was 40 days old [stale-index: in 5 of 5 lost trials")
    with open_store(place) as store:
        written = str(tmp_path / "again.jsonl")
        export(store, store.measurement(found.measurement), written)
    other = Place(root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path / 'other.db'}")
    (measurement,) = ingest(other, [written]).measurements
    with open_store(other) as store:
        assert suspects_of(store, measurement).trials == found.trials


def episode(task: int, reward: float | None, *messages: dict[str, Any]) -> dict[str, Any]:
    gold = [{"name": "cancel", "kwargs": {"id": "W-1"}}]
    return {"task_id": task, "reward": reward, "info": {"task": {"actions": gold}}, "traj": list(messages)}


def said(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": text}


def called(tool: str, answer: str, **arguments: Any) -> list[dict[str, Any]]:
    function = {"name": tool, "arguments": json.dumps(arguments)}
    asks = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "x", "type": "function", "function": function}],
    }
    return [asks, {"role": "tool", "tool_call_id": "x", "name": tool, "content": answer}]


def shop(task: int, order: str, reward: float) -> dict[str, Any]:
    looked = called("get_user", '{"orders": ["W-1", "W-2"]}', name="Ada")
    return episode(
        task,
        reward,
        said("system", "You help."),
        said("user", "I am Ada. Cancel my order W-1."),
        *looked,
        said("assistant", "Shall I cancel it?"),
        said("user", "Yes, please."),
        *called("cancel", "done", id=order),
        said("assistant", "It has been cancelled."),
        said("user", "Thanks! ###STOP###"),
    )


def test_a_small_tau_bench_file(place: Place) -> None:
    """The wrong order is cancelled in message 7; the verdict on the whole trial, which stands there too, is not counted."""
    found = suspects(place, *(shop(n, "W-2" if n < 4 else "W-1", float(n >= 4)) for n in range(12)))
    assert (found.n_lost, found.n_correct) == (4, 8)
    first = found.trials[0].suspects[0]
    assert (first.step, first.visit, first.message) == ("tool arguments", 2, 7)
    assert first.reasons[0].startswith(
        "cancel with these arguments is no call of the reference [not-expected"
    )
    assert {e.name for e in found.evidence if e.step == "tool arguments"} == {
        "acts", "not-expected", "again", "not judged", "passed here",
    }  # fmt: skip
    assert [row.step for row in found.steps] == ["tool arguments"]
    assert "tool arguments, visit 2 (message 7)" in render(found, color=False)


def test_what_is_not_to_be_kept_is_in_no_reason(tmp_path: Path) -> None:
    rows = [
        episode(
            n,
            0.0,
            said("user", "My ssn is 078-05-1120. Where is my parcel?"),
            *called("cancel", "Error: no account 999-88-7777", id="W-9", ssn="999-88-7777"),
            said("assistant", "Sorry, I cannot find 999-88-7777."),
            said("user", "No, it is 078-05-1120! ###STOP###"),
        )
        for n in range(3)
    ]
    kept: dict[bool, str] = {}
    for private in (False, True):
        settings = Settings(privacy=Privacy(redact=("*.ssn",) if private else ()))
        folder = tmp_path / str(private)
        folder.mkdir()
        place = Place(root=str(folder), settings=settings, database=f"sqlite:///{folder / 'g.db'}")
        kept[private] = render_json(suspects(place, *rows))
    assert "999-88-7777" in kept[False]
    assert "999-88-7777" not in kept[True]
    assert "[redacted]" in kept[True]


def test_evidence_can_be_hidden(place: Place) -> None:
    rows = [shop(n, "W-2" if n < 4 else "W-1", float(n >= 4)) for n in range(12)]
    found = suspects(place, *rows, without={"not-expected"}, keep=1)
    assert "not-expected" not in {e.name for e in found.evidence}
    assert {len(trial.suspects) for trial in found.trials} == {1}


@pytest.mark.parametrize(
    ("outcomes", "note"),
    [
        (["correct"] * 3, "No trial was lost"),
        (["unjudged"] * 3, "3 trials are not judged"),
        (["wrong"] * 3, "No trial was correct"),
        (["wrong"], "No trial was correct"),
        (["escalated", "failed", "correct"], "1 correct trial"),
    ],
)
def test_every_mix_of_outcomes(place: Place, outcomes: list[str], note: str) -> None:
    text, _, marked = faces(suspects(place, *table(*outcomes)))
    assert note in text.replace("\n", " ")
    assert note in marked


def test_without_checks_nothing_is_made_up(place: Place) -> None:
    steps = ({"node": "a"}, {"node": "b"})
    found = suspects(
        place, *(run(f"c{n}", "wrong" if n < 2 else "correct", *steps) for n in range(6)), run("x", "failed")
    )
    assert [trial.told_apart for trial in found.trials] == [False, False, False]
    text = render(found, color=False)
    assert "no evidence sets any" in text
    assert "In 3 of 3 lost trials" in text


def test_names_with_markup_stay_names(place: Place) -> None:
    bad = "[red]x[/red] `a|b` <b>@you</b> \x1b[31m\u202e"
    rows = [
        run(bad + str(n), outcome, {"node": bad, "ok": outcome == "correct", "evidence": {bad: bad}})
        for n, outcome in enumerate(["wrong", "wrong", "correct"])
    ]
    text, body, marked = faces(suspects(place, *rows))
    assert "[red]x[/red]" in text
    for face in (text, marked):
        assert "\x1b" not in face
        assert "\u202e" not in face
    assert "<b>" not in marked
    assert "@you" not in marked
    assert body["steps"][0]["step"] == bad


def test_a_persons_label_is_heard(place: Place) -> None:
    found = suspects(place, *table("unjudged", "correct", "correct"))
    assert found.n_lost == 0
    with open_store(place) as store:
        store.put_label(found.measurement, Label(case="c0", trial=0, correct=False))
        again = suspects_of(store, store.measurement(found.measurement))
    assert (again.n_lost, again.n_unjudged, again.trials[0].suspects[0].step) == (1, 0, "b")


async def test_trials_that_gapless_recorded_tell_their_reasons(place: Place) -> None:
    @step
    def look_up(item: str) -> dict[str, int]:
        if item == "ink":
            raise ConnectionError("503 upstream")
        return {"price": 2}

    @step
    def answer(found: dict[str, int]) -> int:
        return found["price"]

    def shop_for(item: str) -> int:
        return answer(look_up(item))

    cases = [
        {"id": item, "input": item, "checks": {"end": [{"exact": {"value": 2}}]}} for item in ("pen", "ink")
    ]
    with open_store(place) as store:
        measured = await measure_into(store, shop_for, cases, ask=Ask(trials=2), place=place)
        found = suspects_of(store, measured.measurement)
    assert (found.n_lost, found.n_correct) == (2, 2)
    first = found.trials[0].suspects[0]
    assert first.step == "look_up"
    assert any("it raised ConnectionError: 503 upstream" in reason for reason in first.reasons)


@pytest.mark.skipif(not AGENTRX.exists(), reason="../shared/data/agentrx_tau_retail is not here")
def test_against_peoples_labels(capsys: pytest.CaptureFixture[str]) -> None:
    """29 labels, 27 of them with a trajectory. What is held here is the table's form and that it beats lots, not its height."""
    spec = importlib.util.spec_from_file_location("bench_agentrx", ROOT / "bench" / "agentrx.py")
    assert spec is not None
    assert spec.loader is not None
    bench: Any = importlib.util.module_from_spec(spec)
    sys.modules["bench_agentrx"] = bench
    spec.loader.exec_module(bench)
    rows = {row["what"]: row for row in bench.run(AGENTRX)}
    assert "2 labels without a trajectory are left out: 104, 105" in capsys.readouterr().out
    assert {row["unit"] for row in rows.values()} == {"n=27"}
    for name in ("ranked suspects", "first error", "last step", "most talkative", "by lot"):
        assert rows[f"{name}: top-1"]["value"] <= rows[f"{name}: top-3"]["value"]
        assert rows[f"{name}: top-1"]["low"] <= rows[f"{name}: top-1"]["value"]
    mean = "mean reciprocal rank"
    assert rows[f"ranked suspects: {mean}"]["value"] > rows[f"by lot: {mean}"]["value"]
    labelled, _ = bench.episodes(AGENTRX)
    assert not [one for one in labelled if one.messages[one.label - 1]["role"] in ("system", "tool")]
