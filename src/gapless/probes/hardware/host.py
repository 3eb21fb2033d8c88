"""Reads what the kernel says of the host: caches, NUMA nodes, limits, pressure. Linux only; elsewhere there is nothing to read."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3}


def text(root: Path, path: str) -> str | None:
    """What a file of the host holds, stripped; None where it is absent or may not be read."""
    try:
        return (root / path.lstrip("/")).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def cpus_in(listed: str) -> tuple[int, ...]:
    """The numbers of a kernel list.

    Example:
        >>> cpus_in("0-2,8")
        (0, 1, 2, 8)
    """
    found: list[int] = []
    for part in listed.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        if first.isdecimal():
            found += range(int(first), int(last or first) + 1)
    return tuple(found)


def listed(cpus: tuple[int, ...]) -> str:
    """Numbers as a kernel list.

    Example:
        >>> listed((0, 1, 2, 8))
        '0-2,8'
    """
    parts: list[str] = []
    for cpu in cpus:
        first, _, last = parts[-1].partition("-") if parts else ("", "", "")
        if parts and int(last or first) + 1 == cpu:
            parts[-1] = f"{first}-{cpu}"
        else:
            parts.append(str(cpu))
    return ",".join(parts)


def last_cache_bytes(root: Path) -> int:
    """Size of the largest cache a CPU sees, all of its instances together; 32 MiB where the kernel does not say."""
    seen: dict[tuple[str, str], int] = {}
    for index in sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/cache/index[0-9]*")):
        size = re.fullmatch(r"(\d+)([KMG])", (text(index, "size") or ""))
        shared, level = text(index, "shared_cpu_list") or "", text(index, "level") or "0"
        if size is not None and text(index, "type") != "Instruction":
            seen[level, shared] = int(size[1]) * _UNITS[size[2]]
    if not seen:
        return 32 * 1024**2
    top = max(level for level, _ in seen)
    return sum(size for (level, _), size in seen.items() if level == top)


def allowed_cpus(root: Path) -> tuple[int, ...]:
    """The CPUs this process may run on."""
    found = _allowed(root, "Cpus_allowed_list")
    if found is not None:
        return found
    return tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()


def allowed_nodes(root: Path) -> tuple[int, ...] | None:
    """The NUMA nodes whose memory this process may use (cpuset.mems); None where the kernel does not say."""
    return _allowed(root, "Mems_allowed_list")


def _allowed(root: Path, what: str) -> tuple[int, ...] | None:
    found = re.search(rf"^{what}:\s*(\S+)", text(root, "proc/self/status") or "", re.MULTILINE)
    return cpus_in(found[1]) if found is not None else None


@contextmanager
def on_cpus(cpus: tuple[int, ...]) -> Generator[None]:
    """Keeps this thread, and the children that it starts, on some CPUs; where none are named, or the system cannot, anywhere."""
    if not cpus or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True)
class Node:
    """One NUMA node."""

    number: int
    cpus: tuple[int, ...]
    distances: Mapping[int, int]
    """Node -> how far its memory is; 10 is local."""
    free_bytes: int
    total_bytes: int


def numa_nodes(root: Path) -> tuple[Node, ...]:
    """The NUMA nodes that have CPUs or memory, as the kernel lists them; none where it does not."""
    top = root / "sys/devices/system/node"
    # The kernel tells distances to all nodes that are online, those without CPUs and memory among them.
    online = sorted(int(folder.name.removeprefix("node")) for folder in top.glob("node[0-9]*"))
    nodes = (_node(top / f"node{number}", number, online) for number in online)
    return tuple(node for node in nodes if node.cpus or node.total_bytes)


def _node(folder: Path, number: int, online: list[int]) -> Node:
    memory = text(folder, "meminfo") or ""
    distances = [int(one) for one in (text(folder, "distance") or "").split() if one.isdecimal()]
    return Node(
        number=number,
        cpus=cpus_in(text(folder, "cpulist") or ""),
        distances=dict(zip(online, distances, strict=False)) if len(distances) == len(online) else {},
        free_bytes=_kilobytes(memory, "MemFree"),
        total_bytes=_kilobytes(memory, "MemTotal"),
    )


def _kilobytes(memory: str, name: str) -> int:
    found = re.search(rf"{name}:\s*(\d+) kB", memory)
    return int(found[1]) * 1024 if found is not None else 0


def cgroup_files(root: Path, controller: str) -> list[Path]:
    """Folders of this process's control groups that may limit something, the innermost first: version 2, then version 1."""
    said = text(root, "proc/self/cgroup") or ""
    folders: list[Path] = []
    for line in said.splitlines():
        _, controllers, path = line.split(":", 2)
        inside = path.lstrip("/")
        if controllers == "":
            folders += _upwards(root / "sys/fs/cgroup", inside)
        elif controller in controllers.split(","):
            folders += _upwards(root / "sys/fs/cgroup" / controllers, inside)
            folders += _upwards(root / "sys/fs/cgroup" / controller, inside)
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def _upwards(top: Path, inside: str) -> list[Path]:
    # In a container the path is that of the host, and the group itself is what is mounted.
    parts = [part for part in inside.split("/") if part not in ("", "..")]
    return [top.joinpath(*parts[:length]) for length in range(len(parts), -1, -1)]
