"""Ranks the step visits of lost trials by the evidence against them, where nothing can be run again.

A ranking says where to look first. What a step did to a trial only a replay with another output can tell (METHOD
section 9): nothing here is an effect, and a score is no probability.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gapless.gap.clustered import clustered, units
from gapless.gap.evidence import AGAIN, ERROR, FAILED, PASSED, UNKNOWN, Visit
from gapless.records.suspects import Evidence, Suspect, SuspectedStep, TrialSuspects
from gapless.records.trial import Outcome
from gapless.records.workflow import Shape

LOST: tuple[Outcome, ...] = ("wrong", "failed", "escalated")
ASSUMED: Mapping[str, float] = {
    FAILED: 10.0,
    "not-expected": 5.0,
    ERROR: 3.0,
    AGAIN: 1.0,
    UNKNOWN: 1.0,
    PASSED: 1.0,
    "acts": 1.0,
}
"""Evidence -> how many times as often it is assumed to be seen in lost trials: checks and references weigh most, what is no
fault by itself weighs nothing before the trials say otherwise. Fixed before any ranking was held against labels."""
OTHERWISE = 2.0
"""The same for any other evidence."""
_PSEUDO = 10.0
"""The assumption counts as much as this many trials of each kind."""
_MOST = 20.0
_LATER = 0.5
"""What a second sight of the same evidence at a step weighs in a trial: it may follow from the first."""
_BEFORE = 0.5
"""Part of what weighs against a visit that falls on the visit before it, whose output it worked with; a quarter on the
one before that, and so on."""
_REACH = 4
_WORTH = 1.1
"""Evidence seen less than this many times as often in lost trials is weighed, and is no reason to tell."""
_EVEN = 1e-9
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Traced:
    """One trial as it is ranked."""

    case: str
    trial: int
    group: str
    outcome: Outcome
    visits: tuple[Visit, ...]


Weights = Mapping[tuple[str, str], Evidence]
"""(step, name of the evidence) -> how it weighs."""


@dataclass(slots=True)
class _Counts:
    shown: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """(step, evidence) -> trials that show it."""
    came: Counter[str] = field(default_factory=Counter[str])
    """Step -> trials that came to it."""
    trials: int = 0


def weigh(trials: Iterable[Traced]) -> dict[tuple[str, str], Evidence]:
    """How much rarer each kind of evidence is in correct trials than in lost ones, step by step.

    Each trial speaks once, however often it shows the evidence. The rate of evidence among n trials that came to the step,
    k of which show it, is (k + 10 a) / (n + 10), where a is what is assumed: rates whose ratio is `ASSUMED` and whose
    mean over all of these trials is the rate that they show together. The ratio is kept within 1/20 and 20. "passed here" is counted among all trials.

    Source:
        Weight of evidence: Good (1950), Probability and the Weighing of Evidence, chapter 6.

    Example:
        >>> def ended(n, outcome, *signs):
        ...     visit = Visit("a", 1, None, None, tuple((name, "") for name in signs))
        ...     return [Traced(f"{outcome}{i}", 0, f"{outcome}{i}", outcome, (visit,)) for i in range(n)]
        >>> found = weigh([*ended(6, "wrong", "odd"), *ended(4, "wrong"), *ended(1, "correct", "odd"), *ended(9, "correct")])
        >>> e = found["a", "odd"]  # together (7 + 1) / (20 + 2) = 4/11: 16/33 and 8/33 are assumed
        >>> (e.lost, e.lost_of, e.correct, e.correct_of), round(e.ratio, 4), round((6 + 160 / 33) / (1 + 80 / 33), 4)
        ((6, 10, 1, 10), 3.1681, 3.1681)
    """
    lost, correct = _Counts(), _Counts()
    for trial in trials:
        if trial.outcome == "correct" or trial.outcome in LOST:
            _count(correct if trial.outcome == "correct" else lost, trial.visits)
    found: dict[tuple[str, str], Evidence] = {}
    for step, name in sorted(lost.shown.keys() | correct.shown.keys()):
        everywhere = name == PASSED
        of = [side.trials if everywhere else side.came[step] for side in (lost, correct)]
        shown = [side.shown[step, name] for side in (lost, correct)]
        assumed = ASSUMED.get(name, OTHERWISE)
        found[step, name] = Evidence(
            name=name,
            step=step,
            lost=shown[0],
            lost_of=of[0],
            correct=shown[1],
            correct_of=of[1],
            ratio=_ratio(shown[0], of[0], shown[1], of[1], assumed),
            assumed=assumed,
        )
    return found


def _count(side: _Counts, visits: Sequence[Visit]) -> None:
    side.trials += 1
    side.came.update({visit.step for visit in visits})
    side.shown.update({(visit.step, name) for visit in visits for name, _ in visit.signs})


def _ratio(lost: int, lost_of: int, correct: int, correct_of: int, assumed: float) -> float:
    pooled = (lost + correct + 1) / (lost_of + correct_of + 2)
    base = pooled * (lost_of + correct_of) / max(1.0, assumed * lost_of + correct_of)
    high = (lost + _PSEUDO * min(1.0, assumed * base)) / (lost_of + _PSEUDO)
    low = (correct + _PSEUDO * min(1.0, base)) / (correct_of + _PSEUDO)
    return min(_MOST, max(1 / _MOST, high / low)) if low > 0 else assumed


def scored(visits: Sequence[Visit], weights: Weights) -> list[tuple[float, int | None]]:
    """The score of each visit of a trial, and which later visit adds to it; None where none does.

    A visit's weight is the sum of the logarithms of its evidence's ratios; the same evidence at the same step counts half
    from its second time on. Half of the weight against a visit, where it is positive, falls on the visit before it, a
    quarter on the one before that, up to four back: the largest such part counts. Scores are exp(weight), divided by
    their sum over the trial. They add up to 1 and mean: this much of the evidence is here. Were evidence independent and one
    visit alone at fault, with all others like those of correct trials, they were its odds; neither holds, so that they
    order visits and are no probabilities.

    Example:
        >>> odd = Evidence(name="odd", step="b", lost=0, lost_of=0, correct=0, correct_of=0, ratio=4.0, assumed=2.0)
        >>> visits = [Visit("a", 1, None, None, ()), Visit("b", 1, None, None, (("odd", ""),))]
        >>> [(round(score, 4), later) for score, later in scored(visits, {("b", "odd"): odd})]  # sqrt(4) : 4
        [(0.3333, 1), (0.6667, None)]
    """
    own = _own(visits, weights)
    led = [_from_later(own, at) for at in range(len(own))]
    total = [mine + part for mine, (part, _) in zip(own, led, strict=True)]
    top = max(total, default=0.0)
    parts = [math.exp(weight - top) for weight in total]
    whole = sum(parts)
    return [(part / whole, later) for part, (_, later) in zip(parts, led, strict=True)]


def _from_later(own: Sequence[float], at: int) -> tuple[float, int | None]:
    part, later = 0.0, None
    for place in range(at + 1, min(len(own), at + 1 + _REACH)):
        here = own[place] * _BEFORE ** (place - at)
        if here > part + _EVEN:
            part, later = here, place
    return part, later


def _own(visits: Sequence[Visit], weights: Weights) -> list[float]:
    seen: set[tuple[str, str]] = set()
    found: list[float] = []
    for visit in visits:
        weight = 0.0
        for name, _ in visit.signs:
            key = (visit.step, name)
            if key in weights:
                weight += math.log(weights[key].ratio) * (_LATER if key in seen else 1.0)
                seen.add(key)
        found.append(weight)
    return found


def ranked(visits: Sequence[Visit], weights: Weights) -> tuple[tuple[Suspect, ...], bool]:
    """All visits of a trial, the most suspected first, of equals the earlier one; and whether evidence sets any apart."""
    scores = scored(visits, weights)
    suspects = [
        Suspect(
            step=visit.step,
            visit=visit.visit,
            branch=visit.branch,
            position=at + 1,
            message=visit.message,
            score=scores[at][0],
            reasons=tuple(_reasons(visits, at, weights, scores[at][1])),
        )
        for at, visit in enumerate(visits)
    ]
    suspects.sort(key=lambda suspect: (-round(suspect.score, 12), suspect.position))
    apart = bool(suspects) and suspects[0].score - suspects[-1].score > _EVEN
    return tuple(suspects), apart


def _reasons(visits: Sequence[Visit], at: int, weights: Weights, later: int | None) -> Iterable[str]:
    visit = visits[at]
    known = [(weights[visit.step, name], why) for name, why in visit.signs if (visit.step, name) in weights]
    known.sort(key=lambda pair: (-pair[0].ratio, pair[0].name))
    for evidence, why in known:
        if evidence.ratio >= _WORTH and evidence.lost:
            yield _sentence(evidence, why)
    if later is not None:
        yield f"it comes before {visits[later].step}, visit {visits[later].visit}, against which something speaks"


def _sentence(evidence: Evidence, why: str) -> str:
    seen = f"{evidence.lost} of {evidence.lost_of} lost trials and {evidence.correct} of {evidence.correct_of} correct ones"
    if evidence.name == PASSED:
        return f"{seen} came to this step"
    return f"{why} [{evidence.name}: in {seen}]"


def first_suspects(
    trials: Sequence[Traced], weights: Weights, shape: Shape, *, keep: int = 5, level: float = 0.95
) -> tuple[tuple[TrialSuspects, ...], tuple[SuspectedStep, ...]]:
    """Every lost trial with its first few suspects, and each step's share of first places.

    Args:
        trials: In the order they are to be told.
        weights: From `weigh`.
        shape: For the layers of steps.
        keep: Suspects told for each trial.
        level: Two-sided confidence level.

    Returns:
        The trials; and the steps, the largest share first. Visits with equal scores share a trial's first place in equal
        parts, so that a trial without evidence speaks against no step in particular. Intervals take groups as the unit.
    """
    lost = [trial for trial in trials if trial.outcome in LOST]
    known: dict[tuple[Visit, ...], tuple[tuple[Suspect, ...], bool, dict[str, float]]] = {}
    told: list[TrialSuspects] = []
    firsts: list[dict[str, float]] = []
    for trial in lost:
        if trial.visits not in known:
            suspects, apart = ranked(trial.visits, weights)
            known[trial.visits] = (suspects[:keep], apart, _first(suspects))
        some, apart, first = known[trial.visits]
        told.append(
            TrialSuspects(
                case=trial.case,
                trial=trial.trial,
                outcome=trial.outcome,
                visits=len(trial.visits),
                suspects=some,
                told_apart=apart,
            )
        )
        firsts.append(first)
    return tuple(told), tuple(_steps(lost, firsts, shape, level))


def _first(suspects: Sequence[Suspect]) -> dict[str, float]:
    """Step -> its part of the first place."""
    top = [one.step for one in suspects if suspects[0].score - one.score <= _EVEN]
    return {step: top.count(step) / len(top) for step in dict.fromkeys(top)}


def _steps(
    lost: Sequence[Traced], firsts: Sequence[dict[str, float]], shape: Shape, level: float
) -> Iterable[SuspectedStep]:
    names = dict.fromkeys(step for first in firsts for step in first)
    together = units([trial.group for trial in lost], n_cases=len({trial.case for trial in lost}))
    rows: list[SuspectedStep] = []
    for name in names:
        parts = [first.get(name, 0.0) for first in firsts]
        most = sorted(range(len(lost)), key=lambda at: -parts[at])
        step = shape.step(name)
        rows.append(
            SuspectedStep(
                step=name,
                layer=step.layer if step else None,
                layer_guessed=step.layer_guessed if step else False,
                share=clustered(parts, together, level=level),
                examples=tuple(
                    f"{lost[at].case}#{lost[at].trial}" for at in most[:_EXAMPLES] if parts[at] > 0
                ),
            )
        )
    return sorted(rows, key=lambda row: (-round(row.share.point or 0.0, 12), row.step))
