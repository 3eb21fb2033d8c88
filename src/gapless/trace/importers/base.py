"""What a reader promises, the table of readers, and how a file is told to be of one format."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from gapless.errors import ImporterError, UnknownName
from gapless.records.replay import ReplayRun
from gapless.records.trial import ComponentRun, Run
from gapless.records.turn import Turn
from gapless.records.workflow import Layer, Shape
from gapless.trace.importers.source import Source

IMPORTERS: dict[str, str] = {
    "run-table": "gapless.trace.importers.run_table:read",
    "tau-bench": "gapless.trace.importers.tau_bench:read",
}
"""Format -> reader, imported on demand."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """What a table says of the workflow itself."""

    target: str
    suite: str
    shape: Shape
    weather: dict[str, float]


Witness = Callable[[Sequence[Turn], str], dict[int, dict[str, str]]]
"""Says what speaks against single turns of a conversation, given what stood before it: step event -> evidence -> why."""


def _blind(turns: Sequence[Turn], given: str) -> dict[int, dict[str, str]]:
    return {}


@dataclass(slots=True)
class Learnt:
    """What rows say beside themselves; readers fill it while they read."""

    layers: dict[str, Layer] = field(default_factory=dict[str, Layer])
    """Step -> its layer, where a row names one."""
    workflows: dict[str, Workflow] = field(default_factory=dict[str, Workflow])
    """Condition -> the workflow, where the table describes it."""
    left_out: dict[str, int] = field(default_factory=dict[str, int])
    """Why rows were read and not kept -> how many."""
    witness: Witness = _blind
    """Looks at each conversation while it is whole: a row keeps none of its words."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """A rerun of a lost trial, whose group and whose place on the path only the trial knows."""

    condition: str | None
    """That of the trial; None where the row names none."""
    run: ReplayRun


Row = tuple[str, Run] | ComponentRun | Replayed
"""A trial with its condition, a run of one step alone (its group is "" where only its case is known), or a rerun."""


class Reader(Protocol):
    """Reads one format."""

    def __call__(self, source: Source, learnt: Learnt) -> Iterator[Row]:
        """The rows of a file in its order, one at a time.

        Raises:
            ImporterError: Naming the line and what is wrong with it.
        """
        ...


def reader(name: str) -> Reader:
    """The reader of a format.

    Raises:
        UnknownName: No such format.
    """
    if name not in IMPORTERS:
        raise UnknownName(f"no format {name!r} can be read. Formats: {', '.join(IMPORTERS)}.")
    module, _, attribute = IMPORTERS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def recognise(source: Source) -> str:
    """The format of a file, from how it begins.

    Raises:
        ImporterError: It is empty, or begins like none of them.
    """
    head = source.head()
    if head is None:
        raise ImporterError(f"{source.name}: is empty. Expected one JSON object a line (gapless.runs/1).")
    if head.startswith(b"["):
        return "tau-bench"
    try:
        first: Any = msgspec.json.decode(head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "run-table"  # whose reader says what is wrong with the line
    if isinstance(first, dict) and "traj" in first and "kind" not in first:
        return "tau-bench"
    return "run-table"
