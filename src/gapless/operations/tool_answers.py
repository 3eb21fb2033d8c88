"""What tools answer, for `gapless tools`: one call by hand, samples and recorded calls to learn undeclared schemas from, answers held against a lock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from gapless.boundary.schemas import LearntSchema
from gapless.boundary.suspicions.reading.messages import role_of, text_of
from gapless.boundary.suspicions.reading.symptoms import error_in, parsed
from gapless.boundary.tool_calls.answers import text_of as spelt_out
from gapless.errors import InvalidTarget, UnknownName, UsageError
from gapless.operations.tools import ToolsAsk, itself, servers
from gapless.operations.tools_several import each
from gapless.records.tools import (
    AnswerBreach,
    LockedServer,
    Offer,
    ToolAnswer,
    ToolCalled,
    ToolSchema,
    Unheard,
)
from gapless.settings import Place, ServerSettings
from gapless.stores.store import Store

PROXIED = "proxy"
"""The condition of what `gapless proxy` records."""
_MOST_RECORDED = 2000
_SAMPLE_S = 30.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What a server offers, and what its tools answered."""

    offer: Offer
    answers: Mapping[str, Sequence[ToolAnswer]] = field(default_factory=dict[str, "Sequence[ToolAnswer]"])
    uncalled: str = ""
    """Why tools that may be called could not be."""


async def call_tool(
    ask: ToolsAsk, place: Place, tool: str, arguments: Mapping[str, Any], *, effects: bool
) -> ToolCalled:
    """Calls one tool once.

    Args:
        ask: Whose tool.
        place: Where servers are named.
        tool: Which one.
        arguments: What to send, right or wrong.
        effects: Whether it may be called though it is not declared safe.

    Raises:
        UnknownName: The server offers no such tool.
        UsageError: It is not declared safe, or several servers are named.
        EndpointError: The server cannot be reached, or ended during the call.
    """
    from gapless.frameworks.tools.source import connected
    from gapless.probes.tool.linting import safe
    from gapless.probes.tool.reading import data_of, disguise_in
    from gapless.probes.tool.schemas import breach
    from gapless.probes.tool.survey import vouched

    name, server, _ = _one_server(ask, place)
    async with connected(server, name, start_s=ask.timeout_s) as source:
        offer = await source.offer(ask.timeout_s)
        found = next((one for one in offer.tools if one.name == tool), None)
        if found is None:
            known = ", ".join(one.name for one in offer.tools) or "none"
            raise UnknownName(f"{name} offers no tool {tool!r}. Tools: {known}.")
        if not (effects or safe(found) or vouched(tool, server)):
            raise UsageError(
                f"{tool} is not declared safe: it may act. Say --allow-effects to call it all the same."
            )
        if why := source.cannot(tool, arguments):
            raise InvalidTarget(f"{name}: {tool} cannot be called: {why}.")
        answer = await source.call(tool, arguments, ask.timeout_s)
    answered = answer.ended == "answered" and found.output_schema is not None
    return ToolCalled(
        server=name,
        tool=tool,
        arguments=dict(arguments),
        answer=answer,
        refused_by_schema=breach(found.input_schema, dict(arguments)),
        breach=breach(found.output_schema, data_of(answer)) if answered else "",
        disguise=disguise_in(answer),
    )


def _one_server(ask: ToolsAsk, place: Place) -> tuple[str, ServerSettings, bool]:
    asked = servers(ask, place)
    if len(asked) != 1:
        raise UsageError(
            f"{len(asked)} servers are named; say which: {', '.join(name for name, *_ in asked)}."
        )
    return asked[0]


async def hear(
    ask: ToolsAsk, place: Place, *, sample: int, effects: bool
) -> tuple[tuple[Heard, ...], tuple[Unheard, ...]]:
    """The tools of every server that was asked for with a few answers of each, and those of several that could not be asked.

    Args:
        ask: Whose tools.
        place: Where servers are named.
        sample: The most calls of one tool, each with other arguments.
        effects: Whether tools may be called that are not declared safe.

    Raises:
        EndpointError: The only server, or every one, cannot be reached, or ended during a call.
    """
    return await each(servers(ask, place), partial(_heard, ask, sample, effects))


async def _heard(
    ask: ToolsAsk, sample: int, effects: bool, name: str, server: ServerSettings, known: bool
) -> Heard:
    from gapless.frameworks.tools.source import connected
    from gapless.probes.tool.survey import ready
    from gapless.probes.tool.visit import Visit

    async with connected(server, name, start_s=ask.timeout_s) as source:
        offer = await source.offer(ask.timeout_s)
        visit = Visit(name, offer=offer)
        answers: dict[str, list[ToolAnswer]] = {}
        for one in ready(visit, server, source, effects=effects):
            first = await source.call(one.tool.name, one.arguments, ask.timeout_s)
            further = await _generated(source, one.tool, sample - 1, ask.timeout_s) if sample > 1 else []
            answers[one.tool.name] = [first, *further]
    return Heard(offer if known else itself(offer), answers, visit.uncalled)


