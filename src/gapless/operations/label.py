"""`gapless label`: a person's verdict on a trial, and a good trial promoted to a case with golden outputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from gapless.errors import InvalidSuite, UnknownName, UsageError
from gapless.operations.whole_file import write_whole
from gapless.records.label import Label, parse_trial
from gapless.records.measurement import Measurement
from gapless.records.trial import TrialRecord
from gapless.records.value import is_redacted

if TYPE_CHECKING:
    from gapless.stores.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A trial as a person needs it to judge it."""

    case: str
    trial: int
    outcome: str
    input: Any
    output: Any
    steps: tuple[tuple[str, str, Any], ...]
    """(step, what it looked like: ok, error, suspicion..., what it handed over)."""
    kept: bool = True
    """Whether inputs and outputs were kept; a run table holds none."""


def parse(text: str) -> tuple[str, int]:
    """Reads "case#trial".

    Raises:
        UsageError: What follows "#" is no number.
    """
    try:
        return parse_trial(text)
    except ValueError:
        raise UsageError(f"{text!r} names no trial. Write case#number, for example supplier-7#0.") from None


def show(store: Store, measurement: Measurement, case: str, trial: int) -> Shown:
    """What happened in a trial.

    Raises:
        UnknownName: There is no such trial.
    """
    record = store.record(measurement.id, case, trial)
    found = store.suspicions(measurement.id).get((case, trial), {})
    steps = []
    for index, event in enumerate(record.events):
        notes = [event.status if event.error is None else f"{event.error.type}: {event.error.message}"]
        notes += [f"injected on purpose: {fault}" for fault in event.faults]
        notes += [f"suspected {s.check}: {s.reason}" for s in (*event.suspicions, *found.get(index, ()))]
        notes += [f"{v.check} {v.status}: {v.reason}" for v in event.verdicts if v.status != "pass"]
        value = store.payload(event.output) if event.output is not None else None
        steps.append((event.step, "; ".join(notes), value))
    return Shown(
        case=case,
        trial=trial,
        outcome=record.outcome,
        input=store.payload(record.input) if record.input is not None else None,
        output=store.payload(record.output) if record.output is not None else None,
        steps=tuple(steps),
        kept=measurement.ingested is None,
    )


def put(store: Store, measurement: Measurement, label: Label) -> Label | None:
    """Writes a label; the report counts it from now on.

    Returns:
        The label it replaces.

    Raises:
        UnknownName: There is no such trial, or the workflow has no such step.
    """
    record = store.record(measurement.id, label.case, label.trial)
    if label.blame is not None and measurement.shape.step(label.blame) is None:
        known = ", ".join(step.name for step in measurement.shape.steps)
        raise UnknownName(f"the workflow has no step {label.blame!r}. Its steps: {known}.")
    if record.outcome in ("escalated", "failed"):
        raise UsageError(
            f"{label.case}#{label.trial} {record.outcome}: it delivered no answer that could be right or wrong. Label a delivered one."
        )
    if label.correct and label.blame is not None:
        raise UsageError(
            "--blame names where a wrong trial went wrong; with --correct there is nothing to blame."
        )
    before = store.labels(measurement.id).get((label.case, label.trial))
    if before is not None and not before.correct and not label.correct and label.blame is None:
        label = msgspec.structs.replace(label, blame=before.blame)  # said again, not taken back
    store.put_label(measurement.id, label)
    return before


def promote(store: Store, measurement: Measurement, case: str, trial: int, file: Path) -> dict[str, Any]:
    """Adds a trial to a suite file as a case: its input, its path, and what each step handed over as golden output.

    Returns:
        The case as written.

    Raises:
        InvalidSuite: The file cannot be read, or already has a case of that id.
        UsageError: The trial was not right: what it handed over is no golden output.
    """
    record = store.record(measurement.id, case, trial)
    label = store.labels(measurement.id).get((case, trial))
    if not (label.correct if label is not None else record.outcome == "correct"):
        raise UsageError(
            f"{case}#{trial} is not known to be right, so what its steps handed over is no golden output. "
            "Promote a correct trial, add --correct if this one is, or write the case by hand."
        )
    if measurement.ingested is not None:
        raise UsageError(
            f"{case}#{trial} came from a run table, which holds no inputs and outputs, so it cannot be run again. Write the case by hand."
        )
    suite = store.suite(measurement.suite_digest)
    known = next((c for c in suite.cases if c.id == case), None)
    given = store.payload(record.input) if record.input is not None else None
    if is_redacted(given):
        raise UsageError(
            f"{case}#{trial}: its input was kept with redacted values ([privacy] redact in gapless.toml), so it cannot be run again. Write the case by hand."
        )
    written: dict[str, Any] = {"id": case, "input": given}
    if known is not None and known.group is not None:
        written["group"] = known.group
    review = {step.name for step in measurement.shape.steps if step.review}
    written["path"] = [step for step in record.path if step not in review]
    written["golden"] = shown_goldens(store, record)
    output = store.payload(record.output) if record.output is not None else None
    if record.output is not None and not is_redacted(output):
        written["golden"]["end"] = output
    _append(file, written)
    return written


def shown_goldens(store: Store, record: TrialRecord) -> dict[str, Any]:
    """What each step handed over. A list in a golden means one value per visit, so a value that is a list is wrapped.

    What was redacted is no golden output: no answer could equal it.
    """
    visits: dict[str, dict[int, Any]] = {}
    fanned: set[str] = set()
    for event in record.events:
        if event.status == "ok" and event.output is not None and not event.router:
            value = store.payload(event.output)  # a later attempt replaces an earlier one
            known = visits.setdefault(event.step, {})
            if event.branch is not None and known.get(event.visit, value) != value:
                fanned.add(event.step)  # parallel branches differ, and a golden cannot tell them apart
            known[event.visit] = value
    goldens: dict[str, Any] = {}
    for step, known in visits.items():
        values = [known[visit] for visit in sorted(known)]
        if step not in fanned and not is_redacted(values):
            goldens[step] = values if len(values) > 1 or isinstance(values[-1], list) else values[-1]
    return goldens


def add_case(file: Path, written: dict[str, Any]) -> bool:
    """Adds a case to a suite file; False when this very case is there already.

    Raises:
        InvalidSuite: The file cannot be read, or has another case of that id.
        UsageError: It cannot be written.
    """
    import yaml

    _, cases = _existing(file)
    if yaml.safe_load(yaml.safe_dump(written)) in cases:
        return False
    _append(file, written)
    return True


def _existing(file: Path) -> tuple[Any, list[Any]]:
    """What a suite file holds, and its cases."""
    import yaml

    try:
        existing = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else []
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidSuite(f"{file}: cannot be read as YAML: {error}.") from error
    cases = existing.get("cases", []) if isinstance(existing, dict) else existing or []
    if not isinstance(cases, list):
        raise InvalidSuite(f"{file}: holds no list of cases. Name another file, or write `cases: [...]`.")
    return existing, cases


def _append(file: Path, written: dict[str, Any]) -> None:
    import yaml

    existing, cases = _existing(file)
    if any(isinstance(other, dict) and other.get("id") == written["id"] for other in cases):
        raise InvalidSuite(
            f"{file}: already has a case {written['id']!r}. Remove it first, or promote into another file."
        )
    text = yaml.safe_dump([written], sort_keys=False, allow_unicode=True)
    if isinstance(existing, dict):
        cases.append(written)
        text = yaml.safe_dump({**existing, "cases": cases}, sort_keys=False, allow_unicode=True)
        write_whole(file, text)
    else:
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        write_whole(file, before + ("" if not before or before.endswith("\n") else "\n") + text)
