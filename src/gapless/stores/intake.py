"""Tables on their way in: rows wait where nobody sees them, and appear in the store all at once or never."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from gapless.records.measurement import Measurement
from gapless.records.replay import ReplayRun
from gapless.records.suite import Suite
from gapless.records.trial import ComponentRun
from gapless.stores import schema
from gapless.stores.database import open_engine, translated
from gapless.stores.rows import INSERT_SUITES, measurement_row, pack, squeeze

TrialRow = tuple[str, str, int, str, str | None, float, bytes]
"""(condition, case, trial, outcome, blame, ms, packed `RunRow`)."""

_WAIT = (
    "CREATE TABLE waiting.trials (arm TEXT, case_id TEXT, trial INTEGER, outcome TEXT, blame TEXT, ms REAL, summary BLOB)",
    "CREATE TABLE waiting.components (step TEXT, case_id TEXT, trial INTEGER, body BLOB)",
    "CREATE TABLE waiting.replays (condition TEXT, case_id TEXT, trial INTEGER, step TEXT, arm TEXT, rep INTEGER, body BLOB)",
    "CREATE TABLE waiting.wanted (case_id TEXT, trial INTEGER, PRIMARY KEY (case_id, trial)) WITHOUT ROWID",
)
# A file of its own that has no name: whatever ends this process, nothing of it is left.
_ATTACH = "ATTACH DATABASE '' AS waiting"
_CACHE = "PRAGMA waiting.cache_size = -65536"
_UNSAFE = "PRAGMA waiting.synchronous = OFF"
_ADD_TRIALS = "INSERT INTO waiting.trials VALUES (?, ?, ?, ?, ?, ?, ?)"
_ADD_COMPONENTS = "INSERT INTO waiting.components VALUES (?, ?, ?, ?)"
_ADD_REPLAYS = "INSERT INTO waiting.replays VALUES (?, ?, ?, ?, ?, ?, ?)"
_WANT = "INSERT OR IGNORE INTO waiting.wanted VALUES (?, ?)"
_WANTED = "SELECT arm, summary FROM waiting.trials JOIN waiting.wanted USING (case_id, trial)"
# SQLite has no NaN: what nobody took is 0 in the index column, and NaN in the row itself.
# In the order of the primary key: written and later read from one end to the other, whatever order the file had.
_MOVE_TRIALS = (
    "INSERT INTO trials (measurement, case_id, trial, outcome, blame, started_at, ms, summary, record) "
    "SELECT ?, case_id, trial, outcome, blame, 0.0, coalesce(ms, 0.0), summary, x'' FROM waiting.trials "
    "WHERE arm = ? ORDER BY case_id, trial"
)
_MOVE_COMPONENTS = (
    "INSERT INTO components (measurement, step, case_id, trial, body) "
    "SELECT ?, step, case_id, trial, body FROM waiting.components ORDER BY step, case_id, trial"
)
_MOVE_REPLAYS = (
    "INSERT INTO replays (measurement, case_id, trial, step, arm, rep, body) "
    "SELECT ?, case_id, trial, step, arm, rep, body FROM waiting.replays "
    "WHERE condition = ? ORDER BY case_id, trial, step, arm, rep"
)


class Intake:
    """One table on its way in. Other processes read and write the store meanwhile.

    Raises:
        StoreError: From every method: the disk is full or failing. What was there before is untouched.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine = open_engine(url)
        with translated(url):
            self._connection = self._engine.connect()
            # Attaching is not possible inside a transaction.
            raw = self._connection.connection.cursor()
            for statement in (_ATTACH, _CACHE, _UNSAFE, *_WAIT):
                raw.execute(statement)
            raw.close()

    def __enter__(self) -> Intake:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.invalidate()  # closes it, and with it goes what waited
        self._connection.close()
        self._engine.dispose()

    def add_trials(self, rows: Sequence[TrialRow]) -> None:
        """Puts trials among those that wait."""
        self._add(_ADD_TRIALS, list(rows))

    def add_components(self, runs: Sequence[ComponentRun]) -> None:
        """Puts benchmark runs among those that wait."""
        self._add(_ADD_COMPONENTS, [(run.step, run.case, run.trial, pack(run)) for run in runs])

    def add_replays(self, condition: str, runs: Sequence[ReplayRun]) -> None:
        """Puts reruns of a condition's trials among those that wait."""
        rows = [(condition, run.case, run.trial, run.step, run.arm, run.rep, pack(run)) for run in runs]
        self._add(_ADD_REPLAYS, rows)

    def trials(self, wanted: Iterable[tuple[str, int]]) -> list[tuple[str, bytes]]:
        """(condition, packed `RunRow`) of the waiting trials of these cases and numbers, under every condition."""
        self._add(_WANT, list(wanted))
        with translated(self._url), self._connection.begin():
            return [(arm, body) for arm, body in self._connection.exec_driver_sql(_WANTED)]

    def publish(
        self, arms: Mapping[str, Measurement], benchmark: Measurement | None, suite: Suite
    ) -> dict[str, str]:
        """Makes everything that waits appear, in one transaction.

        Args:
            arms: Condition -> the measurement it becomes.
            benchmark: What the component runs become; None where there are none.
            suite: What the measurements' suite digest stands for.

        Returns:
            Id as given -> id of the measurement that holds the same already; of what was new, its own.
        """
        wanted = [*arms.values(), *([benchmark] if benchmark is not None else [])]
        writing = self._connection.execution_options(gapless_write=True)
        with translated(self._url), writing.begin():
            digest = wanted[0].suite_digest
            writing.execute(INSERT_SUITES, {"digest": digest, "body": squeeze(pack(suite))})
            ids = {m.id: self._begun(writing, m) for m in wanted}
            for arm, measurement in arms.items():
                if ids[measurement.id] == measurement.id:
                    writing.exec_driver_sql(_MOVE_TRIALS, (measurement.id, arm))
                    writing.exec_driver_sql(_MOVE_REPLAYS, (measurement.id, arm))
            if benchmark is not None and ids[benchmark.id] == benchmark.id:
                writing.exec_driver_sql(_MOVE_COMPONENTS, (benchmark.id,))
        return ids

    def _begun(self, connection: Connection, measurement: Measurement) -> str:
        table = schema.measurements
        known = connection.execute(table.select().where(table.c.key == measurement.key)).first()
        if known is not None:
            return known.id
        connection.execute(table.insert().values(**measurement_row(measurement)))
        return measurement.id

    def _add(self, statement: str, rows: list[Any]) -> None:
        if rows:
            with translated(self._url), self._connection.begin():
                self._connection.exec_driver_sql(statement, rows)
