"""`gapless proxy`: an MCP server with guards in front of it; its settings, lock, ledger and store are wired here."""

from __future__ import annotations

import shlex
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapless.boundary.tool_calls.desk import Desk, Review, Reviewed, unlocked
from gapless.boundary.tool_calls.faults import fault_at
from gapless.boundary.tool_calls.policy import ToolPolicy, asks, repeatable
from gapless.errors import InvalidSettings, MissingExtra, UsageError
from gapless.operations.proxy_records import CallKeeper, nowhere
from gapless.operations.tools import ToolsAsk, offers, servers
from gapless.operations.tools_lock import lock_path, read_lock
from gapless.records.proxy import ProxySettings
from gapless.records.tools import LockedServer, Offer, ToolSchema
from gapless.settings import Place, ServerSettings

if TYPE_CHECKING:
    from gapless.boundary.ledger import Entry, KeyLedger

Say = Callable[[str], None]
_MODERN = "2026"
"""Revisions from this year on need no handshake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyAsk:
    """What to stand in front of, and how."""

    target: str | None = None
    """A server named in `gapless.toml`, or an address; the only named server when None."""
    command: tuple[str, ...] = ()
    """A server to start, in place of a target."""
    name: str | None = None
    """What to call it: its entry in the lock."""
    timeout_s: float = 20.0
    """Seconds it may take to start, and to name its tools."""
    headers_env: Mapping[str, str] = field(default_factory=dict[str, str])
    """Header -> the variable that holds its value, for an address; beside those of a named server."""
    withheld: tuple[str, ...] = ()
    """Variables that a command does not get, besides those that the settings name for keys: the proxy's own token."""
    lock: Path | None = None
    """The reviewed tools; `tools.lock.json` beside `gapless.toml` when None."""
    unreviewed: bool = False
    """Whether a server is served that the lock, where there is one, holds nothing of: its tools as they are."""
    faults: tuple[str, ...] = ()
    """"KIND@TOOL", to try the client with."""
    settings: ProxySettings | None = None
    """In place of `[proxy]` in `gapless.toml`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenProxy:
    """A proxy that is ready to be served."""

    server: Any
    """A fastmcp server: an `mcp.Client` can speak to it in this process."""
    offer: Offer
    """What the server behind offers."""
    locked: bool
    """Whether its tools are held against a lock."""
    hidden: dict[str, str]
    """Tool -> why nobody sees it."""
    unchecked: dict[str, str]
    """Tool -> what of its calls is held against no schema, though it has one, and why."""
    keeper: CallKeeper | None
    """Counts what was recorded; None where nothing is."""


@asynccontextmanager
async def open_proxy(ask: ProxyAsk, place: Place, say: Say = lambda told: None) -> AsyncGenerator[OpenProxy]:
    """A guarding proxy; leaving ends its connections, and the processes of a command.

    Looks at the server once before, in a session of its own: one that cannot be started is an error here and now.

    Raises:
        EndpointError: The server cannot be reached, crashes, or does not speak MCP; with what it wrote to stderr.
        InvalidSettings: A fault is not of the form KIND@TOOL, or the variable that a header is read from is not set.
        UsageError: There is a lock, and it holds nothing of this server; or one was named, and there is none.
        UnknownName: There is no such fault.
        MissingExtra: fastmcp is not installed.
    """
    try:
        import fastmcp  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise MissingExtra("gapless proxy", "proxy") from error
    from gapless.frameworks.mcp.proxy import Guarded, build, capabilities

    settings = ask.settings or place.settings.proxy
    faults = tuple(fault_at(spoken) for spoken in ask.faults)
    server = _server(ask, place)
    (offer,), _ = await offers(_as_tools_ask(ask), place)
    _check_names(ask, settings, offer)
    lock = ask.lock or lock_path(place)
    reviewed = _reviewed(lock, offer.name, ask)
    policy = policies(settings)
    keeper = (
        None
        if settings.record == "off"
        else CallKeeper(place, offer, policy, sync=settings.record == "sync", say=say)
    )
    desk = Desk(offer.name, reviewing(reviewed, ask, offer.name) if reviewed else unlocked, policy)
    desk.learn(offer.tools)
    if reviewed is None and ask.unreviewed:
        say(f"nobody has reviewed the tools of {offer.name!r}: they are served as they are (--unreviewed)")
    ledger = _Kept(place, say)
    guarded = Guarded(
        desk=desk,
        server=server,
        ledger=ledger,
        keep=keeper.keep if keeper is not None else nowhere,
        faults=faults,
        legacy_only=offer.protocol < _MODERN,
        locked=reviewed is not None,
        able=capabilities(offer.able),
        most_bytes=place.settings.max_payload_bytes,
    )
    proxy, upstream = build(guarded)
    try:
        yield _opened(proxy, offer, desk, reviewed is not None, keeper)
    finally:
        guarded.approvals.close()
        await upstream.close()
        ledger.close()
        if keeper is not None:
            keeper.close()


def _opened(proxy: Any, offer: Offer, desk: Desk, locked: bool, keeper: CallKeeper | None) -> OpenProxy:
    stands = [stand for tool in offer.tools if (stand := desk.find(tool.name)) is not None]
    return OpenProxy(
        server=proxy,
        offer=offer,
        locked=locked,
        hidden={stand.tool.name: stand.refused for stand in stands if stand.refused},
        unchecked=_unchecked(stand.tool for stand in stands if not stand.refused),
        keeper=keeper,
    )


def _unchecked(tools: Iterable[ToolSchema]) -> dict[str, str]:
    from gapless.probes.tool.schemas import fault_of

    found: dict[str, str] = {}
    for tool in tools:
        sides = (("arguments", tool.input_schema), ("answers", tool.output_schema))
        said = [
            f"its {side}, for their schema cannot be used: {fault}"
            for side, schema in sides
            if schema is not None and (fault := fault_of(schema))
        ]
        if said:
            found[tool.name] = "; ".join(said)
    return found


def policies(settings: ProxySettings) -> Callable[[ToolSchema], ToolPolicy]:
    """How each tool is treated: its own settings, else those for all, else what it says of itself."""

    def of(tool: ToolSchema) -> ToolPolicy:
        own = settings.tools.get(tool.name)
        said = tool.annotations

        def pick(name: str, otherwise: Any) -> Any:
            value = getattr(own, name) if own is not None else None
            return otherwise if value is None else value

        return ToolPolicy(
            timeout_s=pick("timeout_s", settings.timeout_s) or None,
            attempts=pick("attempts", settings.attempts),
            repeatable=pick("repeatable", repeatable(said)),
            approve=pick("approve", asks(said, settings.approve)),
            partial=pick("partial", settings.partial),
            inferred=pick("inferred", settings.inferred),
            disguise=pick("error_as_success", settings.error_as_success),
        )

    return of


def reviewing(locked: LockedServer, ask: ProxyAsk, server: str) -> Review:
    """Holds each tool against the lock: one that nobody reviewed, or that breaks its callers now, is refused."""
    from gapless.probes.tool.drift import tool_drift

    def review(tool: ToolSchema) -> Reviewed:
        before = locked.tools.get(tool.name)
        if before is None:
            return Reviewed(
                tool,
                f"the tool is new, and nobody has reviewed it. Accept it: {_lock_command(ask, '--accept', tool.name)}",
            )
        broken = [c for c in tool_drift(server, before, tool) if c.kind == "breaking"]
        if not broken:
            return Reviewed(before)
        where = f" ({broken[0].where})" if broken[0].where else ""
        more = f", and {len(broken) - 1} more" if len(broken) > 1 else ""
        return Reviewed(
            before,
            f"the tool has changed since it was reviewed, in a way that breaks callers: {broken[0].said}{where}{more}. "
            f"Accept it: {_lock_command(ask, '--accept', tool.name)}",
        )

    return review


def _lock_command(ask: ProxyAsk, *more: str) -> str:
    words = ["gapless", "tools", "lock", *more]
    words += ["--name", ask.name] if ask.name else []
    words += ["--lock", str(ask.lock)] if ask.lock else []
    for header, variable in ask.headers_env.items():
        words += ["--header-env", f"{header}={variable}"]
    words += ["--", *ask.command] if ask.command else [ask.target] if ask.target else []
    return shlex.join(words)


def _reviewed(lock: Path, name: str, ask: ProxyAsk) -> LockedServer | None:
    """What was reviewed of the server. Where there is a lock, one that calls itself something else does not pass it."""
    found = read_lock(lock)
    if found is None and ask.lock is not None:
        raise UsageError(f"{lock}: there is no lock there. Make it: {_lock_command(ask)}")
    if found is None or name in found.servers or ask.unreviewed:
        return found.servers.get(name) if found is not None else None
    held = ", ".join(map(repr, found.servers)) or "no server"
    raise UsageError(
        f"{lock} holds {held}, and nothing of {name!r}: nobody has reviewed its tools, and none is served. Name it as it"
        f" stands there (--name), or look at its tools (gapless tools lint) and lock them: {_lock_command(ask)}. With"
        " --unreviewed they are served as they are, whatever they are."
    )


def _as_tools_ask(ask: ProxyAsk) -> ToolsAsk:
    return ToolsAsk(
        target=ask.target,
        command=ask.command,
        name=ask.name,
        headers_env=ask.headers_env,
        withheld=ask.withheld,
        timeout_s=ask.timeout_s,
    )


def _server(ask: ProxyAsk, place: Place) -> ServerSettings:
    found = servers(_as_tools_ask(ask), place)
    if len(found) != 1:
        raise UsageError(
            f"a proxy stands before one server; name one of {', '.join(n for n, _, _ in found)}."
        )
    name, server, _ = found[0]
    if not (server.command or server.url):
        raise UsageError(
            f"{name}: a proxy stands before an MCP server. Name a command after --, or the address of one."
        )
    return server


def _check_names(ask: ProxyAsk, settings: ProxySettings, offer: Offer) -> None:
    known = [tool.name for tool in offer.tools]
    for spoken in ask.faults:
        tool = spoken.partition("@")[2]
        if tool not in known:
            raise InvalidSettings(f"--fault {spoken}: no tool {tool!r}. Tools: {', '.join(known) or 'none'}.")


class _Kept:
    """The durable ledger, opened when the first client names an action. It is part of the promise: without it, no call."""

    def __init__(self, place: Place, say: Say) -> None:
        self._place, self._say = place, say
        self._ledger: Any = None

    def _open(self) -> KeyLedger:
        from gapless.operations.review import open_ledger

        if self._ledger is None:
            self._ledger = open_ledger(self._place)
        return self._ledger

    def reserve(self, scope: str, action: str, step: str = "") -> Entry:
        return self._open().reserve(scope, action, step)

    def bind(self, scope: str, key: str, meaning: str) -> str:
        return self._open().bind(scope, key, meaning)

    def release(self, scope: str, action: str) -> None:
        self._open().release(scope, action)

    def consume(self, scope: str, action: str, value: Any) -> None:
        try:
            self._open().consume(scope, action, value)
        except (
            Exception
        ) as error:  # it did take place: its answer goes out, and the ledger goes on to call it in doubt
            self._say(f"an action took place and could not be noted: {error}")

    def close(self) -> None:
        if self._ledger is not None:
            self._ledger.close()


async def serve_proxy(
    proxy: OpenProxy,
    *,
    http: tuple[str, int] | None = None,
    token: str | None = None,
    hosts: tuple[str, ...] = (),
    ready: Say = lambda address: None,
) -> None:
    """Serves an open proxy: over stdio until its client goes, or over HTTP until the task is cancelled.

    Args:
        proxy: What `open_proxy` gave.
        http: Where to listen; None: over stdio.
        token: What clients have to send.
        hosts: Further names under which clients may ask for it.
        ready: Told the address once it listens.

    Raises:
        UsageError: It would listen beyond this machine without a token, or cannot listen there.
    """
    from gapless.frameworks.mcp import front

    if http is None:
        await front.over_stdio(proxy.server)
        return
    host, port = http
    if not front.is_loopback(host) and not token:
        raise UsageError(
            f"{host} can be reached from other machines, so a token is needed: --token-env NAME names the variable that holds it."
        )
    await front.over_http(proxy.server, host=host, port=port, token=token, hosts=hosts, ready=ready)
