"""The host's files as kernels write them, and the bandwidth of this one."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted import REMOTE, host, two_nodes

from gapless.probes.base import ProbeUnavailable, Subject
from gapless.probes.hardware import gpu, limits, memory_bandwidth, numa
from gapless.probes.hardware.host import cpus_in, last_cache_bytes, listed


def test_kernel_lists() -> None:
    assert cpus_in("0-3,8,10-11") == (0, 1, 2, 3, 8, 10, 11)
    assert cpus_in("") == ()
    assert listed(cpus_in("0-3,8,10-11")) == "0-3,8,10-11"


def test_the_line_that_places_a_process(tmp_path: Path) -> None:
    (found,) = numa.placement(host(tmp_path, two_nodes(REMOTE, "0-7")))
    assert found.status == "warn"
    assert found.command == "numactl --cpunodebind=0 --membind=0 COMMAND"
    assert "cpuset.cpus=0-3 and cpuset.mems=0" in found.next_step
    (found,) = numa.placement(host(tmp_path, two_nodes(REMOTE, "4-7")))
    assert found.status == "warn" or found.said.startswith("the process runs on node 1")


def test_version_1_and_nested_control_groups(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "4:cpu,cpuacct:/pod/app\n3:memory:/pod/app\n",
        "sys/fs/cgroup/cpu,cpuacct/pod/app/cpu.cfs_quota_us": "-1",
        "sys/fs/cgroup/cpu,cpuacct/pod/app/cpu.cfs_period_us": "100000",
        "sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_quota_us": "150000",
        "sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_period_us": "100000",
        "sys/fs/cgroup/memory/pod/app/memory.limit_in_bytes": "1000000000",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
    }
    subject = host(tmp_path, files)
    assert limits.cpu_quota(tmp_path)[0] == 1.5
    assert limits.memory_limit(tmp_path) == 1_000_000_000
    (found,) = limits.limits(subject)
    assert (found.status, "Set thread counts to 1" in found.next_step) == ("warn", True)


def test_caches_are_counted_once(tmp_path: Path) -> None:
    for cpu in (0, 1):
        folder = tmp_path / f"sys/devices/system/cpu/cpu{cpu}/cache/index3"
        folder.mkdir(parents=True)
        for name, said in (
            ("size", "32768K"),
            ("shared_cpu_list", "0-1"),
            ("level", "3"),
            ("type", "Unified"),
        ):
            (folder / name).write_text(said)
    assert last_cache_bytes(tmp_path) == 32 * 1024**2
    assert last_cache_bytes(tmp_path / "nowhere") == 32 * 1024**2


def test_a_host_that_says_nothing_is_not_guessed(tmp_path: Path) -> None:
    subject = Subject(root=tmp_path)
    for probe in (numa.placement, numa.remote, limits.limits, limits.pressure, limits.pages, gpu.probe):
        with pytest.raises(ProbeUnavailable):
            list(probe(subject))


def test_a_driver_without_a_library_says_what_to_install(tmp_path: Path) -> None:
    subject = host(tmp_path, {"proc/driver/nvidia/version": "NVRM version: 1"})
    with pytest.raises(ProbeUnavailable, match="PyTorch"):
        list(gpu.probe(subject))


@pytest.mark.parametrize("kernel", ["c", "numpy"])
def test_bandwidth_of_this_machine(kernel: memory_bandwidth.Kernel) -> None:
    if kernel == "c" and memory_bandwidth.compiled() is None:
        pytest.skip("no C compiler here")
    found = memory_bandwidth.measure(kernel=kernel, seconds=1.0)
    assert 0.1 < found.sustained <= found.best < 5_000
    assert 3 * found.array_bytes >= 4 * last_cache_bytes(Path("/")) - 24 or found.array_bytes >= 600 * 1024**2


def test_the_target_can_be_set() -> None:
    (found,) = memory_bandwidth.probe(Subject(targets={"memory-bandwidth": 0.001}, seconds=1.0))
    assert found.status in ("ok", "warn")
    assert "of 0.001 GB/s" in found.said
