"""How one tool is treated: what the proxy is told of it, and what the tool says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

from gapless.boundary.contract import Contract
from gapless.boundary.crossing import Crossing
from gapless.boundary.guards.base import OutputGuard
from gapless.boundary.guards.retry import Retry, transient
from gapless.boundary.tool_calls.answers import AnswerSchema, Learnt, NoDisguise, Problem, Whole
from gapless.errors import BoundaryError, OutsideError
from gapless.records.tools import Hints, ToolSchema

Approve = Literal["destructive", "acting", "never"]
Partial = Literal["note", "refuse", "off"]
Disguise = Literal["refuse", "off"]
_MOST_SAID = 400


class ErrorAnswer(OutsideError):
    """A tool that may be repeated answered an error that may be gone the next time."""

    code = "outside-error"

    def __init__(self, text: str, answer: dict[str, Any]) -> None:
        super().__init__(text)
        self.answer = answer


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolPolicy:
    """How calls of one tool are treated."""

    timeout_s: float | None = 120.0
    """Seconds one attempt may take; None: as long as it likes."""
    attempts: int = 3
    """Calls in all of a tool that may be repeated; one for every other."""
    repeatable: bool = False
    """Whether a second call does no harm: the tool says that it only reads, or that it is idempotent, or its user says so."""
    approve: bool = False
    """Whether a person approves each call."""
    partial: Partial = "note"
    inferred: Partial = "note"
    disguise: Disguise = "refuse"

    def contract(self, tool: ToolSchema, *, keyed: bool) -> Contract:
        """What holds for a call; `keyed` where the client names the action."""
        guards: list[OutputGuard] = []
        check = problem_of(tool.output_schema)
        if check is not None:
            guards.append(AnswerSchema(check))
        learnt = self.learnt(tool)
        if learnt is not None and self.inferred == "refuse":
            guards.append(learnt)
        if self.disguise == "refuse":
            guards.append(NoDisguise())
        if self.partial == "refuse":
            guards.append(Whole())
        again = self.repeatable and self.attempts > 1
        return Contract(
            layer="tool",
            guards=tuple(guards),
            timeout_s=self.timeout_s,
            retry=Retry(self.attempts, on=worth_repeating, safe=True) if again else None,
            effect=not self.repeatable,
            idempotency_key=_key_of if keyed else None,
        )

    def learnt(self, tool: ToolSchema) -> Learnt | None:
        """What earlier answers were like, where the tool declares nothing and a lock has learnt it."""
        if self.inferred == "off" or tool.output_schema is not None:
            return None
        problem = problem_of(tool.inferred_output_schema)
        return Learnt(problem) if problem is not None else None


def repeatable(hints: Hints) -> bool:
    """Whether a tool says that a second call does no harm."""
    return hints.read_only is True or hints.idempotent is True


def asks(hints: Hints, mode: Approve) -> bool:
    """Whether a person approves calls of a tool with these hints.

    Example:
        >>> asks(Hints(destructive=True), "destructive"), asks(Hints(), "destructive"), asks(Hints(), "acting")
        (True, False, True)
    """
    if mode == "never" or hints.read_only is True:
        return False
    # "acting" takes MCP's own defaults: a tool that says nothing acts, and may destroy.
    return hints.destructive is True if mode == "destructive" else hints.destructive is not False


def worth_repeating(error: BaseException) -> bool:
    """Whether a failed call of a repeatable tool may go better the next time."""
    # A kind of its own of BoundaryError (a lost connection, a server that failed) is worth it too, unless it is a refusal.
    return isinstance(error, ErrorAnswer) or transient(error) or _unforeseen(error)


def _unforeseen(error: BaseException) -> bool:
    return isinstance(error, BoundaryError) and error.code == BoundaryError.code


def problem_of(schema: Any) -> Problem | None:
    """The check that a schema stands for, compiled once; None where there is none, or it is no JSON Schema."""
    import jsonschema_rs

    if schema is None:
        return None
    try:
        validator = jsonschema_rs.validator_for(cast("dict[str, Any]", schema), offline=True)
    except ValueError:
        return None

    def problem(value: Any) -> str:
        if validator.is_valid(value):
            return ""
        error = next(iter(validator.iter_errors(value)))
        where = "/".join(str(part) for part in error.instance_path)
        said = error.message if len(error.message) <= _MOST_SAID else f"{error.message[:_MOST_SAID]}…"
        return f"{where}: {said}" if where else said

    return problem


def _key_of(crossing: Crossing) -> Any:
    return crossing.case_input
