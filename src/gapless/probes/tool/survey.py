"""One visit to every MCP server of a subject: what it offers, and how it answers calls that are safe to make.

Only tools are called that are declared read-only, or idempotent and not destructive, and whose words say nothing else.
All probes of one checkup share the visit: a server is started once.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from gapless.errors import GaplessError
from gapless.frameworks.mcp.client import Connection, connected
from gapless.probes.base import ProbeUnavailable, Subject
from gapless.probes.tool.linting import safe
from gapless.probes.tool.schemas import misfits, sample
from gapless.records.tools import Offer, ToolAnswer, ToolSchema
from gapless.settings import ServerSettings

NOBODY = "gapless_no_such_tool"
_START_S, _CALL_S, _VISIT_S = 20.0, 5.0, 75.0
_GIVE_UP_S = 0.001
_TOOLS, _BAD, _TIMES = 3, 2, 20


@dataclass(frozen=True, slots=True)
class Tried:
    """One call of one tool."""

    tool: str
    answer: ToolAnswer
    why: str = ""
    """What was wrong with the arguments; empty where they were right."""


@dataclass(slots=True)
class Visit:
    """What one server showed."""

    name: str
    broken: str = ""
    """Why nothing, or no more, was heard of it."""
    offer: Offer | None = None
    start_s: float = 0.0
    """Until it had answered with its tools."""
    unknown: ToolAnswer | None = None
    """To a call of a tool that it does not offer."""
    refused: list[Tried] = field(default_factory=list[Tried])
    """Calls with arguments that its own schema refuses."""
    called: list[Tried] = field(default_factory=list[Tried])
    """Calls with arguments that its schema takes."""
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


_lock = threading.Lock()
_last: list[tuple[Subject, tuple[Visit, ...]]] = []


def visits(subject: Subject) -> tuple[Visit, ...]:
    """Every server of a subject; the first probe that asks makes the visit.

    Raises:
        ProbeUnavailable: No server is named.
    """
    if not subject.servers:
        raise ProbeUnavailable(
            "no MCP server is named: [checkup.servers.NAME] command = [...] or url = ... in gapless.toml"
        )
    with _lock:
        if not _last or _last[0][0] is not subject:
            _last[:] = [(subject, asyncio.run(_all(subject)))]
        return _last[0][1]


def heard(subject: Subject) -> tuple[Visit, ...]:
    """The servers that offered something.

    Raises:
        ProbeUnavailable: None did.
    """
    found = tuple(visit for visit in visits(subject) if visit.offer is not None)
    if not found:
        raise ProbeUnavailable("no server could be asked for its tools: see the line on servers that start")
    return found


def callable_tools(offer: Offer) -> Iterator[tuple[ToolSchema, dict[str, Any]]]:
    """Tools that are safe to call, with the least arguments that they take."""
    for tool in offer.tools:
        arguments = sample(tool.input_schema) if safe(tool) and tool.input_schema else None
        if arguments is not None:
            yield tool, arguments


async def _all(subject: Subject) -> tuple[Visit, ...]:
    made = [Visit(name) for name in subject.servers]
    await asyncio.gather(*(_one(visit, subject.servers[visit.name], subject) for visit in made))
    return tuple(made)


async def _one(visit: Visit, server: ServerSettings, subject: Subject) -> None:
    begun = time.perf_counter()
    if bool(server.command) == bool(server.url):
        visit.broken = "it is named with neither a command nor a url, or with both"
        return
    try:
        async with (
            asyncio.timeout(_VISIT_S),
            connected(server, visit.name, start_s=_START_S) as connection,
        ):
            visit.offer = await connection.offer(min(_CALL_S, subject.seconds))
            visit.start_s = time.perf_counter() - begun
            try:
                await _ask(visit, visit.offer, connection, subject)
            finally:
                visit.noise = connection.noise
    except TimeoutError:
        visit.broken = f"the visit took over {_VISIT_S:g} s"
    except GaplessError as error:
        visit.broken = str(error)


async def _ask(visit: Visit, offer: Offer, connection: Connection, subject: Subject) -> None:
    limit = min(_CALL_S, subject.seconds)
    visit.unknown = await connection.call(NOBODY, {}, limit)
    chosen = list(islice(callable_tools(offer), _TOOLS))
    for tool, _ in chosen:
        for arguments, why in islice(misfits(tool.input_schema), _BAD):
            visit.refused.append(Tried(tool.name, await connection.call(tool.name, arguments, limit), why))
    until = time.perf_counter() + subject.seconds / 2
    for round_ in range(_TIMES):
        for tool, arguments in chosen:
            if round_ and (time.perf_counter() > until or _hung(visit, tool.name)):
                continue
            answer = await connection.call(tool.name, arguments, limit)
            visit.called.append(Tried(tool.name, answer))
    if chosen:
        tool, arguments = chosen[0]
        visit.given_up = await connection.call(tool.name, arguments, _GIVE_UP_S)
        try:
            await connection.offer(limit)
        except GaplessError as error:
            visit.silent = str(error)


def _hung(visit: Visit, tool: str) -> bool:
    return any(tried.tool == tool and tried.answer.ended == "timeout" for tried in visit.called)
