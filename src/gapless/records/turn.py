"""What is said and called in a conversation, as the evidence in it is read."""

from __future__ import annotations

from typing import Any, Literal

from gapless.records.base import Record

Speaker = Literal["user", "agent", "tool"]


class Turn(Record, frozen=True, kw_only=True):
    """One message of a conversation, or one call of a tool with its answer."""

    event: int
    """Index of the step event it belongs to: who spoke, or the choice of a call's arguments."""
    speaker: Speaker
    """tool: a call that the agent made."""
    text: str = ""
    """What was said; of a call, its answer."""
    tool: str | None = None
    arguments: Any = None
    """Plain data of a call's arguments."""
    answered: int | None = None
    """Index of the step event of a call's answer; None when there was none."""
    error: str | None = None
    """The words of the error that a call was answered with."""
    expected: bool | None = None
    """Whether the case's reference calls hold this call; None where there is no reference."""
    ends: bool = False
    """Whether the speaker ended the conversation here on purpose."""
