"""Every reader by the name of who writes the files; a file is recognised by what is in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from gapless.probes.base import ProbeUnavailable
from gapless.probes.model.load import Load
from gapless.probes.model.results import aiperf, guidellm
from gapless.probes.model.results.base import Reader, read_json

SHELF: dict[str, tuple[Callable[[Any], bool], Reader]] = {
    "guidellm": (guidellm.is_one, guidellm.read),
    "aiperf": (aiperf.is_one, aiperf.read),
}
"""Writer -> whether a JSON value is its, and the reader."""


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
    value = _first_line(path) if path.suffix == ".jsonl" else read_json(path)
    for known, read in SHELF.values():
        if known(value):
            return read
    raise ProbeUnavailable(
        f"{path}: neither guidellm's benchmarks.json nor aiperf's profile_export.jsonl or profile_export_aiperf.json"
    )


def _first_line(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.readline())
    except (OSError, msgspec.DecodeError) as error:
        raise ProbeUnavailable(f"{path}: cannot be read: {error}") from error
