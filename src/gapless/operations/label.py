"""`gapless label`: a person's verdict on a trial, and a good trial promoted to a case with golden outputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapless.errors import InvalidSuite, UnknownName, UsageError
from gapless.records.label import Label, parse_trial
from gapless.records.measurement import Measurement
from gapless.records.trial import TrialRecord

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
        notes += [f"suspected {s.check}: {s.reason}" for s in found.get(index, ())]
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
    )


def put(store: Store, measurement: Measurement, label: Label) -> TrialRecord:
    """Writes a label; the report counts it from now on.

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
    store.put_label(measurement.id, label)
    return record


def promote(store: Store, measurement: Measurement, case: str, trial: int, file: Path) -> dict[str, Any]:
    """Adds a trial to a suite file as a case: its input, its path, and what each step handed over as golden output.

    Returns:
        The case as written.

    Raises:
        InvalidSuite: The file cannot be read, or already has a case of that id.
    """
    record = store.record(measurement.id, case, trial)
    suite = store.suite(measurement.suite_digest)
    known = next((c for c in suite.cases if c.id == case), None)
    given = store.payload(record.input) if record.input is not None else None
    written: dict[str, Any] = {"id": case, "input": given}
    if known is not None and known.group is not None:
        written["group"] = known.group
    review = {step.name for step in measurement.shape.steps if step.review}
    written["path"] = [step for step in record.path if step not in review]
    written["golden"] = _goldens(store, record)
    _append(file, written)
    return written


def _goldens(store: Store, record: TrialRecord) -> dict[str, Any]:
    goldens: dict[str, Any] = {}
    for event in record.events:
        if event.status == "ok" and event.output is not None and not event.router:
            goldens[event.step] = store.payload(
                event.output
            )  # a later attempt or visit replaces an earlier one
    return goldens


def _append(file: Path, written: dict[str, Any]) -> None:
    import yaml

    try:
        existing = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else []
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidSuite(f"{file}: cannot be read as YAML: {error}.") from error
    cases = existing.get("cases", []) if isinstance(existing, dict) else existing or []
    if any(isinstance(other, dict) and other.get("id") == written["id"] for other in cases):
        raise InvalidSuite(
            f"{file}: already has a case {written['id']!r}. Remove it first, or promote into another file."
        )
    text = yaml.safe_dump([written], sort_keys=False, allow_unicode=True)
    if isinstance(existing, dict):
        cases.append(written)
        text = yaml.safe_dump({**existing, "cases": cases}, sort_keys=False, allow_unicode=True)
        _replace(file, text)
    else:
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        _replace(file, before + ("" if not before or before.endswith("\n") else "\n") + text)


def _replace(file: Path, text: str) -> None:
    temporary = file.with_name(file.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)
