"""Cases and suites: what goes in, and what is expected of it."""

from __future__ import annotations

from typing import Any, Literal

from gapless.records.base import Record
from gapless.records.value import digest, encode

Split = Literal["tune", "cal", "test"]
END = "end"


class CheckSpec(Record, frozen=True, kw_only=True):
    """A check as the suite declares it: its name on the checks' shelf and its parameters."""

    name: str
    """Name on the shelf: "exact", "numeric", "contains", ... or "python"."""
    params: dict[str, Any] = {}
    """The check's own parameters, as written in the suite."""


class Case(Record, frozen=True, kw_only=True):
    """One input with what is expected of it."""

    id: str
    """Unique in its suite."""
    input: Any = None
    """What the workflow is called with."""
    group: str | None = None
    """The independent unit; the case itself when None."""
    split: Split | None = None
    """Which part of a study the case belongs to."""
    slice: dict[str, str] = {}
    """Named categories to report apart: `{"category": "cap-on-liability"}`."""
    path: tuple[str, ...] | None = None
    """The planned path: the steps a complete answer needs, loops repeated."""
    golden: dict[str, Any] = {}
    """Step -> the update it should hand over (a list for a loop: one per visit)."""
    checks: dict[str, tuple[CheckSpec, ...]] = {}
    """"end" or a step -> the checks that judge it."""

    @property
    def unit(self) -> str:
        """The independent unit of every interval: the group, else the case."""
        return self.group if self.group is not None else self.id


class Suite(Record, frozen=True, kw_only=True):
    """The cases of one workflow."""

    name: str
    """Shown in reports; the file's stem by default."""
    cases: tuple[Case, ...]
    """In file order; ids are unique."""
    seed: int = 0
    """Root of every trial's seed."""

    def digest(self) -> str:
        """Content address of the suite: any change of a case changes it."""
        return digest(encode([_case_key(case) for case in self.cases]))


def _case_key(case: Case) -> list[Any]:
    checks = {k: [[c.name, c.params] for c in v] for k, v in case.checks.items()}
    return [case.id, case.input, case.group, case.split, case.slice, case.path, case.golden, checks]
