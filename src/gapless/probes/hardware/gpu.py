"""NVIDIA GPUs: pinned copies to and from the device per NUMA node of the host's buffer, both at once, and how far copies hide behind work.

Written against PyTorch's and CuPy's CUDA interfaces, and never run on a GPU by this project's tests: what they run is the
arithmetic, the link as the kernel tells it, and the way up to where there is no device.

Source:
    Buffers of 256 MiB, medians of 20 copies timed by CUDA events; overlap = (copy + work - both) / min(copy, work) on two
    streams (NVIDIA, How to Overlap Data Transfers in CUDA C/C++).
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.hardware.gpu_devices import BYTES, Gpu, devices
from gapless.probes.hardware.gpu_link import Link, link_of
from gapless.probes.hardware.host import allowed_cpus, numa_nodes, on_cpus, text
from gapless.probes.judging import Judged, at_least, together
from gapless.probes.medians import median_figure
from gapless.records.finding import Figure, Finding

COPIES = Card(
    probe="gpu-copies",
    layer="hardware",
    title="host-device copies and their overlap with work",
    target="pinned copies at 80 % of the negotiated link, and at least 80 % of the shorter hidden behind the longer",
    source="the six-layer checklist, layer 1",
)
_REPEATS, _ENOUGH = 20, 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """GB/s between one GPU and buffers on one NUMA node of the host."""

    node: int | None
    """None where the host does not say which nodes it has."""
    up: tuple[float, ...]
    """To the device, each copy."""
    down: tuple[float, ...]
    """From it."""
    both: tuple[float, ...]
    """Both directions at once, together."""

    @property
    def slower(self) -> tuple[float, ...]:
        """The slower direction."""
        return min(self.up, self.down, key=statistics.median)


def probe(subject: Subject) -> Iterable[Finding]:
    """Each GPU's copies against its link, and the overlap of a copy with a matrix product on two streams."""
    if text(subject.root, "proc/driver/nvidia/version") is None:
        raise ProbeUnavailable("no NVIDIA driver is loaded here")
    for number, opened in enumerate(devices()):
        try:
            gpu = opened()
            copied = [_copied(gpu, node) for node in _places(subject)]
            hidden = _hidden(gpu)
        except (RuntimeError, MemoryError) as error:  # what both libraries raise; a full GPU, above all
            yield COPIES.unavailable(f"GPU {number} could not be measured: {error}"[:300])
        else:
            yield finding(gpu.name, copied, hidden, link_of(subject.root, gpu.bus))  # before the link idles


def finding(name: str, copied: list[Copied], hidden: tuple[float, ...], link: Link) -> Finding:
    """What a GPU's copies come to.

    Args:
        name: The GPU's.
        copied: One entry per NUMA node of the host's buffer.
        hidden: Share of the shorter of a copy and some work that was hidden behind the longer, each time.
        link: What was negotiated.
    """
    best = max(copied, key=lambda one: statistics.median(one.slower))
    behind = median_figure("copy hidden behind work", hidden, "share", of="copies")
    figures = [*(figure for one in copied for figure in _figures(one)), behind]
    said = f"{name}: {statistics.median(best.up):.1f} GB/s to it, {statistics.median(best.down):.1f} from it"
    judged = {"hidden": at_least(behind, _ENOUGH, missed="warn")}
    if link.gb_s is not None:
        figures.append(Figure(name="negotiated link, each way", value=link.gb_s, unit="GB/s"))
        filled = _shares("share of its link that copies fill", best, link.gb_s)
        figures.append(filled)
        judged["link"] = at_least(filled, _ENOUGH, missed="warn")
        said += f", {100 * filled.value:.0f} % of its link"
    elif len(copied) > 1:
        said += f" (node {best.node})"
    fastest = statistics.median(best.slower)
    for one in copied:
        if one is not best:
            share = _shares(f"node {one.node} as a share of node {best.node}", one, fastest)
            judged[f"node {one.node}"] = at_least(share, _ENOUGH, missed="warn")
    if link.reduced:
        judged["lanes"] = Judged("warn")
    missed = {what for what, one in judged.items() if one.status != "ok"}
    command = f"numactl --cpunodebind={best.node} --membind={best.node} COMMAND" if len(copied) > 1 else ""
    return COPIES.held(
        together(*judged.values()),
        f"{said}; {100 * behind.value:.0f} % of a copy hidden behind work",
        figures=tuple(figures),
        next_step=" ".join(_advice(missed, copied, best, link)),
        command=(command or "nvidia-smi topo -m") if missed else "",
    )


