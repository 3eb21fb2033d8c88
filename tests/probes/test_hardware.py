"""The host's files as kernels write them, and copies of a simulated GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from planted import LOCAL, REMOTE, host, two_nodes

from gapless.probes.base import ProbeUnavailable, Subject
from gapless.probes.hardware import gpu, gpu_link, limits, memory_bandwidth, numa, pressure
from gapless.probes.hardware.host import allowed_nodes, cpus_in, last_cache_bytes, listed, numa_nodes


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
    for probe in (numa.placement, numa.remote, limits.limits, pressure.probe, limits.pages, gpu.probe):
        with pytest.raises(ProbeUnavailable):
            list(probe(subject))


def test_a_driver_without_a_library_says_what_to_install(tmp_path: Path) -> None:
    subject = host(tmp_path, {"proc/driver/nvidia/version": "NVRM version: 1"})
    with pytest.raises(ProbeUnavailable, match="pip install torch"):
        list(gpu.probe(subject))


def copied(node: int, rate: float) -> gpu.Copied:
    return gpu.Copied(node=node, up=(rate, rate, rate), down=(rate, rate, rate), both=(1.5 * rate,) * 3)


def test_copies_are_held_against_the_link_and_the_nodes_against_each_other() -> None:
    link = gpu_link.Link(gb_s=31.5, said="16 GT/s x16 of x16")
    good = gpu.finding("GPU 0", [copied(0, 28.0), copied(1, 27.0)], (0.95,) * 20, link)
    assert (good.status, "89 % of its link" in good.said) == ("ok", True)
    far = gpu.finding("GPU 0", [copied(0, 12.0), copied(1, 27.0)], (0.95,) * 20, link)
    assert far.status == "warn"
    assert far.command == "numactl --cpunodebind=1 --membind=1 COMMAND"
    assert "node 0 reach 12.0" in far.next_step
    slow = gpu.finding("GPU 0", [copied(0, 12.0)], (0.95,) * 20, link)
    assert "link is not filled" in slow.next_step
    apart = gpu.finding("GPU 0", [copied(0, 28.0)], (0.1,) * 20, link)
    assert "non_blocking" in apart.next_step
    unknown = gpu.finding("GPU 0", [copied(0, 28.0)], (0.95,) * 20, gpu_link.Link())
    assert (unknown.status, "link" in unknown.said) == ("ok", False)


def test_copies_that_vary_around_the_target_are_not_shown_to_meet_it() -> None:
    link = gpu_link.Link(gb_s=30.0, said="16 GT/s x16 of x16")
    rates = tuple(20.0 + n / 2 for n in range(20))
    varying = gpu.Copied(node=0, up=rates, down=rates, both=rates)
    found = gpu.finding("GPU 0", [varying], (0.9,) * 20, link)
    assert (
        found.status,
        found.undecided.startswith("share of its link that copies fill may be as low as"),
    ) == (
        "ok",
        True,
    )
    assert not found.next_step


def test_a_gpu_that_is_full_does_not_hide_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> Any:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(gpu, "devices", lambda: [full, Simulated])
    first, second = gpu.probe(host(tmp_path, {"proc/driver/nvidia/version": "NVRM version: 1"}))
    assert (first.status, first.said) == ("not-applicable", "GPU 0 could not be measured: CUDA out of memory")
    assert second.status == "ok"


def test_overlap_is_a_share_of_the_shorter() -> None:
    assert gpu.overlap(1.0, 2.0, 3.0) == 0.0
    assert gpu.overlap(1.0, 2.0, 2.0) == 1.0
    assert gpu.overlap(2.0, 1.0, 3.3) == 0.0


def test_the_negotiated_link_as_the_kernel_says_it(tmp_path: Path) -> None:
    folder = tmp_path / "sys/bus/pci/devices/0000:65:00.0"
    folder.mkdir(parents=True)
    for name, said in (
        ("current_link_speed", "16.0 GT/s PCIe"),
        ("current_link_width", "8"),
        ("max_link_speed", "16.0 GT/s PCIe"),
        ("max_link_width", "16"),
    ):
        (folder / name).write_text(said)
    found = gpu_link.link_of(tmp_path, "0000:65:00.0")
    assert found.gb_s == pytest.approx(15.752)
    assert found.reduced
    assert gpu_link.link_of(tmp_path, "0000:66:00.0").gb_s is None
    assert gpu_link.link_of(tmp_path, None).gb_s is None


class Simulated:
    """A device whose copies take a known time: what the probe does with one, and not what a GPU does."""

    name = "GPU 0 (simulated)"
    bus: str | None = None

    def __init__(self) -> None:
        self._waits: list[float] = []

    def pinned(self) -> object:
        return object()

    def up(self, host: object) -> None:
        self._waits.append(0.010)

    def down(self, host: object) -> None:
        self._waits.append(0.020)

    def work(self) -> None:
        self._waits.append(0.015)

    def timed(self, work: Callable[[], object]) -> float:
        self._waits.clear()
        work()
        return max(self._waits)


def test_a_device_is_measured_on_every_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "devices", lambda: [Simulated])
    (found,) = gpu.probe(host(tmp_path, {"proc/driver/nvidia/version": "NVRM version: 1"}))
    figures = {one.name: one.value for one in found.figures}
    assert figures["pinned, to the device"] == pytest.approx(26.84, abs=0.01)
    assert figures["both at once, together"] == pytest.approx(26.84, abs=0.01)
    assert figures["copy hidden behind work"] == 1.0
    assert found.status == "ok"


def test_remote_memory_is_held_against_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, tuple[int, ...]]] = []

    def simulated(root: Path, *, kernel: str, node: int, cpus: tuple[int, ...]) -> memory_bandwidth.Bandwidth:
        asked.append((node, cpus))
        rate = 20.0 if node == 1 else 8.0
        return memory_bandwidth.Bandwidth("c", 2, 1000, (rate, rate * 1.1, rate))

    monkeypatch.setattr(numa, "measure", simulated)
    (found,) = numa.remote(host(tmp_path, two_nodes(REMOTE, "6-7")))
    assert asked == [(0, (6, 7)), (1, (6, 7))]
    assert "8.0 GB/s where local gives 20.0: 60 % less" in found.said
    assert [one.name for one in found.figures] == [
        "node 1 to memory of node 0 (distance 21)",
        "node 1 to memory of node 1 (distance 10)",
    ]


def test_one_cpu_that_is_held_down_is_found(tmp_path: Path) -> None:
    subject = host(
        tmp_path,
        {
            "sys/devices/system/cpu/cpu3/cpufreq/scaling_governor": "powersave",
            "proc/meminfo": "MemTotal: 1 kB\nHugePages_Total:      12\n",
        },
    )
    (found,) = limits.pages(subject)
    assert (found.status, "performance, powersave" in found.said) == ("warn", True)
    assert found.figures[0].value == 12


@pytest.mark.parametrize(
    ("driver", "preference", "status"),
    [
        ("acpi-cpufreq", "", "warn"),
        ("intel_pstate", "balance_performance", "ok"),
        ("amd-pstate-epp", "power", "warn"),
    ],
)
def test_a_cpu_that_sets_its_own_clock_calls_that_powersave(
    driver: str, preference: str, status: str, tmp_path: Path
) -> None:
    folder = "sys/devices/system/cpu/cpu0/cpufreq"
    files = {
        f"{folder}/scaling_governor": "powersave",
        f"{folder}/scaling_driver": driver,
        f"{folder}/energy_performance_preference": preference,
    }
    (found,) = limits.pages(host(tmp_path, files))
    assert found.status == status


def test_odd_hosts_with_nodes_without_cpus_or_memory(tmp_path: Path) -> None:
    files = {"proc/self/status": "Cpus_allowed_list:\t0-3\nMems_allowed_list:\t0,9\n"}
    for node, cpus, memory in ((0, "0-3", 900), (2, "", 0), (8, "4-7", 900), (9, "", 500)):
        folder = f"sys/devices/system/node/node{node}"
        files |= {f"{folder}/cpulist": cpus, f"{folder}/distance": "10 40 20 30"}
        files[f"{folder}/meminfo"] = f"Node {node} MemTotal: {memory} kB\nNode {node} MemFree: 1 kB\n"
    root = host(tmp_path, files).root
    nodes = numa_nodes(root)
    assert [node.number for node in nodes] == [0, 8, 9]
    assert nodes[0].distances == {0: 10, 2: 40, 8: 20, 9: 30}
    assert allowed_nodes(root) == (0, 9)
    with pytest.raises(ProbeUnavailable, match="on no node"):
        list(numa.placement(host(tmp_path, {"proc/self/status": "Cpus_allowed_list:\t64-65\n"})))
    confined = {"proc/self/status": "Cpus_allowed_list:\t0-3\nMems_allowed_list:\t0\n"}
    with pytest.raises(ProbeUnavailable, match="one node alone"):
        list(numa.remote(host(tmp_path, confined)))


def test_own_memory_is_counted_by_size_and_mapped_files_are_not(tmp_path: Path) -> None:
    maps = (
        "7f0 default anon=100 dirty=100 N0=100 kernelpagesize_kB=4\n"
        "7f1 default file=/usr/lib/libc.so mapped=900 N1=900 kernelpagesize_kB=4\n"
        "7f2 default huge anon=1 N1=1 kernelpagesize_kB=2048\n"
    )
    host(tmp_path, {"proc/self/numa_maps": maps})
    assert numa.memory_by_node(tmp_path) == {0: 400, 1: 2048}


def test_a_limit_that_only_slows_down_is_a_limit_too(tmp_path: Path) -> None:
    host(tmp_path, {"sys/fs/cgroup/memory.max": "max", "sys/fs/cgroup/memory.high": "1000000000"})
    assert limits.memory_limit(tmp_path) == 1_000_000_000


def test_distances_are_told_from_the_node_that_fits(tmp_path: Path) -> None:
    (found,) = numa.placement(host(tmp_path, two_nodes(LOCAL, "0-3")))
    assert {one.name: one.value for one in found.figures}["distance from node 0 to node 1"] == 21


def test_memory_that_belongs_to_no_cpu_is_remote_too(tmp_path: Path) -> None:
    files = two_nodes(REMOTE, "0-3") | {"sys/devices/system/node/node1/cpulist": "\n"}
    (found,) = numa.placement(host(tmp_path, files))
    assert (found.status, "90 % of its memory" in found.said) == ("fail", True)


def test_where_pages_are_is_not_guessed(tmp_path: Path) -> None:
    subject = host(tmp_path, two_nodes(LOCAL, "0-3"))
    (tmp_path / "proc/self/numa_maps").unlink()
    with pytest.raises(ProbeUnavailable, match="node 0 of 2; the kernel does not say where its memory is"):
        list(numa.placement(subject))


def test_a_group_that_is_throttled_is_not_hidden_by_the_one_around_it(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/pod/app\n",
        "sys/fs/cgroup/pod/app/cpu.stat": "nr_periods 100\nnr_throttled 90\n",
        "sys/fs/cgroup/pod/cpu.stat": "nr_periods 9000\nnr_throttled 0\n",
    }
    (found,) = limits.limits(host(tmp_path, files))
    assert (found.status, "stopped in 90 % of its periods, by a quota that is gone" in found.said) == (
        "fail",
        True,
    )


@pytest.mark.parametrize(("lanes", "status"), [("8", "warn"), ("16", "ok")])
def test_the_planted_gpu_of_the_docs(
    lanes: str, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slotted(Simulated):
        bus = "0000:65:00.0"
        down = Simulated.up

    folder = f"sys/bus/pci/devices/{Slotted.bus}"
    files = {f"{folder}/{which}_link_speed": "16.0 GT/s PCIe" for which in ("current", "max")}
    files |= {f"{folder}/current_link_width": lanes, f"{folder}/max_link_width": "16"}
    monkeypatch.setattr(gpu, "devices", lambda: [Slotted])
    (found,) = gpu.probe(host(tmp_path, files | {"proc/driver/nvidia/version": "NVRM version: 1"}))
    assert found.status == status
    row = f"| {gpu.COPIES.title} | a (simulated) GPU whose link runs at half of its lanes | warn | ok |"
    assert row in (Path(__file__).parents[2] / "docs" / "how-to" / "checkup.md").read_text()
