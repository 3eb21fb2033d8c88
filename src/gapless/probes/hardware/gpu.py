"""NVIDIA GPUs: pinned copies to and from the device, both at once, and how far copies hide behind work.

Written against PyTorch's CUDA interface; tested where there is no GPU only up to the point at which it says so.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from typing import Any

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.hardware.host import text
from gapless.records.finding import Figure, Finding

COPIES = Card(
    probe="gpu-copies",
    layer="hardware",
    title="host-device copies and their overlap with work",
    target="pinned copies at 80 % of the negotiated link, and at least 80 % of the shorter hidden behind the longer",
    source="the six-layer checklist, layer 1",
)
_BYTES, _REPEATS = 256 * 1024**2, 20
_LANE_GB_S = {1: 0.25, 2: 0.5, 3: 0.985, 4: 1.969, 5: 3.938, 6: 7.563}
"""PCI Express: payload of one lane, in GB/s, by generation."""
_ENOUGH = 0.8


def probe(subject: Subject) -> Iterable[Finding]:
    """Each GPU's copies against its link, and the overlap of a copy with a matrix product on two streams."""
    if text(subject.root, "proc/driver/nvidia/version") is None:
        raise ProbeUnavailable("no NVIDIA driver is loaded here")
    torch = _torch()
    for number in range(torch.cuda.device_count()):
        yield _device(torch, number)


def _torch() -> Any:
    try:
        import torch  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ProbeUnavailable(
            "an NVIDIA driver is loaded, and PyTorch is not installed: pip install torch"
        ) from None
    if not torch.cuda.is_available():
        raise ProbeUnavailable("an NVIDIA driver is loaded, and PyTorch sees no CUDA device")
    return torch


def _device(torch: Any, number: int) -> Finding:
    torch.cuda.set_device(number)
    host = torch.empty(_BYTES, dtype=torch.uint8, pin_memory=True)
    back = torch.empty(_BYTES, dtype=torch.uint8, pin_memory=True)
    device, other = host.cuda(), host.cuda()
    one, two = torch.cuda.Stream(), torch.cuda.Stream()

    def both() -> None:
        with torch.cuda.stream(one):
            device.copy_(host, non_blocking=True)
        with torch.cuda.stream(two):
            back.copy_(other, non_blocking=True)

    up = _seconds(torch, lambda: device.copy_(host, non_blocking=True))
    down = _seconds(torch, lambda: back.copy_(other, non_blocking=True))
    twice = _seconds(torch, both)
    hidden = _overlap(torch, host, device, one, two)
    gb = _BYTES / 1e9
    figures = [
        Figure(name="pinned, to the device", value=gb / up, unit="GB/s"),
        Figure(name="pinned, from the device", value=gb / down, unit="GB/s"),
        Figure(name="both at once, together", value=2 * gb / twice, unit="GB/s"),
        Figure(name="copy hidden behind work", value=hidden, unit="share"),
    ]
    link = link_gb_s(number)
    slow = link is not None and min(gb / up, gb / down) < _ENOUGH * link
    if link is not None:
        figures.append(Figure(name="negotiated link", value=link, unit="GB/s"))
    name = torch.cuda.get_device_name(number)
    said = f"GPU {number} ({name}): {gb / up:.1f} GB/s to it, {gb / down:.1f} from it, {100 * hidden:.0f} % of a copy hidden behind work"
    if not slow and hidden >= _ENOUGH:
        return COPIES.finding("ok", said, figures=tuple(figures))
    next_step = "Copy from pinned memory on the GPU's own NUMA node (`nvidia-smi topo -m`), with non_blocking=True on a stream of its own."
    return COPIES.finding(
        "warn", said, figures=tuple(figures), next_step=next_step, command="nvidia-smi topo -m"
    )


def _seconds(torch: Any, work: Callable[[], object]) -> float:
    """Median seconds of some work on the device."""
    taken: list[float] = []
    for _ in range(_REPEATS + 2):
        begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        begun.record()
        work()
        torch.cuda.synchronize()
        ended.record()
        torch.cuda.synchronize()
        taken.append(begun.elapsed_time(ended) / 1e3)
    return statistics.median(taken[2:])


def _overlap(torch: Any, host: Any, device: Any, one: Any, two: Any) -> float:
    """(copy + work - both) / min(copy, work): the share of the shorter one that is hidden."""
    matrix = torch.randn(4096, 4096, device="cuda", dtype=torch.float16)

    def copy() -> None:
        with torch.cuda.stream(one):
            device.copy_(host, non_blocking=True)

    def work() -> None:
        with torch.cuda.stream(two):
            for _ in range(8):
                torch.matmul(matrix, matrix)

    def both() -> None:
        copy()
        work()

    apart = _seconds(torch, copy), _seconds(torch, work)
    return max(0.0, min(1.0, (sum(apart) - _seconds(torch, both)) / min(apart)))


def link_gb_s(number: int) -> float | None:
    """GB/s of the negotiated PCI Express link; None where NVML is not installed or does not say."""
    try:
        import pynvml  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(number)
        generation = pynvml.nvmlDeviceGetCurrPcieLinkGeneration(handle)
        return _LANE_GB_S.get(generation, 0.0) * pynvml.nvmlDeviceGetCurrPcieLinkWidth(handle) or None
    except pynvml.NVMLError:
        return None
