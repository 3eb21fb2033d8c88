"""What `gapless calibrate --check` found, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator

from gapless.records.drift import DriftCheck, Shift
from gapless.report.calibration import share
from gapless.report.json import plain
from gapless.report.printable import printable
from gapless.report.wording import percent

SCHEMA = "gapless.drift/1"


def headline(found: DriftCheck) -> str:
    """What was found, in a sentence."""
    if found.void:
        return "The thresholds are void: the workflow is not the one they were certified for."
    if found.harm_alarm:
        return f"Alarm: more than {share(found.alpha)} of the answers since the calibration were delivered and wrong."
    if any(one.alarm for one in found.shifts):
        return "The traffic has changed since the calibration; no harm is shown."
    if found.harm.point is None:
        return "Nothing speaks against the thresholds, and nothing was judged since."
    return "Nothing speaks against the thresholds."


def render_json(found: DriftCheck) -> str:
    """The check for machines, every key written out."""
    body = {"schema": SCHEMA, "headline": headline(found), "alarm": found.alarm, **plain(found)}
    return json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False)


def render(found: DriftCheck) -> str:
    """The check for the terminal."""
    return "\n".join(_lines(printable(found)))


def _lines(found: DriftCheck) -> Iterator[str]:
    yield headline(found)
    yield ""
    yield from (f"  {reason}" for reason in found.void)
    harm = found.harm
    if harm.point is None:
        yield f"  delivered and wrong since: {harm.reason}"
    else:
        yield (
            f"  delivered and wrong since: {percent(harm.point)} (at every look {percent(harm.low or 0)} to "
            f"{percent(harm.high if harm.high is not None else 1)}, n={harm.n_groups}); certified for {share(found.alpha)}"
        )
        if harm.reason:
            yield f"      {harm.reason}"
    yield from (f"  {_shift(one)}" for one in found.shifts)
    if found.advice:
        yield ""
        yield from (f"- {line}" for line in found.advice)


def _shift(one: Shift) -> str:
    if one.evidence is None:
        return f"{one.step}: signals since: {one.n_since}, at the calibration {one.n_calibrated}; nothing to compare"
    said = f"{one.step}: evidence of a shift {one.evidence:.3g} of 100 over {one.n_since} trials"
    return f"{said}; alarm after {one.after}" if one.alarm else said
