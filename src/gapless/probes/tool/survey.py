"""One visit to every server of a subject: what it offers, and how it answers calls that are safe to make.

Only tools are called that are declared read-only, or idempotent and not destructive, and whose words say nothing else,
or that the user vouches for; others with leave alone, and then no more often than a look at their effects needs.
All probes of one checkup share the visit: a server is started once.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

from gapless.errors import GaplessError
from gapless.frameworks.tools.aside import aside
from gapless.frameworks.tools.source import Source, connected
from gapless.gap.latency import least_runs
from gapless.probes.base import ProbeUnavailable, Subject
from gapless.probes.tool.fuzzing import fuzz
from gapless.probes.tool.linting import safe
from gapless.probes.tool.reading import same
from gapless.probes.tool.schemas import misfits, sample
from gapless.probes.tool.visit import Mixed, Repeated, Together, Tried, Visit
from gapless.records.tools import ToolAnswer, ToolSchema
from gapless.settings import ServerSettings

_START_S, _CALL_S, _VISIT_S = 20.0, 5.0, 80.0
_GIVE_UP_S = 0.001
_TOOLS, _BAD, _AT_ONCE, _FUZZED = 3, 2, 8, 60
_TIMES = 1 + least_runs(0.95)
"""A first call to warm up, and as many as p95 needs."""
_MOST_SAID = 200
_SHARE = 0.5
"""Of the seconds a probe may take: for calls one after the other, and for fuzzing as long again."""
_VISITS = "tool visits"
"""Where a subject keeps them."""
_lock = threading.Lock()


def visits(subject: Subject) -> tuple[Visit, ...]:
    """Every server of a subject; the first probe that asks makes the visit.

    Raises:
        ProbeUnavailable: No server is named.
    """
    if not subject.servers:
        raise ProbeUnavailable(
            "no tools are named: [checkup.servers.NAME] command, url, openapi or functions = ... in gapless.toml"
        )
    with _lock:
        if _VISITS not in subject.memo:
            subject.memo[_VISITS] = asyncio.run(_all(subject))
        return subject.memo[_VISITS]


def heard(subject: Subject) -> tuple[Visit, ...]:
    """The servers that offered something.

    Raises:
        ProbeUnavailable: None did.
    """
    found = tuple(visit for visit in visits(subject) if visit.offer is not None)
    if not found:
        raise ProbeUnavailable("no server could be asked for its tools: see the line on servers that start")
    return found


@dataclass(frozen=True, slots=True)
class Ready:
    """A tool that may be called, with the arguments that the user says work, else the least that it takes."""

    tool: ToolSchema
    arguments: dict[str, Any]
    reads: bool
    """Whether it only reads: then it may be called as often as one likes."""
    others: tuple[Mapping[str, Any], ...] = ()
    """Further arguments that the user says work."""


def vouched(tool: str, server: ServerSettings) -> bool:
    """Whether the user says that a tool only reads."""
    return any(fnmatchcase(tool, pattern) for pattern in server.read_only)


def ready(visit: Visit, server: ServerSettings, source: Source, *, effects: bool) -> Iterator[Ready]:
    """The tools that may be called; why none can be is noted on the visit.

    Args:
        visit: Whose tools.
        server: What the user says of them.
        source: Takes the calls.
        effects: Whether tools may be called that are not declared safe.
    """
    for tool in visit.offer.tools if visit.offer is not None else ():
        known = vouched(tool.name, server)
        if not (effects or known or safe(tool)) or not tool.input_schema:
            continue
        named = server.arguments.get(tool.name, ())
        arguments, *others = [named] if isinstance(named, dict) else named or [sample(tool.input_schema)]
        if arguments is None:
            why = (
                f"{visit.name}: {tool.name}: no arguments could be made from its schema: name some that work"
            )
            visit.uncalled = visit.uncalled or why
            continue
        if why := source.cannot(tool.name, arguments):
            visit.uncalled = visit.uncalled or f"{visit.name}: {tool.name}: {why}"
        else:
            reads = known or (safe(tool) and bool(tool.annotations.read_only))
            further = (one for one in others if one is not None and not source.cannot(tool.name, one))
            yield Ready(tool, arguments, reads, tuple(further))


async def _all(subject: Subject) -> tuple[Visit, ...]:
    made = [Visit(name) for name in subject.servers]
    await asyncio.gather(*(_one(visit, subject.servers[visit.name], subject) for visit in made))
    return tuple(made)


async def _one(visit: Visit, server: ServerSettings, subject: Subject) -> None:
    begun = time.perf_counter()
    try:
        async with (
            asyncio.timeout(_VISIT_S),
            connected(server, visit.name, start_s=_START_S) as source,
        ):
            visit.offer = await source.offer(min(_CALL_S, subject.seconds))
            visit.start_s = time.perf_counter() - begun
            try:
                await _Asking(visit, server, source, subject).all()
            finally:
                visit.noise = source.noise
    except TimeoutError:
        visit.broken = f"the visit took over {_VISIT_S:g} s"
    except GaplessError as error:
        visit.broken = str(error)
    except Exception as error:  # whatever one server sends must not take the lines of the others
        visit.broken = f"{visit.name}: the visit broke off: {type(error).__name__}: {str(error)[:_MOST_SAID]}"


@dataclass(slots=True)
class _Asking:
    """The calls of one visit, in their order: what may end the server comes last."""

    visit: Visit
    server: ServerSettings
    source: Source
    subject: Subject

    async def all(self) -> None:
        effects = self.subject.allow_effects
        found = list(ready(self.visit, self.server, self.source, effects=effects))
        found.sort(key=lambda one: one.tool.name not in self.server.arguments)
        reading = [one for one in found if one.reads][:_TOOLS]
        acting = [one for one in found if not one.reads][:_TOOLS]
        freely = [*reading, *(one for one in acting if safe(one.tool))]
        await self._one_after_the_other(reading)
        await self._at_once(reading)
        for one in acting:  # only now: what reads is compared with itself as long as nothing acts
            await self._twice(one, reading)
        await self._one_after_the_other([one for one in freely if not one.reads])
        await self._impossible(freely)
        await self._fuzz([*reading, *acting])
        if self._alive:
            await self._mixed(reading)
        if freely:
            await self._give_up(freely[0])

    @property
    def _limit(self) -> float:
        return min(_CALL_S, self.subject.seconds)

    @property
    def _alive(self) -> bool:
        return not any(failed.fault == "died" for made in self.visit.fuzzed for failed in made.failures)

    async def _call(self, one: Ready, arguments: Mapping[str, Any] | None = None) -> ToolAnswer:
        given = one.arguments if arguments is None else arguments
        return await self.source.call(one.tool.name, given, self._limit)

    async def _impossible(self, chosen: list[Ready]) -> None:
        self.visit.unknown = await self.source.unknown(self._limit)
        for name, arguments in self.server.failing.items():
            answer = await self.source.call(name, arguments, self._limit)
            self.visit.refused.append(Tried(name, answer, "with arguments that must fail"))
        for one in chosen:
            name = one.tool.name
            bad = (
                (wrong, why)
                for wrong, why in misfits(one.tool.input_schema)
                if self.source.differs(name, wrong)
            )
            for arguments, why in islice(bad, _BAD):
                answer = await self.source.call(name, arguments, self._limit)
                self.visit.refused.append(Tried(name, answer, why))

    async def _one_after_the_other(self, chosen: list[Ready]) -> None:
        until = time.perf_counter() + self.subject.seconds * _SHARE
        for round_ in range(_TIMES):
            for one in chosen:
                if round_ and (time.perf_counter() > until or _hung(self.visit, one.tool.name)):
                    continue
                self.visit.called.append(Tried(one.tool.name, await self._call(one)))

    async def _twice(self, one: Ready, reading: list[Ready]) -> None:
        """The same call twice; reading tools that stand still by themselves show what each of them did."""
        still = [r for r in reading if same(await self._call(r), await self._call(r))]
        first = await self._call(one)
        between = [await self._call(r) for r in still]
        second = await self._call(one)
        after = [await self._call(r) for r in still]
        moved = [
            r.tool.name for r, then, now in zip(still, between, after, strict=True) if not same(then, now)
        ]
        self.visit.repeated.append(
            Repeated(
                tool=one.tool.name,
                first=first,
                second=second,
                declared=bool(one.tool.annotations.idempotent),
                moved=tuple(moved),
                watched=tuple(r.tool.name for r in still),
            )
        )

    async def _at_once(self, reading: list[Ready]) -> None:
        for one in reading:
            before = [tried.answer for tried in self.visit.called if tried.tool == one.tool.name]
            if not before or _hung(self.visit, one.tool.name):
                continue
            answers = await asyncio.gather(*(self._call(one) for _ in range(_AT_ONCE)))
            steady = all(same(before[0], other) for other in before)
            self.visit.together.append(Together(one.tool.name, tuple(answers), steady, before[0]))
        if self.visit.together:
            self.visit.stayed_up = await self._silence()

    async def _mixed(self, reading: list[Ready]) -> None:
        """Calls at once with arguments that are answered differently: what is mixed up then shows.

        Each is held against its own answers just before and just after, so that a tool whose answers change by
        themselves (a clock, a counter) is told from one that mixes calls up.
        """
        apart = {made.tool: made.told_apart for made in self.visit.fuzzed}
        for one in reading:
            given = _different([one.arguments, *one.others, *apart.get(one.tool.name, ())])
            if len(given) < 2 or _hung(self.visit, one.tool.name):
                continue
            before = [await self._call(one, arguments) for arguments in given]
            asked = [n % len(given) for n in range(max(_AT_ONCE, len(given)))]
            answers = await asyncio.gather(*(self._call(one, given[n]) for n in asked))
            after = [await self._call(one, arguments) for arguments in given]
            alone = tuple((before[n], after[n]) for n in asked)
            self.visit.mixed.append(Mixed(one.tool.name, tuple(answers), alone, len(given)))
        if self.visit.mixed:
            self.visit.stayed_up = self.visit.stayed_up or await self._silence()

    async def _fuzz(self, chosen: list[Ready]) -> None:
        loop = asyncio.get_running_loop()
        chosen = [one for one in chosen if not _hung(self.visit, one.tool.name)][:_TOOLS]
        seconds = self.subject.seconds * _SHARE / max(1, len(chosen))
        for one in chosen:
            name = one.tool.name

            def call(arguments: Any, name: str = name) -> ToolAnswer:
                asked = self.source.call(name, arguments, self._limit)
                return asyncio.run_coroutine_threadsafe(asked, loop).result(self._limit + _CALL_S)

            def arrives(arguments: Any, name: str = name) -> bool:
                return self.source.differs(name, arguments)

            def sendable(arguments: Any, name: str = name) -> bool:
                return not self.source.cannot(name, arguments)

            def work(tool: ToolSchema = one.tool) -> Any:
                return fuzz(tool, call, calls=_FUZZED, seconds=seconds, sendable=sendable, differs=arrives)

            made = await aside(work)
            self.visit.fuzzed.append(made)
            if any(failed.fault == "died" for failed in made.failures):
                return

    async def _give_up(self, one: Ready) -> None:
        self.visit.given_up = await self.source.call(one.tool.name, one.arguments, _GIVE_UP_S)
        self.visit.silent = await self._silence(one)

    async def _silence(self, one: Ready | None = None) -> str:
        """Why the next request is not answered; empty where it is."""
        try:
            await self.source.offer(self._limit)
            if one is not None and not (self.server.command or self.server.url):
                answer = await self._call(one)  # a document and functions are not asked for their tools
                return f"{self.visit.name}: {answer.text}" if answer.ended == "timeout" else ""
        except GaplessError as error:
            return str(error)
        return ""


def _different(given: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return list({json.dumps(one, sort_keys=True, default=repr): one for one in given}.values())[:_AT_ONCE]


def _hung(visit: Visit, tool: str) -> bool:
    return any(tried.tool == tool and tried.answer.ended == "timeout" for tried in visit.called)
