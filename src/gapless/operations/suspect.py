"""The second pass over a measurement: what is normal for each step is learnt from all trials, then each is held to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from gapless.operations.progress import Stop

if TYPE_CHECKING:
    from gapless.boundary.suspicions.base import ObservedTrial
    from gapless.records.measurement import Measurement
    from gapless.records.trial import TrialRecord
    from gapless.stores.store import Store

_TRIALS_AT_ONCE = 50


Declared = Callable[[], Mapping[str, Any]]
"""Asks a workflow what it declares: step -> JSON Schema of what it hands over."""


def suspect_all(
    store: Store, measurement: Measurement, declared: Declared | None = None, stop: Stop | None = None
) -> bool:
    """Replaces the suspicions of a measurement. They are learnt anew each time, so that more trials sharpen them.

    Args:
        store: Where trials are read and suspicions written.
        measurement: Whose trials.
        declared: What the workflow declares.
        stop: Asks to stop; then nothing is replaced.

    Returns:
        Whether the pass came to its end.
    """
    from gapless.boundary.suspicions import learn, suspect

    if all(run.labelled or run.outcome in ("failed", "escalated") for run in store.runs(measurement.id)):
        store.replace_suspicions(measurement.id, ())  # every delivery has its verdict: nothing to suspect
        return True

    def watched() -> Iterator[ObservedTrial]:
        for trial in observed(store, measurement):
            if stop is not None and stop.requested:
                raise _Stopped
            yield trial

    try:
        normal = learn(watched(), declared() if declared is not None else None)
        found = [(trial.case, trial.trial, suspect(trial, normal)) for trial in watched()]
    except _Stopped:
        return False
    store.replace_suspicions(measurement.id, (((case, number), some) for case, number, some in found if some))
    return True


class _Stopped(Exception):
    """The pass was asked to stop."""


def observed(store: Store, measurement: Measurement) -> Iterator[ObservedTrial]:
    """The trials of a measurement with their values, few in memory at once."""
    from gapless.boundary.suspicions import UNKNOWN, observe

    records = store.records(measurement.id)
    while page := list(islice(records, _TRIALS_AT_ONCE)):
        values = store.payloads(set().union(*(_digests(record) for record in page)))
        for record in page:
            given = values.get(record.input, UNKNOWN) if record.input is not None else UNKNOWN
            yield observe(record, values.__getitem__, given)


def _digests(record: TrialRecord) -> set[str]:
    calls = [call for event in record.events for call in event.calls]
    found = [record.input, record.output]
    found += [digest for event in record.events for digest in (event.input, event.output)]
    found += [digest for call in calls for digest in (call.request, call.response)]
    return {digest for digest in found if digest is not None}
