"""`gapless tools`: what servers offer, held against good manners (lint) and against what somebody reviewed (lock, diff)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from gapless.errors import InvalidTarget, UnknownName, UsageError
from gapless.frameworks.tools.keys import named_in
from gapless.frameworks.tools.source import checked, confined, rooted
from gapless.operations.tools_lock import lock_path, read_lock, write_lock
from gapless.operations.tools_several import each
from gapless.records.tools import Drift, Linted, LockedServer, Offer, ToolSchema, ToolsLock, Unheard
from gapless.settings import Place, ServerSettings

if TYPE_CHECKING:
    from gapless.operations.tool_answers import Heard

ALL = "all"
_DOCUMENTS = (".json", ".yaml", ".yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolsAsk:
    """Whose tools."""

    target: str | None = None
    """A server named in `gapless.toml`, an address, a file with a `tools/list` answer or an OpenAPI document, functions
    ("tools.py:TOOLS"); all named servers when None."""
    command: tuple[str, ...] = ()
    """A server to start, in place of a target."""
    openapi: bool = False
    """Whether the target is the address of an OpenAPI document, not of an MCP server."""
    base_url: str | None = None
    """Where the operations of an OpenAPI document are called."""
    headers_env: Mapping[str, str] = field(default_factory=dict[str, str])
    """Header -> the variable that holds its value, for an address; beside those of a named server."""
    withheld: tuple[str, ...] = ()
    """Variables that a command does not get, besides those that the settings name for keys."""
    name: str | None = None
    """What to call it; by default its name in `gapless.toml`, else what it calls itself."""
    timeout_s: float = 20.0
    """Seconds each server may take to start, and to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """What became of a lock."""

    drift: Drift
    """What is still not reviewed."""
    written: bool
    new: tuple[str, ...] = ()
    """Servers that were locked for the first time."""
    accepted: tuple[str, ...] = ()
    """Tools whose changes are reviewed now."""
    inferred: Mapping[str, int] = field(default_factory=dict[str, int])
    """Tools without an output schema of their own -> answers that one was learnt from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learn:
    """Where the output schemas are learnt from that servers do not declare."""

    sample: int = 0
    """How often each safe tool is called."""
    effects: bool = False
    """Whether tools may be called that are not declared safe."""
    recorded: bool = False
    """Whether recorded calls in the store count too."""


async def offers(ask: ToolsAsk, place: Place) -> tuple[tuple[Offer, ...], tuple[Unheard, ...]]:
    """What each server that was asked for offers, and those of several that could not be asked.

    Raises:
        InvalidTarget: There is no such server or file, or nothing was named.
        EndpointError: The only server, or every one, cannot be reached or does not answer as MCP says.
    """
    from gapless.frameworks.tools.source import connected

    listed = _listed(ask)
    if listed is not None:
        return (listed,), ()

    async def one(name: str, server: ServerSettings, known: bool) -> Offer:
        async with connected(server, name, start_s=ask.timeout_s) as connection:
            found = await connection.offer(ask.timeout_s)
        return found if known else itself(found)

    return await each(servers(ask, place), one)


def itself(offer: Offer) -> Offer:
    """An offer under the name that the server gave itself; the same one where it gave none."""
    name = offer.server.partition(" ")[0]
    return msgspec.structs.replace(offer, name=name) if name else offer


def servers(ask: ToolsAsk, place: Place) -> list[tuple[str, ServerSettings, bool]]:
    """Name, server, and whether the name is settled: the user's, or that of a file.

    Raises:
        InvalidTarget: There is no such server, or nothing was named.
        InvalidSettings: A named server does not say where its tools come from.
        UsageError: Headers are named, and nothing is there that could be sent them.
    """
    variables = (*named_in(place.settings), *ask.withheld)
    return [
        (name, confined(_keyed(name, server, ask), variables), settled)
        for name, server, settled in _servers(ask, place)
    ]


def _keyed(name: str, server: ServerSettings, ask: ToolsAsk) -> ServerSettings:
    if not ask.headers_env:
        return server
    if not (server.url or server.openapi):
        raise UsageError(
            f"--header-env: {name} is no address. A command has the variables of its environment anyway."
        )
    return msgspec.structs.replace(server, headers_env={**server.headers_env, **ask.headers_env})


def _servers(ask: ToolsAsk, place: Place) -> list[tuple[str, ServerSettings, bool]]:
    root = Path(place.root)
    named = {name: rooted(server, root) for name, server in place.settings.checkup.servers.items()}
    if ask.command:
        return [(ask.name or ask.command[0], ServerSettings(command=ask.command), ask.name is not None)]
    if ask.target is None:
        if not named:
            raise InvalidTarget(
                "no server is named. Give one: -- COMMAND..., an address, a file with a tools/list answer or an OpenAPI"
                " document, tools.py:TOOLS, or name it in gapless.toml: [checkup.servers.NAME] command = [...] or url = ..."
            )
        return [(name, checked(name, server), True) for name, server in named.items()]
    if ask.target in named:
        return [(ask.name or ask.target, checked(ask.target, named[ask.target]), True)]
    found = _typed(ask, ask.target)
    if found is not None:
        return [found]
    known = f" Servers named there: {', '.join(named)}." if named else ""
    raise InvalidTarget(
        f"{ask.target!r} is no address, no .json or .yaml file, no functions (tools.py:TOOLS), and no server in"
        f" gapless.toml.{known} A command stands after --."
    )


def _typed(ask: ToolsAsk, target: str) -> tuple[str, ServerSettings, bool] | None:
    """A target that says itself what it is."""
    web = target.startswith(("http://", "https://"))
    if web and not ask.openapi:
        return ask.name or target, ServerSettings(url=target), ask.name is not None
    if web or target.endswith(_DOCUMENTS):
        name = ask.name or (urlsplit(target).hostname if web else None) or Path(target).stem
        return name, ServerSettings(openapi=target, base_url=ask.base_url), True
    module, _, member = target.rpartition(":")
    if member.isidentifier() and module:
        return ask.name or Path(module).stem, ServerSettings(functions=target), True
    return None


def _listed(ask: ToolsAsk) -> Offer | None:
    """The tools in a file with a `tools/list` answer; None where the target is something else."""
    from gapless.frameworks.mcp.reading import tools_of

    if ask.target is None or not ask.target.endswith(".json") or ask.target.startswith(("http:", "https:")):
        return None
    file, name = Path(ask.target), ask.name
    try:
        answer = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(answer, dict) and ("openapi" in answer or "swagger" in answer):
            return None
        tools = tools_of(answer)
    except OSError as error:
        raise InvalidTarget(f"{file}: cannot be read ({error.strerror}).") from error
    except (UnicodeDecodeError, ValueError) as error:
        raise InvalidTarget(f"{file}: holds no answer to tools/list: {error}.") from error
    return Offer(name=name or file.stem, tools=tools)


async def lint_tools(ask: ToolsAsk, place: Place) -> Linted:
    """What is wrong with the descriptions of a server's tools."""
    from gapless.probes.tool.linting import lint

    found, unheard = await offers(ask, place)
    said = place.settings.checkup.servers
    vouched = {offer.name: said[offer.name].read_only for offer in found if offer.name in said}
    issues = tuple(issue for offer in found for issue in lint(offer, vouched.get(offer.name, ())))
    return Linted(offers=found, issues=issues, unheard=unheard)


