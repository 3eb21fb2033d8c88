"""Asks the person at the client whether a call may go through: by elicitation, in the way of either protocol era.

An approval holds for one tool with one set of arguments, and for one call.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gapless.frameworks.mcp.showing import as_json, shown
from gapless.records.tools import ToolSchema
from gapless.records.value import digest, encode
from gapless.report.printable import printable

KEY = "gapless/approval"
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "approve": {"type": "boolean", "title": "Approve", "description": "Let this one call go through"}
    },
    "required": ["approve"],
}
_MOST_PENDING = 1000
PATIENCE_S = 600.0
"""Seconds a person has for an answer."""
UNANSWERED = "a person was asked, and did not answer; nothing was called."
NO_ELICITATION = (
    "{why}, so a person has to approve each call, and this client cannot ask anybody (it has no elicitation). Use a client"
    " that has, or decide it for good: [proxy.tools.{name}] approve = false in gapless.toml."
)
TOO_LONG = (
    "a person has to approve each call, and these arguments are too many to be shown to one ({size} characters). Nothing was"
    " called: send less at a time."
)


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of the question."""

    go: bool = False
    """Whether the call may go through."""
    why: str = ""
    """Why not, in words."""
    ask: Any = None
    """What the client is asked first, in the era without a back channel: its answer comes with the same call again."""
    responses: Any = None
    """What of the client's answers is meant for the server."""
    state: str | None = None
    """The server's own state of the exchange, as it gave it."""


@dataclass(frozen=True, slots=True)
class _Pending:
    subject: str
    granted: bool
    until: float
    forgotten: Callable[[], None] = lambda: None
    """Called where no answer to the question came."""


class Approvals:
    """The questions that are out. What a client sends back is held against them: each is good for one answer."""

    def __init__(
        self, server: str, clock: Callable[[], float] = time.monotonic, patience_s: float = PATIENCE_S
    ) -> None:
        self._server, self._clock, self._patience_s = server, clock, patience_s
        self._pending: OrderedDict[str, _Pending] = OrderedDict()

    def close(self) -> None:
        """Nobody answers any more."""
        while self._pending:
            self._pending.popitem(last=False)[1].forgotten()

    async def ask(
        self,
        context: Any,
        tool: ToolSchema,
        arguments: dict[str, Any],
        *,
        modern: bool,
        forgotten: Callable[[], None] = lambda: None,
    ) -> Answered:
        """Whether a call may go through, as far as that is known now.

        Args:
            context: The request in front.
            tool: What is called, as its user sees it: one that has changed since is another.
            arguments: With what.
            modern: Whether the client answers by calling again.
            forgotten: Called later where it never does: in time, or before the proxy ends.
        """
        import anyio
        from mcp import types

        subject = digest(encode([tool, arguments]))
        known = self._taken(context.request_state, subject) if modern else None
        if known is not None and known[0].granted:
            return Answered(go=True, responses=context.input_responses, state=known[1])
        reply = (context.input_responses or {}).get(KEY) if known is not None else None
        if reply is not None:
            return _read(reply)
        able = types.ClientCapabilities(elicitation=types.ElicitationCapability())
        if not context.session.check_client_capability(able):
            return Answered(why=NO_ELICITATION.format(why=f"this tool {_why(tool)}", name=tool.name))
        arguments_shown = shown(arguments)
        if arguments_shown is None:
            return Answered(why=TOO_LONG.format(size=len(as_json(arguments))))
        names = printable(f"{self._server}: {tool.name}")
        message = f"{names} {_why(tool)}. Approve this one call? {arguments_shown}"
        if not modern:
            with anyio.move_on_after(self._patience_s):
                return _read(
                    await context.session.elicit(message, _SCHEMA, related_request_id=context.request_id)
                )
            return Answered(why=UNANSWERED)
        params = types.ElicitRequestFormParams(message=message, requested_schema=_SCHEMA)
        return Answered(
            ask=types.InputRequiredResult(
                input_requests={KEY: types.ElicitRequest(params=params)},
                request_state=self._state(subject, None, granted=False, forgotten=forgotten),
            )
        )

    def carried(self, asked: Any, tool: ToolSchema, arguments: dict[str, Any]) -> Any:
        """What the server asks in the middle of an approved call, so that the same call again is approved."""
        subject = digest(encode([tool, arguments]))
        return asked.model_copy(
            update={"request_state": self._state(subject, asked.request_state, granted=True)}
        )

    def _state(
        self, subject: str, theirs: str | None, *, granted: bool, forgotten: Callable[[], None] = lambda: None
    ) -> str:
        now = self._clock()
        while self._pending:
            oldest = next(iter(self._pending.values()))
            if len(self._pending) < _MOST_PENDING and oldest.until >= now:
                break
            self._pending.popitem(last=False)[1].forgotten()
        name = secrets.token_urlsafe(16)
        self._pending[name] = _Pending(subject, granted, now + self._patience_s, forgotten)
        return json.dumps({KEY: name, "server": theirs})

    def _taken(self, state: str | None, subject: str) -> tuple[_Pending, str | None] | None:
        """The question that a state belongs to; it is answered by that, whatever the answer is."""
        try:
            said = json.loads(state or "")
            pending = self._pending.pop(said[KEY], None)
        except (ValueError, KeyError, TypeError):
            return None
        if pending is None:
            return None
        if pending.subject != subject or self._clock() > pending.until:
            pending.forgotten()
            return None
        return pending, said.get("server")


def _why(tool: ToolSchema) -> str:
    """Why a person is asked: what the tool says of itself, or that its user wants it so."""
    said = tool.annotations
    if said.destructive is True:
        return "says of itself that it destroys things"
    if said.read_only is True or said.destructive is False:
        tells = "it only reads" if said.read_only is True else "it destroys nothing"
        return f"says of itself that {tells}, and is set to be approved"
    return "does not say whether it destroys things"


def _read(reply: Any) -> Answered:
    if reply.action == "accept" and (reply.content or {}).get("approve") is True:
        return Answered(go=True)
    said = {"decline": "declined", "cancel": "left the question without an answer"}
    why = said.get(reply.action, "did not approve")
    return Answered(why=f"the person asked {why}; nothing was called.")
