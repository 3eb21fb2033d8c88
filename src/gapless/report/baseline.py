"""What a report says when the workflow was held against one plain prompt."""

from __future__ import annotations

from gapless.records.baseline import PromptBaseline
from gapless.records.gap import Gap
from gapless.report.wording import count


def sentences(gap: Gap) -> list[str]:
    """The verdict, read with the headline; nothing where no prompt was asked."""
    found = gap.baseline
    return [] if found is None else [f"One plain prompt: {verdict(found)}."]


def verdict(found: PromptBaseline) -> str:
    """The verdict and what it rests on.

    Example:
        >>> from gapless.records.estimate import Estimate
        >>> nothing = Estimate()
        >>> verdict(PromptBaseline(verdict="undecided", reason="too few", workflow=nothing, prompt=nothing,
        ...                        difference=nothing, more_cases=40))
        'undecided (too few); about 40 more cases would tell'
    """
    if found.verdict == "no evidence":
        return found.reason
    more = "" if found.more_cases is None else f"; about {count(found.more_cases, 'more case')} would tell"
    return f"{found.verdict} ({found.reason}){more}"
