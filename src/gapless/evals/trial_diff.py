"""A recorded trial beside its replay, crossing by crossing: what was kept, what came out the same, what changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from gapless.boundary.tape import Place, Tape, Taped
from gapless.errors import StoreError, UnknownName
from gapless.records.changes import changes
from gapless.records.origin import Origin
from gapless.records.replay import Change, CrossingPair, ReplayDiff
from gapless.records.summary import summary
from gapless.records.trial import TrialRecord, Verdict

Load = Callable[[str], Any]
Status = Literal["kept", "edited", "same", "changed", "new", "gone"]
_MOST = 40
LOST = "(the store has lost this value)"


def trial_diff(
    before: TrialRecord,
    after: TrialRecord,
    load: Load,
    *,
    origin: Origin,
    replay: str,
    warnings: tuple[str, ...] = (),
) -> ReplayDiff:
    """How a replay differs from what it replays.

    Args:
        before: The recorded trial.
        after: Its replay.
        load: Reads the values that both refer to.
        origin: What was done to it.
        replay: Id of the measurement that keeps the replay.
        warnings: What has to be said besides.
    """
    return ReplayDiff(
        origin=origin,
        replay=replay,
        before=before.outcome,
        after=after.outcome,
        before_ms=before.ms,
        after_ms=after.ms,
        crossings=crossing_pairs(before, after, load, edited=frozenset(origin.edits)),
        output=_values(before.output, after.output, load),
        verdicts=_turned(before.verdicts, after.verdicts),
        before_why=summary(before).why,
        after_why=summary(after).why,
        warnings=warnings,
    )


def crossing_pairs(
    before: TrialRecord, after: TrialRecord, load: Load, *, edited: frozenset[str] = frozenset()
) -> tuple[CrossingPair, ...]:
    """Every visit of either trial, in the order of the recorded one; what the replay alone passed stands where it passed it.

    Args:
        before: The recorded trial.
        after: Its replay.
        load: Reads the values that both refer to.
        edited: Addresses of visits that handed over something else, `step#visit`.
    """
    old, new = Tape.of(before, load).visits, Tape.of(after, load).visits
    pairs = {place: _pair(place, taped, new.get(place), load, edited) for place, taped in old.items()}
    order = list(old)
    at = 0
    for place in new:
        if place in old:
            at = order.index(place) + 1
        else:
            pairs[place] = _pair(place, None, new[place], load, edited)
            order.insert(at, place)
            at += 1
    return tuple(pairs[place] for place in order)


def first_difference(pairs: tuple[CrossingPair, ...]) -> CrossingPair | None:
    """The first crossing at which the replay went another way; None where it did nowhere."""
    return next((pair for pair in pairs if pair.status in ("changed", "new", "gone")), None)


def same_end(before: TrialRecord, after: TrialRecord, load: Load) -> bool:
    """Whether two trials ended with the same output."""
    return not _values(before.output, after.output, load)


def _pair(
    place: Place, old: Taped | None, new: Taped | None, load: Load, edited: frozenset[str]
) -> CrossingPair:
    before, after = (old.event if old else None), (new.event if new else None)
    handoff = _values(before.output, after.output, load) if before and after else ()
    state = _values(before.input, after.input, load) if before and after else ()
    broke, breaks = _error(old), _error(new)
    status: Status
    if before is None or after is None:
        status = "new" if before is None else "gone"
    elif after.kept:
        status = "edited" if str(place) in edited else "kept"
    else:
        other = (
            bool(handoff) or broke != breaks or before.status != after.status or before.routed != after.routed
        )
        status = "changed" if other else "same"
    return CrossingPair(
        step=place.step,
        branch=place.branch,
        visit=place.visit,
        status=status,
        before_ms=before.ms if before else None,
        after_ms=after.ms if after else None,
        before_ok=before.ok if before else None,
        after_ok=after.ok if after else None,
        state=state,
        handoff=handoff,
        before_error=broke,
        after_error=breaks,
        verdicts=_turned(before.verdicts, after.verdicts) if before and after else (),
    )


def _error(taped: Taped | None) -> str | None:
    if taped is None or taped.ended:
        return None
    info = taped.event.error
    return f"{info.type}: {info.message}" if info is not None else taped.event.status


def _values(before: str | None, after: str | None, load: Load) -> tuple[Change, ...]:
    if before == after:
        return ()
    if before is None or after is None:
        return (Change(path="", before=_said(before, load), after=_said(after, load)),)
    return changes(_said(before, load), _said(after, load), most=_MOST)


def _said(address: str | None, load: Load) -> Any:
    """A value; where the store has lost it, words that say so: what was run again is not lost with it."""
    try:
        return load(address) if address is not None else None
    except (UnknownName, StoreError):
        return LOST


def _turned(before: tuple[Verdict, ...], after: tuple[Verdict, ...]) -> tuple[str, ...]:
    """Checks that say something else now."""
    now = {verdict.check: verdict for verdict in after}
    return tuple(
        f"{old.check}: {old.status} -> {now[old.check].status}"
        + (f" ({now[old.check].reason})" if now[old.check].reason else "")
        for old in before
        if old.check in now and now[old.check].status != old.status
    )
