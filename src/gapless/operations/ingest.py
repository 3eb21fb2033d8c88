"""`gapless ingest`: what others recorded becomes measurements, whole files or nothing."""

from __future__ import annotations

import hashlib
import sys
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from gapless import __version__
from gapless.errors import ImporterError, UsageError
from gapless.operations.progress import Progress, Tell, silent
from gapless.records.measurement import Measurement, resume_key
from gapless.records.row import row_of
from gapless.records.suite import Suite
from gapless.records.trial import ComponentRun, Outcome, Run
from gapless.records.turn import Turn
from gapless.records.ulid import new_ulid
from gapless.records.value import digest, encode
from gapless.records.workflow import Layer, Shape, Step

if TYPE_CHECKING:
    from gapless.settings import Place
    from gapless.stores.intake import Intake, TrialRow
    from gapless.trace.importers.base import Learnt
    from gapless.trace.importers.observed import Observed
    from gapless.trace.importers.source import Source
    from gapless.trace.redaction import Redaction

STDIN = "-"
_AT_ONCE = 2_000
_SPACE = 1 << 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """What became of the files."""

    measurements: tuple[Measurement, ...]
    """One per condition."""
    known: bool
    """Whether the same table had been ingested before: nothing was written, and these are its measurements."""
    runs: dict[str, int]
    """Condition -> trials."""
    components: int
    """Benchmark runs."""
    replays: int = 0
    """Reruns of lost trials."""
    notes: tuple[str, ...] = ()
    """What was read and not kept, and what looks odd."""


@dataclass(slots=True)
class _Arm:
    """One condition while its trials pass by."""

    observed: Observed
    runs: int = 0
    trials: Counter[int] = field(default_factory=Counter[int])
    """Case, as a number -> its trials."""
    seen: set[int] = field(default_factory=set[int])


def ingest(
    place: Place,
    files: Sequence[str],
    *,
    form: str | None = None,
    arm: str | None = None,
    tell: Tell = silent,
) -> Ingested:
    """Takes files in as one table.

    Args:
        place: Settings and store.
        files: Paths; "-" is standard input.
        form: Name of the format; told from each file when None.
        arm: Condition of runs that name none in a format that has none.
        tell: Told how many lines were read.

    Raises:
        ImporterError: Naming file, line and what is wrong; nothing was taken in.
        StoreError: The store cannot be written; nothing was taken in.
    """
    from gapless.stores.intake import Intake

    with Intake(place.database) as intake:
        table = _Table(intake, place, arm, tell)
        for file in files:
            with _opened(file) as source:
                table.read(source, form)
        return table.publish(files[0])


