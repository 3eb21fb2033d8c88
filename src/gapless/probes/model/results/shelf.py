"""Every reader by the name of who writes the files; a file is recognised by what is in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gapless.probes.base import ProbeUnavailable
from gapless.probes.model.load import Load
from gapless.probes.model.results import aiperf, guidellm
from gapless.probes.model.results.base import Reader, Signs, content, decoded

SHELF: dict[str, tuple[Callable[[Signs], bool], Reader]] = {
    "guidellm": (guidellm.is_one, guidellm.read),
    "aiperf": (aiperf.is_one, aiperf.read),
}
"""Writer -> whether a JSON object is its, and the reader."""


def read_results(paths: Sequence[Path]) -> tuple[Load, ...]:
    """The loads in result files.

    Raises:
        ProbeUnavailable: One cannot be read, or nobody on the shelf wrote it.
    """
    return tuple(load for path in paths for load in _reader(path)(path))


def _reader(path: Path) -> Reader:
    if path.suffix == ".csv":
        raise ProbeUnavailable(
            f"{path}: a table of quantiles, without its requests: give the JSON file beside it"
        )
    signs = _signs(path)
    for known, read in SHELF.values():
        if known(signs):
            return read
    raise ProbeUnavailable(
        f"{path}: neither guidellm's benchmarks.json nor aiperf's profile_export.jsonl or profile_export_aiperf.json"
    )


def _signs(path: Path) -> Signs:
    """The keys of the file's object, or of its first line's."""
    data = content(path)
    if path.suffix == ".jsonl":
        data = data.partition(b"\n")[0]
    return decoded(path, data, Signs, what="a result file of guidellm or aiperf")
