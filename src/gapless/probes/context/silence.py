"""What a retriever hands over when there is nothing to find: the silent start of a wrong answer."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec
import numpy as np

from gapless.gap.clustered import units
from gapless.gap.group_bootstrap import alike
from gapless.gap.signal_quality import auroc_estimate
from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.context.answers import Answer, answered
from gapless.probes.context.shares import mean_of, rate_figure
from gapless.probes.judging import at_least, share_at_most
from gapless.records.estimate import Estimate
from gapless.records.finding import STATUSES, Figure, Finding
from gapless.report.wording import count

CARD = Card(
    probe="unanswerable",
    layer="context",
    title="questions that no document answers",
    target="at most 20 % of them get documents, or the top score tells them apart: AUROC of at least .80",
    source="gapless' own: below that no threshold keeps both errors low",
)
_LEAST, _MOST_GIVEN, _NO_WIDTH = 0.8, 0.2, 1e-9
_GATE = (
    "Hand a confidence signal that looks at the passages (gapless.boundary.signals) to a gate behind this step; a raw score "
    "does not know that nothing is there."
)
_NO_UNANSWERABLE = (
    'no unanswerable query among the labelled ones that got an answer: add some that say "answerable": false'
)
_NO_ANSWERABLE = "no answerable query among the labelled ones that got an answer: add some that say what is `relevant`, or quote it in `texts`"
_STEP = {
    "fail": _GATE,
    "warn": f"{_GATE} The intervals still hold a target: more queries of both kinds would tell.",
}


def unanswerable(subject: Subject) -> Iterable[Finding]:
    """Share of unanswerable queries that still get documents, and how well the top score tells them from the others."""
    asked = answered(subject)
    usable = [one for one in asked.answers if not one.problem]
    no = [one for one in usable if not one.query.answerable]
    yes = [one for one in usable if one.query.answerable]
    if not no or not yes:
        raise ProbeUnavailable(_NO_UNANSWERABLE if not no else _NO_ANSWERABLE)
    least = subject.targets.get(CARD.probe, _LEAST)
    given = mean_of([bool(one.hits) for one in no], [one.query.group for one in no])
    figures = [
        rate_figure("unanswerable queries that get documents", given, count(len(no), "query", "queries"))
    ]
    got = sum(bool(one.hits) for one in no)
    asked_in_vain = count(len(no), "unanswerable query", "unanswerable queries")
    said = f"documents are handed over for {got} of {asked_in_vain}"
    ways = [share_at_most("the share that gets documents", given, _MOST_GIVEN)]
    area = _separation([*no, *yes])
    if area is not None and area.point is not None:
        figures.append(_area_figure(area))
        said += (
            f"; the top score tells them from answerable ones with AUROC {area.point:.2f} ({_limits(area)})"
        )
        ways.append(at_least(figures[-1], least, needs="more labelled queries of both kinds"))
    elif got:
        said += "; there is no score to tell them by"
    # either is enough
    held = max(ways, key=lambda way: (STATUSES.index(way.status), not way.undecided))
    target = CARD.target if least == _LEAST else CARD.target.replace(".80", f"{least:.2f}")
    yield CARD.held(held, said, figures=tuple(figures), target=target, next_step=_STEP.get(held.status, ""))


def _separation(answers: list[Answer]) -> Estimate | None:
    """AUROC of the top score; an empty answer is the lowest. None where documents come without scores."""
    tops = [one.hits[0].score if one.hits else None for one in answers]
    if not all(math.isfinite(top) for top in tops if top is not None):
        return None
    if any(one.hits and top is None for one, top in zip(answers, tops, strict=True)):
        return None
    known = [top for top in tops if top is not None]
    if not known:
        return None
    lowest = min(known) - 1.0
    signal = np.asarray([lowest if top is None else top for top in tops], dtype=float)
    right = np.asarray([one.query.answerable for one in answers])
    group = np.asarray([one.query.group for one in answers])
    area = auroc_estimate(signal, right, group, np.arange(len(answers)), 0)
    if area.point is None or area.low is None or area.high is None or area.high - area.low > _NO_WIDTH:
        return area
    # all resamples agree, which says little where groups are few: each of the rarer kind counts as one case
    fewer = min(len(set(group[right])), len(set(group[~right])))
    limits = alike(area.point, units(range(fewer)))
    if not math.isfinite(limits.low) or not math.isfinite(limits.high):
        return msgspec.structs.replace(area, low=None, high=None, reason=f"{fewer} of one kind: no interval")
    return msgspec.structs.replace(area, low=limits.low, high=limits.high, method="korn-graubard")


def _limits(area: Estimate) -> str:
    if area.low is None or area.high is None:
        return area.reason or "no interval"
    return f"{area.low:.2f} to {area.high:.2f}"


def _area_figure(area: Estimate) -> Figure:
    spread = (
        f"95 % interval, {area.method}, {area.n_groups} groups" if area.low is not None else area.reason or ""
    )
    return Figure(
        name="AUROC of the top score", value=area.point or 0.0, low=area.low, high=area.high, spread=spread
    )
