"""Slices are compared simultaneously, and what a reader must know is said in true words."""

from __future__ import annotations

import pytest

from gapless.gap.analyse import analyse
from gapless.gap.clustered import clustered
from gapless.records.trial import Run, StepOutcome
from gapless.records.workflow import Shape


def table(n: int, *, judged: int, per_group: int = 1) -> list[Run]:
    """n correct trials of one visit each; the first `judged` visits have a verdict."""
    return [
        Run(
            case=f"c{i}",
            trial=0,
            group=f"g{i // per_group}",
            outcome="correct",
            events=(StepOutcome(step="a", visit=1, attempt=1, ok=True if i < judged else None, ms=1),),
        )
        for i in range(n)
    ]


@pytest.mark.parametrize(
    ("n", "judged", "said"),
    [
        (1000, 999, "Partial: 99.9 % "),
        (5000, 4999, "Partial: 99.9 % "),
        (100, 57, "Partial: 57 % "),
        (2000, 1, "Partial: under 0.1 % "),
        (50, 0, "Partial: 0 % "),
    ],
)
def test_a_partial_share_never_reads_as_all_or_nothing(n: int, judged: int, said: str) -> None:
    assert any(note.startswith(said) for note in analyse(table(n, judged=judged), [], Shape()).notes)


def test_a_full_share_is_not_partial() -> None:
    assert not any("Partial" in note for note in analyse(table(20, judged=20), [], Shape()).notes)


def test_unequal_groups_are_called_groups() -> None:
    notes = analyse(table(20, judged=20, per_group=3), [], Shape()).notes
    assert (
        "Groups hold different numbers of trials (2 to 3): each group counts the same, so S is not the plain share of trials."
        in notes
    )


def test_slices_share_one_level_between_them() -> None:
    runs = [
        Run(
            case=f"c{i}",
            trial=0,
            group=f"c{i}",
            outcome="wrong" if i % 5 == 0 else "correct",
            blame="a" if i % 5 == 0 else None,
            slice={"kind": "odd" if i % 2 else "even", "size": f"s{i % 3}"},
        )
        for i in range(90)
    ]
    rows = analyse(runs, [], Shape()).slices
    assert [(row.key, row.value) for row in rows] == [
        ("kind", "even"),
        ("kind", "odd"),
        ("size", "s0"),
        ("size", "s1"),
        ("size", "s2"),
    ]
    mine = [run for run in runs if run.slice["kind"] == "even"]
    alone = clustered(
        [run.outcome == "correct" for run in mine], [run.group for run in mine], level=1 - 0.05 / 5
    )
    assert rows[0].success == alone
    assert rows[0].outcomes == {"correct": 36, "wrong": 9}
