"""Reruns that travel: each finds its trial again, and anybody computes the same causes from the table."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from gapless.cli.ingest import command
from gapless.errors import ImporterError, UsageError
from gapless.operations.causes import causes_of
from gapless.operations.export import export
from gapless.operations.ingest import Ingested, ingest
from gapless.operations.label import put
from gapless.operations.open import open_store
from gapless.operations.regression import promote_cause
from gapless.operations.report import report_on
from gapless.records.label import Label
from gapless.records.replay import ReplayRun
from gapless.settings import Place, Settings
from gapless.stores.store import Batch

STEPS = ("retrieve", "tool", "draft")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path / 'g.db'}")


def run(case: str, *, bad: str | None = None, seen: str | None = None, **more: Any) -> dict[str, Any]:
    steps = [{"node": step, "visit": 1, "attempt": 1, "ok": step != seen} for step in STEPS]
    outcome = "correct" if bad is None else "wrong"
    return {"kind": "run", "case": case, "trial": 0, "outcome": outcome, "steps": steps} | more


def replay(case: str, step: str, arm: str, *, ok: bool | None, rep: int = 0, **more: Any) -> dict[str, Any]:
    line = {"kind": "replay", "case": case, "trial": 0, "node": step, "arm": arm, "rep": rep, "ok": ok}
    return line | more


def reruns(case: str, bad: str, **more: Any) -> list[dict[str, Any]]:
    return [
        replay(case, step, arm, ok=arm == "golden" or STEPS.index(step) < STEPS.index(bad), rep=rep, **more)
        for step in STEPS
        for arm in ("golden", "observed")
        for rep in range(2)
    ]


TABLE = [
    *(run(f"ok{i}") for i in range(6)),
    *(run(f"c{i}", bad="tool", seen="draft", group=f"g{i // 2}") for i in range(12)),
    run("blind", bad="retrieve"),
    *(line for i in range(11) for line in reruns(f"c{i}", "tool")),
    *reruns("blind", "retrieve"),
]


def take(place: Place, lines: list[Any], name: str = "runs.jsonl") -> Ingested:
    file = Path(place.root) / name
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return ingest(place, [str(file)])


def stored(place: Place, done: Ingested) -> list[ReplayRun]:
    with open_store(place) as store:
        return store.replays(done.measurements[0].id)


def test_a_table_with_replays_says_where_the_loss_comes_from(place: Place) -> None:
    done = take(place, TABLE)
    assert (done.replays, done.notes) == (144, ())
    with open_store(place) as store:
        report = report_on(store, done.measurements[0])
    found = report.gap.causes
    assert found is not None
    assert (found.lost, found.sampled, found.sampled_cases, found.sampled_groups, found.reps) == (
        13,
        12,
        12,
        7,
        2,
    )
    assert {row.step: round(row.share.point or 0.0, 6) for row in found.rows} == {
        "retrieve": 0.083333,
        "tool": 0.916667,
        "draft": 0.0,
    }
    assert [round(row.suspected.point or 0.0, 6) for row in found.rows] == [0.0, 0.0, 0.916667]
    assert round(found.unseen.point or 0.0, 6) == 0.083333
    assert "Replay places 91.7 %" in report.headline
    assert "of the lost success at tool -> draft" in report.headline


def test_each_replay_knows_its_trial(place: Place) -> None:
    loop = run("x", bad="tool")
    loop["steps"] = [{"node": node} for node in ("agent", "tool", "agent", "draft")]
    runs = stored(
        place,
        take(
            place,
            [
                *(replay("x", step, "golden", ok=True) for step in ("agent", "tool", "draft", "elsewhere")),
                replay("y", "b", "golden", ok=True),
                loop | {"group": "g"},
                run("y", bad="tool", steps=[], planned=["a", "b"]),
            ],
        ),
    )
    assert {(r.case, r.step): (r.group, r.position) for r in runs} == {
        ("x", "agent"): ("g", 2),
        ("x", "tool"): ("g", 1),
        ("x", "draft"): ("g", 3),
        ("x", "elsewhere"): ("g", 0),
        ("y", "b"): ("y", 2),
    }


def test_the_same_table_in_any_order_is_known_again(place: Place, tmp_path: Path) -> None:
    first = take(place, TABLE)
    shuffled = list(TABLE)
    random.Random(7).shuffle(shuffled)
    assert take(place, shuffled, "other.jsonl").known
    assert not take(place, TABLE[:-1], "less.jsonl").known
    other = Place(root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path / 'h.db'}")
    again = take(other, shuffled)
    with open_store(place) as one, open_store(other) as two:
        said = [report_on(s, d.measurements[0]) for s, d in ((one, first), (two, again))]
    assert said[0].input_digest == said[1].input_digest
    assert said[0].headline == said[1].headline


def test_anybody_computes_the_same_causes_from_the_export(place: Place, tmp_path: Path) -> None:
    done = take(place, TABLE)
    full = ReplayRun(
        case="c11", trial=0, group="g5", step="tool", position=2, arm="golden", rep=4, ok=None,
        outcome="failed", reason="judge timed out", ms=12.5,
    )  # fmt: skip
    subset = msgspec.structs.replace(full, arm="subset", step="tool+draft", position=0)
    for field in msgspec.structs.fields(ReplayRun):
        assert getattr(full, field.name) or field.name in ("trial", "ok", "path", "blind"), field.name
    file, again = tmp_path / "out.jsonl", tmp_path / "again.jsonl"
    with open_store(place) as store:
        store.commit([Batch(done.measurements[0].id, replays=[full, subset])])
        kept = store.replays(done.measurements[0].id)
        export(store, done.measurements[0], str(file))
        original = causes_of(store, done.measurements[0], [run for run in kept if run.arm != "subset"])
    other = Place(root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path / 'h.db'}")
    copy = ingest(other, [str(file)])
    with open_store(other) as store:
        read = store.replays(copy.measurements[0].id)
        found = causes_of(store, copy.measurements[0])
        export(store, copy.measurements[0], str(again))
    assert full in read
    assert subset not in read
    assert len(read) == len(kept) - 1
    assert original is not None
    assert found == msgspec.structs.replace(original, measurement=copy.measurements[0].id)
    assert again.read_bytes() == file.read_bytes()


def test_of_several_conditions_a_replay_belongs_to_the_one_that_lost_the_trial(place: Place) -> None:
    lines = [
        *(run(f"c{i}", bad="tool") for i in range(3)),
        *(run(f"c{i}", arm="B", bad=None if i else "tool") for i in range(3)),
        replay("c0", "tool", "golden", ok=True),
        replay("c0", "tool", "golden", ok=False, gapless={"condition": "B"}),
        replay("c1", "tool", "golden", ok=True),
        replay("c2", "tool", "golden", ok=True, gapless={"condition": "C"}),
        replay("nowhere", "tool", "golden", ok=True),
    ]
    done = take(place, lines)
    assert done.replays == 2
    assert [note for note in done.notes if "replay" in note] == [
        "2 replay lines of trials that the table does not hold: left out.",
        "1 replay line of trials that several conditions lost: left out. "
        'Name the condition under {"gapless": {"condition": ...}}.',
    ]
    with open_store(place) as store:
        kept = {m.condition: store.replays(m.id) for m in done.measurements}
    assert {condition: [(r.case, r.ok) for r in runs] for condition, runs in kept.items()} == {
        "A": [("c1", True)],
        "B": [("c0", False)],
    }


def test_a_replay_that_comes_twice_is_refused(place: Place) -> None:
    twice = replay("c0", "tool", "golden", ok=True)
    with pytest.raises(
        ImporterError,
        match=r"line 3: replay of case 'c0', trial 0 from 'tool', arm 'golden', rep 0 was there",
    ):
        take(place, [run("c0", bad="tool"), twice, twice])
    with pytest.raises(ImporterError, match=r"of condition 'A' is there twice"):
        take(place, [run("c0", bad="tool"), twice, twice | {"gapless": {"condition": "A"}}])
    with open_store(place) as store:
        assert store.measurements() == []


def test_a_trial_that_a_person_called_right_is_no_longer_explained(place: Place) -> None:
    done = take(place, TABLE)
    with open_store(place) as store:
        put(store, done.measurements[0], Label(case="blind", trial=0, correct=True))
        found = causes_of(store, done.measurements[0])
    assert found is not None
    assert (found.lost, found.sampled) == (12, 11)
    assert found.notes == ("1 replayed trial is no longer lost by the labels given since: left out.",)


def test_steps_stand_in_the_workflows_order_or_else_in_that_of_the_paths(place: Place) -> None:
    around = [{"node": node} for node in ("agent", "tool", "agent", "draft")]
    loop = [
        run("x", bad="tool", steps=around),
        *(replay("x", step, "golden", ok=True) for step in ("agent", "tool", "draft")),
    ]
    for lines, order in ((TABLE, STEPS), (loop, ("tool", "agent", "draft"))):
        done = take(place, lines, f"{len(lines)}.jsonl")
        with open_store(place) as store:
            found = causes_of(store, done.measurements[0])
        assert found is not None
        assert tuple(row.step for row in found.rows) == order


def test_no_replay_gives_no_causes(place: Place) -> None:
    done = take(place, TABLE[:10])
    with open_store(place) as store:
        assert causes_of(store, done.measurements[0]) is None
        assert report_on(store, done.measurements[0]).gap.causes is None


def test_the_command_counts_them(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gapless.settings.locate", lambda: place)
    (Path(place.root) / "r.jsonl").write_text("".join(json.dumps(line) + "\n" for line in TABLE))
    said = CliRunner().invoke(command, [str(Path(place.root) / "r.jsonl")])
    assert "144 replays of lost trials with them" in said.output
    told = CliRunner().invoke(command, [str(Path(place.root) / "r.jsonl"), "--json", "--quiet"])
    assert json.loads(told.stdout)["replays"] == 144


def test_a_trial_without_values_becomes_no_case(place: Place, tmp_path: Path) -> None:
    (measurement,) = take(place, TABLE).measurements
    with open_store(place) as store, pytest.raises(UsageError, match="holds no values to make a case of"):
        promote_cause(store, measurement, "c0", 0, None, tmp_path / "suite.yaml")
