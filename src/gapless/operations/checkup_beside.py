"""Opens what a checkup runs beside the model: the parts of a pipeline, each as one run's share of work."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gapless.errors import EndpointError, GaplessError
from gapless.operations.checkup_halting import held_open
from gapless.settings import ServerSettings

if TYPE_CHECKING:
    from gapless.probes.base import Subject

INTERFERENCE = "interference"
_QUESTIONS = (
    "What is the liability cap of the newest agreement?",
    "Which penalties apply to late delivery, and since when?",
    "Who may terminate the contract, and with what notice?",
)
_PASSAGE = (
    "The supplier is liable up to the fees of the last twelve months; amendments supersede earlier clauses. "
)
_PASSAGES, _OPEN_S, _CALL_S, _CLOSE_S = 8, 30.0, 5.0, 5.0


@asynccontextmanager
async def beside_for(
    subject: Subject, names: list[str], halted: asyncio.Event, *, stand_in: bool
) -> AsyncGenerator[tuple[Subject, list[str]]]:
    """The subject with the parts that can run beside its model, and what has to be said of those that cannot.

    Args:
        subject: As far as it is opened.
        names: The probes that will be asked: without `interference` nothing is opened.
        halted: Ends the waiting for them.
        stand_in: Whether the reference agent's retriever and server may stand in for those that nobody named.

    Raises:
        Halted: Stopping was requested before they were there.
    """
    if INTERFERENCE not in names or (subject.model.url is None and subject.no_model):
        yield subject, []
        return
    async with held_open(halted, lambda held: _open(subject, stand_in, held)) as (parts, said):
        yield replace(subject, beside=parts | dict(subject.beside)), said


def _open(
    subject: Subject, stand_in: bool, held: ExitStack
) -> tuple[dict[str, Callable[[], Any]], list[str]]:
    parts: dict[str, Callable[[], Any]] = {}
    said: list[str] = []
    try:
        parts |= _words()
    except GaplessError as error:
        said.append(f"Tokenising and embedding are not run beside the model: {error}")
    search = subject.retrieve or (_agents_search() if stand_in else None)
    if search is not None:
        asked = itertools.cycle([query.query for query in subject.labelled[:50]] or list(_QUESTIONS))
        parts["retrieval"] = lambda: search(next(asked))
    parts["JSON"] = _json
    servers = dict(subject.servers) or (_agents_servers() if stand_in else {})
    for name, server in servers.items():
        try:
            call = held.enter_context(_Caller(name, server))
        except Exception as error:  # whatever a foreign server does, the other parts run
            said.append(f"Tools of {name} are not called beside the model: {error}")
        else:
            parts[f"tools ({name})" if len(servers) > 1 else "tools"] = call.once
    return parts, said


def _words() -> dict[str, Callable[[], Any]]:
    """Tokenising and embedding with the built-in embedder: a question and the passages of one run."""
    from gapless.retrievers.minilm import MiniLM

    model = MiniLM.load()
    numbers = itertools.count()
    passages = [f"{_PASSAGE * 3}{n}" for n in range(_PASSAGES)]

    def embed() -> None:
        question = _QUESTIONS[next(numbers) % len(_QUESTIONS)]
        model.embed([question, *passages])

    return {"tokenising": lambda: model.tokens([*_QUESTIONS, *passages]), "embedding": embed}


def _agents_search() -> Callable[[str], Any] | None:
    try:
        from gapless.operations.demo import find_agent

        return find_agent().retrieval()[0].search
    except (GaplessError, ImportError):
        return None


def _agents_servers() -> dict[str, ServerSettings]:
    try:
        from gapless.operations.demo import find_agent

        return {name: ServerSettings(command=command) for name, command in find_agent().servers().items()}
    except (GaplessError, ImportError):
        return {}


_HANDOFF = [{"id": str(n), "text": _PASSAGE * 6, "score": 0.5, "indexed_at": 1.0} for n in range(20)]


def _json() -> None:
    """A state with twenty passages, written and read at four boundaries."""
    for _ in range(4):
        json.loads(json.dumps(_HANDOFF))


def _settle(ended: asyncio.Task[Any], done: Future[None]) -> None:
    """Hands on how a call ended to whoever waits for it in another thread; they may have given up."""
    broken = None if ended.cancelled() else ended.exception()
    if done.done():
        return
    if ended.cancelled():
        done.cancel()
    elif broken is not None:
        done.set_exception(broken)
    else:
        done.set_result(None)


class _Caller:
    """An open session with a server, on a loop of its own, and a call of its first tool that is safe to make."""

    def __init__(self, name: str, server: ServerSettings) -> None:
        self._name, self._server = name, server
        self._loop = asyncio.new_event_loop()
        self._ready: Any = None
        self._over: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._live, name="gapless-tools", daemon=True)
        self._opened = threading.Event()
        self._why: Exception | None = None
        self._asked: set[Future[None]] = set()

    def __enter__(self) -> _Caller:
        self._thread.start()
        if not self._opened.wait(_OPEN_S):
            raise EndpointError(f"{self._name} does not open a session within {_OPEN_S:g} s")
        if self._why is not None:
            self._thread.join(_CLOSE_S)
            raise self._why
        return self

    def __exit__(self, *_: object) -> None:
        if self._over is not None:
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(_CLOSE_S)

    def once(self) -> None:
        """Calls the tool once.

        Raises:
            RuntimeError: The session was closed.
        """
        done = Future[None]()
        self._asked.add(done)
        try:
            self._loop.call_soon_threadsafe(self._begin, done)
            done.result(_CALL_S + 1)
        finally:
            self._asked.discard(done)

    def _begin(self, done: Future[None]) -> None:
        """Begins a call on the session's own loop: a coroutine made elsewhere is never awaited where the loop ends first."""
        if self._over is None or self._over.is_set():
            done.cancel()
            return
        task = self._loop.create_task(self._ready())
        task.add_done_callback(lambda ended: _settle(ended, done))

    def _live(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:  # ends with the calls under way
                runner.run(self._session())
        except Exception as error:  # a foreign server, or a user's own function
            self._why = error
        finally:
            self._opened.set()
            for done in tuple(self._asked):
                done.cancel()

    async def _session(self) -> None:
        from gapless.frameworks.tools.source import connected
        from gapless.probes.tool.survey import ready
        from gapless.probes.tool.visit import Visit

        async with connected(self._server, self._name) as source:
            visit = Visit(self._name, offer=await source.offer())
            found = next(ready(visit, self._server, source, effects=False), None)
            if found is None:
                why = visit.uncalled or f"{self._name}: no tool of it is declared safe to call"
                raise EndpointError(why)
            self._over = asyncio.Event()
            self._ready = lambda: source.call(found.tool.name, found.arguments, _CALL_S)
            self._opened.set()
            await self._over.wait()
