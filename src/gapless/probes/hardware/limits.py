"""What the host is set to: control-group limits and throttling, huge pages, the frequency governor."""

from __future__ import annotations

import os
import re
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
PAGES = Card(
    probe="pages-and-clock",
    layer="hardware",
    title="huge pages and CPU frequency",
    target="transparent huge pages not off; governor not powersave",
    source="Linux, transhuge and cpufreq",
)
_THROTTLED = 0.01
_AS_NEEDED = "of a CPU that raises its clock as needed"


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
    """Bytes above which the tightest control group slows the process down, or kills it; None where none limits it."""
    found: list[int] = []
    for folder in cgroup_files(root, "memory"):
        for name in ("memory.high", "memory.max", "memory.limit_in_bytes"):
            said = text(folder, name) or ""
            if said.isdecimal() and int(said) < 2**60:  # version 1 writes an enormous number for none
                found.append(int(said))
    return min(found, default=None)


def pages(subject: Subject) -> Iterable[Finding]:
    """Transparent huge pages and the frequency governor."""
    chosen = re.search(r"\[(\w+)\]", text(subject.root, "sys/kernel/mm/transparent_hugepage/enabled") or "")
    governors = governors_of(subject.root)
    if chosen is None and not governors:
        raise ProbeUnavailable("the kernel tells neither its huge-page setting nor a governor")
    said = [f"transparent huge pages: {chosen[1]}"] if chosen is not None else []
    if governors:
        said.append(f"governor: {', '.join(governors)}")
    else:
        said.append("no governor (a virtual machine sets its clock elsewhere)")
    steps: list[str] = []
    command = ""
    if chosen is not None and chosen[1] == "never":
        steps.append("Large models walk page tables for nothing: allow huge pages at least on request.")
        command = "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled"
    if any(governor.startswith("powersave") and _AS_NEEDED not in governor for governor in governors):
        steps.append("The clock is held down: choose the governor performance.")
        command = command or "sudo cpupower frequency-set -g performance"
    reserved = re.search(r"^HugePages_Total:\s*(\d+)", text(subject.root, "proc/meminfo") or "", re.MULTILINE)
    figures = (Figure(name="huge pages reserved", value=int(reserved[1])),) if reserved is not None else ()
    status = "warn" if steps else "ok"
    yield PAGES.finding(status, "; ".join(said), figures=figures, next_step=" ".join(steps), command=command)


def governors_of(root: Path) -> tuple[str, ...]:
    """The frequency governors in use, each once; none where the kernel leaves the clock to somebody else.

    A CPU that sets its own frequency (`intel_pstate`, `amd-pstate-epp`) calls "powersave" what raises the clock with the work;
    it holds the clock down only where its energy preference is "power".
    """
    folders = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq")
    return tuple(sorted({said for folder in folders if (said := _governor(folder))}))


def _governor(folder: Path) -> str:
    governor = text(folder, "scaling_governor") or ""
    itself = text(folder, "scaling_driver") in ("intel_pstate", "amd-pstate-epp")
    held = text(folder, "energy_performance_preference") == "power"
    return f"{governor} ({_AS_NEEDED})" if governor == "powersave" and itself and not held else governor
