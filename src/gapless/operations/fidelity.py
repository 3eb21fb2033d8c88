"""`gapless replay --all`: every recorded trial replayed unchanged, and how many come out as they were recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from gapless.errors import ReplayMismatch
from gapless.operations.progress import Progress, Stop, Tell, silent
from gapless.operations.replay import Opened, case_of, replays, rerun
from gapless.operations.replay_plan import Wanted, plan_of
from gapless.records.measurement import Measurement
from gapless.records.origin import Origin
from gapless.records.replay import CrossingPair, Fidelity, FidelityReason
from gapless.records.trial import TrialRecord

if TYPE_CHECKING:
    from gapless.evals.trial import Finished

Key = tuple[str, int]
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class _Replayed:
    key: Key
    finished: Finished | None = None
    left: str | None = None
    """Why the replay left the tape; None for a trial that never came to the start."""


async def fidelity_into(
    opened: Opened, wanted: Wanted, *, most: int | None = None, tell: Tell = silent, stop: Stop | None = None
) -> Fidelity:
    """Replays every trial of a measurement that was not replayed yet from the same step.

    Args:
        opened: The measurement.
        wanted: Where each trial starts again; nothing is changed.
        most: Only a sample of so many trials, drawn by chance and always the same of one measurement; all when None.
        tell: Is told the progress.
        stop: May ask to stop: what was replayed is kept.
    """
    from gapless.evals.harness import Harness
    from gapless.evals.judge import Judge
    from gapless.stores.store import Batch
    from gapless.stores.writer import Writer

    store, stop = opened.store, stop or Stop()
    start = wanted.start or "the beginning"
    effects = ", effects live" if wanted.live_effects else ""
    asked = replays(opened, f"replay of all from {start}{effects}", f"all {start}{effects}", cases=0)
    kept = store.begin(asked, store.suite(opened.measurement.suite_digest))
    done, left = store.done(kept.id), dict[Key, str]()
    every = sorted(store.done(opened.measurement.id), key=lambda key: (key[1], key[0]))
    asked_for = every if most is None else sample(every, most, opened.measurement.id)
    todo = [key for key in asked_for if key not in done]
    already = len(asked_for) - len(todo)
    judge, writer, fresh = Judge(opened.workflow.shape), Writer(store), 0

    async def work(key: Key) -> _Replayed:
        before = store.record(opened.measurement.id, *key)
        if not comes_to(before, wanted.start):
            return _Replayed(key)
        try:
            return _Replayed(key, await _again(opened, before, wanted, judge))
        except ReplayMismatch as error:
            return _Replayed(key, left=str(error))

    async def commit(result: _Replayed | None, _: Key | None) -> None:
        if result is not None and result.finished is not None:
            finished = result.finished
            await writer.commit(Batch(kept.id, finished=[finished.record], payloads=finished.payloads))

    def report(result: _Replayed) -> None:
        nonlocal fresh
        fresh += 1
        if result.left is not None:
            left[result.key] = result.left
        tell(Progress(what="replays", done=already + fresh, total=len(asked_for), fresh=fresh))

    try:
        harness = Harness(work, commit, report, concurrency=opened.place.settings.concurrency)
        stop.listen(harness.stop)
        complete = await harness.run(todo)
    finally:
        writer.close()
    complete = complete and len(done | set(todo)) == len(every)
    if complete:
        kept = store.finish(kept)
    return fidelity_of(opened, kept, wanted.start, left, complete=complete)


def sample(every: list[Key], most: int, seed: str) -> list[Key]:
    """Trials drawn by chance, of every case one before any has two; the same for the same seed.

    Args:
        every: Case and trial of each.
        most: How many at most.
        seed: Anything that is always the same of the same trials.
    """
    drawn = list(every)
    Random(seed).shuffle(drawn)
    return sorted(drawn, key=lambda key: key[1])[:most]


def comes_to(record: TrialRecord, start: str | None) -> bool:
    """Whether a trial passed a step; an address that names a visit or a branch is looked up when it is replayed."""
    if start is None:
        return True
    step = start.partition("#")[0].partition("[")[0]
    return any(event.step in (start, step) for event in record.events)


async def _again(opened: Opened, before: TrialRecord, wanted: Wanted, judge: object) -> Finished:
    from gapless.boundary.tape import Tape

    planned = plan_of(Tape.of(before, opened.load), case_of(opened, before), opened.workflow, wanted)
    origin = Origin(
        measurement=opened.measurement.id,
        case=before.case,
        trial=before.trial,
        start=planned.start,
        live_effects=wanted.live_effects,
        fingerprint=opened.workflow.fingerprint if opened.changed else "",
    )
    return await rerun(opened, before, planned, origin, judge)


def fidelity_of(
    opened: Opened, kept: Measurement, start: str | None, left: dict[Key, str], *, complete: bool
) -> Fidelity:
    """How faithful the replays of a measurement are.

    Args:
        opened: The measurement.
        kept: The one that holds its replays.
        start: The step from which they ran.
        left: Trial -> why its replay left the tape.
        complete: Whether every trial was replayed.
    """
    from gapless.evals.trial_diff import crossing_pairs, first_difference, same_end
    from gapless.gap.clustered import clustered

    outcomes: list[float] = []
    handoffs: list[float] = []
    groups: list[str] = []
    reasons: dict[str, list[str]] = {}
    unstable: Counter[str] = Counter()
    total = skipped = 0
    for before in opened.store.records(opened.measurement.id):
        total += 1
        key = (before.case, before.trial)
        if not comes_to(before, start):
            skipped += 1
            continue
        after = None if key in left else _replay(opened, kept, key)
        if after is None and key not in left:
            continue
        groups.append(before.group)
        pairs = crossing_pairs(before, after, opened.load) if after is not None else ()
        first = first_difference(pairs)
        outcomes.append(float(after is not None and after.outcome == before.outcome))
        same = after is not None and first is None and same_end(before, after, opened.load)
        handoffs.append(float(outcomes[-1] == 1.0 and same))
        unstable.update(_unstable(pairs))
        why = left.get(key) or (_why(before, after, first) if after is not None else None)
        if why is not None:
            reasons.setdefault(why, []).append(f"{before.case}#{before.trial}")
    return Fidelity(
        measurement=opened.measurement.id,
        replay=kept.id,
        start=start,
        outcome=clustered(outcomes, groups),
        handoffs=clustered(handoffs, groups),
        trials=total,
        replayed=len(outcomes),
        skipped=skipped,
        reasons=tuple(_reason(why, trials) for why, trials in _most_first(reasons)),
        unstable=dict(unstable.most_common()),
        complete=complete,
    )


def _replay(opened: Opened, kept: Measurement, key: Key) -> TrialRecord | None:
    return opened.store.record(kept.id, *key) if key in opened.store.done(kept.id) else None


def _unstable(pairs: Iterable[CrossingPair]) -> set[str]:
    """Steps that handed over something else although they were given the same."""
    return {pair.step for pair in pairs if pair.status == "changed" and not pair.state}


def _why(before: TrialRecord, after: TrialRecord, first: CrossingPair | None) -> str | None:
    """Why a replay did not come out as recorded, by the first crossing that differs; None where it did."""
    outcome = f"ended {after.outcome}, was {before.outcome}" if after.outcome != before.outcome else None
    if first is None:
        if outcome is None:
            return None
        return f"every handoff was the same, and it {outcome}: a check that looks at the time, or at chance"
    told = {"new": "was passed, which the recorded trial did not", "gone": "was not passed again"}
    what = told.get(first.status, "handed over something else")
    given = "" if first.status != "changed" or first.state else " in the same state"
    return f"{first.step} {what}{given}" + (f"; it {outcome}" if outcome is not None else "")


def _most_first(reasons: dict[str, list[str]]) -> list[tuple[str, list[str]]]:
    return sorted(reasons.items(), key=lambda item: -len(item[1]))


def _reason(why: str, trials: list[str]) -> FidelityReason:
    return FidelityReason(reason=why, count=len(trials), examples=tuple(trials[:_EXAMPLES]))
