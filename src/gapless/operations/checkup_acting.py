"""Steps that a checkup must not run again unasked: those that are declared to act, and those whose name says that they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gapless.operations.checkup_workflow import wiring_of
from gapless.probes.verbs import named

if TYPE_CHECKING:
    from gapless.evals.workflow import Workflow
    from gapless.records.wiring import Wiring
    from gapless.records.workflow import Step
    from gapless.settings import Place

_ONLY_ASKING = ("model", "context")


def seeming_to_act(workflow: Workflow, place: Place) -> dict[str, str]:
    """Steps that nobody declared to act and whose name, or that of a tool they call, says that they do -> that name.

    Not among them: what `effect = false` under [steps.NAME] says of, and what is declared to be a model or context step.
    """
    wiring = wiring_of(workflow)
    found: dict[str, str] = {}
    for step in workflow.shape.steps:
        said = place.settings.steps.get(step.name)
        vouched = said is not None and said.effect is False
        asking = step.layer in _ONLY_ASKING and not step.layer_guessed
        name = "" if step.effect or step.router or step.review or vouched or asking else _acting(step, wiring)
        if name:
            found[step.name] = name
    return found


def unasked(workflow: Workflow, place: Place, what: str) -> str:
    """Why steps that seem to act keep a checkup from running the workflow again; empty where none does.

    Args:
        workflow: The user's.
        place: What its settings say of steps.
        what: What would have them act: "kills", "replays".
    """
    steps = seeming_to_act(workflow, place)
    if not steps:
        return ""
    each = [step if step.endswith(name) else f"{step} (tool {name})" for step, name in steps.items()]
    first = next(iter(steps))
    key = first if first.replace("_", "").replace("-", "").isalnum() and first.isascii() else f'"{first}"'
    act, its = ("acts", "its") if len(each) == 1 else ("act", "their")
    return (
        f"{', '.join(each)} {act} on the world, as {its} name says, and {what} would repeat that: say --allow-effects where"
        f" that may be, or, where it only reads, `effect = false` under [steps.{key}] in gapless.toml"
    )


def _acting(step: Step, wiring: Wiring | None) -> str:
    """The part of its address, or the tool of its node, that says that it acts."""
    held = wiring.steps.get(step.name) if wiring is not None else None
    names = (*step.name.split("/"), *(held.tools if held is not None else ()))
    return next((name for name in names if named(name)), "")
