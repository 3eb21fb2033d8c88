"""Sustained memory bandwidth: STREAM's triad, compiled here where there is a C compiler, else numba, else numpy as a lower bound.

Source:
    McCalpin (1995), Memory Bandwidth and Machine Balance in Current High Performance Computers. Arrays are at least four
    times the last-level cache in all, so that memory is measured and no cache.
"""

from __future__ import annotations

import functools
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.hardware.host import allowed_cpus, last_cache_bytes
from gapless.records.finding import Figure, Finding

Kernel = Literal["c", "numba", "numpy"]
INFERENCE_GB_S = 400.0
"""What the six-layer checklist asks of a host on which a model runs, or that feeds one."""
STREAMS = 3
_CACHES, _PASSES, _LEAST_BYTES, _MOST_BYTES = 4, 12, 192 * 1024**2, 2 * 1024**3
_STEADY = 0.8
CARD = Card(
    probe="memory-bandwidth",
    layer="hardware",
    title="sustained memory bandwidth",
    target=f">= {INFERENCE_GB_S:g} GB/s where a model runs on this host or is fed by it",
    source="the six-layer checklist, layer 1",
)


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """What a triad came to."""

    kernel: Kernel
    threads: int
    array_bytes: int
    """Of one of the three arrays."""
    passes: tuple[float, ...]
    """GB/s of each pass, the first left out: it still touches pages."""

    @property
    def best(self) -> float:
        """The fastest pass, as STREAM reports it."""
        return max(self.passes)

    @property
    def sustained(self) -> float:
        """The median pass."""
        return statistics.median(self.passes)


def probe(subject: Subject) -> Iterable[Finding]:
    """Best and median of the triad, against the target and against the machine's own best pass."""
    found = measure(subject.root, seconds=subject.seconds)
    target = subject.targets.get(CARD.probe, INFERENCE_GB_S)
    below = "" if found.kernel != "numpy" else "at least "
    said = (
        f"{below}{found.sustained:.1f} GB/s sustained ({found.best:.1f} at best) on {found.threads} threads, "
        f"{100 * found.sustained / target:.0f} % of {target:g} GB/s"
    )
    figures = (
        Figure(
            name=f"triad, sustained ({_KERNELS[found.kernel]})",
            value=found.sustained,
            unit="GB/s",
            low=min(found.passes),
            high=found.best,
            spread=f"slowest and fastest of {len(found.passes)} passes over {STREAMS} arrays of {found.array_bytes / 1e6:.0f} MB",
        ),
    )
    steady = found.sustained >= _STEADY * found.best
    if found.sustained >= target:
        yield CARD.finding("ok", said, figures=figures)
        return
    next_step = (
        "Only matters where a model runs on this host's CPUs or a GPU is fed from its memory: then more memory channels, or another host."
        if steady
        else "The passes differ: something else uses the memory. Run it again on a quiet host, and see `pressure`."
    )
    if found.kernel == "numpy":
        next_step = (
            "numpy understates it about threefold: install a C compiler (cc) or numba for the real figure."
        )
    yield CARD.finding("warn", said, figures=figures, next_step=next_step)


_KERNELS: dict[Kernel, str] = {"c": "C, OpenMP", "numba": "numba", "numpy": "numpy, a lower bound"}