async def diff_tools(
    ask: ToolsAsk, place: Place, lock: Path | None = None, sample: int = 0, effects: bool = False
) -> Drift:
    """How servers differ from what was reviewed.

    Args:
        ask: Whose tools.
        place: Where the lock is, by default.
        lock: Another file.
        sample: How often each safe tool is called, to hold its answers against the lock; 0: not at all.
        effects: Whether tools may be called that are not declared safe.

    Raises:
        InvalidTarget: Nothing was reviewed yet, or nothing of any of these servers.
    """
    path = lock or lock_path(place)
    reviewed = read_lock(path)
    if reviewed is None:
        raise InvalidTarget(
            f"{path}: there is no lock yet. Review the tools and write one: gapless tools lock"
        )
    found, heard, unheard = await _asked(ask, place, sample, effects)
    known = [offer for offer in found if offer.name in reviewed.servers]
    if not known:
        raise InvalidTarget(
            f"{path} holds nothing of {' or '.join(repr(offer.name) for offer in found)}; it holds"
            f" {', '.join(reviewed.servers) or 'nothing'}. Name it with --name, or lock it: gapless tools lock"
        )
    made = msgspec.structs.replace(
        _drift(path, reviewed, known),
        unheard=unheard,
        unreviewed=tuple(offer.name for offer in found if offer.name not in reviewed.servers),
    )
    if not heard:
        return made
    from gapless.operations.tool_answers import held

    total, answers = held(reviewed.servers, heard)
    return msgspec.structs.replace(made, held=total, answers=answers)


async def _asked(
    ask: ToolsAsk, place: Place, sample: int, effects: bool
) -> tuple[tuple[Offer, ...], tuple[Heard, ...], tuple[Unheard, ...]]:
    """What is offered; what is answered, where that is asked for; and who could not be asked."""
    if not sample:
        found, unheard = await offers(ask, place)
        return found, (), unheard
    from gapless.operations.tool_answers import hear

    if _listed(ask) is not None:
        raise UsageError(f"{ask.target} is an answer to tools/list: there is nothing to call. Name a server.")
    heard, unheard = await hear(ask, place, sample=sample, effects=effects)
    return tuple(one.offer for one in heard), heard, unheard


