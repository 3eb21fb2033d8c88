"""Damaged rows end in one sentence that names them, in every command; what is whole stays usable."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from gapless.cli.main import _run
from gapless.errors import StoreError
from gapless.operations.open import open_store
from gapless.settings import Place, Settings

BAD = {
    "nothing": b"",
    "no msgpack": b"\x00\xc1\xc1",
    "cut": b"\x01\x28\xb5\x2f\xfd\x60",
    "huge": b"\x01\x28\xb5\x2f\xfd\xe0" + b"\xff" * 8,
    "another record": b"\x00\x81\xa1x\x01",
    "text": b"\x01garbage garbage",
    "no UTF-8": b"\x00\xa2\xff\xfe",
}
APP = """
from gapless import step
@step
def add(a, b):
    return {"total": a + b}
def work(a, b):
    return add(a, b)
"""
SUITE = """
- {id: one, input: {a: 1, b: 2}, path: [add], golden: {add: {total: 3}}, checks: {end: [{exact: {path: total, value: 3}}]}}
- {id: two, input: {a: 2, b: 2}, path: [add], golden: {add: {total: 4}}, checks: {end: [{exact: {path: total, value: 5}}]}}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GAPLESS_DATABASE_URL", raising=False)
    (tmp_path / "damaged_app.py").write_text(APP)
    (tmp_path / "suite.yaml").write_text(SUITE)
    assert _run(["measure", "damaged_app.py:work", "--suite", "suite.yaml", "--quiet"]) == 0
    assert _run(["benchmark", "--target", "damaged_app.py:work", "--suite", "suite.yaml"]) == 0
    second = ["measure", "damaged_app.py:work", "--suite", "suite.yaml", "--condition", "second", "--quiet"]
    assert _run(second) == 0
    database = f"sqlite:///{tmp_path / '.gapless' / 'gapless.db'}"
    return Place(root=str(tmp_path), settings=Settings(), database=database)


def ids(place: Place) -> tuple[str, str]:
    """The first and the second measurement."""
    with open_store(place) as store:
        second, first = (m.id for m in store.measurements() if m.kind == "measure")
    return first, second


def spoil(place: Place, table: str, column: str, data: bytes, where: str = "1=1") -> None:
    with sqlite3.connect(place.database.removeprefix("sqlite:///")) as connection:
        done = connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (data,))
        assert done.rowcount > 0
    connection.close()


def ends_in_a_sentence(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    capsys.readouterr()
    assert _run(list(argv)) == 3
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "is damaged and cannot be read" in said or "is not there" in said
    assert "(store-error: " in said
    return said


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_a_damaged_summary_costs_its_own_measurement(
    place: Place, capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    first, second = ids(place)
    spoil(place, "trials", "summary", data[1:], f"measurement = '{second}' AND case_id = 'two'")
    assert "the summary of trial two#0" in ends_in_a_sentence(capsys, "report")
    ends_in_a_sentence(capsys, "report", second, "--json")
    ends_in_a_sentence(capsys, "report", second, "--html", "x.html")
    assert _run(["report", first]) == 0
    assert _run(["report", "--list"]) == 0


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_a_damaged_record_or_value_is_named(
    place: Place, capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    first, second = ids(place)
    spoil(place, "trials", "record", data, f"measurement = '{second}' AND case_id = 'two'")
    assert "the record of trial two#0" in ends_in_a_sentence(
        capsys, "label", "two#0", "--measurement", second
    )
    assert _run(["report", second]) == 0  # a report needs the summaries alone
    assert _run(["label", "two#0", "--measurement", first]) == 0
    spoil(place, "payloads", "data", data)
    if data != BAD["another record"]:  # any plain data is a value
        ends_in_a_sentence(capsys, "label", "two#0", "--measurement", first)


def test_a_damaged_measurement_suite_label_or_benchmark_is_named(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = ids(place)
    assert _run(["label", "two#0", "--wrong", "--measurement", first]) == 0
    spoil(place, "labels", "body", b"\xc1")
    assert "the label of trial two#0" in ends_in_a_sentence(capsys, "report", first)
    assert _run(["report", second]) == 0
    spoil(place, "components", "body", b"\xc1", "case_id = 'one'")
    assert "the benchmark run add#one#0" in ends_in_a_sentence(capsys, "report", second)
    spoil(place, "components", "body", b"\xc1")
    spoil(place, "measurements", "body", b"\xc1", f"id = '{second}'")
    assert f"the measurement {second}" in ends_in_a_sentence(
        capsys, "report"
    )  # an older one is another answer
    assert _run(["report", "--list"]) == 0
    listed = capsys.readouterr()
    assert first in listed.out
    assert second not in listed.out
    assert f"left out: {place.database}: the measurement {second} is damaged" in listed.err


def test_a_damaged_suite_and_a_missing_one_are_named(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(place, "suites", "body", b"\x01\xc1")
    assert "the suite" in ends_in_a_sentence(capsys, "report")
    with sqlite3.connect(place.database.removeprefix("sqlite:///")) as connection:
        connection.execute("DELETE FROM suites")
    connection.close()
    assert "is not there" in ends_in_a_sentence(capsys, "report")


def test_measuring_goes_on_beside_what_is_damaged(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    _, second = ids(place)
    spoil(place, "measurements", "body", b"\xc1", f"id = '{second}'")
    again = ["measure", "damaged_app.py:work", "--suite", "suite.yaml", "--quiet"]
    ends_in_a_sentence(capsys, *again, "--condition", "second")
    assert _run([*again, "--condition", "third"]) == 0
    with open_store(place) as store:
        assert [str(error) for error in store.damaged()] == [
            str(error) for error in store.damaged() if isinstance(error, StoreError) and second in str(error)
        ]
        assert len(store.damaged()) == 1
