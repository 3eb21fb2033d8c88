"""The second pass over a measurement: what is normal for each step is learnt from all trials, then each is held to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gapless.boundary.suspicions.base import ObservedTrial
    from gapless.records.measurement import Measurement
    from gapless.stores.store import Store


def suspect_all(store: Store, measurement: Measurement) -> None:
    """Replaces the suspicions of a measurement. They are learnt anew each time, so that more trials sharpen them."""
    from gapless.boundary.suspicions import learn, suspect

    normal = learn(_observed(store, measurement))
    found = ((trial.case, trial.trial, suspect(trial, normal)) for trial in _observed(store, measurement))
    store.replace_suspicions(measurement.id, (((case, number), some) for case, number, some in found if some))


def _observed(store: Store, measurement: Measurement) -> Iterator[ObservedTrial]:
    from gapless.boundary.suspicions import observe

    def load(digest: str) -> Any:
        return store.payload(digest)

    for record in store.records(measurement.id):
        yield observe(record, load)
