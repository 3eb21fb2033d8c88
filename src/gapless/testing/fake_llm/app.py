"""The web application around the fake model: addresses, keys, and errors in the protocol's shape."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import Counter
from functools import partial
from typing import Any, cast

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gapless.testing.fake_llm.delivery import Delivery, House
from gapless.testing.fake_llm.model import Decision, FakeModel, Served
from gapless.testing.fake_llm.wire.chat_reply import chat_chunks, chat_completion
from gapless.testing.fake_llm.wire.chat_request import read_chat
from gapless.testing.fake_llm.wire.embeddings import embeddings_body, read_embeddings
from gapless.testing.fake_llm.wire.events import Event
from gapless.testing.fake_llm.wire.messages_reply import (
    error_body,
    message,
    message_events,
    model_body,
    models_body,
)
from gapless.testing.fake_llm.wire.messages_request import read_messages
from gapless.testing.fake_llm.wire.responses_reply import output_items, response_body, response_events
from gapless.testing.fake_llm.wire.responses_request import all_items, read_responses
from gapless.testing.fake_llm.wire.trouble import Trouble, bad, stream_error

UNMATCHED_HEADER = "x-gapless-unmatched"
FAULT_HEADER = "x-gapless-fault"
_MESSAGES = "/v1/messages"
_VERSION = "anthropic-version"
DEFAULT_MODELS = ("fake-llm", "fake-embedding")


def build_app(
    model: FakeModel, *, stopping: asyncio.Event, token: str | None = None, label_faults: bool = False
) -> Starlette:
    """The application.

    Args:
        model: Decides and remembers.
        stopping: Set when the server goes down, so that nobody is kept waiting.
        token: Bearer token every address but /health asks for; none when None.
        label_faults: Whether answers carry the name of the fault that struck in a header.
    """
    faces = _Faces(model, stopping, token, label_faults)
    routes = [
        Route("/v1/chat/completions", faces.chat, methods=["POST"]),
        Route("/v1/responses", faces.responses, methods=["POST"]),
        Route(_MESSAGES, faces.messages, methods=["POST"]),
        Route(f"{_MESSAGES}/count_tokens", faces.count_tokens, methods=["POST"]),
        Route("/v1/embeddings", faces.embeddings, methods=["POST"]),
        Route("/v1/models", faces.models),
        Route("/v1/models/{name:path}", faces.one_model),
        Route("/health", faces.health),
        Route("/gapless/requests", faces.requests),
        Route("/gapless/reset", faces.reset, methods=["POST"]),
    ]
    handlers: dict[Any, Any] = {HTTPException: _nowhere, Trouble: faces.troubled, Exception: _broken}
    return Starlette(routes=routes, exception_handlers=handlers)


class _Faces:
    """The addresses."""

    def __init__(
        self, model: FakeModel, stopping: asyncio.Event, token: str | None, label_faults: bool
    ) -> None:
        self._model = model
        self._stopping = stopping
        self._token = token
        self._label_faults = label_faults
        slots = model.script.latency.slots
        self._slots = asyncio.Semaphore(slots) if slots else None

    async def chat(self, request: Request) -> Response:
        body = await self._read(request, "chat")
        asked = self._understand("chat", body, lambda: self._model.fit(read_chat(body)))
        decision = self._model.decide(asked, body)
        answers = list(decision.answers)
        created = int(time.time())
        if asked.stream:
            events = list(chat_chunks(asked, answers, decision.identity, created))
            return self._deliver(decision, events)
        return self._deliver(decision, chat_completion(asked, answers, decision.identity, created))

    async def responses(self, request: Request) -> Response:
        body = await self._read(request, "responses")
        asked = self._understand(
            "responses", body, lambda: self._model.fit(read_responses(body, self._model.recall))
        )
        decision = self._model.decide(asked, body)
        if not decision.answers:
            return self._deliver(decision, {})
        answer, created = decision.answers[0], int(time.time())
        if body.get("store", True):
            said = output_items(asked, answer, decision.identity)
            self._model.remember(decision.identity, [*all_items(body, self._model.recall), *said])
        if asked.stream:
            events = list(response_events(asked, answer, decision.identity, created, body))
            return self._deliver(decision, events)
        return self._deliver(decision, response_body(asked, answer, decision.identity, created, body))

    async def messages(self, request: Request) -> Response:
        body = await self._read(request, "messages")
        asked = self._understand(
            "messages", body, lambda: _versioned(request) or self._model.fit(read_messages(body))
        )
        decision = self._model.decide(asked, body)
        if not decision.answers:
            return self._deliver(decision, {})
        answer = decision.answers[0]
        if asked.stream:
            return self._deliver(decision, list(message_events(asked, answer, decision.identity)))
        return self._deliver(decision, message(asked, answer, decision.identity))

    async def count_tokens(self, request: Request) -> Response:
        body = await self._read(request, "messages")
        asked = self._understand(
            "messages", body, lambda: _versioned(request) or read_messages(body, counted=True)
        )
        return _json({"input_tokens": asked.tokens})

    async def embeddings(self, request: Request) -> Response:
        body = await self._read(request, "embeddings")
        asked, inputs = self._understand("embeddings", body, lambda: read_embeddings(body))
        decision = self._model.decide(asked, body)
        return self._deliver(decision, embeddings_body(body, inputs))

    async def models(self, request: Request) -> Response:
        self._admit(request)
        names = self._model.script.models or DEFAULT_MODELS
        if _VERSION in request.headers:
            return _json(models_body(names))
        return _json({"object": "list", "data": [_model(name) for name in names]})

    async def one_model(self, request: Request) -> Response:
        self._admit(request)
        name = str(request.path_params["name"])
        if self._model.script.models and name not in self._model.script.models:
            raise Trouble(404, f"The model '{name}' does not exist.", param="model", code="model_not_found")
        return _json(model_body(name) if _VERSION in request.headers else _model(name))

    async def health(self, request: Request) -> Response:
        return _json({"status": "ok"})

    async def requests(self, request: Request) -> Response:
        self._admit(request)
        log = self._model.received
        body = {
            "count": len(log),
            "unmatched": sum(note.unmatched for note in log),
            "faults": Counter(note.fault for note in log if note.fault),
            "requests": [msgspec.structs.asdict(note) for note in log],
        }
        return _json(body)

    async def reset(self, request: Request) -> Response:
        self._admit(request)
        self._model.reset()
        return _json({"status": "reset"})

    async def troubled(self, request: Request, trouble: Trouble) -> Response:
        named = {FAULT_HEADER: trouble.fault} if self._label_faults and trouble.fault else {}
        return _json(_error(request, trouble), trouble.status, trouble.headers | named)

    def _admit(self, request: Request) -> None:
        if self._token is None:
            return
        given = request.headers.get("x-api-key") or request.headers.get("authorization", "")
        if not hmac.compare_digest(given.removeprefix("Bearer ").encode(), self._token.encode()):
            raise Trouble(
                401,
                "Incorrect API key provided. Send the server's --token as the key: set OPENAI_API_KEY, or ANTHROPIC_API_KEY, to it.",
                code="invalid_api_key",
            )

    async def _read(self, request: Request, endpoint: str) -> dict[str, Any]:
        self._admit(request)
        raw = await request.body()
        try:
            body = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            trouble = bad(None, f"We could not parse the JSON body of your request: {error}.")
            self._model.refused(endpoint, raw.decode("utf-8", "replace"), trouble)
            raise trouble from None
        if not isinstance(body, dict):
            trouble = bad(None, f"The body must be a JSON object, got {type(body).__name__}.")
            self._model.refused(endpoint, body, trouble)
            raise trouble
        return cast("dict[str, Any]", body)

    def _understand(self, endpoint: str, body: dict[str, Any], read: Any) -> Any:
        try:
            return read()
        except Trouble as trouble:
            self._model.refused(endpoint, body, trouble)
            raise

    def _deliver(self, decision: Decision, body: dict[str, Any] | list[Event]) -> Response:
        note = decision.received
        named = "request-id" if note.endpoint == "messages" else "x-request-id"
        headers = {named: f"req_{decision.identity}"}
        if note.unmatched:
            headers[UNMATCHED_HEADER] = "true"
        if self._label_faults and note.fault is not None:
            headers[FAULT_HEADER] = note.fault
        return Delivery(
            body if isinstance(body, list) else msgspec.json.encode(body),
            pace=decision.pace,
            tokens=sum(answer.tokens for answer in decision.answers),
            house=House(
                self._stopping, self._model.pause_s, partial(self._served, time.monotonic()), self._slots
            ),
            headers=headers,
            fault=note.fault,
            hang_s=decision.hang_s,
            error=stream_error(note.endpoint),
        )

    def _served(self, read_s: float) -> None:
        self._model.served.append(Served(read_s=read_s, first_s=time.monotonic()))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 1735689600, "owned_by": "gapless"}


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status, headers, "application/json")


async def _nowhere(request: Request, error: HTTPException) -> Response:
    where = f"{request.method} {request.url.path}"
    if error.status_code == 405:
        return _json(Trouble(405, f"Not allowed to {where}. Use another method.").body(), 405)
    hint = "" if request.url.path.startswith(("/v1", "/gapless")) else " The base URL ends in /v1."
    return _json(Trouble(404, f"Unknown request URL: {where}.{hint}").body(), error.status_code)


async def _broken(request: Request, error: Exception) -> Response:
    said = f"The fake server itself failed: {type(error).__name__}: {error}."
    return _json(_error(request, Trouble(500, said, kind="server_error")), 500)


def _error(request: Request, trouble: Trouble) -> dict[str, Any]:
    """An error in the shape of the protocol that was spoken."""
    if _VERSION in request.headers or request.url.path.startswith(_MESSAGES):
        return error_body(trouble, f"{id(request):016x}")
    return trouble.body()


def _versioned(request: Request) -> None:
    """Demands the header that names the protocol's version, as the real API does."""
    if _VERSION not in request.headers:
        raise bad(_VERSION, f"{_VERSION}: header is required")