async def _generated(source: Any, tool: ToolSchema, calls: int, timeout_s: float) -> list[ToolAnswer]:
    """Answers to arguments that are made from the schema; none where the library for that is missing."""
    from gapless.frameworks.tools.aside import aside
    from gapless.probes.tool.fuzzing import answers_of

    loop = asyncio.get_running_loop()

    def call(arguments: Mapping[str, Any]) -> ToolAnswer:
        asked = source.call(tool.name, arguments, timeout_s)
        return asyncio.run_coroutine_threadsafe(asked, loop).result(2 * timeout_s)

    def sendable(arguments: Mapping[str, Any]) -> bool:
        return not source.cannot(tool.name, arguments)

    until = time.monotonic() + _SAMPLE_S
    return await aside(lambda: answers_of(tool, call, calls=calls, until=until, sendable=sendable))


def sampled(heard: Iterable[Heard]) -> dict[str, dict[str, list[Any]]]:
    """Server -> tool -> the data of its answers, without those that failed."""
    from gapless.probes.tool.reading import data_of

    return {
        one.offer.name: {
            tool: [data_of(answer) for answer in answers if answer.ended == "answered"]
            for tool, answers in one.answers.items()
        }
        for one in heard
    }


def recorded(store: Store, tools: Iterable[str]) -> dict[str, list[Any]]:
    """Tool -> the data of its answers on record, without those that failed; at most 2,000 of each."""
    wanted, found = set(tools), dict[str, dict[str, None]]()
    for measurement in store.measurements():
        proxied = measurement.condition == PROXIED
        for record in store.records(measurement.id):
            for event in record.events:
                if proxied and event.step in wanted and event.output and event.ok is not False:
                    of_tool = found.setdefault(event.step, {})
                    if len(of_tool) < _MOST_RECORDED:
                        of_tool[event.output] = None
                for call in event.calls:
                    if call.kind == "tool" and call.name in wanted and call.error is None and call.response:
                        of_tool = found.setdefault(call.name, {})
                        if len(of_tool) < _MOST_RECORDED:
                            of_tool[call.response] = None
    return {
        tool: [_data(value) for value in store.payloads(digests).values()] for tool, digests in found.items()
    }


def _data(response: Any) -> Any:
    """The data of a recorded answer: LangChain hands a message over, whose text spells it out; a proxy MCP's own result."""
    if role_of(response) == "tool":
        return parsed(text_of(response)) if response.get("status") != "error" else ""
    if isinstance(response, dict) and isinstance(response.get("content"), list):
        return (
            response["structuredContent"] if "structuredContent" in response else parsed(spelt_out(response))
        )
    return parsed(response) if isinstance(response, str) else response


def learnt(reviewed: LockedServer, values: Mapping[str, Sequence[Any]]) -> LockedServer:
    """A locked server with the schemas that its answers show, for tools that declare none."""
    tools = dict(reviewed.tools)
    for name, tool in tools.items():
        schema = LearntSchema()
        for value in values.get(name, ()):
            if isinstance(value, dict | list) and error_in(value, sure=True) is None:
                schema.observe(value)
        if schema.seen and tool.output_schema is None:
            tools[name] = msgspec.structs.replace(
                tool, inferred_output_schema=schema.to_json_schema(), inferred_from=schema.seen
            )
    return msgspec.structs.replace(reviewed, tools=tools)


def held(
    reviewed: Mapping[str, LockedServer], heard: Iterable[Heard]
) -> tuple[int, tuple[AnswerBreach, ...]]:
    """How many answers were held against a locked schema, and the tools whose answers break theirs."""
    total, found = 0, list[AnswerBreach]()
    for one in heard:
        locked = reviewed[one.offer.name].tools if one.offer.name in reviewed else {}
        for name, answers in one.answers.items():
            said = list(breaches(locked[name], answers)) if name in locked else []
            total += len(said)
            broken = [why for why in said if why]
            if broken:
                inferred = locked[name].output_schema is None
                found.append(
                    AnswerBreach(
                        server=one.offer.name,
                        tool=name,
                        inferred=inferred,
                        said=broken[0],
                        broken=len(broken),
                        answers=len(said),
                    )
                )
    return total, tuple(found)


def breaches(tool: ToolSchema, answers: Iterable[ToolAnswer]) -> Iterator[str]:
    """What each answer breaks of a tool's declared schema, else of the inferred one; empty where it fits."""
    from gapless.probes.tool.reading import data_of
    from gapless.probes.tool.schemas import breach, fault_of

    for answer in answers:
        if answer.ended != "answered" or fault_of(tool.output_schema or {}):
            continue  # an answer cannot be held against what is no schema; the lint names it
        if tool.output_schema is not None:
            yield (
                breach(tool.output_schema, answer.structured)
                if answer.has_structured
                else "no structured answer"
            )
        elif tool.inferred_output_schema is not None:
            yield breach(tool.inferred_output_schema, data_of(answer))
