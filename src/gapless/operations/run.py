"""`gapless run app.py`: a program as it is, with every LangGraph graph in it recorded."""

from __future__ import annotations

import runpy
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from gapless import __version__
from gapless.errors import UsageError
from gapless.records.measurement import Measurement, resume_key
from gapless.records.suite import Suite
from gapless.records.summary import summary
from gapless.records.trial import Outcome, StepEvent, TrialRecord
from gapless.records.ulid import new_ulid
from gapless.records.value import decode, digest, encode
from gapless.records.workflow import Shape
from gapless.settings import Place
from gapless.trace.redaction import Redaction

if TYPE_CHECKING:
    from gapless.frameworks.zero_code import Observed
    from gapless.stores.store import Store

CONDITION = "run"
"""The condition under which a program's own graph calls are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a program did."""

    exit_code: int
    """The program's own."""
    measurements: tuple[Measurement, ...]
    """One for each graph that ran."""
    trials: int
    """Graph calls recorded by this run."""


def run_program(store: Store, file: Path, arguments: Sequence[str], place: Place) -> Ran:
    """Runs a program as `python file arguments...` would; each call of a graph in it becomes a trial on disk.

    The program's output and exceptions are its own. A store that fails never disturbs it.

    Raises:
        UsageError: There is no such file.
        MissingExtra: LangGraph is not installed.
    """
    from gapless.frameworks.langgraph import declared
    from gapless.frameworks.layers import learn_shape
    from gapless.frameworks.zero_code import install
    from gapless.operations.suspect import suspect_all

    if not file.is_file():
        raise UsageError(f"{file}: no such file. Name a Python program: gapless run app.py")
    keeper = _Keeper(store, file, place)
    with install(keeper.keep):
        code = _execute(file, arguments)
    for measurement in keeper.measurements:
        learnt = learn_shape(measurement.shape, store.records(measurement.id))
        cases = len({case for case, _ in store.done(measurement.id)})
        measurement = store.finish(msgspec.structs.replace(measurement, shape=learnt, cases=cases))
        suspect_all(store, measurement, partial(declared, keeper.graphs[measurement.fingerprint]))
    return Ran(exit_code=code, measurements=tuple(keeper.measurements), trials=keeper.count)


def _execute(file: Path, arguments: Sequence[str]) -> int:
    with _as_main(file, arguments):
        try:
            runpy.run_path(str(file), run_name="__main__")
        except SystemExit as done:
            if done.code is None or isinstance(done.code, int):
                return done.code or 0
            print(done.code, file=sys.stderr)  # noqa: T201  # what the interpreter itself would do
            return 1
        except Exception as error:  # what the interpreter itself would do
            sys.excepthook(type(error), error, error.__traceback__)
            return 1
    return 0


@contextmanager
def _as_main(file: Path, arguments: Sequence[str]) -> Generator[None]:
    argv, path = sys.argv, list(sys.path)
    sys.argv = [str(file), *arguments]
    sys.path.insert(0, str(file.resolve().parent))
    try:
        yield
    finally:
        sys.argv = argv
        sys.path[:] = path


class _Keeper:
    """Writes every graph call when it ends. The same input again is another trial of the same case."""

    def __init__(self, store: Store, file: Path, place: Place) -> None:
        self.count = 0
        self._store = store
        self._file = file
        self._place = place
        self._redaction = Redaction.of(place.settings.privacy.redact)
        self._lock = threading.Lock()
        self.graphs: dict[str, Any] = {}
        """Fingerprint -> the graph that ran."""
        self._by_graph: dict[str, Measurement] = {}
        self._next: dict[tuple[str, str], int] = {}

    @property
    def measurements(self) -> list[Measurement]:
        """One for each graph that ran."""
        return list(self._by_graph.values())

    def keep(self, seen: Observed) -> None:
        """Commits one graph call."""
        from gapless.stores.store import Batch

        with self._lock:
            measurement = self._measurement(seen)
            record = self._record(measurement, seen)
            payloads = dict(seen.recorder.payloads)
            if self._redaction is not None:
                record, payloads = self._redaction.trial(record, payloads)
            self._store.commit([Batch(measurement.id, finished=[record], payloads=payloads)])
            self.count += 1

    def _measurement(self, seen: Observed) -> Measurement:
        from gapless.frameworks.langgraph import fingerprint, shape

        mark = fingerprint(seen.graph)
        if mark not in self._by_graph:
            wanted = self._wanted(mark, shape(seen.graph, self._place.settings.steps))
            self.graphs[mark] = seen.graph
            self._by_graph[mark] = self._store.begin(wanted, Suite(name=self._file.name, cases=()))
            for case, number in self._store.done(self._by_graph[mark].id):
                self._next[mark, case] = max(self._next.get((mark, case), 0), number + 1)
        return self._by_graph[mark]

    def _wanted(self, mark: str, shape: Shape) -> Measurement:
        suite = digest(encode(["run", str(self._file.resolve())]))
        return Measurement(
            id=new_ulid(),
            key=resume_key("measure", mark, suite, CONDITION, None, 0),
            target=str(self._file),
            fingerprint=mark,
            suite=self._file.name,
            suite_digest=suite,
            condition=CONDITION,
            created_at=time.time(),
            shape=shape,
            settings=msgspec.to_builtins(self._place.settings),
            version=__version__,
        )

    def _record(self, measurement: Measurement, seen: Observed) -> TrialRecord:
        from gapless.gap.blame import blame
        from gapless.trace.recorder import error_info

        given = seen.recorder.keep(seen.input)
        case = given[:12]
        if self._redaction is not None:
            case = digest(encode(self._redaction.value(decode(seen.recorder.payloads[given]))))[:12]
        number = self._next.get((measurement.fingerprint, case), 0)
        self._next[measurement.fingerprint, case] = number + 1
        outcome: Outcome = "escalated" if seen.paused else "failed" if seen.error is not None else "unjudged"
        record = TrialRecord(
            case=case,
            trial=number,
            group=case,
            outcome=outcome,
            events=tuple(_failed(event) for event in seen.recorder.close()),
            input=given,
            output=seen.recorder.keep(seen.output) if seen.error is None else None,
            error=error_info(seen.error) if seen.error is not None else None,
            started_at=seen.recorder.started_at,
            ms=seen.recorder.now_ms(),
            omitted=seen.recorder.omitted,
        )
        return msgspec.structs.replace(record, blame=blame(summary(record).events, outcome))


def _failed(event: StepEvent) -> StepEvent:
    """A step that raised, or was given up, has failed: nobody has to judge that."""
    return msgspec.structs.replace(event, ok=False) if event.status in ("error", "abandoned") else event