async def lock_tools(
    ask: ToolsAsk,
    place: Place,
    lock: Path | None = None,
    accept: Sequence[str] = (),
    learn: Learn | None = None,
) -> Locked:
    """Keeps the tools as reviewed. Tools that changed since are kept only where they are accepted.

    Args:
        ask: Whose tools.
        place: Where the lock is, by default.
        lock: Another file.
        accept: Tools whose changes were reviewed; "all" for every one.
        learn: Where undeclared output schemas are learnt from; nowhere when None.

    Raises:
        UnknownName: A tool that is accepted is neither offered nor locked.
    """
    path = lock or lock_path(place)
    reviewed = read_lock(path) or ToolsLock()
    learn = learn or Learn()
    found, heard, unheard = await _asked(ask, place, learn.sample, learn.effects)
    known = {name for one in found for name in (*_names(one), *_reviewed(reviewed, one.name))}
    for name in accept:
        if name != ALL and name not in known:
            raise UnknownName(f"--accept {name}: no such tool. Tools: {', '.join(sorted(known))}.")
    before = _drift(path, reviewed, [one for one in found if one.name in reviewed.servers])
    changed = {change.tool for change in before.changes}
    kept = dict(reviewed.servers)
    for offer in found:
        kept[offer.name] = _kept(reviewed.servers.get(offer.name), offer, accept)
    kept |= _learnt({offer.name: kept[offer.name] for offer in found}, heard, learn, place)
    made = ToolsLock(servers=kept)
    if made != reviewed:
        write_lock(path, made)
    return Locked(
        drift=msgspec.structs.replace(_drift(path, made, found), unheard=unheard),
        written=made != reviewed,
        new=tuple(one.name for one in found if one.name not in reviewed.servers),
        accepted=tuple(sorted(changed if ALL in accept else changed & set(accept))),
        inferred={
            name: tool.inferred_from
            for offer in found
            for name, tool in kept[offer.name].tools.items()
            if tool.inferred_from and (heard or learn.recorded)
        },
    )


def _learnt(
    locked: dict[str, LockedServer], heard: Sequence[Heard], learn: Learn, place: Place
) -> dict[str, LockedServer]:
    """The servers with what their answers, or those on record, show of schemas that they do not declare."""
    if not (heard or learn.recorded):
        return locked
    from gapless.operations.open import open_store
    from gapless.operations.tool_answers import learnt, recorded, sampled

    values: dict[str, dict[str, list[Any]]] = sampled(heard)
    if learn.recorded:
        with open_store(place) as store:
            kept = recorded(store, {tool for one in locked.values() for tool in one.tools})
        for name, server in locked.items():
            of_server = values.setdefault(name, {})
            for tool in server.tools:
                of_server[tool] = [*of_server.get(tool, ()), *kept.get(tool, ())]
    return {name: learnt(server, values.get(name, {})) for name, server in locked.items()}


def _kept(before: LockedServer | None, offer: Offer, accept: Sequence[str]) -> LockedServer:
    """A server's entry: the first time all its tools, from then on only those that were accepted."""
    known = before.tools if before is not None else {}
    now = {tool.name: _with_learnt(tool, known.get(tool.name)) for tool in offer.tools}
    if before is None or ALL in accept:
        return LockedServer(server=offer.server, tools=now)
    tools = dict(before.tools)
    for name in accept:
        if name in now:
            tools[name] = now[name]
        else:
            tools.pop(name, None)
    return msgspec.structs.replace(before, tools=tools)


def _with_learnt(tool: ToolSchema, before: ToolSchema | None) -> ToolSchema:
    """A tool with the schema that was learnt of it, as long as it declares none."""
    if before is None or tool.output_schema is not None or not before.inferred_from:
        return tool
    return msgspec.structs.replace(
        tool, inferred_output_schema=before.inferred_output_schema, inferred_from=before.inferred_from
    )


def _names(offer: Offer) -> list[str]:
    return [tool.name for tool in offer.tools]


def _reviewed(lock: ToolsLock, name: str) -> list[str]:
    return list(lock.servers[name].tools) if name in lock.servers else []


def _drift(path: Path, reviewed: ToolsLock, found: Sequence[Offer]) -> Drift:
    from gapless.probes.tool.drift import drift

    return Drift(
        lock=str(path),
        servers=tuple(offer.name for offer in found),
        tools=sum(len(offer.tools) for offer in found),
        changes=tuple(
            change for offer in found for change in drift(reviewed.servers[offer.name].tools, offer)
        ),
    )
