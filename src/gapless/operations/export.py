"""`gapless export`: a measurement as a file that anybody can compute it from again."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from gapless.errors import UnknownName
from gapless.operations.report import run_table
from gapless.operations.whole_file import unwritable
from gapless.records.measurement import Measurement
from gapless.records.trial import Run

if TYPE_CHECKING:
    from gapless.stores.store import Store

FORMATS = ("runs",)
STDOUT = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written."""

    measurement: str
    file: str
    lines: int


def export(store: Store, measurement: Measurement, file: str, form: str = "runs") -> Exported:
    """Writes the run table of a measurement, with its benchmark and replays: labels and suspicions as they are now.

    Args:
        store: Where it lies.
        measurement: A measurement, or a benchmark (its component runs alone).
        file: Path; gzip if it ends in ".gz". "-" is standard output. A file appears whole or not at all.
        form: "runs", which is `gapless.runs/1`.

    Raises:
        UnknownName: No such format.
        UsageError: The file cannot be written.
    """
    if form not in FORMATS:
        raise UnknownName(f"no format {form!r} to export. Formats: {', '.join(FORMATS)}.")
    from gapless.trace.run_table import lines

    benchmark = measurement if measurement.kind == "benchmark" else store.benchmark_of(measurement)
    components = store.components(benchmark.id) if benchmark is not None else []
    count = 0
    with _opened(file) as stream:
        runs = _placed(run_table(store, measurement))
        for line in lines(measurement, runs, components, store.replays(measurement.id)):
            stream.write(line)
            count += 1
    return Exported(measurement=measurement.id, file=file, lines=count)


def _placed(runs: Iterator[Run]) -> Iterator[Run]:
    """Runs with a blame only where the rule gives another: the rule is known to whoever reads the table."""
    from gapless.gap.blame import blame

    for run in runs:
        own = run.blame is not None and run.blame != blame(run.events, run.outcome)
        yield run if own else msgspec.structs.replace(run, blame=None)


@contextmanager
def _opened(file: str) -> Generator[BinaryIO]:
    if file == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(file)
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as plain:
            if path.suffix == ".gz":
                with gzip.GzipFile(filename="", fileobj=plain, mode="wb", mtime=0, compresslevel=6) as packed:
                    yield packed  # type: ignore[misc]  # a GzipFile is a BinaryIO in all that is asked of it
            else:
                yield plain
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
