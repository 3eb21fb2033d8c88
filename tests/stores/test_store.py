"""The store keeps what it was given, whole, and says in plain words when it cannot."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gapless.errors import StoreError, UnknownName
from gapless.records.label import Label
from gapless.records.measurement import Measurement
from gapless.records.suite import Case, Suite
from gapless.records.trial import StepEvent, Suspicion, TrialRecord
from gapless.records.ulid import new_ulid
from gapless.records.value import digest, encode
from gapless.stores.lock import exclusive
from gapless.stores.store import Batch, Store
from gapless.stores.writer import Writer

SUITE = Suite(name="s", cases=(Case(id="a", input={"x": 1}), Case(id="b", input={"x": 2})))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'gapless.db'}")
    yield opened
    opened.close()


def measurement(key: str = "k", **fields: object) -> Measurement:
    given = {
        "target": "t",
        "fingerprint": "f",
        "suite": "s",
        "suite_digest": SUITE.digest(),
        "created_at": 1.0,
    }
    return Measurement(id=new_ulid(), key=key, **(given | fields))  # type: ignore[arg-type]


def trial(case: str, number: int = 0, **fields: object) -> TrialRecord:
    return TrialRecord(case=case, trial=number, group=case, outcome="correct", **fields)  # type: ignore[arg-type]


def test_the_same_question_finds_the_same_measurement(store: Store) -> None:
    first = store.begin(measurement(), SUITE)
    again = store.begin(measurement(trials=3), SUITE)
    assert again.id == first.id
    assert again.trials == 3
    assert store.begin(measurement(trials=2), SUITE).trials == 3
    assert store.suite(first.suite_digest) == SUITE


def test_a_trial_written_twice_is_there_once_and_unchanged(store: Store) -> None:
    m = store.begin(measurement(), SUITE)
    first = trial("a", ms=1.0, events=(StepEvent(step="s", output="d"),))
    store.commit([Batch(m.id, finished=[first])])
    store.commit([Batch(m.id, finished=[trial("a", ms=2.0)])])
    assert list(store.records(m.id)) == [first]
    assert store.done(m.id) == {("a", 0)}
    assert store.runs(m.id)[0].events[0].step == "s"


def test_trials_cut_off_are_counted_and_offered_again(store: Store) -> None:
    m = store.begin(measurement(), SUITE)
    store.commit([Batch(m.id, starting=[("a", 0), ("b", 0)])])
    store.commit([Batch(m.id, finished=[trial("a")])])
    m, lost = store.reopen(m)
    assert lost == {("b", 0): 1}
    assert m.interrupted == 1
    store.commit([Batch(m.id, starting=[("b", 0)])])
    store.commit([Batch(m.id, finished=[trial("b", starts=2)])])
    m, lost = store.reopen(m)
    assert lost == {}
    assert m.interrupted == 1


@pytest.mark.parametrize("size", [3, 5_000, 300_000])
def test_payloads_come_back(store: Store, size: int) -> None:
    data = encode("x" * size)
    m = store.begin(measurement(), SUITE)
    store.commit([Batch(m.id, payloads={digest(data): data})])
    assert store.payload(digest(data)) == "x" * size
    with pytest.raises(UnknownName, match="no payload"):
        store.payload("0" * 32)


def test_a_failed_commit_leaves_nothing_and_a_later_one_writes_all(store: Store) -> None:
    m = store.begin(measurement(), SUITE)
    good = Batch(m.id, finished=[trial("a")], payloads={"p": b"\xa1x"})
    with pytest.raises(Exception, match="measurement"):
        store.commit([good, Batch(None, finished=[trial("b")])])  # type: ignore[arg-type]
    assert store.done(m.id) == set()
    store.commit([good])
    assert store.done(m.id) == {("a", 0)}
    assert store.payload("p") == "x"


def test_labels_and_suspicions_are_replaced_not_piled_up(store: Store) -> None:
    m = store.begin(measurement(), SUITE)
    store.put_label(m.id, Label(case="a", trial=0, correct=True))
    store.put_label(m.id, Label(case="a", trial=0, correct=False, note="no"))
    assert store.labels(m.id)["a", 0].correct is False
    store.replace_suspicions(m.id, [(("a", 0), {0: (Suspicion(check="empty-result", reason="r"),)})])
    store.replace_suspicions(m.id, [(("b", 0), {1: (Suspicion(check="retry-storm", reason="r"),)})])
    assert set(store.suspicions(m.id)) == {("b", 0)}


def test_measurements_are_found_by_the_beginning_of_their_id(store: Store) -> None:
    m = store.begin(measurement(), SUITE)
    assert store.measurement(m.id[:20].lower()) == m
    with pytest.raises(UnknownName, match="no measurement begins"):
        store.measurement("zzz")


async def test_group_commit_reports_only_what_is_on_disk(store: Store, tmp_path: Path) -> None:
    m = store.begin(measurement(), SUITE)
    writer = Writer(store)

    async def one(number: int) -> None:
        await writer.commit(Batch(m.id, finished=[trial("a", number)]))
        with sqlite3.connect(tmp_path / "gapless.db") as other:
            found = other.execute("SELECT count(*) FROM trials WHERE trial = ?", (number,)).fetchone()
        other.close()
        assert found == (1,)

    await asyncio.gather(*(one(number) for number in range(50)))
    writer.close()


async def test_a_failing_store_reaches_whoever_waits(store: Store) -> None:
    writer = Writer(store)
    with pytest.raises(StoreError):
        await writer.commit(Batch(None, finished=[trial("a")]))  # type: ignore[arg-type]
    writer.close()


def test_a_corrupt_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "gapless.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match=r"corrupt or no SQLite database.*Move it away"):
        Store(f"sqlite:///{tmp_path / 'gapless.db'}")


def test_a_newer_schema_is_refused(store: Store, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "gapless.db") as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
    other.close()
    with pytest.raises(StoreError, match="written by a newer gapless"):
        Store(f"sqlite:///{tmp_path / 'gapless.db'}")


def test_a_locked_database_says_so(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gapless.stores.database._BUSY_MS", 50)
    impatient = Store(f"sqlite:///{tmp_path / 'gapless.db'}")
    m = store.begin(measurement(), SUITE)
    other = sqlite3.connect(tmp_path / "gapless.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked by another process"):
        impatient.commit([Batch(m.id, finished=[trial("a")])])
    other.execute("ROLLBACK")
    other.close()
    impatient.commit([Batch(m.id, finished=[trial("a")])])
    impatient.close()


def test_a_new_file_that_another_process_is_just_opening_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "new.db"
    quicker = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    quicker.execute("BEGIN IMMEDIATE")
    through = threading.Timer(0.2, quicker.execute, ["COMMIT"])
    through.start()
    Store(f"sqlite:///{file}").close()
    through.join()
    quicker.close()


def test_a_full_disk_says_so_and_loses_nothing(store: Store, tmp_path: Path) -> None:
    m = store.begin(measurement(), SUITE)
    store.commit([Batch(m.id, finished=[trial("a")])])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    used = max(path.stat().st_size for path in tmp_path.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (used + 20_000, before[1]))
    try:
        big = {str(number): os.urandom(20_000) for number in range(60)}
        with pytest.raises(StoreError, match=r"disk"):
            store.commit([Batch(m.id, finished=[trial("b")], payloads=big)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert store.done(m.id) == {("a", 0)}
    store.commit([Batch(m.id, finished=[trial("b")])])
    assert store.done(m.id) == {("a", 0), ("b", 0)}


@pytest.mark.parametrize("url", ["nonsense", "postgresql://localhost/x"])
def test_urls_it_cannot_use_are_refused(url: str) -> None:
    with pytest.raises(StoreError, match="GAPLESS_DATABASE_URL"):
        Store(url)


def test_one_process_per_measurement(tmp_path: Path) -> None:
    with (
        exclusive(tmp_path, "k"),
        pytest.raises(StoreError, match="already running"),
        exclusive(tmp_path, "k"),
    ):
        pass
    with exclusive(tmp_path, "k"):
        pass
