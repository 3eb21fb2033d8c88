"""What is known of a server's tools: as they are now, as they were reviewed, and how calls of each are treated."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gapless.boundary.contract import Contract
from gapless.boundary.tool_calls.answers import Answer, Learnt, doubtful
from gapless.boundary.tool_calls.policy import Problem, ToolPolicy, problem_of
from gapless.records.tools import ToolSchema


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a review makes of a tool."""

    tool: ToolSchema
    """As clients are to see it."""
    refused: str = ""
    """Why nobody is to see or call it: in words, with what to do about it."""


Review = Callable[[ToolSchema], Reviewed]


@dataclass(frozen=True)
class Standing:
    """One tool at the proxy."""

    tool: ToolSchema
    """As clients see it."""
    refused: str
    policy: ToolPolicy

    @cached_property
    def _check(self) -> Problem | None:
        return problem_of(self.tool.input_schema)

    @cached_property
    def contract(self) -> Contract:
        """What holds for its calls."""
        return self.policy.contract(self.tool, keyed=False)

    @cached_property
    def keyed_contract(self) -> Contract:
        """What holds for calls whose action the client has named."""
        return self.policy.contract(self.tool, keyed=True)

    @cached_property
    def learnt(self) -> Learnt | None:
        """What earlier answers were like, where that is all that is known."""
        return self.policy.learnt(self.tool)

    @cached_property
    def _declared(self) -> Problem | None:
        return problem_of(self.tool.output_schema)

    def doubt(self, answer: Answer) -> str:
        """What in an answer reads like an error and may be none; where a schema is declared, it says what answers are."""
        return (doubtful(answer) or "") if self.policy.disguise == "refuse" and self._declared is None else ""

    def misfit(self, arguments: Mapping[str, Any]) -> str:
        """What in the arguments breaks the input schema; empty where nothing does."""
        return self._check(dict(arguments)) if self._check is not None else ""


class Desk:
    """Knows every tool of one server. What it knows grows old: the server may change while the proxy runs."""

    def __init__(
        self,
        server: str,
        review: Review,
        policy: Callable[[ToolSchema], ToolPolicy],
        *,
        fresh_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.server = server
        self._review, self._policy = review, policy
        self._fresh_s, self._clock = fresh_s, clock
        self._known: dict[str, tuple[ToolSchema, Standing]] = {}
        self._learnt = -float("inf")
        self.turns = 0
        """How often the server said that its tools have changed."""

    @property
    def stale(self) -> bool:
        """Whether the server should be asked for its tools again."""
        return self._clock() - self._learnt > self._fresh_s

    def forget(self) -> None:
        """The server said that its tools have changed, or it is another process now."""
        self._learnt = -float("inf")
        self.turns += 1

    def learn(self, tools: Iterable[ToolSchema], asked: int | None = None) -> None:
        """Takes in what the server says of all its tools now.

        Args:
            tools: All of them.
            asked: What `turns` was when the server was asked: what it said before it changed is old already.
        """
        before = self._known
        self._known = {}
        for tool in tools:
            known = before.get(tool.name)
            kept = known is not None and known[0] == tool
            self._known[tool.name] = known if kept and known is not None else (tool, self._stand(tool))
        if asked in (None, self.turns):
            self._learnt = self._clock()

    def find(self, name: str) -> Standing | None:
        """The tool of a name; None where the server has none."""
        known = self._known.get(name)
        return known[1] if known is not None else None

    def _stand(self, tool: ToolSchema) -> Standing:
        reviewed = self._review(tool)
        return Standing(reviewed.tool, reviewed.refused, self._policy(reviewed.tool))


def unlocked(tool: ToolSchema) -> Reviewed:
    """Where nobody has reviewed anything, every tool is served as it is."""
    return Reviewed(tool)
