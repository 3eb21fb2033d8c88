"""Interference: what the rest of the pipeline, at the user's rate, takes from the model's throughput on the same host.

The model writes all the time. Windows in which it is alone and windows in which a part of the pipeline runs beside it take
turns, in another order each round, so that a host that is busy with something else slows both and is not mistaken for
interference. Each part is held against the window without any of the same round.

Source:
    The limits are the k-th smallest and the k-th largest of n paired differences: they hold the median with probability
    1 - 2 P(Binomial(n, 1/2) < k), whatever the distribution (David, Nagaraja 2003, Order Statistics, section 7.1). Of nine
    the second ones are taken, so that one round that something else disturbed does not decide.
"""

from __future__ import annotations

import math
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from gapless.gap.latency import ranks
from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.hardware.host import allowed_cpus, listed
from gapless.probes.hardware.pressure import waiting_for_cpu
from gapless.probes.hardware.writing import Writing, written
from gapless.probes.judging import Judged, at_most, together
from gapless.probes.model.measured import answering
from gapless.records.finding import Figure, Finding

CARD = Card(
    probe="interference",
    layer="hardware",
    title="the model keeps its throughput beside the rest of the pipeline",
    target="at most 10 % of the model's throughput lost while the pipeline runs beside it at the user's rate",
    source="the six-layer checklist, layer 1: interference",
)
_MOST = 0.10
ALONE, TOGETHER = "alone", "all together"
ROUNDS = 9
_LEAST_ROUNDS, _LEAST_PIECES = 5, 3.0
_WINDOW_S, _LONGEST_S, _SHARES = (0.25, 0.5), 1.5, 2.5
_WAIT_S = 10.0

Part = Callable[[], object]
"""One run's share of one part of the pipeline."""


@dataclass(frozen=True, slots=True)
class Lost:
    """What one condition cost, as shares of the throughput alone."""

    name: str
    median: float
    low: float
    high: float
    rounds: int
    level: float
    """Chance that the limits hold the median."""


def probe(subject: Subject) -> Iterable[Finding]:
    """The model alone, beside each part, and beside all of them."""
    endpoint, parts = answering(subject), dict(subject.beside)
    if not parts:
        raise ProbeUnavailable(
            "no part of the pipeline is known that could run beside the model: gapless checkup opens them; Subject(beside=...) from Python"
        )
    busy = waiting_for_cpu(subject.root)
    if busy:
        raise ProbeUnavailable(
            f"{busy}: what else runs here would be taken for the pipeline. Run it again on a quiet host, and see `pressure`"
        )
    rate, window = subject.runs_per_s, _window(subject, len(parts))
    parts, left_out = _warm(parts)
    if not parts:
        raise ProbeUnavailable(f"no part of the pipeline runs: {'; '.join(left_out)}")
    counted = {name: _Counted(part) for name, part in parts.items()}
    with Writing(endpoint, streams=min(subject.streams, 2)) as writing:
        turns = _take_turns(counted, rate, window, until=time.perf_counter() + _SHARES * 2 * subject.seconds)
    if writing.broken:
        raise ProbeUnavailable(f"the model stopped answering: {writing.broken}")
    idle = [*left_out, *(f"{name}: {one.said}" for name, one in counted.items() if one.never_ran)]
    if all(one.never_ran for one in counted.values()):
        raise ProbeUnavailable(f"no part of the pipeline runs: {'; '.join(idle)}")
    left_out += [f"{name}: {one.said}" for name, one in counted.items() if one.said]
    speeds = [{name: written(writing.arrivals, *span) for name, span in turn.items()} for turn in turns]
    yield _finding(subject, speeds, window, left_out, idle=idle)


