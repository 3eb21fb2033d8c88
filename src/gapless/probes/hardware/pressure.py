"""What others take of the CPUs: tasks that wait for one (PSI), and the time the hypervisor steals, over a time that is watched."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.hardware.host import text
from gapless.probes.judging import Judged, at_most, together
from gapless.records.finding import Figure, Finding

PRESSURE = Card(
    probe="pressure",
    layer="hardware",
    title="CPU pressure and steal",
    target="tasks wait for a CPU at most 10 % of the time, and the hypervisor takes at most 2 %",
    source="Linux, pressure stall information; /proc/stat",
)
_WAITING, _STOLEN = 0.10, 0.02
_SLICES, _SLICE_S = 4, 0.25
_WINDOWS = ("avg10", "avg60", "avg300")


def probe(subject: Subject) -> Iterable[Finding]:
    """How long tasks waited for a CPU in the last minutes, and what the hypervisor takes in a second that is watched."""
    waiting = _waited(subject.root, "cpu", "tasks waiting for a CPU, last minute")
    before = _Counters.of(subject.root)
    if waiting is None and before.ticks is None:
        raise ProbeUnavailable("the kernel tells neither pressure (/proc/pressure) nor steal (/proc/stat)")
    stolen = _steal(subject.root, before)
    memory = _waited(subject.root, "memory", "tasks waiting for memory, last minute")
    parts: list[str] = []
    judged: list[Judged] = []
    if waiting is not None:
        judged.append(at_most(waiting, _WAITING, missed="warn", needs="five quiet minutes"))
        parts.append(f"tasks waited for a CPU {100 * waiting.value:.0f} % of the last minute")
    if stolen is not None:
        judged.append(at_most(stolen, _STOLEN, missed="warn"))
        parts.append(f"{100 * stolen.value:.1f} % of CPU time was stolen")
    busy = waiting is not None and waiting.value > _WAITING
    what = "Other tasks on this host compete" if busy else "The hypervisor gives the CPUs to others"
    held = together(*judged)
    step = f"{what}: latencies measured now are theirs too. Measure again on a quiet host before you blame the model."
    yield PRESSURE.held(
        held,
        ", ".join(parts),
        figures=tuple(one for one in (waiting, memory, stolen) if one is not None),
        next_step=step if held.status != "ok" else "",
    )


def waiting_for_cpu(root: Path) -> str:
    """That tasks wait for a CPU more than this line tolerates, in words; empty where they do not, or nobody tells."""
    waiting = _waited(root, "cpu", "")
    if waiting is None or waiting.value <= _WAITING:
        return ""
    return f"tasks waited for a CPU {100 * waiting.value:.0f} % of the last minute"


@dataclass(frozen=True, slots=True)
class Taken:
    """What others took of the CPUs while something was measured."""

    waiting: float | None
    """Share of the time in which some task waited for a CPU; None where the kernel does not say."""
    stolen: float | None
    """Share of CPU time that the hypervisor took; None likewise."""

    @property
    def said(self) -> str:
        """In words, where it was more than is tolerated; empty where it was not, or nobody tells."""
        parts: list[str] = []
        if self.waiting is not None and self.waiting > _WAITING:
            parts.append(f"tasks waited for a CPU {100 * self.waiting:.0f} % of the time")
        if self.stolen is not None and self.stolen > _STOLEN:
            parts.append(f"the hypervisor took {100 * self.stolen:.0f} % of the CPUs")
        return " and ".join(parts)


class Watch:
    """Watches what others take from now on; `taken()` says it."""

    def __init__(self, root: Path) -> None:
        self._root, self._before = root, _Counters.of(root)

    def taken(self) -> Taken:
        """What was taken since."""
        now = _Counters.of(self._root)
        return Taken(now.waiting_since(self._before), now.stolen_since(self._before))


@dataclass(frozen=True, slots=True)
class _Counters:
    """The kernel's counters at one moment."""

    at: float
    stalled_us: int | None
    """Microseconds since boot in which some task waited for a CPU."""
    ticks: tuple[int, int] | None
    """(stolen, all) ticks since boot."""

    @classmethod
    def of(cls, root: Path) -> _Counters:
        said = re.search(r"^some .*?total=(\d+)", text(root, "proc/pressure/cpu") or "", re.MULTILINE)
        first = (text(root, "proc/stat") or "").splitlines()[:1]
        numbers = [int(one) for one in first[0].split()[1:]] if first and first[0].startswith("cpu ") else []
        ticks = (numbers[7], sum(numbers[:8])) if len(numbers) >= 8 else None
        return cls(time.monotonic(), int(said[1]) if said is not None else None, ticks)

    def waiting_since(self, before: _Counters) -> float | None:
        if self.stalled_us is None or before.stalled_us is None or self.at <= before.at:
            return None
        return min(1.0, (self.stalled_us - before.stalled_us) / 1e6 / (self.at - before.at))

    def stolen_since(self, before: _Counters) -> float | None:
        if self.ticks is None or before.ticks is None or self.ticks[1] <= before.ticks[1]:
            return None
        return (self.ticks[0] - before.ticks[0]) / (self.ticks[1] - before.ticks[1])


def _waited(root: Path, what: str, name: str) -> Figure | None:
    """Share of the last minute in which some task waited, between the kernel's averages; None where it does not say."""
    said = text(root, f"proc/pressure/{what}") or ""
    some = next((line for line in said.splitlines() if line.startswith("some ")), "")
    averages = {key: float(value) / 100 for key, value in re.findall(r"(avg\d+)=([\d.]+)", some)}
    if not all(window in averages for window in _WINDOWS):
        return None
    shares = [averages[window] for window in _WINDOWS]
    return Figure(
        name=name,
        value=averages["avg60"],
        unit="share",
        low=min(shares),
        high=max(shares),
        spread="averages over ten seconds, a minute and five",
    )


def _steal(root: Path, before: _Counters) -> Figure | None:
    """Share of CPU time stolen in one second, between its quietest and its worst quarter; None where the kernel does not say."""
    marks = [before]
    for _ in range(_SLICES):
        time.sleep(_SLICE_S)
        marks.append(_Counters.of(root))
    whole = marks[-1].stolen_since(before)
    if whole is None:
        return None
    parts = [now.stolen_since(then) for then, now in itertools.pairwise(marks)]
    shares = [one for one in parts if one is not None] or [whole]
    return Figure(
        name="stolen by the hypervisor, one second",
        value=whole,
        unit="share",
        low=min(shares),
        high=max(shares),
        spread=f"least and most of {_SLICES} parts of it",
    )
