"""NVIDIA GPUs: pinned copies to and from the device per NUMA node of the host's buffer, both at once, and how far copies hide behind work.

Written against PyTorch's and CuPy's CUDA interfaces, and never run on a GPU by this project's tests: what they run is the
arithmetic, the link as the kernel tells it, and the way up to where there is no device.

Source:
    Buffers of 256 MiB, medians of 20 copies timed by CUDA events; overlap = (copy + work - both) / min(copy, work) on two
    streams (NVIDIA, How to Overlap Data Transfers in CUDA C/C++).
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.hardware.gpu_devices import BYTES, Gpu, devices
from gapless.probes.hardware.gpu_link import Link, link_of
from gapless.probes.hardware.host import allowed_cpus, numa_nodes, text
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
    def slower(self) -> float:
        """The median of the slower direction."""
        return min(statistics.median(self.up), statistics.median(self.down))


def probe(subject: Subject) -> Iterable[Finding]:
    """Each GPU's copies against its link, and the overlap of a copy with a matrix product on two streams."""
    if text(subject.root, "proc/driver/nvidia/version") is None:
        raise ProbeUnavailable("no NVIDIA driver is loaded here")
    for gpu in devices():
        copied = [_copied(gpu, node) for node in _places(subject, gpu)]
        hidden = _overlap(gpu)
        yield finding(gpu.name, copied, hidden, link_of(subject.root, gpu.bus))  # before the link idles


def finding(name: str, copied: list[Copied], hidden: float, link: Link) -> Finding:
    """What a GPU's copies come to.

    Args:
        name: The GPU's.
        copied: One entry per NUMA node of the host's buffer.
        hidden: Share of the shorter of a copy and some work that is hidden behind the longer.
        link: What was negotiated.
    """
    best = max(copied, key=lambda one: one.slower)
    figures = [figure for one in copied for figure in _figures(one)]
    figures.append(Figure(name="copy hidden behind work", value=hidden, unit="share"))
    if link.gb_s is not None:
        figures.append(Figure(name="negotiated link, each way", value=link.gb_s, unit="GB/s"))
    said = f"{name}: {statistics.median(best.up):.1f} GB/s to it, {statistics.median(best.down):.1f} from it"
    if link.gb_s is not None:
        said += f", {100 * best.slower / link.gb_s:.0f} % of its link"
    elif len(copied) > 1:
        said += f" (node {best.node})"
    said += f"; {100 * hidden:.0f} % of a copy hidden behind work"
    steps = list(_advice(copied, best, hidden, link))
    if not steps:
        return COPIES.finding("ok", said, figures=tuple(figures))
    command = f"numactl --cpunodebind={best.node} --membind={best.node} COMMAND" if len(copied) > 1 else ""
    return COPIES.finding(
        "warn",
        said,
        figures=tuple(figures),
        next_step=" ".join(steps),
        command=command or "nvidia-smi topo -m",
    )


def _advice(copied: list[Copied], best: Copied, hidden: float, link: Link) -> Iterable[str]:
    if link.gb_s is not None and best.slower < _ENOUGH * link.gb_s:
        yield "Even from the nearest memory the link is not filled: look for a shared switch, a riser, or IOMMU translation."
    if link.reduced:
        yield f"The link runs below what the GPU could ({link.said}): reseat it, or choose another slot."
    far = [one for one in copied if one.slower < _ENOUGH * best.slower]
    if far:
        slow = min(far, key=lambda one: one.slower)
        yield f"Buffers on node {slow.node} reach {slow.slower:.1f} GB/s where those on node {best.node} reach {best.slower:.1f}: keep the process there."
    if hidden < _ENOUGH:
        yield "Copy from pinned memory with a stream of its own (non_blocking), so that the next batch travels while this one is computed."


def _figures(one: Copied) -> Iterable[Figure]:
    where = "" if one.node is None else f", host memory of node {one.node}"
    for name, rates in (
        ("pinned, to the device", one.up),
        ("pinned, from the device", one.down),
        ("both at once, together", one.both),
    ):
        yield Figure(
            name=f"{name}{where}",
            value=statistics.median(rates),
            unit="GB/s",
            low=min(rates),
            high=max(rates),
            spread=f"slowest and fastest of {len(rates)} copies",
        )


def _copied(gpu: Gpu, place: tuple[int | None, tuple[int, ...]]) -> Copied:
    node, cpus = place
    with _on(cpus):
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


def _overlap(gpu: Gpu) -> float:
    host = gpu.pinned()

    def both() -> None:
        gpu.up(host)
        gpu.work()

    copy = statistics.median(_seconds(gpu, lambda: gpu.up(host)))
    work = statistics.median(_seconds(gpu, gpu.work))
    return overlap(copy, work, statistics.median(_seconds(gpu, both)))


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


def _places(subject: Subject, gpu: Gpu) -> list[tuple[int | None, tuple[int, ...]]]:
    """NUMA nodes this process may use, with its CPUs there. A pinned page lies where the thread ran that asked for it."""
    usable = set(allowed_cpus(subject.root))
    nodes = [
        (node.number, tuple(cpu for cpu in node.cpus if cpu in usable)) for node in numa_nodes(subject.root)
    ]
    return [(number, cpus) for number, cpus in nodes if cpus] or [(None, ())]


@contextmanager
def _on(cpus: tuple[int, ...]) -> Generator[None]:
    """Keeps this thread on some CPUs."""
    if not cpus or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
