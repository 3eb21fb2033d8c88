"""The guarding proxy: fastmcp's proxy with our guards round the calls of tools. Everything else passes as it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.server.providers.proxy import FastMCPProxy
from fastmcp.tools.base import InputRequiredToolResult
from mcp import MCPError
from mcp.types import METHOD_NOT_FOUND, DiscoverResult, ServerCapabilities
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from gapless.boundary.flow import Middleware as Fault
from gapless.boundary.ledger import KeyLedger, MemoryLedger
from gapless.boundary.tool_calls.answers import Answer, is_error, part_only
from gapless.boundary.tool_calls.call import AskedBack, Refused, ToolCall
from gapless.boundary.tool_calls.desk import Desk, Standing
from gapless.boundary.tool_calls.policy import ErrorAnswer
from gapless.errors import BoundaryError, GaplessError
from gapless.frameworks.mcp import private, relays
from gapless.frameworks.mcp.answering import answer_of, as_reviewed, refusal, result_of, tool_of
from gapless.frameworks.mcp.approval import UNANSWERED, Answered, Approvals
from gapless.frameworks.mcp.failing import ProtocolFailure, as_ours, transient_answer
from gapless.frameworks.mcp.upstream import Upstream
from gapless.records.tools import ToolSchema
from gapless.settings import ServerSettings

IDEMPOTENCY_KEY = "gapless/idempotency-key"
_MOST_NAME = 200
_UNREACHED = "the server behind the proxy cannot be reached"
CHANGED = "the tool changed while a person was asked; nothing was called. Look at it, and call again."
REPLAYED, PARTIAL, UNLIKE = "gapless/replayed", "gapless/partial", "gapless/unlike-earlier"
DOUBTFUL = "gapless/reads-like-an-error"


@dataclass(kw_only=True)
class Guarded:
    """What the guards of one proxy work with."""

    desk: Desk
    server: ServerSettings
    ledger: KeyLedger = field(default_factory=MemoryLedger)
    """Remembers the actions that clients have named; by default in this process only."""
    keep: Callable[[ToolCall], Awaitable[None] | None] = lambda call: None
    """Takes every call that has ended; must not raise."""
    faults: tuple[Fault, ...] = ()
    legacy_only: bool = False
    """Whether the server behind does not speak 2026-07-28: then the proxy does not either."""
    locked: bool = False
    """Whether tools are shown as a lock holds them, and nothing else of them."""
    able: Any = None
    """The capabilities that the server behind declared when it was looked at, as MCP's library has them."""
    most_bytes: int = 8 * 1024 * 1024
    """A larger value is recorded as omitted."""
    approvals: Approvals = field(init=False)

    def __post_init__(self) -> None:
        self.approvals = Approvals(self.desk.server)


def build(guarded: Guarded) -> tuple[FastMCPProxy, Upstream]:
    """The proxy as a fastmcp server, and its connections, which whoever serves it has to close."""
    upstream = Upstream(guarded.server, guarded.desk.server, guarded.desk.forget)
    proxy = FastMCPProxy(
        client_factory=upstream.client,
        name=guarded.desk.server,
        identity="upstream",
        # Else a server that cannot be reached would look like one without tools.
        provider_error_strategy="raise",
    )
    proxy.add_middleware(Guard(guarded, upstream))
    relays.add(proxy, upstream)
    if guarded.legacy_only:
        private.handshake_only(proxy)
    return proxy, upstream


def capabilities(declared: dict[str, Any]) -> Any:
    """What a server declared that it can, as MCP's library has it."""
    return ServerCapabilities.model_validate(declared)


