"""What several lines of the model layer read: whether the endpoint answers, and the loads it was put under, each made once."""

from __future__ import annotations

import asyncio
import atexit
import functools
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import msgspec

from gapless.probes.base import YOURS, Card, ProbeUnavailable, Subject, Unusable
from gapless.probes.model.endpoints.base import Endpoint, Question, Reply
from gapless.probes.model.endpoints.named import endpoint_of
from gapless.probes.model.load import Load, closed, opened, schedule
from gapless.probes.model.results.shelf import read_results
from gapless.records.finding import STATUSES, Figure, Finding

T = TypeVar("T")
TOKENS = 32
"""Length of an answer that times are taken from."""
_REACH_S = 20.0
_MOST = 400
"""Requests of one load: what p99 needs (METHOD: 368) and what shows a share of 99 % (381), and no more, for endpoints cost
money."""
_NOT_TAKEN = (400, 422, 501)
_SHARE_OF_CAPACITY = 0.7
_AT_ONCE = 4
_END_S, _END_TOKENS = 2.0, 2
"""Servers differ in whether they count the tokens that end an answer."""
_EXAMPLE = 160
"""Characters of each part of an example."""
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
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_END_S)
        if not thread.is_alive():
            loop.close()

    atexit.register(end)
    return loop


def asked(said: str, *, tokens: int = TOKENS, **more: Any) -> Question:
    """One message of a user."""
    return Question(messages=({"role": "user", "content": said},), tokens=tokens, **more)


def story(i: int, *, tokens: int = TOKENS) -> Question:
    """The i-th question of a load: all of one length, none the same, so that no cache answers."""
    said = f"Write a short story about a lighthouse with the number {i + 1}. Begin at once."
    return asked(said, tokens=tokens, stream=True)


def too_long(reply: Reply, tokens: int) -> bool:
    """Whether an answer is longer than was allowed: by the server's own count, else by its words, which are no more than tokens."""
    return (reply.tokens_out or len(reply.text.split())) > tokens + _END_TOKENS


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
        rate = min(_SHARE_OF_CAPACITY * closed_load(subject).rate, _MOST / subject.seconds)
        if not rate:
            raise ProbeUnavailable("no whole answer came in the closed loop")
        offsets = schedule("poisson", rate=rate, seconds=subject.seconds)
        known.loads["open"] = run(
            opened(
                endpoint,
                lambda i: story(10_000 + i),
                offsets,
                how=f"open loop, Poisson at {rate:.2g} a second",
            )
        )
    return known.loads["open"]


def all_of(
    endpoint: Endpoint, questions: Sequence[Question], *, seconds: float, at_once: int = _AT_ONCE
) -> list[Reply | None]:
    """Asks all of them, a few at a time; None where there was no time left to begin."""

    async def work() -> list[Reply | None]:
        turns = asyncio.Semaphore(at_once)
        until = asyncio.get_running_loop().time() + seconds

        async def one(question: Question) -> Reply | None:
            async with turns:
                if asyncio.get_running_loop().time() > until:
                    return None
                return await endpoint.ask(question)

        return await asyncio.gather(*map(one, questions))

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


def each_of(loads: Sequence[Load], judge: Callable[[Load], Finding]) -> Finding:
    """One finding of several loads: the worst status, and what was found in each.

    Raises:
        ProbeUnavailable: None of them could be judged.
    """
    found: list[Finding] = []
    figures: list[Figure] = []
    left_out: list[str] = []
    for load in loads:
        try:
            found.append(judge(load))
            which = f", {load.how.partition(', from ')[0]}" if len(loads) > 1 else ""
            figures += [msgspec.structs.replace(one, name=f"{one.name}{which}") for one in found[-1].figures]
        except ProbeUnavailable as error:
            if len(loads) == 1:
                raise
            left_out.append(f"{load.how}: {error}")
    if not found:
        raise ProbeUnavailable("; ".join(left_out))
    worst = min(found, key=lambda one: STATUSES.index(one.status))
    open_still = [one.undecided for one in found if one.undecided] if worst.status == "ok" else []
    return msgspec.structs.replace(
        worst,
        said=" | ".join([*(one.said for one in found), *left_out]),
        figures=tuple(figures),
        undecided="; ".join(dict.fromkeys(open_still)),
    )


def need_servers_own(load: Load, target_ms: float = 0.0) -> None:
    """Refuses times that are the client's rather than the endpoint's.

    Raises:
        ProbeUnavailable: The client was too late, or too busy, to tell.
    """
    saturated = load.saturated(target_ms)
    if saturated:
        raise ProbeUnavailable(
            f"{saturated}; these times would be its own, not the endpoint's: ask from another host"
        )


def need_all(load: Load) -> None:
    """Refuses a load of which only a part is known.

    Raises:
        ProbeUnavailable: Which part is a matter of how the requests ended, and neighbours are missing.
    """
    if load.part:
        raise ProbeUnavailable(f"shares and loops cannot be told from a sample: {load.how}")


def held_to(subject: Subject, card: Card, target: str) -> dict[str, str]:
    """The target of a finding as it was judged, with where it comes from, for `Card.held`."""
    return {"target": target} | ({"target_source": YOURS} if card.probe in subject.targets else {})


def refused(card: Card, replies: Sequence[Reply | None], what: str, *, next_step: str) -> Finding:
    """The finding where no question was answered because the endpoint takes none of the kind.

    Raises:
        ProbeUnavailable: There was another reason.
    """
    asked = [reply for reply in replies if reply is not None]
    one = next((reply for reply in asked if reply.status in _NOT_TAKEN), None)
    if one is not None:
        return card.finding("fail", f"{what} refused: {one.said}", next_step=next_step)
    lost = next((reply.said for reply in asked if not reply.ok), "no time left")
    raise ProbeUnavailable(f"no answer came: {lost}")


def example(asked: str, expected: str, got: str) -> str:
    """One case that went wrong, in words; long texts are cut."""
    return f"asked {_cut(asked)!r}, expected {_cut(expected)}, got {_cut(got) or 'nothing'}"


def _cut(text: str) -> str:
    return text if len(text) <= _EXAMPLE else f"{text[:_EXAMPLE]}..."
