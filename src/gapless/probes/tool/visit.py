"""What one visit to a server showed: its tools, and how each call ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gapless.records.tools import Offer, ToolAnswer, ToolSchema

Fault = Literal["died", "crash", "hung", "breach", "accepted", "cast", "ignored"]


@dataclass(frozen=True, slots=True)
class Tried:
    """One call of one tool."""

    tool: str
    answer: ToolAnswer
    why: str = ""
    """What was wrong with the arguments; empty where they were right."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The smallest arguments found under which a tool does not keep its word."""

    tool: str
    fault: Fault
    arguments: Mapping[str, Any]
    said: str


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """What fuzzing of one tool came to."""

    tool: str
    valid: int = 0
    """Calls with arguments that its schema takes."""
    invalid: int = 0
    """Calls with arguments that its schema refuses."""
    failures: tuple[Failure, ...] = ()
    unable: str = ""
    """Why no arguments could be made from its schema."""
    told_apart: tuple[Mapping[str, Any], ...] = ()
    """Right arguments that were answered, each otherwise than the others."""
    cut: bool = False
    """Whether time ended the search before its calls were made."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """The same call of an acting tool twice, and what the server's reading tools showed around it."""

    tool: str
    first: ToolAnswer
    second: ToolAnswer
    declared: bool
    """Whether it is declared idempotent."""
    moved: tuple[str, ...] = ()
    """Reading tools that answered otherwise after the second call than after the first."""
    watched: tuple[str, ...] = ()
    """Reading tools that answer the same as long as nothing is called: only they can show an effect."""


@dataclass(frozen=True, slots=True)
class Together:
    """The same call of one tool several times at once."""

    tool: str
    answers: tuple[ToolAnswer, ...]
    steady: bool
    """Whether its answers were all the same one after the other."""
    alone: ToolAnswer


@dataclass(frozen=True, slots=True)
class Mixed:
    """Calls of one tool at once whose arguments differ, and whose answers do when they come one after the other."""

    tool: str
    answers: tuple[ToolAnswer, ...]
    alone: tuple[tuple[ToolAnswer, ...], ...]
    """For each of these: what the same arguments were answered before and after, one call after the other."""
    kinds: int
    """How many different arguments there were."""


@dataclass(slots=True)
class Visit:
    """What one server showed."""

    name: str
    broken: str = ""
    """Why nothing, or no more, was heard of it."""
    offer: Offer | None = None
    start_s: float = 0.0
    """Until it had answered with its tools."""
    uncalled: str = ""
    """Why no tool could be called; empty where one was, or none is safe."""
    unknown: ToolAnswer | None = None
    """To a call of a tool that it does not offer."""
    refused: list[Tried] = field(default_factory=list[Tried])
    """Calls with arguments that its own schema refuses, or that the user says must fail."""
    called: list[Tried] = field(default_factory=list[Tried])
    """Calls with arguments that its schema takes."""
    repeated: list[Repeated] = field(default_factory=list[Repeated])
    together: list[Together] = field(default_factory=list[Together])
    mixed: list[Mixed] = field(default_factory=list[Mixed])
    stayed_up: str = ""
    """Why it answered nothing after calls at once; empty where it did."""
    fuzzed: list[Fuzzed] = field(default_factory=list[Fuzzed])
    given_up: ToolAnswer | None = None
    """A call that was given up at once; None where there was none to make."""
    silent: str = ""
    """Why it answered nothing after that."""
    noise: int = 0
    """Lines on its stdout that are no message."""

    def schema(self, tool: str) -> ToolSchema:
        """A tool as it was offered."""
        tools = self.offer.tools if self.offer is not None else ()
        return next((one for one in tools if one.name == tool), ToolSchema(name=tool))