class Guard(Middleware):
    """Stands round `tools/list` and `tools/call`."""

    def __init__(self, guarded: Guarded, upstream: Upstream) -> None:
        self._own, self._upstream = guarded, upstream
        self._tools: dict[str, Any] = {}
        self._running: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def on_discover(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Clients that try the newer era first go back to the older one where the server behind knows no other."""
        if self._own.legacy_only:
            raise MCPError(code=METHOD_NOT_FOUND, message="Method not found")
        result = await call_next(context)
        if self._own.able is None or not isinstance(result, DiscoverResult):
            return result
        return relays.declared(result, self._own.able)

    async def on_initialize(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """The proxy can what the server behind can."""
        result = await call_next(context)
        client = self._upstream.client()
        async with client:
            behind = client.server_capabilities
        return relays.declared(result, behind) if result is not None and behind is not None else result

    async def on_notification(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Tells the server behind that the client's roots have changed."""
        if context.method == "notifications/roots/list_changed":
            client = self._upstream.client()
            async with client:
                await client.send_roots_list_changed()
        return await call_next(context)

    async def on_list_tools(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """The tools that were reviewed, as they were reviewed."""
        asked = self._own.desk.turns
        tools = await call_next(context)
        self._learn(tools, asked)
        served: list[Any] = []
        for tool in tools:
            standing = self._own.desk.find(tool.name)
            if standing is not None and not standing.refused:
                served.append(as_reviewed(tool, standing.tool) if self._own.locked else tool)
        return served

    async def on_call_tool(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """One call, guarded."""
        front, name = context.fastmcp_context, context.message.name
        arguments: dict[str, Any] = dict(context.message.arguments or {})
        try:
            standing = await self._standing(front, name)
        except Exception as error:  # the connection's, the library's, or what the server said
            known = self._own.desk.find(name)
            if known is None:
                raise
            call = self._begin(front, known, name, arguments)
            return _said(call, await self._refused(call, "server", f"{_UNREACHED}: {error}"))
        call = self._begin(front, standing, name, arguments)
        if standing is None:
            # Said here: fastmcp knows tools by a second name as well, under which nothing would guard them.
            return refusal(str(await self._refused(call, "unknown-tool", f"Unknown tool: {name!r}")))
        async with self._one_at_a_time(call.key):
            try:
                return await self._guarded(front, standing, call)
            finally:
                kept = None if call.paused else self._own.keep(call)
                if kept is not None:
                    await kept

    async def _refused(self, call: ToolCall, guard: str, why: str) -> Refused:
        """Ends a call of which nothing was sent; it is on record."""
        refused = call.refuse(guard, why)
        kept = self._own.keep(call)
        if kept is not None:
            await kept
        return refused

    async def _guarded(self, front: Any, standing: Standing, call: ToolCall) -> Any:
        if (refused := _objection(standing, call)) is not None:
            return _said(call, refused)
        approved = Answered()
        if standing.policy.approve:
            approved = await self._approval(front, standing.tool, call)
            if approved.ask is not None:
                call.paused = True
                return InputRequiredToolResult(approved.ask)
            if not approved.go:
                return _said(call, call.refuse("approval", approved.why))
            call.note("approval", "proceed", "a person approved this call")
            if (refused := await self._changed(front, standing, call)) is not None:
                return _said(call, refused)
        return await self._carried_out(front, standing, call, approved)

    async def _changed(self, front: Any, shown: Standing, call: ToolCall) -> Refused | None:
        """What speaks against an approved call: the server may have changed while a person looked at the tool."""
        try:
            now = await self._standing(front, call.tool)
        except Exception as error:  # the connection's, the library's, or what the server said
            return call.refuse("server", f"{_UNREACHED}: {error}")
        if now is None or now.tool != shown.tool:
            return call.refuse("approval", CHANGED)
        return _objection(now, call)

    async def _approval(self, front: Any, tool: ToolSchema, call: ToolCall) -> Answered:
        """What the person says. A question that nobody answers is a refusal, and is on record as one."""
        modern = front.request_context.protocol_version in MODERN_PROTOCOL_VERSIONS

        def forgotten() -> None:
            call.refuse("approval", UNANSWERED)
            self._own.keep(call)

        try:
            return await self._own.approvals.ask(
                front, tool, call.arguments, modern=modern, forgotten=forgotten
            )
        except BaseException:  # the client went, or gave the call up
            call.refuse("approval", UNANSWERED)
            raise

    async def _carried_out(self, front: Any, standing: Standing, call: ToolCall, approved: Answered) -> Any:
        contract = standing.contract if call.key is None else standing.keyed_contract
        tool = self._tools[call.tool]
        ours = private.Continued(front.fastmcp, approved) if standing.policy.approve else None
        made: list[Any] = [None, None]  # the newest answer, and fastmcp's result that it was read from

        async def ask(arguments: dict[str, Any]) -> Answer:
            with as_ours(call.tool, self._upstream.lost, self._upstream.masked):
                result = await tool.run(arguments, ours)
            if isinstance(result, InputRequiredToolResult):
                raise AskedBack(result.input_required)
            answer = answer_of(result)
            made[:] = [answer, result]
            if contract.retry is not None and is_error(answer) and (text := transient_answer(answer)):
                raise ErrorAnswer(text, answer)
            return answer

        try:
            answer = await call.run(contract, ask)
        except AskedBack as back:
            asked = back.asked
            if standing.policy.approve:
                asked = self._own.approvals.carried(asked, standing.tool, call.arguments)
            return InputRequiredToolResult(asked)
        except MCPError:
            raise
        except Exception as error:  # a guard's, or one that was injected: never a bare "internal error"
            return _failed(call, error)
        marked = _marked(call, standing, answer)
        return made[1] if marked is made[0] else result_of(marked, standing.tool.output_schema)

    def _begin(self, front: Any, standing: Standing | None, name: str, arguments: dict[str, Any]) -> ToolCall:
        meta = front.request_context.meta if front.request_context is not None else None
        key = (meta or {}).get(IDEMPOTENCY_KEY)
        call = ToolCall.begin(
            name if standing is not None else name[:_MOST_NAME],  # a tool's own, or what a model made up
            arguments,
            key=str(key) if key is not None else None,
            ledger=self._own.ledger,
            scope=f"proxy:{self._own.desk.server}",
            most_bytes=self._own.most_bytes,
        )
        call.effect = standing is not None and not standing.policy.repeatable
        call.faults = self._own.faults
        return call

    async def _standing(self, front: Any, name: str) -> Standing | None:
        desk = self._own.desk
        if desk.stale or name not in self._tools:
            # Past the middleware; it makes fastmcp's proxy ask the server too, whose own memory would last five minutes.
            asked = desk.turns
            self._learn(await front.fastmcp.list_tools(run_middleware=False), asked)
        return desk.find(name)

    def _learn(self, tools: Any, asked: int) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._own.desk.learn(map(tool_of, tools), asked)

    @asynccontextmanager
    async def _one_at_a_time(self, key: str | None) -> AsyncGenerator[None]:
        """Calls of one action wait for each other, so that the second one hears what the first one was told."""
        if key is None:
            yield
            return
        lock = self._running.setdefault(key, asyncio.Lock())
        async with lock:
            yield


def _objection(standing: Standing, call: ToolCall) -> Refused | None:
    """What speaks against a call before anybody is asked: the lock, or its arguments."""
    if standing.refused:
        return call.refuse("lock", standing.refused)
    if misfit := standing.misfit(call.arguments):
        return call.refuse("arguments", f"the arguments are not as its input schema says: {misfit}")
    return None


def _marked(call: ToolCall, standing: Standing, answer: Answer) -> Answer:
    """The answer as it goes to the client, with what guards have to say about it in its `_meta`."""
    said: dict[str, Any] = {}
    if call.replayed:
        said[REPLAYED] = True
    if standing.policy.partial == "note" and (part := part_only(answer)):
        said[PARTIAL] = part
        call.note("partial-result", "proceed", f"the answer is only a part: {part}")
    learnt = standing.learnt if standing.policy.inferred == "note" else None
    if learnt is not None and (unlike := learnt.said(answer)):
        said[UNLIKE] = unlike
        call.note(learnt.name, "proceed", f"the answer is not as earlier ones were: {unlike}")
    if doubt := standing.doubt(answer):
        said[DOUBTFUL] = doubt
        call.note(
            "error-as-success",
            "proceed",
            f"the answer reads like an error, and may be what was asked for: {doubt}",
        )
    return {**answer, "_meta": {**answer.get("_meta", {}), **said}} if said else answer


def _failed(call: ToolCall, error: Exception) -> Any:
    if isinstance(error, ErrorAnswer):
        return result_of(error.answer)  # the server's own words
    cause = error.__cause__
    if isinstance(error, ProtocolFailure) and cause is not None:
        raise cause
    if isinstance(cause, ErrorAnswer):
        return result_of(cause.answer)
    return _said(call, error)


def _said(call: ToolCall, error: Exception) -> Any:
    text = str(error) or type(error).__name__
    text = text if text.startswith(call.tool) else f"{call.tool}: {text}"
    code = f" ({error.code})" if isinstance(error, GaplessError) and not isinstance(error, Refused) else ""
    answer = call.answer if isinstance(error, BoundaryError) else None
    return refusal(f"gapless proxy: {text}{code}", answer)
