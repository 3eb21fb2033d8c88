"""`gapless judge`: how far a model's end verdicts agree with people's, and which trials to label to know it better."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapless.errors import UsageError
from gapless.operations.label import parse, put
from gapless.records.judge import JUDGES, JudgeQuality
from gapless.records.label import Label
from gapless.records.measurement import Measurement
from gapless.records.suite import END, Suite
from gapless.records.value import digest, encode

if TYPE_CHECKING:
    from gapless.gap.judged import Judged, Judgement
    from gapless.gap.table import Table
    from gapless.stores.store import Store

_IDENTITY = (
    "question",
    "path",
    "show_input",
    "url",
    "model",
    "temperature",
    "seed",
    "votes",
    "instructions",
)
"""What makes a judge the same judge; the reference answer differs from case to case."""
_RIGHT = ("true", "correct", "right", "pass", "yes", "1")
_WRONG = ("false", "wrong", "fail", "no", "0")


def quality(
    store: Store, measurement: Measurement, suite: Suite, judged: Judged, table: Table
) -> JudgeQuality | None:
    """What is known of the model that judged a measurement; None where none did.

    Args:
        store: Where labels and other measurements are.
        measurement: What was measured.
        suite: Its cases.
        judged: What passed by when `table` was collected.
        table: The run table.
    """
    judges = _judges(suite)
    if not judges and not judged.judgements:
        return None
    models = sorted({str(params.get("model")) for params in judges})
    return judged.quality(table, models=models, elsewhere=list(_elsewhere(store, measurement, judges)))


def to_label(store: Store, measurement: Measurement, number: int) -> list[str]:
    """The next trials to label, drawn at random among those that a model decided and nobody has labelled."""
    from gapless.gap.judged import drawn, rests_on_judge
    from gapless.operations.report import run_table

    names = [f"{r.case}#{r.trial}" for r in run_table(store, measurement) if rests_on_judge(r)]
    known = {f"{case}#{trial}" for case, trial in store.labels(measurement.id)}
    return [name for name in drawn(names) if name not in known][:number]


def put_file(store: Store, measurement: Measurement, file: Path) -> int:
    """Writes the labels of a file: CSV with the columns `trial` and `correct`, or JSON Lines with these keys.

    All or none: a line that cannot be used is named, and nothing is written.

    Returns:
        How many labels there are in it.

    Raises:
        UsageError: The file cannot be read, or a line of it says no trial or no verdict.
        UnknownName: There is no such trial.
    """
    labels = [_label(row, f"{file}:{line}") for line, row in _rows(file)]
    for label in labels:
        outcome = store.record(measurement.id, label.case, label.trial).outcome
        if outcome in ("escalated", "failed"):
            raise UsageError(
                f"{file}: {label.case}#{label.trial} {outcome}: it delivered no answer that could be right or wrong. Take it out."
            )
    for label in labels:
        put(store, measurement, label)
    return len(labels)


def _judges(suite: Suite) -> list[dict[str, Any]]:
    specs = [spec for case in suite.cases for spec in case.checks.get(END, ())]
    return [spec.params for spec in specs if spec.name in JUDGES]


def _identity(judges: list[dict[str, Any]]) -> frozenset[str]:
    return frozenset(digest(encode([params.get(name) for name in _IDENTITY])) for params in judges)


def _elsewhere(store: Store, measurement: Measurement, judges: list[dict[str, Any]]) -> Iterator[Judgement]:
    """Labelled trials of other measurements that the very same judge decided."""
    from gapless.gap.judged import Judged
    from gapless.operations.report import run_table

    mine = _identity(judges)
    for other in store.measurements() if mine else ():
        if other.id == measurement.id or other.kind != "measure" or not store.labels(other.id):
            continue
        if _identity(_judges(store.suite(other.suite_digest))) != mine:
            continue
        theirs = Judged()
        for _ in theirs.of(run_table(store, other)):
            pass
        yield from (one for one in theirs.judgements if one.right is not None)


def _rows(file: Path) -> list[tuple[int, dict[str, Any]]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix.lower() == ".csv":
            return list(enumerate(csv.DictReader(text.splitlines()), 2))
        lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        return [(number, json.loads(line)) for number, line in lines]
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(
            f"{file}: cannot be read as {'CSV' if file.suffix.lower() == '.csv' else 'JSON Lines'}: {error}."
        ) from error


def _label(row: Any, where: str) -> Label:
    if not isinstance(row, dict) or not isinstance(row.get("trial"), str) or not row["trial"]:
        raise UsageError(f'{where}: names no trial. Write {{"trial": "c7#0", "correct": true}}.')
    said = row.get("correct")
    word = str(said).strip().lower()
    if word not in (*_RIGHT, *_WRONG):
        raise UsageError(f"{where}: correct is {said!r}; allowed are true and false.")
    case, trial = parse(row["trial"])
    return Label(case=case, trial=trial, correct=word in _RIGHT, note=str(row.get("note") or ""))
