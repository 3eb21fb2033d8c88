"""One GPU as the copies need it, through PyTorch or CuPy: whichever is installed. Buffers are kept, for pinned memory is reused."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from gapless.probes.base import ProbeUnavailable

BYTES = 256 * 1024**2
_SIDE, _PRODUCTS = 4096, 8


class Gpu(Protocol):
    """A device with two streams: one for copies to it and for what is timed beside them, one for copies back and for work."""

    name: str
    bus: str | None
    """PCI address: "0000:65:00.0"; None where the library does not say."""

    def pinned(self) -> Any:
        """A new pinned buffer of `BYTES` on the host."""
        ...

    def up(self, host: Any) -> None:
        """Begins a copy to the device."""
        ...

    def down(self, host: Any) -> None:
        """Begins a copy from it."""
        ...

    def work(self) -> None:
        """Begins some matrix products."""
        ...

    def timed(self, work: Callable[[], object]) -> float:
        """Seconds from the beginning of some work to its end on all streams."""
        ...


def devices() -> list[Callable[[], Gpu]]:
    """The GPUs that are visible; each is opened when it is called, and raises a RuntimeError or MemoryError where it is full.

    Raises:
        ProbeUnavailable: Neither library is installed, or none is visible.
    """
    for library in (_with_torch, _with_cupy):
        try:
            return library()
        except ImportError:
            continue
    raise ProbeUnavailable(
        "an NVIDIA driver is loaded, and neither PyTorch nor CuPy is installed: pip install torch, or pip install cupy-cuda12x"
    )


def _with_torch() -> list[Callable[[], Gpu]]:
    import torch  # pyright: ignore[reportMissingImports]

    if not torch.cuda.is_available():
        raise ProbeUnavailable("an NVIDIA driver is loaded, and PyTorch sees no CUDA device")
    return [partial(_Torch, torch, number) for number in range(torch.cuda.device_count())]


def _with_cupy() -> list[Callable[[], Gpu]]:
    import cupy  # pyright: ignore[reportMissingImports]

    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise ProbeUnavailable(
            f"an NVIDIA driver is loaded, and CuPy sees no CUDA device: {error}"
        ) from error
    return [partial(_Cupy, cupy, number) for number in range(count)]


class _Torch:
    def __init__(self, torch: Any, number: int) -> None:
        self._torch, self._number = torch, number
        torch.cuda.set_device(number)
        self.name = f"GPU {number} ({torch.cuda.get_device_name(number)})"
        self.bus: str | None = _pci_address(torch.cuda.get_device_properties(number))
        self._one, self._two = torch.cuda.Stream(), torch.cuda.Stream()
        self._into = torch.empty(BYTES, dtype=torch.uint8, device="cuda")
        self._from = torch.empty(BYTES, dtype=torch.uint8, device="cuda")
        self._matrix = torch.randn(_SIDE, _SIDE, device="cuda", dtype=torch.float16)
        self._kept: list[Any] = []

    def pinned(self) -> Any:
        self._kept.append(self._torch.empty(BYTES, dtype=self._torch.uint8, pin_memory=True))
        return self._kept[-1]

    def up(self, host: Any) -> None:
        with self._torch.cuda.stream(self._one):
            self._into.copy_(host, non_blocking=True)

    def down(self, host: Any) -> None:
        with self._torch.cuda.stream(self._two):
            host.copy_(self._from, non_blocking=True)

    def work(self) -> None:
        with self._torch.cuda.stream(self._two):
            for _ in range(_PRODUCTS):
                self._torch.matmul(self._matrix, self._matrix)

    def timed(self, work: Callable[[], object]) -> float:
        cuda = self._torch.cuda
        cuda.set_device(self._number)
        begun, ended = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
        cuda.synchronize()
        begun.record()
        work()
        cuda.synchronize()
        ended.record()
        cuda.synchronize()
        return begun.elapsed_time(ended) / 1e3


def _pci_address(properties: Any) -> str | None:
    """PCI address of a device of PyTorch's; older versions do not say it."""
    parts = [getattr(properties, f"pci_{name}_id", None) for name in ("domain", "bus", "device")]
    if any(part is None for part in parts):
        return None
    domain, bus, device = parts
    return f"{domain:04x}:{bus:02x}:{device:02x}.0"


def _address_of(array: Any) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


class _Cupy:
    def __init__(self, cupy: Any, number: int) -> None:
        self._cupy, self._number = cupy, number
        cupy.cuda.Device(number).use()
        name = cupy.cuda.runtime.getDeviceProperties(number)["name"]
        self.name = f"GPU {number} ({name.decode() if isinstance(name, bytes) else name})"
        self.bus: str | None = str(cupy.cuda.runtime.deviceGetPCIBusId(number)).lower()
        self._one, self._two = (cupy.cuda.Stream(non_blocking=True) for _ in range(2))
        self._into, self._from = (cupy.zeros(BYTES, dtype=cupy.uint8) for _ in range(2))
        self._matrix = cupy.ones((_SIDE, _SIDE), dtype=cupy.float16)
        self._kept: list[Any] = []

    def pinned(self) -> Any:
        import cupyx  # pyright: ignore[reportMissingImports]

        self._kept.append(cupyx.empty_pinned(BYTES, dtype=self._cupy.uint8))
        return self._kept[-1]

    def up(self, host: Any) -> None:
        self._into.data.copy_from_host_async(_address_of(host), BYTES, self._one)

    def down(self, host: Any) -> None:
        self._from.data.copy_to_host_async(_address_of(host), BYTES, self._two)

    def work(self) -> None:
        with self._two:
            for _ in range(_PRODUCTS):
                self._cupy.matmul(self._matrix, self._matrix)

    def timed(self, work: Callable[[], object]) -> float:
        cuda = self._cupy.cuda
        device = cuda.Device(self._number)
        device.use()
        begun, ended = cuda.Event(), cuda.Event()
        device.synchronize()
        begun.record()
        work()
        device.synchronize()
        ended.record()
        ended.synchronize()
        return cuda.get_elapsed_time(begun, ended) / 1e3