def losses(speeds: Sequence[Mapping[str, float]]) -> list[Lost]:
    """What each condition lost of the throughput alone, the median of the rounds with the limits that hold it.

    Example:
        >>> losses([{"alone": 10.0, "json": 9.0}, {"alone": 20.0, "json": 19.0}])
        [Lost(name='json', median=0.07500000000000001, low=0.050000000000000044, high=0.09999999999999998, rounds=2, level=0.5)]
    """
    found: list[Lost] = []
    for name in speeds[0] if speeds else ():
        if name != ALONE:
            shares = sorted(1 - speed[name] / speed[ALONE] for speed in speeds)
            k = ranks(len(shares), 0.5).low or 1  # of a few rounds the outermost, which hold it less often
            low, high = shares[k - 1], shares[-k]
            level = _level(len(shares), k)
            found.append(Lost(name, statistics.median(shares), low, high, len(shares), level))
    return found


def _level(n: int, k: int) -> float:
    """Chance that the k-th smallest and largest of n hold the median."""
    return 1 - 2 * sum(math.comb(n, i) for i in range(k)) / 2**n


def _finding(
    subject: Subject,
    speeds: Sequence[Mapping[str, float]],
    window: float,
    left_out: Sequence[str],
    *,
    idle: Sequence[str] = (),
) -> Finding:
    """What the parts took; those that are `idle` took nothing, and could not."""
    alone = [speed[ALONE] for speed in speeds]
    if len(alone) < _LEAST_ROUNDS or not all(alone) or statistics.median(alone) * window < _LEAST_PIECES:
        raise ProbeUnavailable(
            f"the model wrote {statistics.median(alone or [0]) * window:.1f} pieces in a window of {window:g} s, in {len(alone)} rounds: too few to tell"
        )
    found = losses(speeds)
    total = next((one for one in found if one.name == TOGETHER), found[0])
    target = subject.targets.get(CARD.probe, _MOST)
    figures = (
        Figure(
            name="throughput alone",
            value=statistics.median(alone),
            unit="pieces/s",
            low=min(alone),
            high=max(alone),
            spread=f"slowest and fastest of {len(alone)} windows of {window:g} s",
        ),
        *(_figure(one) for one in found),
    )
    at = f"at {subject.runs_per_s:g} runs a second" + (
        f" (not counted, or not wholly: {'; '.join(left_out)})" if left_out else ""
    )
    lost = f"{_share(total)} of the model's throughput is lost to the pipeline beside it"
    if total.low <= 0:
        lost = f"the model loses nothing for sure to the pipeline beside it: {_share(total)}"
    said = f"{lost}, {at}{_most(found)}"
    held = at_most(_figure(total), target, missed="warn", needs="more rounds, or rounds on a quieter host,")
    held = together(held, *(Judged("ok", f"a part that did not run took nothing ({one})") for one in idle))
    return CARD.held(
        held, said, figures=figures, **(_advice(subject, total, target) if held.status != "ok" else {})
    )


def _figure(one: Lost) -> Figure:
    spread = f"{100 * one.level:.0f} % interval of the median of {one.rounds} paired rounds"
    return Figure(
        name=f"lost to {one.name}", value=one.median, unit="share", low=one.low, high=one.high, spread=spread
    )


def _share(one: Lost) -> str:
    return f"{100 * one.median:.0f} % ({100 * one.low:.0f} to {100 * one.high:.0f} %)"


def _most(found: Sequence[Lost]) -> str:
    single = [one for one in found if one.name != TOGETHER]
    if len(single) < 2:
        return ""
    worst = max(single, key=lambda one: one.median)
    return f"; most to {worst.name}: {_share(worst)}" if worst.low > 0 else "; to no part alone for sure"


