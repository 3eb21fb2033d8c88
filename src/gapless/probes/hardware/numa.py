"""NUMA: the nodes and their distances, whether this process sits on one of them, and what remote memory costs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.hardware.host import Node, allowed_cpus, allowed_nodes, listed, numa_nodes, text
from gapless.probes.hardware.memory_bandwidth import measure
from gapless.probes.medians import median_figure
from gapless.records.finding import Figure, Finding

PLACEMENT = Card(
    probe="numa-placement",
    layer="hardware",
    title="NUMA-aware placement",
    target="the process's CPUs and its memory on one node",
    source="the six-layer checklist, layer 1",
)
REMOTE = Card(
    probe="numa-remote",
    layer="hardware",
    title="cost of remote memory",
    target="known, so that placement is a choice",
    source="the six-layer checklist, layer 1",
)
_MOST_REMOTE = 0.05
"""Share of its own memory on other nodes that is nothing to speak of: what it asked for before it was placed."""


def placement(subject: Subject) -> Iterable[Finding]:
    """Whether the CPUs and the memory of this process are on one node, and the line that puts them there."""
    nodes = numa_nodes(subject.root)
    if not nodes:
        raise ProbeUnavailable("the kernel lists no NUMA nodes here (/sys/devices/system/node is absent)")
    count = Figure(name="NUMA nodes", value=len(nodes))
    if len(nodes) == 1:
        said = f"one NUMA node with CPUs {listed(nodes[0].cpus)}: all memory is local"
        yield PLACEMENT.finding("ok", said, figures=(count,))
        return
    cpus = allowed_cpus(subject.root)
    at = [node for node in nodes if set(node.cpus) & set(cpus)]
    if not at:
        raise ProbeUnavailable(
            f"the CPUs of this process ({listed(cpus)}) are on no node that the kernel lists"
        )
    best = _roomiest(_usable(at, subject) or at)
    share = _elsewhere(memory_by_node(subject.root), best.number)
    figures = (count, *_distances(best, nodes))
    if share is not None:
        figures = (*figures, Figure(name="own memory on other nodes", value=share, unit="share"))
    yield _placed(nodes, at, best, share, figures)


def _placed(
    nodes: tuple[Node, ...], at: list[Node], best: Node, share: float | None, figures: tuple[Figure, ...]
) -> Finding:
    """What it comes to on a host of several nodes, some of which the process may run on."""
    number = best.number
    confined = f"(without numactl: cpuset.cpus={listed(best.cpus)} and cpuset.mems={number} of its cgroup)"
    command = f"numactl --cpunodebind={number} --membind={number} COMMAND"
    if len(at) > 1:
        where = ", ".join(f"node {node.number}: {_has(node)}" for node in nodes)
        said = (
            f"the process may run on {len(at)} of {len(nodes)} nodes ({where}), so its memory can be remote"
        )
        step = f"Put it on one node {confined}."
        return PLACEMENT.finding("warn", said, figures=figures, next_step=step, command=command)
    if share is None:
        raise ProbeUnavailable(
            f"its CPUs are on node {number} of {len(nodes)}; the kernel does not say where its memory is (/proc/self/numa_maps)"
        )
    if share > _MOST_REMOTE:
        said = f"the process runs on node {number}, and {100 * share:.0f} % of its memory is on other nodes"
        step = f"Bind its memory to its node {confined}."
        return PLACEMENT.finding("fail", said, figures=figures, next_step=step, command=command)
    return PLACEMENT.finding("ok", f"CPUs and memory are on node {number} of {len(nodes)}", figures=figures)


def remote(subject: Subject) -> Iterable[Finding]:
    """Bandwidth of local against remote memory, with threads on one node and memory bound to each."""
    nodes = [node for node in numa_nodes(subject.root) if node.total_bytes]
    if len(nodes) < 2:
        raise ProbeUnavailable("one NUMA node: no memory is remote")
    nodes = _usable(nodes, subject)
    if len(nodes) < 2:
        raise ProbeUnavailable(
            "the process may use the memory of one node alone (cpuset.mems): none is remote"
        )
    usable = set(allowed_cpus(subject.root))
    home = next((node for node in nodes if set(node.cpus) & usable), None)
    if home is None:
        raise ProbeUnavailable("the CPUs of this process are on no node with memory that it may use")
    cpus = tuple(cpu for cpu in home.cpus if cpu in usable)
    found = {node.number: measure(subject.root, kernel="c", node=node.number, cpus=cpus) for node in nodes}
    local = found[home.number].sustained
    figures = tuple(
        median_figure(
            f"node {home.number} to memory of node {number} (distance {home.distances.get(number, 'unknown')})",
            one.passes,
            "GB/s",
            of="passes",
        )
        for number, one in found.items()
    )
    worst = min(one.sustained for number, one in found.items() if number != home.number)
    less = f"{100 * (1 - worst / local):.0f} % less" if worst < local else "no less"
    yield REMOTE.finding(
        "ok", f"remote memory gives {worst:.1f} GB/s where local gives {local:.1f}: {less}", figures=figures
    )


def memory_by_node(root: Path) -> dict[int, int]:
    """NUMA node -> KiB of this process's own memory there; nothing where the kernel does not say.

    Mapped files are left out: where the page cache lies, whoever read them first has decided.
    """
    found: dict[int, int] = {}
    for line in (text(root, "proc/self/numa_maps") or "").splitlines():
        if " file=" in line:
            continue
        size = re.search(r"\bkernelpagesize_kB=(\d+)", line)
        for node, pages in re.findall(r"\bN(\d+)=(\d+)", line):
            kilobytes = int(pages) * (int(size[1]) if size is not None else 4)
            found[int(node)] = found.get(int(node), 0) + kilobytes
    return found


def _usable(nodes: list[Node], subject: Subject) -> list[Node]:
    """Those whose memory the process may use."""
    allowed = allowed_nodes(subject.root)
    return nodes if allowed is None else [node for node in nodes if node.number in allowed]


def _elsewhere(memory: dict[int, int], here: int) -> float | None:
    total = sum(memory.values())
    return 1 - memory.get(here, 0) / total if total else None


def _distances(best: Node, nodes: tuple[Node, ...]) -> list[Figure]:
    return [
        Figure(
            name=f"distance from node {best.number} to node {other.number}",
            value=best.distances[other.number],
        )
        for other in nodes
        if other is not best and other.number in best.distances
    ]


def _has(node: Node) -> str:
    return f"CPUs {listed(node.cpus)}" if node.cpus else "memory alone"


def _roomiest(nodes: list[Node]) -> Node:
    return max(nodes, key=lambda node: (node.free_bytes, -node.number))
