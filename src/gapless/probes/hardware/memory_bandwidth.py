"""Sustained memory bandwidth: STREAM's triad, compiled here where there is a C compiler, else numba, else numpy as a lower bound.

Source:
    McCalpin (1995), Memory Bandwidth and Machine Balance in Current High Performance Computers. Arrays are at least four
    times the last-level cache in all, so that memory is measured and no cache.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import msgspec

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.hardware.host import allowed_cpus, last_cache_bytes, on_cpus, text
from gapless.probes.hardware.limits import memory_limit
from gapless.probes.hardware.pressure import Taken, Watch
from gapless.probes.judging import at_least
from gapless.probes.medians import median_figure
from gapless.records.finding import Figure, Finding

Kernel = Literal["c", "numba", "numpy"]
INFERENCE_GB_S = 400.0
"""What the six-layer checklist asks of a host on which a model runs, or that feeds one."""
STREAMS = 3
_CACHES, _PASSES, _LEAST_BYTES, _MOST_BYTES = 4, 12, 192 * 1024**2, 2 * 1024**3
_STEADY, _STEADY_S = 0.8, 0.5
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
    """The triad's median against the target, its best pass, and what others took of the CPUs meanwhile."""
    watch = Watch(subject.root)
    found = measure(subject.root, seconds=subject.seconds)
    yield finding(found, watch.taken(), subject.targets.get(CARD.probe, INFERENCE_GB_S))


def finding(found: Bandwidth, taken: Taken, target: float) -> Finding:
    """What a triad comes to.

    Args:
        found: What was measured.
        taken: What others took of the CPUs meanwhile: passes that had to wait for one say nothing of the memory.
        target: GB/s.
    """
    sustained = median_figure(
        f"triad, sustained ({_KERNELS[found.kernel]})",
        found.passes,
        "GB/s",
        of=f"passes over {STREAMS} arrays of {found.array_bytes / 1e6:.0f} MB",
    )
    if found.kernel == "numpy":  # a lower bound: nobody knows how much more there is
        sustained = msgspec.structs.replace(sustained, high=None)
    figures = (sustained, Figure(name="triad, best pass", value=found.best, unit="GB/s"), *_waited(taken))
    held = at_least(sustained, target, missed="warn")
    said = (
        f"{'at least ' if found.kernel == 'numpy' else ''}{found.sustained:.1f} GB/s sustained ({found.best:.1f} at best) "
        f"on {found.threads} threads, {100 * found.sustained / target:.0f} % of {target:g} GB/s"
    )
    if taken.said:
        said += f"; {taken.said} meanwhile, so even the best pass may be less than the memory gives"
    return CARD.held(
        held, said, figures=figures, next_step=_next_step(found, taken) if held.status != "ok" else ""
    )


def _waited(taken: Taken) -> Iterable[Figure]:
    if taken.waiting is not None:
        yield Figure(name="tasks waiting for a CPU meanwhile", value=taken.waiting, unit="share")


