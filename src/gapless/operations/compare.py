"""`gapless report --compare`: two measurements held against each other, case by case."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gapless.errors import UsageError
from gapless.operations.report import run_table
from gapless.records.comparison import Comparison
from gapless.records.measurement import Measurement
from gapless.report.wording import count

if TYPE_CHECKING:
    from gapless.gap.compare import Compared
    from gapless.stores.store import Store

MARGIN = 0.03
"""Loss of S that is tolerated where nobody says otherwise."""


def compare(
    store: Store, before: Measurement, after: Measurement, *, margin: float | None = None
) -> Comparison:
    """The later measurement against the earlier one.

    Args:
        store: Where both are.
        before: The earlier one, the standard.
        after: The later one.
        margin: Loss of S that is tolerated, 0 to 1; 0.03 when None.

    Raises:
        UsageError: They are one and the same, share no case, or one of them has no end verdicts.
    """
    from gapless.gap.compare import answer
    from gapless.gap.compare import compare as compare_tables
    from gapless.gap.table import Table
    from gapless.report.comparison import sentence

    if before.id == after.id:
        raise UsageError(
            f"{before.id} cannot be compared with itself. `gapless report --list` shows what was measured."
        )
    tables = [Table.of(run_table(store, one)) for one in (before, after)]
    for one, table in zip((before, after), tables, strict=True):
        if not table.is_("correct", "wrong").any() and table.count("unjudged"):
            raise UsageError(
                f"{one.id} has no end verdicts: nothing says which answers were right. Label some (`gapless label`), or give "
                "the suite end checks."
            )
    found = compare_tables(*tables)
    if not found.pairs.cases:
        raise UsageError(
            f"{before.id} and {after.id} share no case: only the same cases before and after can be compared."
        )
    tolerated = MARGIN if margin is None else margin
    verdict = answer(found.success, tolerated)
    return Comparison(
        before=before,
        after=after,
        margin=tolerated,
        answer=verdict,
        sentence=sentence(found.success, verdict, tolerated),
        n_cases=len(found.pairs.cases),
        n_groups=found.pairs.n_groups,
        only_before=found.pairs.only_before,
        only_after=found.pairs.only_after,
        success=found.success,
        outcomes=found.outcomes,
        boundaries=found.boundaries,
        notes=tuple(_notes(before, after, found)),
    )


def _notes(before: Measurement, after: Measurement, found: Compared) -> Iterable[str]:
    if before.fingerprint == after.fingerprint and before.condition == after.condition:
        yield "Both measured the same workflow under the same condition: what differs is chance, the suite, or the world."
    if before.weather != after.weather:
        yield "They ran under different weather: part of the difference may be the world's."
    if before.seed != after.seed:
        yield "They ran with different seeds: pairs share the case, not the luck."
    if found.pairs.only_before or found.pairs.only_after:
        left = found.pairs.only_before + found.pairs.only_after
        yield f"{count(left, 'case')} in one of the two only: left out."
    unjudged = found.pairs.before.count("unjudged") + found.pairs.after.count("unjudged")
    if unjudged:
        yield f"{count(unjudged, 'trial')} without an end verdict: no success is counted there."
