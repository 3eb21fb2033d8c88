"""What several lines of the model layer read: whether the endpoint answers, and the loads it was put under, each made once."""

from __future__ import annotations

import asyncio
import atexit
import functools
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, TypeVar

from gapless.probes.base import ProbeUnavailable, Subject, Unusable
from gapless.probes.model.endpoints.base import Endpoint, Question, Reply
from gapless.probes.model.endpoints.langchain import LangChainModel, close
from gapless.probes.model.endpoints.named import endpoint_of
from gapless.probes.model.load import Load, closed, opened, schedule
from gapless.probes.model.results.shelf import read_results

T = TypeVar("T")
TOKENS = 32
"""Length of an answer that times are taken from."""
_REACH_S = 20.0
_MOST = 400
"""Requests of one load: what p99 needs (METHOD: 368) and what shows a share of 99 % (381), and no more, for endpoints cost
money."""
_SHARE_OF_CAPACITY = 0.7
_AT_ONCE = 4
_END_S = 2.0
_SHORTEST_S = 8.0
CHECKLIST = "the six-layer checklist, layer 2"


@dataclass
class Measured:
    """What was measured of one subject so far."""

    subject: Subject
    reached: tuple[Endpoint, Reply] | None = None
    loads: dict[str, Load] = field(default_factory=dict[str, Load])
    read: tuple[Load, ...] | None = None
    """What is in the result files; None where nobody looked yet."""


_latest: list[Measured] = []
_chats: list[Any] = []
"""Chat models that keep connections open on our loop, to be closed with it."""


def measured(subject: Subject) -> Measured:
    """What is known of a subject; only the latest one is remembered, so that a new checkup measures anew."""
    if not _latest or _latest[0].subject is not subject:
        _latest[:] = [Measured(subject)]
    return _latest[0]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine on the one loop that asks models, in a thread of its own, whatever runs in the caller's.

    One loop for all: the clients beneath LangChain keep connections that belong to the loop they were opened on.
    """
    return asyncio.run_coroutine_threadsafe(work, _loop()).result()


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="gapless-load", daemon=True)
    thread.start()

    def end() -> None:
        with suppress(Exception):  # whatever a client raises as it is closed, at the end of the process
            asyncio.run_coroutine_threadsafe(_close_chats(), loop).result(_END_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_END_S)
        if not thread.is_alive():
            loop.close()

    atexit.register(end)
    return loop


async def _close_chats() -> None:
    while _chats:
        await close(_chats.pop())


def asked(said: str, *, tokens: int = TOKENS, **more: Any) -> Question:
    """One message of a user."""
    return Question(messages=({"role": "user", "content": said},), tokens=tokens, **more)


def story(i: int, *, tokens: int = TOKENS) -> Question:
    """The i-th question of a load: all of one length, none the same, so that no cache answers."""
    said = f"Write a short story about a lighthouse with the number {i + 1}. Begin at once."
    return asked(said, tokens=tokens, stream=True)


def named(subject: Subject) -> Endpoint:
    """The endpoint, before anything is asked of it.

    Raises:
        ProbeUnavailable: None is named.
        Unusable: The one that is named cannot be asked.
    """
    if subject.no_model:
        raise ProbeUnavailable(subject.no_model)
    return endpoint_of(subject.model, subject.chat)


def reach(subject: Subject) -> tuple[Endpoint, Reply]:
    """Asks for one word, at most some seconds long; finds out which options are taken.

    Raises:
        ProbeUnavailable: No endpoint is named.
        Unusable: The one that is named cannot be asked.
    """
    known = measured(subject)
    if known.reached is None:
        endpoint = named(subject)
        quick = replace(endpoint, timeout_s=min(endpoint.timeout_s, _REACH_S))
        found, reply = run(quick.settle(asked("Say yes.", tokens=8)))
        if isinstance(found, LangChainModel):
            _chats.append(found.chat)
        known.reached = (replace(found, timeout_s=endpoint.timeout_s), reply)
    return known.reached


def answering(subject: Subject) -> Endpoint:
    """The endpoint, if it answers.

    Raises:
        ProbeUnavailable: None is named, or it does not answer.
    """
    endpoint, reply = reach(subject)
    if not reply.ok:
        raise ProbeUnavailable(f"the endpoint does not answer: {reply.said}")
    return endpoint


def briefly(subject: Subject) -> Endpoint:
    """The same, with a limit that suits a few single questions: a silent one must not hold up the other lines."""
    endpoint = answering(subject)
    return replace(endpoint, timeout_s=min(endpoint.timeout_s, 2 * subject.seconds))


def closed_load(subject: Subject) -> Load:
    """The endpoint in a closed loop."""
    endpoint, known = answering(subject), measured(subject)
    if "closed" not in known.loads:
        known.loads["closed"] = run(
            closed(
                endpoint,
                story,
                streams=subject.streams,
                seconds=subject.seconds,
                most=_MOST,
            )
        )
    return known.loads["closed"]


def open_load(subject: Subject) -> Load:
    """The endpoint in an open loop: Poisson arrivals at 70 % of what it did in the closed one."""
    endpoint, known = answering(subject), measured(subject)
    if "open" not in known.loads:
        wanted = _SHARE_OF_CAPACITY * closed_load(subject).rate
        if not wanted:
            raise ProbeUnavailable("no whole answer came in the closed loop")
        seconds = long_enough(subject, _MOST, wanted)
        rate = min(wanted, _MOST / seconds)
        offsets = schedule("poisson", rate=rate, seconds=seconds)
        known.loads["open"] = run(
            opened(
                endpoint,
                lambda i: story(10_000 + i),
                offsets,
                how=f"open loop, Poisson at {rate:.2g} a second",
            )
        )
    return known.loads["open"]


def long_enough(subject: Subject, requests: int, rate: float) -> float:
    """Seconds of an open loop: until so many requests have come at a rate, but not so short that a pause is missed, and never
    longer than a probe may take."""
    return min(subject.seconds, max(_SHORTEST_S, requests / rate))


def all_of(
    endpoint: Endpoint,
    questions: Sequence[Question],
    *,
    seconds: float,
    at_once: int = _AT_ONCE,
    shuffled: bool = False,
) -> list[Reply | None]:
    """Asks all of them, a few at a time; None where there was no time left to begin.

    Args:
        endpoint: Who is asked.
        questions: What.
        seconds: Until when a question may begin.
        at_once: How many are on their way.
        shuffled: Whether to ask in an order of no meaning, always the same, so that those there was no time for are of all kinds.

    Returns:
        The replies in the order of the questions.
    """

    async def work() -> list[Reply | None]:
        turns = asyncio.Semaphore(at_once)
        until = asyncio.get_running_loop().time() + seconds

        async def one(question: Question) -> Reply | None:
            async with turns:
                if asyncio.get_running_loop().time() > until:
                    return None
                return await endpoint.ask(question)

        order = list(range(len(questions)))
        if shuffled:
            Random(0).shuffle(order)
        replies = await asyncio.gather(*(one(questions[i]) for i in order))
        return [reply for _, reply in sorted(zip(order, replies, strict=True), key=lambda pair: pair[0])]

    return run(work())


def loads_of(subject: Subject, own: Callable[[Subject], Load]) -> tuple[Load, ...]:
    """The loads that times are taken from: those in the result files that were named, else our own."""
    known = measured(subject)
    if not subject.results:
        return (own(subject),)
    if known.read is None:
        try:
            known.read = read_results(subject.results)
        except ProbeUnavailable as error:
            raise Unusable(str(error), "model") from error
    return known.read