def _shares(name: str, one: Copied, whole: float) -> Figure:
    return median_figure(name, [rate / whole for rate in one.slower], "share", of="copies")


def _advice(missed: set[str], copied: list[Copied], best: Copied, link: Link) -> Iterable[str]:
    if "link" in missed:
        yield "Even from the nearest memory the link is not filled: look for a shared switch, a riser, or IOMMU translation."
    if "lanes" in missed:
        yield f"The link runs below what the GPU could ({link.said}): reseat it, or choose another slot."
    far = [one for one in copied if f"node {one.node}" in missed]
    if far:
        slow = min(far, key=lambda one: statistics.median(one.slower))
        slowest, fastest = (statistics.median(one.slower) for one in (slow, best))
        yield f"Buffers on node {slow.node} reach {slowest:.1f} GB/s where those on node {best.node} reach {fastest:.1f}: keep the process there."
    if "hidden" in missed:
        yield "Copy from pinned memory with a stream of its own (non_blocking), so that the next batch travels while this one is computed."


def _figures(one: Copied) -> Iterable[Figure]:
    where = "" if one.node is None else f", host memory of node {one.node}"
    for name, rates in (
        ("pinned, to the device", one.up),
        ("pinned, from the device", one.down),
        ("both at once, together", one.both),
    ):
        yield median_figure(f"{name}{where}", rates, "GB/s", of="copies")


def _copied(gpu: Gpu, place: tuple[int | None, tuple[int, ...]]) -> Copied:
    node, cpus = place
    with on_cpus(cpus):
        host, back = gpu.pinned(), gpu.pinned()
    gb = BYTES / 1e9

    def both() -> None:
        gpu.up(host)
        gpu.down(back)

    return Copied(
        node=node,
        up=tuple(gb / s for s in _seconds(gpu, lambda: gpu.up(host))),
        down=tuple(gb / s for s in _seconds(gpu, lambda: gpu.down(back))),
        both=tuple(2 * gb / s for s in _seconds(gpu, both)),
    )


def _hidden(gpu: Gpu) -> tuple[float, ...]:
    host = gpu.pinned()

    def both() -> None:
        gpu.up(host)
        gpu.work()

    copies, works = _seconds(gpu, lambda: gpu.up(host)), _seconds(gpu, gpu.work)
    times = zip(copies, works, _seconds(gpu, both), strict=True)
    return tuple(overlap(copy, work, taken) for copy, work, taken in times)


def overlap(copy: float, work: float, both: float) -> float:
    """Share of the shorter of two that is hidden behind the longer: 0 one after the other, 1 side by side.

    Args:
        copy: Seconds of the copy alone.
        work: Seconds of the work alone.
        both: Seconds of both, on two streams.

    Example:
        >>> overlap(1.0, 2.0, 2.5)
        0.5
    """
    return max(0.0, min(1.0, (copy + work - both) / min(copy, work)))


def _seconds(gpu: Gpu, work: Callable[[], object]) -> list[float]:
    """Seconds that some work takes on the device; the first two times do not count."""
    return [gpu.timed(work) for _ in range(_REPEATS + 2)][2:]


def _places(subject: Subject) -> list[tuple[int | None, tuple[int, ...]]]:
    """NUMA nodes this process may use, with its CPUs there. A pinned page lies where the thread ran that asked for it."""
    usable = set(allowed_cpus(subject.root))
    nodes = [
        (node.number, tuple(cpu for cpu in node.cpus if cpu in usable)) for node in numa_nodes(subject.root)
    ]
    return [(number, cpus) for number, cpus in nodes if cpus] or [(None, ())]
