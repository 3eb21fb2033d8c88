"""Opens whatever offers tools, so that lint, lock and probes need not know what it is."""

from __future__ import annotations

import shlex
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import msgspec

from gapless.errors import InvalidSettings
from gapless.frameworks.mcp import client
from gapless.records.tools import Offer, ToolAnswer
from gapless.settings import ServerSettings

_KINDS = ("command", "url", "openapi", "functions")


class Source(Protocol):
    """What offers tools and takes calls."""

    @property
    def noise(self) -> int:
        """Lines that it wrote where only messages belong."""
        ...

    async def offer(self, timeout_s: float = 20.0) -> Offer:
        """Its tools."""
        ...

    async def call(self, tool: str, arguments: Mapping[str, Any], timeout_s: float = 20.0) -> ToolAnswer:
        """How one call ended."""
        ...

    async def unknown(self, timeout_s: float) -> ToolAnswer | None:
        """Its answer to a call of a tool that it does not offer; None where nobody can ask that."""
        ...

    def cannot(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """Why a call cannot be made at all; empty where it can."""
        ...

    def differs(self, tool: str, arguments: Mapping[str, Any]) -> bool:
        """Whether arguments that break the schema still break it where they arrive."""
        ...


def checked(name: str, server: ServerSettings) -> ServerSettings:
    """A server from the settings.

    Raises:
        InvalidSettings: It says nothing about where its tools come from, or several things.
    """
    said = [kind for kind in _KINDS if getattr(server, kind)]
    if len(said) != 1:
        named = " and ".join(said) if said else f"none of {', '.join(_KINDS)}"
        raise InvalidSettings(f"[checkup.servers.{name}] has {named}; tools come from one of them.")
    if server.headers_env and not (server.url or server.openapi):
        raise InvalidSettings(
            f"[checkup.servers.{name}] has headers_env, and no address that could be sent them: they go with url or openapi."
        )
    return server


def rooted(server: ServerSettings, root: Path) -> ServerSettings:
    """The same server with its files as seen from a folder."""
    if server.openapi and "://" not in server.openapi:
        return msgspec.structs.replace(server, openapi=str(root / server.openapi))
    if server.functions:
        place, _, name = server.functions.rpartition(":")
        if place.endswith(".py"):
            return msgspec.structs.replace(server, functions=f"{root / place}:{name}")
    return server


def confined(server: ServerSettings, variables: Iterable[str | None]) -> ServerSettings:
    """The same server; a command does not get variables that hold keys of others, unless it is said to need them.

    Args:
        server: Where tools come from.
        variables: What holds keys; None is nothing.
    """
    if not server.command:
        return server
    kept = {*server.withheld, *filter(None, variables)} - {*server.env}
    return msgspec.structs.replace(server, withheld=tuple(sorted(kept)))


@asynccontextmanager
async def connected(
    server: ServerSettings, name: str, *, start_s: float = client.START_S
) -> AsyncGenerator[Source]:
    """Tools that can be asked for and called; leaving ends whatever was started for it.

    Args:
        server: Where they come from.
        name: What to call it in messages.
        start_s: Seconds that it may take until it can be asked.

    Raises:
        EndpointError: It cannot be started or reached, or crashed.
        InvalidTarget: The document or the functions are not there, or are none.
        InvalidSettings: It says nothing about where its tools come from, or several things.
        MissingExtra: A library is not installed.
    """
    checked(name, server)
    if server.openapi:
        from gapless.frameworks.tools.openapi_calls import open_document

        yield await open_document(server, name, start_s)
    elif server.functions:
        from gapless.frameworks.tools.functions import open_functions

        yield open_functions(server.functions, name)
    else:
        async with client.connected(server, name, start_s=start_s) as connection:
            yield connection


def typed(server: ServerSettings) -> str:
    """A server as one would type it as the target of a command."""
    if server.command:
        return "-- " + shlex.join(server.command)
    keyed = "".join(f" --header-env {shlex.quote(f'{h}={v}')}" for h, v in server.headers_env.items())
    if server.openapi:
        base = f" --base-url {shlex.quote(server.base_url)}" if server.base_url else ""
        return f"{shlex.quote(server.openapi)} --openapi{base}{keyed}"
    return shlex.quote(server.url or f"{server.functions}") + keyed
