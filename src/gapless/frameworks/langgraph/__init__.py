"""The one door to LangGraph. Nothing of LangGraph is imported before a function here is called."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any

from gapless.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langgraph.graph.state import CompiledStateGraph

    from gapless.records.wiring import Wiring
    from gapless.records.workflow import Shape
    from gapless.settings import StepSettings


def record(graph: CompiledStateGraph[Any, Any, Any, Any]) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Copies a compiled graph so that its steps are recorded while a trial is in progress.

    Raises:
        MissingExtra: If LangGraph is not installed.
    """
    need()
    from gapless.frameworks.langgraph.recording import record_graph

    return record_graph(graph)


def shape(
    graph: CompiledStateGraph[Any, Any, Any, Any], settings: Mapping[str, StepSettings] | None = None
) -> Shape:
    """The steps and boundaries of a compiled graph, its subgraphs' steps in place of the nodes that hold them.

    Args:
        graph: A compiled graph.
        settings: What a user says about steps, by address.
    """
    need()
    from gapless.frameworks.langgraph.shaping import shape_of

    return shape_of(graph, settings or {})


def wiring(graph: CompiledStateGraph[Any, Any, Any, Any]) -> Wiring:
    """How a compiled graph is wired: its state's type, its checkpointer, the framework's own policies."""
    need()
    from gapless.frameworks.langgraph.policies import wiring_of

    return wiring_of(graph)


def fingerprint(graph: CompiledStateGraph[Any, Any, Any, Any], home: str | None = None) -> str:
    """Digest of a graph's code and shape, the same in every process until either changes.

    Args:
        graph: A compiled graph.
        home: Module the graph was loaded from: its whole package counts as the workflow's own code.
    """
    need()
    from gapless.frameworks.langgraph.identity import fingerprint_of

    return fingerprint_of(graph, home)


def declared(graph: CompiledStateGraph[Any, Any, Any, Any]) -> dict[str, dict[str, Any]]:
    """Step -> JSON Schema that the graph's own state declares for the step's update."""
    need()
    from gapless.frameworks.langgraph.declaring import declared_in

    return declared_in(graph)


def need() -> None:
    """Makes sure that LangGraph is installed, in a version that can be recorded.

    Raises:
        MissingExtra: It is not installed.
        UsageError: This version lacks something that recording rests on.
    """
    try:
        import langgraph.graph  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise MissingExtra("Recording a LangGraph workflow", "langgraph") from error
    try:
        import gapless.frameworks.langgraph.private  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        version = importlib.metadata.version("langgraph")
        raise UsageError(
            f"LangGraph {version} cannot be recorded: {error}. Install one that is known to work: "
            "pip install 'langgraph>=1.2,<1.3'"
        ) from error
