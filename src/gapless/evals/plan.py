"""Which trials and which component runs a measurement needs, in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gapless.records.suite import Case, Suite
from gapless.records.workflow import Shape


@dataclass(frozen=True, slots=True)
class Planned:
    """One trial to run."""

    case: Case
    number: int


@dataclass(frozen=True, slots=True)
class PlannedComponent:
    """One run of one step alone."""

    step: str
    case: Case
    number: int
    before: tuple[str, ...]
    """The planned steps before it, whose goldens make up the state it is given."""


def trials(suite: Suite, per_case: int) -> Iterator[Planned]:
    """Every case once, then every case again: an early stop leaves all cases equally often run.

    Args:
        suite: The cases.
        per_case: Trials per case.
    """
    for number in range(per_case):
        for case in suite.cases:
            yield Planned(case, number)


def components(
    suite: Suite,
    shape: Shape,
    paths: Mapping[str, tuple[str, ...]],
    per_case: int,
    only: tuple[str, ...] = (),
) -> Iterator[PlannedComponent]:
    """Every step of every planned path that can be judged alone: its predecessors have goldens, itself a golden or a check.

    Args:
        suite: The cases.
        shape: The workflow's steps.
        paths: Case id -> planned path.
        per_case: Runs per step and case.
        only: Steps to run; all of them when empty.
    """
    known = {step.name for step in shape.steps}
    for number in range(per_case):
        for case in suite.cases:
            path = paths.get(case.id, ())
            for position, step in enumerate(path):
                wanted = step in known and step not in path[:position] and (not only or step in only)
                if wanted and missing(case, path, position) is None:
                    yield PlannedComponent(step, case, number, path[:position])


def missing(case: Case, path: tuple[str, ...], position: int) -> str | None:
    """Why the step at a position of a path cannot be benchmarked on a case; None when it can."""
    step = path[position]
    without = [earlier for earlier in path[:position] if earlier not in case.golden]
    if without:
        return f"no golden output for {without[0]!r}, which runs before it"
    if step not in case.golden and not case.checks.get(step):
        return "no golden output and no check of its own"
    return None