def _advice(subject: Subject, total: Lost, target: float) -> dict[str, str]:
    if total.low <= target:
        return {
            "next_step": "The rounds differ too much to tell: run it again on a quiet host, and see `pressure`."
        }
    if not _here(subject):
        step = "The model is on another host: what is lost is this client's own reading. Read its streams in a process of their own."
        return {"next_step": step}
    cpus = allowed_cpus(subject.root)
    if len(cpus) < 2:
        return {"next_step": "Move the model, or the pipeline, to another host: there is one CPU for both."}
    own, rest = cpus[: max(1, 3 * len(cpus) // 4)], cpus[max(1, 3 * len(cpus) // 4) :]
    step = (
        f"Give the model CPUs of its own ({listed(own)}) and the pipeline the others ({listed(rest)}), as below or by their cpuset; "
        "and let the embedder use as many threads as it then has CPUs."
    )
    return {"next_step": step, "command": f"taskset --cpu-list {listed(rest)} PIPELINE-COMMAND"}


def _here(subject: Subject) -> bool:
    host = urlsplit(subject.model.url or "").hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def _window(subject: Subject, parts: int) -> float:
    """Seconds of one window: one run of the pipeline falls into it, and all windows fit what a probe may take."""
    conditions = parts + (2 if parts > 1 else 1)
    fits = _SHARES * subject.seconds / (ROUNDS * conditions)
    shortest, usual = _WINDOW_S
    return max(min(max(fits, shortest), usual), min(1 / subject.runs_per_s, _LONGEST_S))


def _warm(parts: Mapping[str, Part]) -> tuple[dict[str, Part], list[str]]:
    """The parts that run, and why others do not."""
    good: dict[str, Part] = {}
    left_out: list[str] = []
    for name, part in parts.items():
        try:
            part()
        except Exception as error:  # a user's retriever may raise anything
            left_out.append(f"{name}: {type(error).__name__}: {error}"[:120])
        else:
            good[name] = part
    return good, left_out


def _take_turns(
    parts: Mapping[str, Part], rate: float, window: float, *, until: float
) -> list[dict[str, tuple[float, float]]]:
    """Rounds of windows, each with when it began and ended; a round is whole or left out."""
    conditions: dict[str, list[Part]] = {ALONE: [], **{name: [part] for name, part in parts.items()}}
    if len(parts) > 1:
        conditions[TOGETHER] = list(parts.values())
    order, names = random.Random(0), list(conditions)
    found: list[dict[str, tuple[float, float]]] = []
    time.sleep(window)  # the model is on its way
    for _ in range(ROUNDS):
        order.shuffle(names)
        turn = {name: _spent(conditions[name], rate, window) for name in names}
        found.append({name: turn[name] for name in conditions})
        if time.perf_counter() > until and len(found) >= _LEAST_ROUNDS:
            break
    return found


def _spent(parts: Sequence[Part], rate: float, window: float) -> tuple[float, float]:
    """One window with parts running beside the model; the next one begins when they are through."""
    begun = time.perf_counter()
    if not parts:
        time.sleep(window)
        return begun, time.perf_counter()
    beside = _Beside(parts, rate)
    beside.start()
    beside.under_way.wait(_WAIT_S)
    begun = beside.begun
    time.sleep(max(0.0, begun + window - time.perf_counter()))
    ended = time.perf_counter()
    beside.over.set()
    beside.join(_WAIT_S)
    return begun, ended


class _Counted:
    """A part that ran once before, with how often it failed since: what failed at once took nothing from the model."""

    def __init__(self, part: Part) -> None:
        self._part, self._runs, self._failed = part, 0, 0

    def __call__(self) -> None:
        self._runs += 1
        try:
            self._part()
        except Exception:  # a user's retriever may raise anything
            self._failed += 1

    @property
    def never_ran(self) -> bool:
        """Whether it failed every time."""
        return 0 < self._runs == self._failed

    @property
    def said(self) -> str:
        """How many of its runs failed; nothing where none did."""
        return f"failed in {self._failed} of {self._runs} runs" if self._failed else ""


class _Beside(threading.Thread):
    """Runs parts one after the other, so many times a second, until it is over."""

    def __init__(self, parts: Sequence[Part], rate: float) -> None:
        super().__init__(name="gapless-beside", daemon=True)
        self.begun = time.perf_counter()
        """When it really did: a busy host starts threads late."""
        self.under_way, self.over = threading.Event(), threading.Event()
        self._parts, self._every_s = parts, 1 / rate

    def run(self) -> None:
        """Until it is over."""
        due = self.begun = time.perf_counter()
        self.under_way.set()
        while not self.over.is_set():
            for part in self._parts:
                part()
                if self.over.is_set():
                    return
            due = max(due + self._every_s, time.perf_counter())
            self.over.wait(due - time.perf_counter())