def measure(
    root: Path = Path("/"),
    *,
    kernel: Kernel | None = None,
    threads: int | None = None,
    seconds: float = 8.0,
    node: int | None = None,
    cpus: tuple[int, ...] = (),
) -> Bandwidth:
    """Times the triad.

    Args:
        root: Where the host's files are.
        kernel: Which implementation; the best that is there when None.
        threads: How many; as many as CPUs are allowed when None.
        seconds: About how long; passes are cut where one takes long.
        node: NUMA node to which all memory is bound (C only).
        cpus: CPUs to run on (C only); those that are allowed when empty.

    Raises:
        ProbeUnavailable: The kernel that was asked for is not there, or does not run.
    """
    count = threads or len(cpus) or max(1, len(allowed_cpus(root)))
    array = min(max(_CACHES * last_cache_bytes(root), _LEAST_BYTES), _MOST_BYTES) // STREAMS // 8 * 8
    if kernel in (None, "c"):
        program = compiled()
        if program is not None:
            timed = _run_c(program, array, count, node, cpus)
            return _bandwidth("c", count, array, timed)
        if kernel == "c":
            raise ProbeUnavailable(
                "no C compiler (cc, gcc or clang) is there, or it cannot compile the triad"
            )
    if kernel in (None, "numba") and _numba() is not None:
        return _bandwidth("numba", count, array, _run_numba(array, count, seconds))
    if kernel == "numba":
        raise ProbeUnavailable("numba is not installed")
    return _bandwidth("numpy", 1, array, _run_numpy(array, seconds))


def _bandwidth(kernel: Kernel, threads: int, array: int, timed: list[float]) -> Bandwidth:
    moved = STREAMS * array / 1e9
    return Bandwidth(kernel, threads, array, tuple(moved / one for one in timed[1:]))


@functools.cache
def compiled() -> str | None:
    """The triad as a program in a folder of its own, made once per process; None without a compiler that can."""
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    if compiler is None:
        return None
    folder = tempfile.mkdtemp(prefix="gapless-triad-")
    import atexit

    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    source = Path(folder) / "triad.c"
    source.write_text(files("gapless.probes.hardware").joinpath("triad.c").read_text(encoding="utf-8"))
    program = str(Path(folder) / "triad")
    for options in (["-O3", "-march=native", "-fopenmp"], ["-O3", "-fopenmp"], ["-O3"]):
        done = subprocess.run(  # noqa: S603 - the compiler of this machine, on our own source
            [compiler, *options, "-o", program, str(source)], capture_output=True, timeout=60, check=False
        )
        if done.returncode == 0:
            return program
    return None


def _run_c(program: str, array: int, threads: int, node: int | None, cpus: tuple[int, ...]) -> list[float]:
    words = [program, str(array // 8), str(_PASSES + 1), *([str(node)] if node is not None else [])]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_PROC_BIND": "true"}
    before = os.sched_getaffinity(0) if cpus and hasattr(os, "sched_getaffinity") else None
    try:
        if before is not None:
            os.sched_setaffinity(0, cpus)  # inherited by the child
        done = subprocess.run(  # noqa: S603 - the program just compiled
            words, capture_output=True, text=True, env=environment, timeout=120, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProbeUnavailable(f"the triad did not run: {error}") from error
    finally:
        if before is not None:
            os.sched_setaffinity(0, before)
    if done.returncode != 0:
        why = {3: "memory cannot be bound to that node here", 4: "there is not enough memory"}
        raise ProbeUnavailable(why.get(done.returncode, f"the triad ended with {done.returncode}"))
    return [float(line) for line in done.stdout.split()]


def _numba() -> Any:
    try:
        import numba  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    return numba


def _run_numba(array: int, threads: int, seconds: float) -> list[float]:
    import numpy as np

    numba = _numba()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))

    @numba.njit(parallel=True, fastmath=True)
    def triad(a: Any, b: Any, c: Any, s: float) -> None:
        for i in numba.prange(a.size):
            a[i] = b[i] + s * c[i]

    a, b, c = (np.full(array // 8, value) for value in (0.0, 1.0, 2.0))
    return _timed(lambda: triad(a, b, c, 3.0), seconds)


def _run_numpy(array: int, seconds: float) -> list[float]:
    import numpy as np

    a, b, c = (np.full(array // 8, value) for value in (0.0, 1.0, 2.0))

    def triad() -> None:  # two passes: five streams move, and three are counted
        np.multiply(c, 3.0, out=a)
        np.add(a, b, out=a)

    return _timed(triad, seconds)


def _timed(work: Any, seconds: float) -> list[float]:
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < 3 or (len(taken) <= _PASSES and time.perf_counter() < end):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return taken
