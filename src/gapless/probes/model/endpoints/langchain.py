"""A LangChain chat model, asked as a graph asks it: `astream`, `ainvoke`, `with_structured_output`, `bind_tools`.

What is timed includes the framework and the retries it makes by itself; bytes, connections and refusals cannot be seen.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self, cast

from gapless.probes.model.endpoints.anthropic import FINISH
from gapless.probes.model.endpoints.base import Question, Reply, Trouble

_CAUSES: tuple[tuple[type[BaseException], Trouble], ...] = (
    (ConnectionRefusedError, "refused"),
    (ssl.SSLError, "tls"),
    (socket.gaierror, "name"),
    (TimeoutError, "timeout"),
)
_SAMPLER = ("temperature", "top_p", "top_k", "seed")


@dataclass(frozen=True, slots=True, kw_only=True)
class LangChainModel:
    """A chat model object; nothing of LangChain is imported here."""

    chat: Any
    """A BaseChatModel."""
    model: str
    timeout_s: float = 60.0
    limited: bool = True
    """Whether it takes `max_tokens` with a call."""
    ours: bool = False
    """Whether it was made here, so that its temperature may be taken back where the model takes none."""
    finishes: bool = False
    """Whether its answers say why they ended; then one that does not was broken off."""

    @property
    def where(self) -> str:
        """The class."""
        return f"LangChain's {type(self.chat).__name__}"

    @property
    def through(self) -> str:
        """The framework."""
        return "LangChain"

    @property
    def temperature(self) -> bool:
        """Whether its own temperature is 0: it is not changed here."""
        return sampler(self.chat).get("temperature") == 0

    @property
    def sampling(self) -> str:
        """What was set in code, as far as the object shows it."""
        found, name = sampler(self.chat), type(_layers(self.chat)[-1]).__name__
        if not found:
            return f"{name} shows no temperature"
        said = (
            f"{one} {value:g}" if isinstance(value, float) else f"{one} {value}"
            for one, value in found.items()
        )
        return f"{', '.join(said)}, set in {name}"

    @property
    def key(self) -> None:
        """The framework holds it."""
        return None

    async def settle(self, question: Question) -> tuple[Self, Reply]:
        """Asks; without a longest answer or a temperature where the model takes none, and notes whether answers say why they end."""
        endpoint, question = self, replace(question, stream=True)
        reply = await endpoint.ask(question)
        if reply.trouble in ("raised", "status") and "max_tokens" in reply.said:
            endpoint = replace(endpoint, limited=False)
            reply = await endpoint.ask(question)
        if endpoint.ours and reply.status == 400 and "temperature" in reply.said:
            endpoint = replace(endpoint, chat=endpoint.chat.model_copy(update={"temperature": None}))
            reply = await endpoint.ask(question)
        return replace(endpoint, finishes=reply.finish is not None), reply

    async def ask(
        self, question: Question, *, intended_s: float | None = None, cancel_after: int | None = None
    ) -> Reply:
        """Asks once; whatever the framework raises is in the reply. `cancel_after` counts pieces of the answer here."""
        now = time.perf_counter()
        reply = Reply(intended_s=now if intended_s is None else intended_s, started_s=now)
        try:
            async with asyncio.timeout(self.timeout_s):
                await self._asked(question, reply, cancel_after)
        except Exception as error:  # anything may be raised behind a framework
            _blame(reply, error, self.timeout_s)
        reply.ended_s = time.perf_counter()
        if reply.ok and self.finishes and reply.finish is None and cancel_after is None and question.stream:
            reply.trouble = "dropped"
            reply.said = f"the answer ended after {len(reply.arrivals)} pieces without a reason, and LangChain raised nothing"
        return reply

    async def _asked(self, question: Question, reply: Reply, cancel_after: int | None) -> None:
        said = list(question.messages)
        limit = {"max_tokens": question.tokens} if self.limited else {}
        if question.schema is not None:  # the schema is the limit: what is bound before it would be lost
            shaped = self.chat.with_structured_output({"title": "facts"} | question.schema, include_raw=True)
            _read_structured(reply, await shaped.ainvoke(said))
            return
        chat = self.chat
        if question.tools:
            tools = [{"type": "function", "function": tool} for tool in question.tools]
            chat = chat.bind_tools(tools, tool_choice="any" if question.must_call else None)
        if question.stream:
            await _streamed(chat.astream(said, **limit), reply, cancel_after)
        else:
            _read(reply, await chat.ainvoke(said, **limit))
            reply.arrivals.append(time.perf_counter())


def sampler(chat: Any) -> dict[str, Any]:
    """How a chat model draws its words, as far as the object shows: temperature, top_p, top_k, seed, where they are set.

    What is bound to it (`chat.bind(temperature=...)`) wins over what it was made with, as in a call.
    """
    *around, chat = _layers(chat)
    own = _fields(chat)
    sources = [*(_fields(one).get("kwargs") or {} for one in around), own.get("model_kwargs") or {}, own]
    found = {
        name: next((one[name] for one in sources if one.get(name) is not None), None) for name in _SAMPLER
    }
    return {name: value for name, value in found.items() if value is not None}


async def close(chat: Any) -> None:
    """Closes the connections that a chat model of OpenAI's or Anthropic's keeps open; it cannot be asked again."""
    inner = _layers(chat)[-1]
    for name in ("root_async_client", "_async_client"):
        client = getattr(inner, name, None)
        if client is not None:
            await client.close()


def _layers(chat: Any) -> list[Any]:
    """A chat model with what is around it (`bind`, `with_retry`, `with_fallbacks`), the outermost first."""
    found = [chat]
    while (inner := _fields(found[-1]).get("bound") or _fields(found[-1]).get("runnable")) is not None:
        found.append(inner)
    return found


def _fields(one: Any) -> dict[str, Any]:
    return getattr(one, "__dict__", {})


async def _streamed(stream: Any, reply: Reply, cancel_after: int | None) -> None:
    whole: Any = None
    async for chunk in stream:
        if _spoken(chunk.content) or chunk.tool_call_chunks:
            reply.arrivals.append(time.perf_counter())
        whole = chunk if whole is None else whole + chunk
        if cancel_after is not None and len(reply.arrivals) >= cancel_after:
            await stream.aclose()
            return
    if whole is None:
        raise ValueError("a stream without any chunk")
    _read(reply, whole)


def _read(reply: Reply, message: Any) -> None:
    """An AIMessage."""
    reply.status = 200
    reply.text = _spoken(message.content)
    reply.calls = [(call["name"], json.dumps(call["args"])) for call in message.tool_calls]
    reply.calls += [(call["name"] or "", call["args"] or "") for call in message.invalid_tool_calls]
    about: dict[str, Any] = message.response_metadata
    finish = about.get("finish_reason") or about.get("stop_reason") or about.get("done_reason")
    reply.finish = FINISH.get(finish, finish) if isinstance(finish, str) else None
    usage: dict[str, Any] = message.usage_metadata or {}
    reply.tokens_in, reply.tokens_out = usage.get("input_tokens"), usage.get("output_tokens")


def _read_structured(reply: Reply, found: dict[str, Any]) -> None:
    """What `with_structured_output(include_raw=True)` gives: the parsed value, else the raw text, which is no JSON then."""
    _read(reply, found["raw"])
    reply.arrivals.append(time.perf_counter())
    if found["parsed"] is not None:
        reply.text = json.dumps(found["parsed"])


def _spoken(content: Any) -> str:
    """The text in a message's content: a string, or blocks of which some are text."""
    if isinstance(content, str):
        return content
    blocks = [block for block in cast("list[Any]", content or []) if isinstance(block, dict)]
    return "".join(str(block.get("text") or "") for block in cast("list[dict[str, Any]]", blocks))


