"""The form of a tau-bench result file: only what is read of an episode; unknown keys are passed over."""

from __future__ import annotations

from typing import Any

import msgspec


class Function(msgspec.Struct):
    """What a call asks for."""

    name: str
    arguments: str | dict[str, Any] = "{}"


class ToolCall(msgspec.Struct):
    """One call in a message of the agent."""

    function: Function
    id: str | None = None


class Message(msgspec.Struct):
    """One message of the trajectory."""

    role: str
    content: Any = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None


class Action(msgspec.Struct):
    """One call that a right answer needs."""

    name: str
    kwargs: dict[str, Any] = {}


class Task(msgspec.Struct):
    """What was asked for."""

    actions: list[Action] = []


class Info(msgspec.Struct):
    """What is said of an episode beside its messages."""

    task: Task = msgspec.field(default_factory=Task)
    error: str | None = None
    user_cost: float | None = None


class Episode(msgspec.Struct):
    """One line, or one element of the list."""

    task_id: int | str
    reward: float | None
    traj: list[Message]
    trial: int = 0
    info: Info = msgspec.field(default_factory=Info)
