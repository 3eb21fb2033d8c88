"""Kills the workflow for a checkup that has leave to, as `gapless crash` does, for as long as a checkup may take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gapless.errors import GaplessError
from gapless.operations.checkup_acting import unasked
from gapless.operations.checkup_halting import for_at_most
from gapless.operations.progress import Stop, Tell
from gapless.settings import Place

if TYPE_CHECKING:
    from gapless.operations.checkup_workflow import Named
    from gapless.records.crash import CrashTable

CRASH = "crash-recovery"
_TURNS = 5.0
"""As many times as a probe may take do the kills: each is a process of its own."""
_MODES = ("async",)
"""LangGraph's own default: how a graph runs whose caller says nothing."""


async def crashed(
    named: Named, target: object, place: Place, tell: Tell, stop: Stop, *, allow_effects: bool
) -> tuple[CrashTable | None, str]:
    """The crash table as far as the time allowed, or why there is none.

    Args:
        named: The workflow.
        target: As it was named on the command line; None for that of the settings.
        place: The settings; the first case of their suite is run.
        tell: Is told how many kills were made.
        stop: Ends it early; what is done is kept for the next time.
        allow_effects: Whether steps may change the world: a run that is killed and resumed does, many times.
    """
    from gapless.operations.crash import CrashAsk, crash

    if named.workflow is None:
        return None, ""
    if not named.own:
        return None, ""  # the probe says so
    if place.settings.suite is None:
        return None, "a kill runs the first case of a suite, and none is named: `suite` in gapless.toml"
    acting = [step.name for step in named.workflow.shape.steps if step.effect]
    if acting and not allow_effects:
        return (
            None,
            f"kills would have {', '.join(acting)} act on the world many times: say --allow-effects where it may",
        )
    if not allow_effects and (why := unasked(named.workflow, place, "kills")):
        return None, why
    ask = CrashAsk(durabilities=_MODES)
    try:
        with for_at_most(_TURNS * place.settings.checkup.seconds, stop) as mine:
            return await crash(target, ask=ask, place=place, tell=tell, stop=mine), ""
    except GaplessError as error:
        return None, f"it cannot be killed here: {error}"
