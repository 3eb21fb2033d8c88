"""`gapless tools`: what servers offer, held against good manners (lint) and against what somebody reviewed (lock, diff)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gapless.errors import InvalidSettings, InvalidTarget, UnknownName
from gapless.records.tools import Drift, Linted, LockedServer, Offer, ToolsLock
from gapless.report.json import plain
from gapless.settings import Place, ServerSettings

LOCK = "tools.lock.json"
ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolsAsk:
    """Whose tools."""

    target: str | None = None
    """A server named in `gapless.toml`, an address, or a file with a `tools/list` answer; all named servers when None."""
    command: tuple[str, ...] = ()
    """A server to start, in place of a target."""
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


async def offers(ask: ToolsAsk, place: Place) -> tuple[Offer, ...]:
    """What each server that was asked for offers.

    Raises:
        InvalidTarget: There is no such server or file, or nothing was named.
        EndpointError: A server cannot be reached or does not answer as MCP says.
    """
    from gapless.frameworks.mcp.client import connected

    if ask.target is not None and ask.target.endswith(".json"):
        return (_from_file(Path(ask.target), ask.name),)

    async def one(name: str, server: ServerSettings, known: bool) -> Offer:
        async with connected(server, name, start_s=ask.timeout_s) as connection:
            found = await connection.offer(ask.timeout_s)
        itself = found.server.partition(" ")[0]
        return found if known or not itself else msgspec.structs.replace(found, name=itself)

    asked = _servers(ask, place)
    found = await asyncio.gather(*(one(*which) for which in asked), return_exceptions=True)
    for answer in found:  # only now: a server that is left alone in its shutdown would stay behind
        if isinstance(answer, BaseException):
            raise answer
    return tuple(answer for answer in found if isinstance(answer, Offer))


def _servers(ask: ToolsAsk, place: Place) -> list[tuple[str, ServerSettings, bool]]:
    """Name, server, and whether the name is the user's."""
    named = place.settings.checkup.servers
    if ask.command:
        return [(ask.name or ask.command[0], ServerSettings(command=ask.command), ask.name is not None)]
    if ask.target is None:
        if not named:
            raise InvalidTarget(
                "no server is named. Give one: -- COMMAND..., an address, a file with a tools/list answer, or name it in"
                " gapless.toml: [checkup.servers.NAME] command = [...] or url = ..."
            )
        return [(name, checked(name, server), True) for name, server in named.items()]
    if ask.target in named:
        return [(ask.name or ask.target, checked(ask.target, named[ask.target]), True)]
    if ask.target.startswith(("http://", "https://")):
        return [(ask.name or ask.target, ServerSettings(url=ask.target), ask.name is not None)]
    known = f" Servers named there: {', '.join(named)}." if named else ""
    raise InvalidTarget(
        f"{ask.target!r} is no address, no .json file, and no server in gapless.toml.{known} A command stands after --."
    )


def checked(name: str, server: ServerSettings) -> ServerSettings:
    """A server from the settings.

    Raises:
        InvalidSettings: It says neither how to start it nor where it is, or both.
    """
    if bool(server.command) == bool(server.url):
        said = "both a command and a url" if server.url else "neither a command nor a url"
        raise InvalidSettings(f"[checkup.servers.{name}] has {said}; a server has one of them.")
    return server


def _from_file(file: Path, name: str | None) -> Offer:
    from gapless.frameworks.mcp.reading import tools_of

    try:
        answer = json.loads(file.read_text(encoding="utf-8"))
        tools = tools_of(answer)
    except OSError as error:
        raise InvalidTarget(f"{file}: cannot be read ({error.strerror}).") from error
    except (UnicodeDecodeError, ValueError) as error:
        raise InvalidTarget(f"{file}: holds no answer to tools/list: {error}.") from error
    return Offer(name=name or file.stem, tools=tools)