def _blame(reply: Reply, error: Exception, timeout_s: float) -> None:
    """What an exception of the framework, or of the client beneath it, says of the endpoint."""
    reply.trouble, reply.said = "raised", f"{type(error).__name__}: {error}"[:200]
    for one in _chain(error):
        status = getattr(one, "status_code", None)
        if isinstance(status, int):
            reply.trouble, reply.status, reply.said = "status", status, f"{status}: {one}"[:200]
            headers = getattr(getattr(one, "response", None), "headers", {})
            reply.retry_after = headers.get("retry-after")
            return
        for kind, known in _CAUSES:
            if isinstance(one, kind):
                reply.trouble = known
                reply.said = f"no end within {timeout_s:g} s" if known == "timeout" else str(one)[:200]
                return
        if "Timeout" in type(one).__name__:
            reply.trouble = "timeout"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception, what it was raised from, and what is in a group of them."""
    seen: list[BaseException | None] = [error]
    met: set[int] = set()
    while seen:
        one = seen.pop(0)
        if one is None or id(one) in met:
            continue
        met.add(id(one))
        yield one
        seen += [one.__cause__, one.__context__]
        seen += (
            cast("BaseExceptionGroup[BaseException]", one).exceptions
            if isinstance(one, BaseExceptionGroup)
            else ()
        )
