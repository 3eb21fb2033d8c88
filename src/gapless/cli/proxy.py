"""`gapless proxy`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gapless.cli.tools import HEADER_ENV, ToACommand, started

if TYPE_CHECKING:
    from gapless.operations.proxy import OpenProxy, ProxyAsk
    from gapless.records.proxy import ProxySettings

_FEW = 10_000
"""New objects before the collector looks at them; calls that wait to be written are a hundred each."""


@click.command(
    "proxy",
    cls=ToACommand,
    epilog="Example: gapless proxy --http 8808 --approve acting -- python server.py --data ./orders",
)
@click.argument("target", required=False, metavar="[TARGET] [-- COMMAND...]")
@click.option(
    "--name", help="What to call the server: its entry in the lock. What it calls itself by default."
)
@HEADER_ENV
@click.option(
    "--http",
    metavar="[HOST:]PORT",
    help="Serve streamable HTTP there, path /mcp; port 0 takes a free one. Over stdio by default.",
)
@click.option(
    "--token-env",
    metavar="NAME",
    help="Variable that holds the token clients send (Authorization: Bearer). Needed beyond this machine.",
)
@click.option(
    "--allow-host", "hosts", multiple=True, metavar="NAME", help="A further name clients may ask for it by."
)
@click.option(
    "--lock", type=click.Path(dir_okay=False), help="The reviewed tools; tools.lock.json by default."
)
@click.option(
    "--unreviewed", is_flag=True, help="Serve a server that the lock holds nothing of; else it is refused."
)
@click.option("--timeout", type=click.FloatRange(min=0), help="Seconds an attempt may take; 0: any time.")
@click.option("--attempts", type=click.IntRange(min=1), help="Calls in all of a tool that may be repeated.")
@click.option(
    "--approve",
    type=click.Choice(["destructive", "acting", "never"]),
    help="Whose calls a person approves.",
)
@click.option(
    "--partial", type=click.Choice(["note", "refuse", "off"]), help="What is done with a part for the whole."
)
@click.option(
    "--record", type=click.Choice(["batched", "sync", "off"]), help="Whether calls are on disk, and when."
)
@click.option(
    "--fault", "faults", multiple=True, metavar="KIND@TOOL", help="Inject it at every call of the tool."
)
@click.option(
    "--start-timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=20.0,
    help="Seconds the server may take to start and name its tools; 20 by default.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Say on stderr what is served, and where, as one line of JSON."
)
@click.pass_context
def command(ctx: click.Context, **options: Any) -> int:
    """Stand in front of an MCP server and guard the calls of its tools.

    TARGET is a server named in gapless.toml or an address (streamable HTTP); after -- stands a command that speaks over
    stdio. Arguments and answers are held against the schemas, those of tools.lock.json where there is one; calls have a time
    limit, and are repeated only where the tool says that this does no harm. Everything else passes through.
    """
    from gapless.frameworks.tools.keys import spoken
    from gapless.operations.loop import run_sync, until_stopped
    from gapless.operations.proxy import ProxyAsk

    ask = ProxyAsk(
        target=options["target"],
        command=started(ctx, options["target"]),
        name=options["name"],
        timeout_s=options["start_timeout"],
        headers_env=spoken(options["header_env"]),
        withheld=(options["token_env"],) if options["token_env"] else (),
        lock=Path(options["lock"]) if options["lock"] else None,
        unreviewed=options["unreviewed"],
        faults=options["faults"],
        settings=_settings(options),
    )
    where = _where(options["http"])
    token = _token(options["token_env"])
    return run_sync(lambda stop: until_stopped(_serve(ask, where, token, options), stop))


async def _serve(
    ask: ProxyAsk, where: tuple[str, int] | None, token: str | None, options: dict[str, Any]
) -> int:
    from gapless.frameworks.mcp.front import quiet
    from gapless.operations.proxy import open_proxy, serve_proxy
    from gapless.settings import locate

    with quiet():
        async with open_proxy(ask, locate(), _say) as proxy:
            _settle()
            if where is None:
                _ready(proxy, "stdio", options["as_json"])
            await serve_proxy(
                proxy,
                http=where,
                token=token,
                hosts=options["hosts"],
                ready=lambda address: _ready(proxy, address, options["as_json"]),
            )
    return 0


def _settle() -> None:
    """What is loaded by now stays: the collector would walk all of it again, for a tenth of a second between two calls."""
    import gc

    gc.collect()
    gc.freeze()
    gc.set_threshold(_FEW)


def _ready(proxy: OpenProxy, where: str, as_json: bool) -> None:
    offer = proxy.offer
    served = len(offer.tools) - len(proxy.hidden)
    if as_json:
        import json

        body = {
            "server": offer.name,
            "at": where,
            "tools": served,
            "hidden": proxy.hidden,
            "unchecked": proxy.unchecked,
            "locked": proxy.locked,
            "protocol": offer.protocol,
        }
        click.echo(json.dumps(body), err=True)  # in ASCII: a terminal obeys characters above it, too
        return
    lock = (
        "held against the lock" if proxy.locked else "not locked: gapless tools lock keeps them as reviewed"
    )
    _say(f"{offer.name} at {where}: {served} tools, {lock}")
    for name, why in proxy.hidden.items():
        _say(f"hidden: {name}: {why}")
    for name, why in proxy.unchecked.items():
        _say(f"not checked: {name}: {why}")


def _say(told: str) -> None:
    from gapless.report.printable import one_line

    click.echo(f"gapless proxy: {one_line(told)}", err=True)


def _settings(options: dict[str, Any]) -> ProxySettings:
    """Those of `gapless.toml` with the flags over them."""
    import msgspec

    from gapless.settings import locate

    flags = {
        "timeout_s": options["timeout"],
        "attempts": options["attempts"],
        "approve": options["approve"],
        "partial": options["partial"],
        "record": options["record"],
    }
    given = {name: value for name, value in flags.items() if value is not None}
    return msgspec.structs.replace(locate().settings.proxy, **given)


def _where(spoken: str | None) -> tuple[str, int] | None:
    from gapless.errors import UsageError

    if spoken is None:
        return None
    host, _, port = spoken.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not port.isdigit() or int(port) > 65535:
        raise UsageError(f"--http {spoken}: allowed is [HOST:]PORT, for example 8808 or 127.0.0.1:8808.")
    return host, int(port)


def _token(name: str | None) -> str | None:
    import os

    from gapless.errors import UsageError

    if name is None:
        return None
    token = os.environ.get(name, "")
    if not token:
        raise UsageError(f"--token-env {name}: the variable is not set, or empty. Put the token there.")
    return token
