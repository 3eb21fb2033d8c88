"""What repeated trials of one case come to: pass^k and pass@k."""

from __future__ import annotations

from gapless.records.gap import Gap
from gapless.report.sections.base import Section
from gapless.report.wording import count, product


def repeats(gap: Gap) -> Section | None:
    """The section; None with one trial per case, or without a verdict."""
    if not gap.repeats or gap.success.point is None:
        return None
    excluded = max(row.n_excluded for row in gap.repeats)
    return Section(
        title="Repeated trials",
        lead="pass^k: all of k trials of a case are right. pass@k: at least one is, which helps only where somebody picks that one.",
        heads=("Trials of a case", "pass^k", "pass@k", "Cases"),
        rows=tuple(
            (
                f"k = {row.k}",
                product(row.pass_hat_k),
                product(row.pass_at_k),
                str(row.pass_hat_k.n_cases),
            )
            for row in gap.repeats
        ),
        under=f"{count(excluded, 'case')} with fewer trials left out at the largest k." if excluded else "",
        ours=True,
    )
