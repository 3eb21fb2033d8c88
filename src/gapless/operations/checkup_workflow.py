"""Opens the workflow that a checkup looks at: the one that is named, else the reference agent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gapless.errors import GaplessError, UnknownName
from gapless.operations.open import open_workflow, without_steps
from gapless.settings import Place

if TYPE_CHECKING:
    from gapless.evals.workflow import Workflow
    from gapless.operations.demo import Agent


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The workflow that a checkup looks at."""

    workflow: Workflow | None = None
    broken: str = ""
    """Why it could not be opened."""
    own: bool = True
    """Whether it is the user's; else the reference agent stands in."""
    weather: Any = None
    """The faults its recorded trials ran under, where it brings them along."""
    retrieval: Callable[[], Any] | None = None
    """Opens the retriever it brings along, with labelled queries."""
    agent: Agent | None = None
    """The reference agent, where it stands in."""


def open_named(target: Any, place: Place) -> Named:
    """The workflow that was named, else the reference agent; and what has to be said of that.

    Raises:
        UnknownName: `[steps.*]` names a step that the workflow does not have: a checkup, and above all its kills, would
            take a step that acts for one that does not.
    """
    if target is not None or place.settings.workflow is not None:
        try:
            return Named(workflow=open_workflow(target, place))
        except UnknownName:
            raise
        except GaplessError as error:
            what = target if isinstance(target, str) else place.settings.workflow or "the workflow"
            return Named(broken=f"{what} could not be opened: {error}")
    try:
        from gapless.operations.demo import find_agent

        agent = find_agent()
        return Named(
            workflow=open_workflow(agent.workflow(), without_steps(place)),
            own=False,
            weather=agent.weather,
            retrieval=agent.retrieval,
            agent=agent,
        )
    except (GaplessError, ImportError) as error:
        return Named(
            broken=f"no workflow is named, and the reference agent cannot be opened: {error}",
            own=False,
        )


def wiring_of(workflow: Workflow | None) -> Any:
    """How the graph behind it is wired; None where it is no graph."""
    graph = getattr(workflow, "graph", None)
    if graph is None:
        return None
    from gapless.frameworks.langgraph import wiring

    return wiring(graph)
