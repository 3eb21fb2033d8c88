"""A rate told by an imperfect judge, corrected for the judge's own errors (METHOD section 0)."""

from __future__ import annotations

import math

import msgspec

from gapless.records.estimate import Estimate

METHOD = "rogan-gladen"
_ROUNDING = 1e-9


def corrected(
    observed: Estimate,
    sensitivity: Estimate,
    specificity: Estimate,
    *,
    judged: float = 1.0,
    sure: float = 0.0,
) -> Estimate:
    """The success rate behind verdicts that are sometimes wrong.

    Args:
        observed: Share of trials that count as a success, by the judge or without it, 0..1.
        sensitivity: Share of truly correct trials the judge passes, on a sample that people labelled.
        specificity: Share of truly wrong trials the judge fails, on such a sample.
        judged: Share of trials whose verdict rests on the judge. It cannot err on the others: they failed loudly, say.
        sure: Share of trials that succeeded without the judge.

    Returns:
        The corrected rate, clipped to [0, 1]. Its limits hold the uncertainty of all three samples: each input is moved
        to its limits alone and what that costs is added in squares, so that a judge without an error on its sample
        still widens them. `judged` stays fixed while `observed` moves, which errs to the wide side: both grow together.
        Not estimable where the judge knows no better than chance.

    Source:
        Rogan and Gladen (1978), American Journal of Epidemiology 107; limits recovered as in Zou and Donner (2008).

    Example:
        >>> judge = (Estimate(point=0.95, low=0.89, high=0.98), Estimate(point=0.90, low=0.83, high=0.94))
        >>> round(corrected(Estimate(point=0.83, low=0.74, high=0.89), *judge).point, 6)
        0.858824

        A tenth of the trials failed loudly, so the judge can have passed wrongly only some of the others:

        >>> round(corrected(Estimate(point=0.83), *judge, judged=0.9).point, 6)
        0.870588
    """
    inputs = (observed, sensitivity, specificity)
    base = msgspec.structs.replace(observed, point=None, low=None, high=None, method=METHOD)
    points = [part.point for part in inputs if part.point is not None]
    if len(points) < len(inputs):
        missing = next(part for part in inputs if part.point is None)
        return msgspec.structs.replace(base, reason=missing.reason or "not estimable")
    s, c = points[1:]
    if s + c <= 1 + _ROUNDING:
        said = (
            f"the judge is no better than chance: sensitivity {s:g} and specificity {c:g} add up to at most 1"
        )
        return msgspec.structs.replace(base, reason=said)
    rate = _rate(points, judged, sure)
    down, up = _spread(inputs, points, judged, sure)
    point = min(sure + judged, max(sure, rate))
    return msgspec.structs.replace(
        base,
        point=_clip(point),
        low=_clip(min(point, rate - down)),
        high=_clip(max(point, rate + up)),
        reason=observed.reason or sensitivity.reason or specificity.reason,
    )


def _spread(
    inputs: tuple[Estimate, ...], points: list[float], judged: float, sure: float
) -> tuple[float, float]:
    rate = _rate(points, judged, sure)
    down = up = 0.0
    for index, part in enumerate(inputs):
        for limit in (0.0 if part.low is None else part.low, 1.0 if part.high is None else part.high):
            moved = _rate([*points[:index], limit, *points[index + 1 :]], judged, sure)
            down = math.hypot(down, max(0.0, rate - moved))
            up = math.hypot(up, max(0.0, moved - rate))
    return down, up


def _rate(points: list[float], judged: float, sure: float) -> float:
    observed, sensitivity, specificity = points
    better = sensitivity + specificity - 1
    above_chance = observed - sure - (1 - specificity) * judged
    if better <= 0:  # at this limit the verdicts would say nothing: the rate may be anything
        return math.inf if above_chance > 0 else -math.inf
    return sure + above_chance / better


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))
