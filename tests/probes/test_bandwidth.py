"""The bandwidth of this host, how it is judged, and what others take of the CPUs meanwhile."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest
from planted import host

from gapless.probes.base import ProbeUnavailable, Subject
from gapless.probes.hardware import memory_bandwidth, pressure
from gapless.probes.hardware.host import last_cache_bytes
from gapless.probes.hardware.pressure import Taken


@pytest.mark.parametrize("kernel", ["c", "numpy"])
def test_bandwidth_of_this_machine(kernel: memory_bandwidth.Kernel) -> None:
    if kernel == "c" and not any(map(shutil.which, ("cc", "gcc", "clang"))):
        pytest.skip("no C compiler here")
    found = memory_bandwidth.measure(kernel=kernel, seconds=1.0)
    assert 0.1 < found.sustained <= found.best < 5_000
    assert 3 * found.array_bytes >= 4 * last_cache_bytes(Path("/")) - 24 or found.array_bytes >= 600 * 1024**2


def test_the_target_can_be_set() -> None:
    (found,) = memory_bandwidth.probe(Subject(targets={"memory-bandwidth": 0.001}, seconds=1.0))
    assert found.status in ("ok", "warn")
    assert "of 0.001 GB/s" in found.said


BUSY = Taken(waiting=0.43, stolen=0.0)
QUIET = Taken(waiting=0.0, stolen=0.0)


def triad(*passes: float, kernel: memory_bandwidth.Kernel = "c") -> memory_bandwidth.Bandwidth:
    return memory_bandwidth.Bandwidth(kernel, 2, 1000, passes)


def test_bandwidth_is_held_by_the_interval_of_its_median() -> None:
    one_slow_pass = triad(5.0, *(20.0 + n / 10 for n in range(11)))
    held = memory_bandwidth.finding(one_slow_pass, QUIET, 20.0)
    assert (held.status, held.undecided) == ("ok", "")
    close = memory_bandwidth.finding(triad(*(15.0 + n for n in range(12))), QUIET, 20.0)
    assert (close.status, "may be as low as 17 GB/s" in close.undecided) == ("ok", True)
    assert memory_bandwidth.finding(one_slow_pass, QUIET, 30.0).status == "warn"


def test_what_others_took_meanwhile_is_said_of_bandwidth() -> None:
    busy = memory_bandwidth.finding(triad(*[20.0] * 12), BUSY, 30.0)
    assert "tasks waited for a CPU 43 % of the time meanwhile, so even the best pass may be less" in busy.said
    assert busy.next_step == "Run it again on a quiet host, and see `pressure`."
    quiet = memory_bandwidth.finding(triad(*[20.0] * 12), QUIET, 30.0)
    assert ("meanwhile" in quiet.said, "memory channels" in quiet.next_step) == (False, True)


def test_a_lower_bound_has_no_upper_limit() -> None:
    found = memory_bandwidth.finding(triad(*[20.0] * 12, kernel="numpy"), QUIET, 30.0)
    assert (found.figures[0].low, found.figures[0].high) == (20.0, None)
    assert "install a C compiler" in found.next_step


def test_what_was_taken_is_counted_from_the_beginning_of_the_watch(tmp_path: Path) -> None:
    host(tmp_path, {"proc/pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\n"})
    watch = pressure.Watch(tmp_path)
    (tmp_path / "proc/pressure/cpu").write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=99000000\n")
    (tmp_path / "proc/stat").write_text("cpu  150 0 100 800 0 0 0 50 0 0\n")
    taken = watch.taken()
    assert (taken.waiting, taken.stolen) == (1.0, 0.5)
    assert taken.said == "tasks waited for a CPU 100 % of the time and the hypervisor took 50 % of the CPUs"


@pytest.mark.parametrize(
    ("averages", "status", "unsure"),
    [
        ((1.0, 2.0, 3.0), "ok", False),
        ((1.0, 8.0, 30.0), "ok", True),
        ((5.0, 15.0, 20.0), "warn", False),
        ((20.0, 30.0, 40.0), "warn", False),
    ],
)
def test_pressure_is_held_between_the_kernels_averages(
    averages: tuple[float, float, float], status: str, unsure: bool, tmp_path: Path
) -> None:
    ten, minute, five = averages
    line = f"some avg10={ten} avg60={minute} avg300={five} total=1\n"
    (found,) = pressure.probe(host(tmp_path, {"proc/pressure/cpu": line}))
    assert (found.status, bool(found.undecided)) == (status, unsure)
    assert not unsure or found.undecided.endswith(
        "may be as high as 30.0 %: five quiet minutes would show it"
    )


def test_arrays_leave_room_in_a_small_container(tmp_path: Path) -> None:
    host(tmp_path, {"proc/meminfo": "MemAvailable: 8000000 kB\n", "sys/fs/cgroup/memory.max": "300000000"})
    assert memory_bandwidth.memory_there(tmp_path) == 300_000_000
    assert 3 * memory_bandwidth.measure(tmp_path, threads=1).array_bytes <= 150_000_000
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("100000000")
    with pytest.raises(ProbeUnavailable, match="100 MB of memory leave no room"):
        memory_bandwidth.measure(tmp_path)


def test_a_compiled_triad_that_does_not_run_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_bandwidth, "triad", lambda: nullcontext("/nowhere/at/all"))
    assert memory_bandwidth.measure(seconds=0.5).kernel in ("numba", "numpy")
    with pytest.raises(ProbeUnavailable, match="the triad did not run"):
        memory_bandwidth.measure(kernel="c")
