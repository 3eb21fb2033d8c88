"""What PCI Express negotiated for a device: from the kernel's files, else from NVML where `nvidia-ml-py` is installed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from gapless.probes.hardware.host import text

_LANE_GB_S = {2.5: 0.25, 5.0: 0.5, 8.0: 0.985, 16.0: 1.969, 32.0: 3.938, 64.0: 7.563}
"""GT/s of a lane -> GB/s of payload, its encoding (8b/10b, then 128b/130b, then FLIT) taken off."""
_GENERATIONS = dict(enumerate(_LANE_GB_S, start=1))


@dataclass(frozen=True, slots=True)
class Link:
    """A link, each way."""

    gb_s: float | None = None
    """GB/s of payload; None where nobody says."""
    said: str = ""
    """"16 GT/s x8 of x16"."""
    reduced: bool = False
    """Whether fewer lanes are in use than the device has."""


def link_of(root: Path, bus: str | None) -> Link:
    """The link of a device. Read it right after copies: an idle link slows down.

    Args:
        root: Where the host's files are.
        bus: PCI address; None where it is not known.
    """
    if bus is None:
        return Link()
    folder = f"sys/bus/pci/devices/{bus}"
    now = _lanes(text(root, f"{folder}/current_link_speed"), text(root, f"{folder}/current_link_width"))
    most = _lanes(text(root, f"{folder}/max_link_speed"), text(root, f"{folder}/max_link_width"))
    if now is None:
        return _by_nvml(bus)
    said = f"{now[0]:g} GT/s x{now[1]}" + (f" of x{most[1]}" if most is not None else "")
    return Link(_gb_s(*now), said, most is not None and now[1] < most[1])


def _lanes(speed: str | None, width: str | None) -> tuple[float, int] | None:
    rate = re.match(r"([\d.]+) GT/s", speed or "")
    if rate is None or not (width or "").isdecimal() or not int(width or 0):
        return None
    return float(rate[1]), int(width or 0)


def _gb_s(speed: float, width: int) -> float | None:
    return _LANE_GB_S[speed] * width if speed in _LANE_GB_S else None


def _by_nvml(bus: str) -> Link:
    try:
        import pynvml  # pyright: ignore[reportMissingImports]
    except ImportError:
        return Link()
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByPciBusId(bus.encode())
        speed = _GENERATIONS.get(pynvml.nvmlDeviceGetCurrPcieLinkGeneration(handle), 0.0)
        width = pynvml.nvmlDeviceGetCurrPcieLinkWidth(handle)
        most = pynvml.nvmlDeviceGetMaxPcieLinkWidth(handle)
    except pynvml.NVMLError:
        return Link()
    return Link(_gb_s(speed, width), f"{speed:g} GT/s x{width} of x{most}", width < most)
