"""Cause, from replay, beside suspicion, from checks."""

from __future__ import annotations

from collections.abc import Iterator

from gapless.records.gap import Gap
from gapless.records.replay import Causes
from gapless.report.causal import UNSEEN, chance, effect, headline, rest, seen, share
from gapless.report.sections.base import Section
from gapless.report.wording import count, level, listed, part, shortened

CAUSE, SUSPICION = "Cause, from replay", "Suspicion, from checks"
WHICH = (
    "Cause comes from replay: of the success that golden outputs win back, the share that is lost exactly at the step. "
    "Suspicion comes from checks: the share of the same trials in which the step's own check was the first to fail. It says "
    "where something was seen, not why the trial was lost."
)
HOLDS_IF = (
    "This holds if a golden output can stand for the recorded one in form and state, if what follows depends on the past only "
    "through it, if side effects are undone, and if replays do not disturb each other."
)
TOGETHER = "Values add up to what all golden outputs together win over none."
_NAME = 32


def causes(gap: Gap) -> Section | None:
    """The section of a report; None where no lost trial was replayed."""
    return None if gap.causes is None or not gap.causes.rows else section(gap.causes)


def in_both_arms(gap: Gap) -> Section | None:
    """What stands behind the shares; None where no lost trial was replayed."""
    return None if gap.causes is None or not gap.causes.rows else figures(gap.causes)


def combinations(gap: Gap) -> Section | None:
    """Shapley values of golden outputs; None where no subsets were replayed."""
    return None if gap.causes is None else interplay(gap.causes)


def section(found: Causes) -> Section:
    """Cause and suspicion as one table; the columns are read down, each for itself."""
    sure = level(found.verdict_noise)
    rows = [(row.step, share(row.share), chance(row), seen(row.suspected)) for row in found.rows]
    if found.verdict_noise.point is not None:
        rows.append((rest(found), share(found.verdict_noise), "", ""))
    if found.unseen.point is not None:
        rows.append((UNSEEN, "", "", seen(found.unseen)))
    return Section(
        title="Cause and suspicion",
        lead=headline(found),
        heads=("Step", f"{CAUSE} ({sure})", "Largest", f"{SUSPICION} ({sure})"),
        rows=tuple(rows),
        under=" ".join([WHICH, HOLDS_IF, *notes(found)]),
    )


def figures(found: Causes) -> Section:
    """What stands behind the shares: how often reruns pass in either arm."""
    return Section(
        title="Reruns in both arms",
        lead="How often reruns pass with golden outputs up to the step, and with the recorded ones kept: the control for reruns "
        "that pass by luck.",
        heads=(
            "Step",
            "Trials",
            "Golden",
            "Recorded",
            f"Golden minus recorded ({level(found.verdict_noise)})",
        ),
        rows=tuple(
            (
                row.step,
                str(row.n_trials),
                part(row.golden_pass),
                part(row.observed_pass),
                effect(row.effect),
            )
            for row in found.rows
        ),
        under="A step that a trial skips carries what was before it. These differences grow along the path, whatever was lost "
        "where: only the shares say where.",
    )


def interplay(found: Causes) -> Section | None:
    """Shapley values of golden outputs; None where no subsets were replayed."""
    if not found.interactions:
        return None
    return Section(
        title="Golden outputs in every combination",
        lead="Mean gain of a step's golden output over all orders in which golden outputs can be handed over: finds losses "
        "that need two bad inputs.",
        heads=("Step", "Shapley value"),
        rows=tuple((each.step, effect(each.value)) for each in found.interactions),
        under=TOGETHER,
    )


def notes(found: Causes) -> Iterator[str]:
    """What must be read with the shares."""
    for row in found.rows:
        if row.share.point is not None and row.together_with:
            names = listed([shortened(name, _NAME) for name in row.together_with])
            yield f"The share of {shortened(row.step, _NAME)} holds that of {names}, which has none of its own."
    for step, why in found.not_estimable.items():
        yield f"{shortened(step, _NAME)} has no share: {why}."
    if found.unsettled:
        many = sum(found.unsettled.values())
        reasons = listed([f"{why} ({times}x)" for why, times in list(found.unsettled.items())[:3]])
        yield f"{count(many, 'rerun')} without a verdict, left out: {reasons}."
    if any(not 0 <= (row.share.point or 0.0) <= 1 for row in found.rows):
        yield "A share below 0 or above 100 %: a step mended damage, or too few reruns were made to tell."
    yield from found.notes
