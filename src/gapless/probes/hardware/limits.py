"""What the host takes away: control-group limits, throttling, pressure, steal, page and frequency settings."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.hardware.host import allowed_cpus, cgroup_files, text
from gapless.records.finding import Figure, Finding

LIMITS = Card(
    probe="cgroup-limits",
    layer="hardware",
    title="limits of the container",
    target="a CPU quota of at least the CPUs in use, and no throttling",
    source="Linux, Control Group v2: cpu.max, cpu.stat",
)
PRESSURE = Card(
    probe="pressure",
    layer="hardware",
    title="CPU pressure and steal",
    target="tasks wait for a CPU less than 10 % of the time, and the hypervisor takes less than 2 %",
    source="Linux, pressure stall information; /proc/stat",
)
PAGES = Card(
    probe="pages-and-clock",
    layer="hardware",
    title="huge pages and CPU frequency",
    target="transparent huge pages not off; governor not powersave",
    source="Linux, transhuge and cpufreq",
)
_THROTTLED, _WAITING, _STOLEN = 0.01, 10.0, 0.02
_WATCH_S = 1.0


def limits(subject: Subject) -> Iterable[Finding]:
    """CPU quota, throttled periods and memory limit of the innermost control group that has them."""
    cpus = max(1, len(allowed_cpus(subject.root)) or os.cpu_count() or 1)
    quota, throttled, periods = cpu_quota(subject.root)
    memory = memory_limit(subject.root)
    figures = [Figure(name="CPUs allowed", value=cpus)]
    if quota is not None:
        figures.append(Figure(name="CPU quota", value=quota, unit="CPUs"))
    if periods:
        figures.append(Figure(name="throttled periods", value=throttled / periods, unit="share"))
    if memory is not None:
        figures.append(Figure(name="memory limit", value=memory / 1e9, unit="GB"))
    if quota is None and memory is None and not cgroup_files(subject.root, "cpu"):
        raise ProbeUnavailable("no control group is mounted here")
    if periods and throttled / periods > _THROTTLED:
        more = f": it asks for more than {quota:g} CPUs" if quota is not None else ", by a quota that is gone"
        said = f"the process was stopped in {100 * throttled / periods:.0f} % of its periods{more}"
        yield LIMITS.finding(
            "fail",
            said,
            figures=tuple(figures),
            next_step="Raise the quota, or run as many threads as it allows: a throttled host starves its accelerator and stretches every tail.",
        )
    elif quota is not None and quota < cpus:
        said = f"{cpus} CPUs are visible and the quota allows {quota:g}: thread pools sized by the CPUs will be throttled"
        yield LIMITS.finding(
            "warn",
            said,
            figures=tuple(figures),
            next_step=f"Set thread counts to {max(1, int(quota))}, or raise the quota.",
        )
    else:
        most = f", at most {memory / 1e9:.1f} GB of memory" if memory is not None else ""
        yield LIMITS.finding("ok", f"{cpus} CPUs, no quota below that{most}", figures=tuple(figures))


def cpu_quota(root: Path) -> tuple[float | None, int, int]:
    """CPUs that the tightest quota allows (None: no quota); throttled periods, and periods, of the group throttled most."""
    found: float | None = None
    throttled, periods = 0, 0
    for folder in cgroup_files(root, "cpu"):
        quota = _quota(folder)
        if quota is not None and (found is None or quota < found):
            found = quota
        stat = dict(re.findall(r"^(\w+) (\d+)$", text(folder, "cpu.stat") or "", re.MULTILINE))
        here, of = int(stat.get("nr_throttled", 0)), int(stat.get("nr_periods", 0))
        if of and here * (periods or 1) >= throttled * of:
            throttled, periods = here, of
    return found, throttled, periods


def _quota(folder: Path) -> float | None:
    both = (text(folder, "cpu.max") or "").split()  # version 2
    if len(both) != 2:
        both = [text(folder, "cpu.cfs_quota_us") or "-1", text(folder, "cpu.cfs_period_us") or "0"]
    allowed, period = both
    if allowed in ("max", "-1") or not period.isdecimal() or not int(period):
        return None
    return int(allowed) / int(period)


def memory_limit(root: Path) -> int | None:
    """Bytes that the tightest control group allows; None where none limits it."""
    found: list[int] = []
    for folder in cgroup_files(root, "memory"):
        said = text(folder, "memory.max") or text(folder, "memory.limit_in_bytes") or ""
        if said.isdecimal() and int(said) < 2**60:  # version 1 writes an enormous number for none
            found.append(int(said))
    return min(found, default=None)


def pressure(subject: Subject) -> Iterable[Finding]:
    """How long tasks wait for a CPU (PSI), and what the hypervisor takes (steal), watched for a second."""
    waiting = psi(subject.root, "cpu")
    before = _ticks(subject.root)
    if waiting is None and before is None:
        raise ProbeUnavailable("the kernel tells neither pressure (/proc/pressure) nor steal (/proc/stat)")
    time.sleep(_WATCH_S)
    after = _ticks(subject.root)
    stolen = _share(before, after)
    figures: list[Figure] = []
    if waiting is not None:
        figures.append(Figure(name="tasks waiting for a CPU, last minute", value=waiting / 100, unit="share"))
    memory = psi(subject.root, "memory")
    if memory is not None:
        figures.append(Figure(name="tasks waiting for memory, last minute", value=memory / 100, unit="share"))
    if stolen is not None:
        figures.append(Figure(name="stolen by the hypervisor, one second", value=stolen, unit="share"))
    busy = waiting is not None and waiting >= _WAITING
    robbed = stolen is not None and stolen >= _STOLEN
    parts = [f"tasks waited for a CPU {waiting:.0f} % of the last minute"] if waiting is not None else []
    parts += [f"{100 * stolen:.1f} % of CPU time was stolen"] if stolen is not None else []
    if busy or robbed:
        what = "Other tasks on this host compete" if busy else "The hypervisor gives the CPUs to others"
        yield PRESSURE.finding(
            "warn",
            ", ".join(parts),
            figures=tuple(figures),
            next_step=f"{what}: latencies measured now are theirs too. Measure again on a quiet host before you blame the model.",
        )
    else:
        yield PRESSURE.finding("ok", ", ".join(parts), figures=tuple(figures))


def waiting_for_cpu(root: Path) -> str:
    """That tasks wait for a CPU more than `pressure` tolerates, in words; empty where they do not, or nobody tells."""
    waiting = psi(root, "cpu")
    busy = waiting is not None and waiting >= _WAITING
    return f"tasks waited for a CPU {waiting:.0f} % of the last minute" if busy else ""


def psi(root: Path, what: str) -> float | None:
    """Percent of the last minute in which some task waited; None where the kernel does not say."""
    found = re.search(r"^some .*?avg60=([\d.]+)", text(root, f"proc/pressure/{what}") or "", re.MULTILINE)
    return float(found[1]) if found is not None else None


def _ticks(root: Path) -> tuple[int, int] | None:
    """(stolen, all) ticks since boot."""
    first = (text(root, "proc/stat") or "").splitlines()[:1]
    numbers = [int(one) for one in first[0].split()[1:]] if first and first[0].startswith("cpu ") else []
    return (numbers[7], sum(numbers[:8])) if len(numbers) >= 8 else None


def _share(before: tuple[int, int] | None, after: tuple[int, int] | None) -> float | None:
    if before is None or after is None or after[1] <= before[1]:
        return None
    return (after[0] - before[0]) / (after[1] - before[1])


def pages(subject: Subject) -> Iterable[Finding]:
    """Transparent huge pages and the frequency governor."""
    chosen = re.search(r"\[(\w+)\]", text(subject.root, "sys/kernel/mm/transparent_hugepage/enabled") or "")
    governors = governors_of(subject.root)
    governor = ", ".join(governors) or None
    if chosen is None and governor is None:
        raise ProbeUnavailable("the kernel tells neither its huge-page setting nor a governor")
    said = [f"transparent huge pages: {chosen[1]}"] if chosen is not None else []
    said += (
        [f"governor: {governor}"]
        if governor is not None
        else ["no governor (a virtual machine sets its clock elsewhere)"]
    )
    steps: list[str] = []
    command = ""
    if chosen is not None and chosen[1] == "never":
        steps.append("Large models walk page tables for nothing: allow huge pages at least on request.")
        command = "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled"
    if "powersave" in governors:
        steps.append("The clock is held down: choose the governor performance.")
        command = command or "sudo cpupower frequency-set -g performance"
    reserved = re.search(r"^HugePages_Total:\s*(\d+)", text(subject.root, "proc/meminfo") or "", re.MULTILINE)
    figures = (Figure(name="huge pages reserved", value=int(reserved[1])),) if reserved is not None else ()
    if steps:
        yield PAGES.finding(
            "warn", "; ".join(said), figures=figures, next_step=" ".join(steps), command=command
        )
    else:
        yield PAGES.finding("ok", "; ".join(said), figures=figures)


def governors_of(root: Path) -> tuple[str, ...]:
    """The frequency governors in use, each once; none where the kernel leaves the clock to somebody else."""
    files = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
    return tuple(sorted({said for file in files if (said := text(file.parent, file.name))}))