class _Table:
    """Rows on their way into the store: checked, counted and digested one at a time."""

    def __init__(self, intake: Intake, place: Place, arm: str | None, tell: Tell) -> None:
        from gapless.operations.ingest_replays import Replays
        from gapless.trace.importers.base import Learnt
        from gapless.trace.redaction import Redaction

        self._intake = intake
        self._steps = place.settings.steps
        self._settings = place.settings
        self._redaction: Redaction | None = Redaction.of(place.settings.privacy.redact)
        self._arm, self._tell = arm, tell
        self._learnt: Learnt = Learnt(witness=self._witness)
        self._arms: dict[str, _Arm] = {}
        self._cases: dict[str, int] = {}
        self._groups: dict[str, str] = {}
        self._torn: set[str] = set()
        self._components: list[ComponentRun] = []
        self._alone: set[tuple[str, str, int]] = set()
        self._replays = Replays()
        self._blames: dict[tuple[bytes, Outcome], str | None] = {}
        self._waiting: list[TrialRow] = []
        self._sum = 0
        self._rows = 0
        self._form = ""

    def read(self, source: Source, form: str | None) -> None:
        """Takes in the rows of a file."""
        from gapless.trace.importers.base import Replayed, reader, recognise

        self._form = form or recognise(source)
        for row in reader(self._form)(source, self._learnt):
            if isinstance(row, ComponentRun):
                self._add_component(source, row)
            elif isinstance(row, Replayed):
                self._count("replay", self._replays.add(source, row))
            else:
                self._add_run(source, self._arm or row[0] if self._form != "run-table" else row[0], row[1])
            self._rows += 1
            if self._rows % _AT_ONCE == 0:
                self._flush()
        self._flush()

    def publish(self, name: str) -> Ingested:
        """Makes everything appear at once."""
        if not self._arms:
            raise ImporterError(
                f"{name}: holds no run. Expected lines of kind 'run', one per trial (gapless.runs/1)."
            )
        self._place_components()
        self._replays.give(self._intake)
        arms = {arm: self._measurement(arm, name) for arm in self._arms}
        first = next(iter(arms.values()))
        benchmark = self._benchmark(first) if self._components else None
        suite = Suite(name=first.suite, cases=())
        ids = self._intake.publish(arms, benchmark, suite)
        kept = [msgspec.structs.replace(m, id=ids[m.id]) for m in arms.values()]
        return Ingested(
            measurements=tuple(kept),
            known=all(m.id != ids[m.id] for m in arms.values()),
            runs={arm: self._arms[arm].runs for arm in arms},
            components=len(self._components),
            replays=len(self._replays),
            notes=tuple(self._notes()),
        )

    def _add_run(self, source: Source, arm: str, run: Run) -> None:
        from gapless.gap.blame import blame
        from gapless.trace.importers.observed import Observed

        mine = self._arms.get(arm)
        if mine is None:
            mine = self._arms[arm] = _Arm(Observed())
        case = self._cases.setdefault(run.case, len(self._cases))
        key = case << 31 | run.trial
        if key in mine.seen:
            raise source.wrong(f"case {run.case!r}, trial {run.trial} of arm {arm!r} was there before")
        mine.seen.add(key)
        mine.runs += 1
        mine.trials[case] += 1
        if self._groups.setdefault(run.case, run.group) != run.group:
            self._torn.add(run.case)
        run = self._private(run)
        row = row_of(run)
        mine.observed.add(row.history, run.outcome, run.planned)
        at = run.blame
        if at is None and run.outcome != "correct":
            known = (row.history, run.outcome)
            if known not in self._blames:
                self._blames[known] = blame(run.events, run.outcome)
            row = msgspec.structs.replace(row, blame=self._blames[known])
        body = _pack(row)
        self._count(arm, body)
        self._waiting.append((arm, run.case, run.trial, run.outcome, row.blame, run.ms, body))

    def _add_component(self, source: Source, run: ComponentRun) -> None:
        key = (run.step, run.case, run.trial)
        if key in self._alone:
            raise source.wrong(
                f"component {run.step!r}, case {run.case!r}, trial {run.trial} was there before"
            )
        self._alone.add(key)
        if self._redaction is not None and run.metadata:
            run = msgspec.structs.replace(run, metadata=self._redaction.value(run.metadata))
        self._components.append(run)
        self._count("component", _pack(run))

    def _private(self, run: Run) -> Run:
        if self._redaction is None or not (run.metadata or run.step_metadata):
            return run
        steps = {at: self._redaction.value(said) for at, said in run.step_metadata.items()}
        return msgspec.structs.replace(run, metadata=self._redaction.value(run.metadata), step_metadata=steps)

    def _witness(self, turns: Sequence[Turn], given: str) -> dict[int, dict[str, str]]:
        """What speaks against turns, told without what is not to be kept."""
        from gapless.boundary.suspicions.conversation import evidence

        if self._redaction is None:
            return evidence(turns, given)
        told = [{"text": turn.text, "arguments": turn.arguments, "error": turn.error} for turn in turns]
        masked = self._redaction.value({"turns": told, "given": given})
        pairs = zip(turns, masked["turns"], strict=True)
        return evidence([msgspec.structs.replace(turn, **said) for turn, said in pairs], masked["given"])

    def _count(self, kind: str, body: bytes) -> None:
        # A sum does not depend on the order of the lines, and the same table is known again however it is sorted.
        seen = hashlib.blake2b(body, digest_size=32, key=kind.encode()[:64]).digest()
        self._sum = (self._sum + int.from_bytes(seen, "big")) % _SPACE

    def _flush(self) -> None:
        self._intake.add_trials(self._waiting)
        self._waiting.clear()
        self._tell(Progress(what="lines", done=self._rows, total=0, fresh=self._rows))

    def _place_components(self) -> None:
        """A case is in the group its trials are in."""
        self._components = [
            run if run.group else msgspec.structs.replace(run, group=self._groups.get(run.case, run.case))
            for run in self._components
        ]
        self._intake.add_components(self._components)

    def _measurement(self, arm: str, name: str) -> Measurement:
        mine = self._arms[arm]
        said = self._learnt.workflows.get(arm)
        # The same rows with a mended layer or shape are another table, else the mend would never arrive.
        described = [sorted(self._learnt.layers.items()), msgspec.to_builtins(said.shape) if said else None]
        told = [str(self._sum), described] if any(described) else str(self._sum)
        fingerprint, cases = digest(encode(told)), self._suite_digest()
        file = "standard input" if name == STDIN else Path(name).name
        now = time.time()
        return Measurement(
            id=new_ulid(),
            key=resume_key("measure", fingerprint, cases, arm, None, 0),
            target=said.target if said is not None else file,
            fingerprint=fingerprint,
            suite=said.suite if said is not None else file,
            suite_digest=cases,
            condition=arm,
            weather_table=said.weather if said is not None else {},
            trials=max(mine.trials.values()),
            cases=len(mine.trials),
            created_at=now,
            finished_at=now,
            shape=self._shape(mine.observed, said.shape if said is not None else None),
            settings=msgspec.to_builtins(self._settings),
            version=__version__,
            ingested=self._form,
        )

    def _benchmark(self, first: Measurement) -> Measurement:
        key = resume_key("benchmark", first.fingerprint, first.suite_digest, "component", None, 0)
        return msgspec.structs.replace(
            first, id=new_ulid(), key=key, kind="benchmark", condition="component", weather_table={}
        )

    def _suite_digest(self) -> str:
        return digest(encode(sorted(self._cases)))

    def _shape(self, observed: Observed, known: Shape | None) -> Shape:
        for run in self._components:
            observed.name(run.step)
        return observed.shape(self._described, known)

    def _described(self, name: str, router: bool) -> Step:
        from gapless.frameworks.layers import describe_step

        layer: Layer | None = self._learnt.layers.get(name)
        step = describe_step(name, self._steps, {} if layer is None else {"layer": layer}, router=router)
        if layer is None or step.layer == layer:
            return step
        return msgspec.structs.replace(step, layer=layer, layer_source="metadata")  # the table says so itself

    def _notes(self) -> Iterator[str]:
        for why, count in self._learnt.left_out.items():
            yield f"{count} {why}."
        yield from self._replays.notes()
        if self._torn:
            some = ", ".join(sorted(self._torn)[:3])
            yield f"{len(self._torn)} cases are in several groups (such as {some}): intervals count each group as independent."
        if len(self._arms) > 1:
            yield (
                f"{len(self._arms)} conditions; component runs belong to all of them."
                if self._components
                else f"{len(self._arms)} conditions."
            )


_pack = msgspec.msgpack.Encoder().encode


@contextmanager
def _opened(file: str) -> Generator[Source]:
    from gapless.trace.importers.source import Source

    if file == STDIN:
        yield Source(sys.stdin.buffer, "standard input")
        return
    try:
        stream: BinaryIO = Path(file).open("rb")  # noqa: SIM115  # closed below, once it is known to be open
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror}).") from error
    with stream:
        yield Source(stream, file)