async def lint_tools(ask: ToolsAsk, place: Place) -> Linted:
    """What is wrong with the descriptions of a server's tools."""
    from gapless.probes.tool.linting import lint

    found = await offers(ask, place)
    return Linted(offers=found, issues=tuple(issue for offer in found for issue in lint(offer)))


async def diff_tools(ask: ToolsAsk, place: Place, lock: Path | None = None) -> Drift:
    """How servers differ from what was reviewed.

    Raises:
        InvalidTarget: Nothing was reviewed yet, or not of that server.
    """
    path = lock or lock_path(place)
    reviewed = read_lock(path)
    if reviewed is None:
        raise InvalidTarget(
            f"{path}: there is no lock yet. Review the tools and write one: gapless tools lock"
        )
    found = await offers(ask, place)
    for offer in found:
        if offer.name not in reviewed.servers:
            raise InvalidTarget(
                f"{path} holds nothing of {offer.name!r}; it holds {', '.join(reviewed.servers) or 'nothing'}."
                " Name it with --name, or lock it: gapless tools lock"
            )
    return _drift(path, reviewed, found)


async def lock_tools(
    ask: ToolsAsk, place: Place, lock: Path | None = None, accept: Sequence[str] = ()
) -> Locked:
    """Keeps the tools as reviewed. Tools that changed since are kept only where they are accepted.

    Args:
        ask: Whose tools.
        place: Where the lock is, by default.
        lock: Another file.
        accept: Tools whose changes were reviewed; "all" for every one.

    Raises:
        UnknownName: A tool that is accepted is neither offered nor locked.
    """
    path = lock or lock_path(place)
    reviewed = read_lock(path) or ToolsLock()
    found = await offers(ask, place)
    known = {name for one in found for name in (*_names(one), *_reviewed(reviewed, one.name))}
    for name in accept:
        if name != ALL and name not in known:
            raise UnknownName(f"--accept {name}: no such tool. Tools: {', '.join(sorted(known))}.")
    before = _drift(path, reviewed, [one for one in found if one.name in reviewed.servers])
    changed = {change.tool for change in before.changes}
    servers = dict(reviewed.servers)
    for offer in found:
        servers[offer.name] = _kept(reviewed.servers.get(offer.name), offer, accept)
    made = ToolsLock(servers=servers)
    if made != reviewed:
        write_lock(path, made)
    return Locked(
        drift=_drift(path, made, found),
        written=made != reviewed,
        new=tuple(one.name for one in found if one.name not in reviewed.servers),
        accepted=tuple(sorted(changed if ALL in accept else changed & set(accept))),
    )


def _kept(before: LockedServer | None, offer: Offer, accept: Sequence[str]) -> LockedServer:
    """A server's entry: the first time all its tools, from then on only those that were accepted."""
    now = {tool.name: tool for tool in offer.tools}
    if before is None or ALL in accept:
        return LockedServer(server=offer.server, tools=now)
    tools = dict(before.tools)
    for name in accept:
        if name in now:
            tools[name] = now[name]
        else:
            tools.pop(name, None)
    return msgspec.structs.replace(before, tools=tools)


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


def lock_path(place: Place) -> Path:
    """Where the lock is: beside `gapless.toml`, so that it is reviewed and versioned with it."""
    return Path(place.root) / LOCK


def read_lock(path: Path) -> ToolsLock | None:
    """The reviewed tools; None where there is no lock.

    Raises:
        InvalidTarget: The file is no lock.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=ToolsLock)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise InvalidTarget(f"{path}: is no lock of tools: {error}.") from error


def write_lock(path: Path, lock: ToolsLock) -> None:
    """Writes the lock whole or not at all: readable, in a settled order, one key a line.

    Raises:
        InvalidTarget: It cannot be written there.
    """
    body = {
        "schema": lock.schema,
        "servers": {name: plain(one) for name, one in sorted(lock.servers.items())},
    }
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        temporary.write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise InvalidTarget(f"{path}: cannot be written ({error.strerror}).") from error
