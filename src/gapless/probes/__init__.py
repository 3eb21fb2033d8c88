"""Measures one layer alone, without touching what is above it. From Python: `check(Subject(...), "ttft")`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from gapless.probes.base import Card, Subject, Unusable
    from gapless.records.finding import Finding

__all__ = ["check"]


def check(subject: Subject, *names: str) -> tuple[Finding, ...]:
    """Asks probes of the checklist about a subject, one after the other.

    Args:
        subject: What to look at; each probe reads the part that concerns it.
        names: As `gapless checkup --list` shows them; every probe when left out.

    Returns:
        What they found. A probe that cannot measure, or that breaks, is a finding that is not applicable and says why.

    Raises:
        UnknownName: There is no such probe.

    Example:
        >>> from gapless.probes.base import Subject
        >>> [(one.probe, one.status) for one in check(Subject(), "verdicts")]
        [('verdicts', 'not-applicable')]
    """
    from gapless.probes.shelf import SHELF, unknown

    for name in names:
        if name not in SHELF:
            raise unknown(name)
    return tuple(finding for name in names or SHELF for finding in _asked(name, subject))


def _held_to_yours(finding: Finding, line: Card, subject: Subject) -> Finding:
    """With the user's target, where it was held against that and does not say so itself."""
    from gapless.probes.base import YOURS
    from gapless.probes.shelf import TAKES_TARGET

    yours = subject.targets.get(line.probe)
    if yours is None or line.probe not in TAKES_TARGET or finding.target != line.target:
        return finding
    said = f"{yours:g}, in place of: {line.target}"
    return msgspec.structs.replace(finding, target=said, target_source=YOURS)


def _asked(name: str, subject: Subject) -> list[Finding]:
    """One probe's findings; whatever goes wrong in it is one."""
    from gapless.errors import GaplessError
    from gapless.probes.base import ProbeUnavailable, Unusable
    from gapless.probes.shelf import card, probe

    line = card(name)
    try:
        found = list(probe(name)(subject))
    except Unusable as error:
        return [_unusable(line, subject, error)]
    except (ProbeUnavailable, GaplessError) as error:
        return [line.unavailable(str(error))]
    except Exception as error:  # a probe reads a foreign system, which may answer anything
        return [line.unavailable(f"it could not be measured: {type(error).__name__}: {error}"[:300])]
    return [_held_to_yours(finding, line, subject) for finding in found]


def _unusable(line: Card, subject: Subject, error: Unusable) -> Finding:
    """A failure at the first line of the layer, and a pointer to it at every other one: one cause is told once."""
    from gapless.probes.base import unusable_key

    if line.layer != error.layer:
        return line.unavailable(str(error))
    first = subject.memo.setdefault(unusable_key(str(error)), line.probe)
    if first != line.probe:
        return line.unavailable(f"see {first}")
    return line.finding(
        "fail",
        str(error),
        next_step=error.step
        or f"Mend what gapless.toml names for the {line.layer} layer, or take it out: then nothing is named.",
    )
