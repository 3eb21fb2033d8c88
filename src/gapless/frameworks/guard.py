"""`guard`: a workflow under contracts, whatever framework it was written in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from gapless.boundary.contract import Contract
from gapless.boundary.ledger import Ledger
from gapless.boundary.review import Inbox
from gapless.errors import InvalidContract, PolicyConflict

W = TypeVar("W")

Reviewer = Callable[[dict[str, Any]], Any]
"""Answers a question about a handoff with `Review.approve`, `Review.edit` or `Review.reject`; may be awaited in async workflows."""


def guard(
    workflow: W,
    contracts: Mapping[str, Contract],
    *,
    ledger: Ledger | None = None,
    reviewer: Reviewer | None = None,
    inbox: Inbox | None = None,
) -> W:
    """A workflow whose steps keep to their contracts; what was handed over stays as it was.

    Args:
        workflow: A compiled LangGraph graph, or a function whose steps are marked with `gapless.step`.
        contracts: Step -> its contract.
        ledger: Where actions with an idempotency key are remembered; in this process alone when None.
        reviewer: Who answers the reviews of a function. A graph pauses by LangGraph's own interrupt.
        inbox: Where a graph's questions to people are kept for `gapless review`; a function asks with `reviewer=inbox.ask`,
            an async one with `reviewer=inbox.wait`.

    Raises:
        InvalidContract: A contract names a step that is not there, or the workflow is nothing that can be guarded.
        PolicyConflict: Two owners for one policy, or a gate that could not act where it stands.

    Example:
        >>> import gapless
        >>> @gapless.step
        ... def price(item: str) -> float:
        ...     return -1.0
        >>> def shop(item: str) -> float:
        ...     return price(item)
        >>> schema = {"type": "number", "minimum": 0}
        >>> careful = guard(shop, {"price": Contract(output=schema, fallback=lambda crossing, error: 9.5)})
        >>> shop("pen"), careful("pen")
        (-1.0, 9.5)
    """
    home = sys._getframe(1).f_globals.get("__name__")  # pyright: ignore[reportPrivateUsage]
    if "langgraph" in sys.modules:
        from langgraph.pregel import Pregel

        from gapless.frameworks.langgraph.guard import guard_graph

        if isinstance(workflow, Pregel):
            return guard_graph(workflow, contracts, ledger, inbox, home)
    from gapless.frameworks.guarded_function import guard_function

    if inbox is not None:
        raise PolicyConflict(
            "guard(inbox=...) is for graphs, which pause. A function waits: reviewer=inbox.ask, or inbox.wait if it is async."
        )
    if callable(workflow):
        return guard_function(workflow, contracts, ledger, reviewer, home)
    raise InvalidContract(
        f"{type(workflow).__name__} cannot be guarded: hand over a compiled LangGraph graph, or a function with gapless.step."
    )