def _next_step(found: Bandwidth, taken: Taken) -> str:
    if found.kernel == "numpy":
        return "numpy understates it about threefold: install a C compiler (cc) or numba for the real figure."
    if taken.said:
        return "Run it again on a quiet host, and see `pressure`."
    if found.sustained < _STEADY * found.best:
        return "The passes differ: something else uses the memory. Run it again on a quiet host, and see `pressure`."
    return (
        "Only matters where a model runs on this host's CPUs or a GPU is fed from its memory: then more memory "
        "channels, or another host."
    )


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
        seconds: About how long numba and numpy take; C takes half a second, and longer where a dozen passes do.
        node: NUMA node to which all memory is bound (C only).
        cpus: CPUs to run on (C only); those that are allowed when empty.

    Raises:
        ProbeUnavailable: The kernel that was asked for is not there, or does not run.
    """
    count = threads or len(cpus) or max(1, len(allowed_cpus(root)))
    array = _array_bytes(root)
    if kernel == "c":
        return _run_c(array, count, node, cpus)
    if kernel is None:
        with contextlib.suppress(ProbeUnavailable):  # the next one is slower, and says so
            return _run_c(array, count, node, cpus)
    if kernel in (None, "numba") and _numba() is not None:
        return _run_numba(array, count, seconds)
    if kernel == "numba":
        raise ProbeUnavailable("numba is not installed")
    return _run_numpy(array, seconds)


def _array_bytes(root: Path) -> int:
    """Bytes of one array: all of them are several times the last-level cache, and at most half of the memory there is."""
    cache, room = last_cache_bytes(root), memory_there(root)
    wanted = min(max(_CACHES * cache, _LEAST_BYTES), _MOST_BYTES)
    if room is not None and wanted > room // 2:
        if room // 2 < 2 * cache:
            raise ProbeUnavailable(
                f"{room / 1e6:.0f} MB of memory leave no room for arrays well beyond the cache of {cache / 1e6:.0f} MB"
            )
        wanted = room // 2
    return wanted // STREAMS // 8 * 8


def memory_there(root: Path) -> int | None:
    """Bytes that can be had without swapping or being killed; None where the kernel does not say."""
    found = re.search(r"^MemAvailable:\s*(\d+) kB", text(root, "proc/meminfo") or "", re.MULTILINE)
    known = [int(found[1]) * 1024] if found is not None else []
    limit = memory_limit(root)
    return min(known + ([limit] if limit is not None else []), default=None)


def _bandwidth(kernel: Kernel, threads: int, array: int, timed: list[float]) -> Bandwidth:
    moved = STREAMS * array / 1e9
    return Bandwidth(kernel, threads, array, tuple(moved / one for one in timed[1:]))


@contextlib.contextmanager
def triad() -> Generator[str]:
    """The triad as a program, in a folder of its own that is gone afterwards.

    Raises:
        ProbeUnavailable: No compiler is there that can, or no place for it.
    """
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    if compiler is None:
        raise ProbeUnavailable("no C compiler (cc, gcc or clang) is there")
    try:
        folder = tempfile.TemporaryDirectory(prefix="gapless-triad-", ignore_cleanup_errors=True)
    except OSError as error:
        raise ProbeUnavailable(f"there is no place for a compiled triad: {error}") from error
    with folder as name:
        yield _compile(compiler, Path(name) / "triad.c")


def _compile(compiler: str, source: Path) -> str:
    program = str(source.with_suffix(""))
    try:
        source.write_bytes(files("gapless.probes.hardware").joinpath("triad.c").read_bytes())
        for options in (["-O3", "-march=native", "-fopenmp"], ["-O3", "-fopenmp"], ["-O3"]):
            done = subprocess.run(  # noqa: S603 - the compiler of this machine, on our own source
                [compiler, *options, "-o", program, str(source)], capture_output=True, timeout=60, check=False
            )
            if done.returncode == 0:
                return program
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProbeUnavailable(f"the triad cannot be compiled: {error}") from error
    raise ProbeUnavailable(f"{compiler} cannot compile the triad")


def _run_c(array: int, threads: int, node: int | None, cpus: tuple[int, ...]) -> Bandwidth:
    words = [str(array // 8), str(_PASSES + 1), str(_STEADY_S), *([str(node)] if node is not None else [])]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_PROC_BIND": "true"}
    try:
        with triad() as program, on_cpus(cpus):  # inherited by the child
            done = subprocess.run(  # noqa: S603 - the program just compiled
                [program, *words],
                capture_output=True,
                text=True,
                env=environment,
                timeout=120,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProbeUnavailable(f"the triad did not run: {error}") from error
    if done.returncode != 0:
        why = {3: "memory cannot be bound to that node here", 4: "there is not enough memory"}
        raise ProbeUnavailable(why.get(done.returncode, f"the triad ended with {done.returncode}"))
    really, *timed = done.stdout.split()
    return _bandwidth("c", int(really), array, [float(one) for one in timed])


def _numba() -> Any:
    try:
        import numba  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    return numba


def _run_numba(array: int, threads: int, seconds: float) -> Bandwidth:
    import numpy as np

    numba = _numba()
    threads = min(threads, numba.config.NUMBA_NUM_THREADS)
    numba.set_num_threads(threads)

    @numba.njit(parallel=True, fastmath=True)
    def triad(a: Any, b: Any, c: Any, s: float) -> None:
        for i in numba.prange(a.size):
            a[i] = b[i] + s * c[i]

    a, b, c = (np.full(array // 8, value) for value in (0.0, 1.0, 2.0))
    return _bandwidth("numba", threads, array, _timed(lambda: triad(a, b, c, 3.0), seconds))


def _run_numpy(array: int, seconds: float) -> Bandwidth:
    import numpy as np

    a, b, c = (np.full(array // 8, value) for value in (0.0, 1.0, 2.0))

    def triad() -> None:  # two passes: five streams move, and three are counted
        np.multiply(c, 3.0, out=a)
        np.add(a, b, out=a)

    return _bandwidth("numpy", 1, array, _timed(triad, seconds))


def _timed(work: Any, seconds: float) -> list[float]:
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < 3 or (len(taken) <= _PASSES and time.perf_counter() < end):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return taken
