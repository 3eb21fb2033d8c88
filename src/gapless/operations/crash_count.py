"""What a kill came to, counted from a journal that was written before anything else happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from gapless.operations.crash_child import Line, Told
from gapless.records.crash import CrashCell, CrashEnd, Moment


class Kill(NamedTuple):
    """Where and when a process dies, and under what."""

    guarded: bool
    durability: str
    step: str | None
    moment: Moment

    @property
    def name(self) -> str:
        """As its file is called."""
        mode = "guarded" if self.guarded else "bare"
        return "-".join((mode, self.durability, (self.step or "nobody").replace("/", "."), self.moment))


def counted(
    kill: Kill,
    effects: frozenset[str],
    lives: Sequence[Told | None],
    lines: Sequence[Line],
    whole: Sequence[Line],
    *,
    found: bool,
) -> CrashCell:
    """One kill and everything after it, by what the journal says.

    Args:
        kill: Where, when, and under what.
        effects: Steps that change the world.
        lives: How each process ended; None for one that was killed.
        lines: The journal.
        whole: The journal of a run that nobody kills.
        found: Whether the run was on record after the kill.
    """
    more = _times(lines, "ran") - _times(whole, "ran")
    settled = _times(lines, "settled")
    died = any(line.what == "died" for line in lines)
    last = lives[-1]
    after = [told for told in lives if told is not None]
    restarted = died and any(told.restarted for told in after if told is not after[0] or lives[0] is None)
    answers = [line.value for line in lines if line.what == "delivered"]
    wanted = [line.value for line in whole if line.what == "delivered"]
    return CrashCell(
        guarded=kill.guarded,
        durability=kill.durability,
        step=kill.step or "",
        moment=kill.moment,
        end=_end_of(last, died=died),
        restarted=restarted,
        found=found,
        resumes=len(lives) - 1,
        doubled=tuple(sorted(name for name in more if name in effects)),
        repeated=tuple(sorted(name for name in more if name not in effects)),
        approvals_doubled=sum(times > 1 for times in settled.values()),
        delivered=len(answers),
        same=answers[-1] == wanted[-1] if answers and wanted else None,
        reason="" if last is None else last.reason,
    )


def _times(lines: Sequence[Line], what: str) -> Counter[str]:
    return Counter(line.name for line in lines if line.what == what)


def _end_of(last: Told | None, *, died: bool) -> CrashEnd:
    if not died:
        return "never there"
    if last is None:
        return "lost"
    ends: dict[str, CrashEnd] = {"ended": "ended", "asked": "asked", "paused": "paused"}
    return ends.get(last.status, "failed")
