"""What the client that steps usually ask with does when an endpoint refuses, fails, breaks off or is left.

It meets a server on this machine that fails on purpose: nothing is asked of the endpoint.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing, suppress
from importlib.metadata import version
from typing import Any

from gapless.probes.base import Card, ProbeUnavailable, Subject
from gapless.probes.model.endpoints.langchain import close
from gapless.probes.model.endpoints.named import kind_of
from gapless.probes.model.failing import RETRY_AFTER_S, Failing, Seen
from gapless.probes.model.measured import named, run
from gapless.records.finding import Figure, Finding
from gapless.settings import ModelSettings

CARD = Card(
    probe="usual-client",
    layer="model",
    title="the usual client waits, retries, and notices a broken connection",
    target="Retry-After is waited for, 429 and 503 are asked again, a connection that breaks in mid-stream raises, hanging up ends the connection",
    source="RFC 9110, sections 10.2.3 and 15.6.4; the six-layer checklist, layer 2",
)
_LIMIT_S, _LOOK_S, _PATIENCE, _NEARLY = 8.0, 0.05, 40, 0.95
_HUNG = "hung"
_FAULTS = {
    "429": "a request that was refused",
    "503": "a request that failed",
    "dropped": "a stream whose connection broke",
    "ended": "a stream that ended early",
}
_SILENT = (
    "a stream that ends early, without a finish_reason, passes for a whole answer: check it at the boundary"
)
Stream = Callable[[str], AsyncIterator[str]]
"""Streams an answer from the address below which "/v1" is, piece by piece."""


def probe(subject: Subject) -> Iterable[Finding]:
    """The SDK of the protocol, with `max_retries` of the settings; through LangChain, the model that it makes."""
    named(subject)
    name, stream = _client(subject.model)
    seen, raised = run(_met(stream))
    if not any(one.at_s for one in seen.values()):
        raise ProbeUnavailable(
            f"{name} asked the failing server nothing: {raised['429'] or 'and raised nothing'}"
        )
    yield _finding(name, seen, raised)


async def _met(stream: Stream) -> tuple[dict[str, Seen], dict[str, str]]:
    """Meets every fault: what came to the server, and what the client raised."""
    async with Failing() as server:
        raised = {fault: await _asked(stream, server.url(fault)) for fault in _FAULTS}
        await _left(stream, server.url("endless"))
        for _ in range(_PATIENCE):
            if server.seen["endless"].left_s is not None:
                break
            await asyncio.sleep(_LOOK_S)
        return server.seen, raised


def _finding(name: str, seen: dict[str, Seen], raised: dict[str, str]) -> Finding:
    figures = [Figure(name="times a 503 was asked again", value=max(0, len(seen["503"].at_s) - 1))]
    waited = _waited_s(seen["429"])
    if waited is not None:
        what = f"waited where Retry-After said {RETRY_AFTER_S} s"
        figures.insert(0, Figure(name=what, value=waited, unit="s"))
    wrong = _wrong(seen, raised, waited)
    if not wrong:
        return CARD.finding(
            "ok",
            f"{name} waits, retries and notices a broken connection",
            figures=tuple(figures),
            undecided="" if raised["ended"] else _SILENT,
        )
    silent = [_SILENT] if not raised["ended"] else []
    return CARD.finding(
        "warn",
        f"{name}: {'; '.join([*wrong, *silent])}",
        figures=tuple(figures),
        next_step="Give the client max_retries, or the step Retry(3): one owner per retry. Check finish_reason of every stream.",
    )


def _wrong(seen: dict[str, Seen], raised: dict[str, str], waited: float | None) -> list[str]:
    found: list[str] = []
    if waited is None:
        found.append("a 429 is not asked again")
    elif waited < _NEARLY * RETRY_AFTER_S:
        found.append(f"{waited:.1f} s are waited where Retry-After says {RETRY_AFTER_S}")
    if len(seen["503"].at_s) < 2:
        found.append("a 503 is not asked again")
    if not raised["dropped"]:
        found.append("a connection that breaks in mid-stream raises nothing")
    hung = [what for fault, what in _FAULTS.items() if raised[fault] == _HUNG]
    if hung:
        found.append(f"{' and '.join(hung)} had not ended after {_LIMIT_S:g} s: a hang is not noticing")
    if seen["endless"].left_s is None:
        found.append("hanging up leaves the connection open")
    return found


def _waited_s(seen: Seen) -> float | None:
    return seen.at_s[1] - seen.at_s[0] if len(seen.at_s) > 1 else None


async def _asked(stream: Stream, url: str) -> str:
    """Asks once; the name of what was raised, empty where nothing was, `_HUNG` where it had to be ended here."""
    limit = asyncio.timeout(_LIMIT_S)
    try:
        async with limit:
            async for _ in stream(url):
                pass
    except Exception as error:  # an SDK's errors have no common root
        return _HUNG if limit.expired() else type(error).__name__
    return ""


async def _left(stream: Stream, url: str) -> None:
    """Hangs up after the first pieces, as a cancelled step does."""
    with suppress(Exception):  # what counts is what the server saw; an SDK's errors have no common root
        async with asyncio.timeout(_LIMIT_S), aclosing(stream(url)) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                if piece:
                    return


def _client(settings: ModelSettings) -> tuple[str, Stream]:
    """The client's name with its version, and how it streams.

    Raises:
        ProbeUnavailable: It is not installed, or cannot be pointed elsewhere.
    """
    kind = kind_of(settings)
    package = {"openai": "openai", "anthropic": "anthropic", "langchain": "langchain"}[kind]
    made = {"openai": _openai, "anthropic": _anthropic, "langchain": _langchain}[kind]
    try:
        return f"{package} {version(package)}", made(settings)
    except ImportError as error:
        raise ProbeUnavailable(
            f"the usual client, {package}, is not installed here: pip install {package}"
        ) from error


_ASKED: Any = [{"role": "user", "content": "Count to six."}]


def _openai(settings: ModelSettings) -> Stream:
    from openai import AsyncOpenAI

    async def stream(url: str) -> AsyncIterator[str]:
        async with AsyncOpenAI(
            base_url=f"{url}/v1", api_key="none", max_retries=settings.max_retries
        ) as client:
            asked: Any = client.chat.completions.create(model="m", messages=_ASKED, stream=True)
            async with await asked as events:
                async for event in events:
                    yield event.choices[0].delta.content or ""

    return stream


def _anthropic(settings: ModelSettings) -> Stream:
    from anthropic import AsyncAnthropic

    async def stream(url: str) -> AsyncIterator[str]:
        async with AsyncAnthropic(base_url=url, api_key="none", max_retries=settings.max_retries) as client:
            asked: Any = client.messages.create(model="m", max_tokens=9, messages=_ASKED, stream=True)
            async with await asked as events:
                async for event in events:
                    yield event.delta.text if event.type == "content_block_delta" else ""

    return stream


def _langchain(settings: ModelSettings) -> Stream:
    provider = (settings.model or "").partition(":")[0]
    ends = {"openai": "/v1", "anthropic": ""}
    if provider not in ends or getattr(settings, "target", None) is not None:
        raise ProbeUnavailable(
            "only a chat model named openai:... or anthropic:... can be pointed at a failing server"
        )
    from langchain.chat_models import init_chat_model

    async def stream(url: str) -> AsyncIterator[str]:
        chat = init_chat_model(
            settings.model, base_url=url + ends[provider], api_key="none", max_retries=settings.max_retries
        )
        try:
            async for chunk in chat.astream(_ASKED):
                yield str(chunk.content)
        finally:
            await close(chat)

    return stream
