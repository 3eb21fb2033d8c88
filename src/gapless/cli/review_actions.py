"""`gapless review actions` and `settle`: effects that were begun and never reported back, and what a person found out."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gapless.stores.ledger import DurableLedger


@click.command("actions", epilog="Example: gapless review actions")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def listing(as_json: bool) -> None:
    """List effects that were begun and never reported back: nobody knows whether they took place.

    They come from workflows guarded with `ledger=open_ledger()`. None of them is run again before it is settled.
    """
    import time
    from datetime import UTC, datetime

    import msgspec

    from gapless.cli.review_screen import age, safe
    from gapless.report.printable import isolated

    with _ledger() as ledger:
        found = ledger.asked()
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    if not found:
        click.echo("No effect is in doubt.")
        return
    for action in found:
        step = isolated(safe(action.step or "step not known"))
        thread = f"  thread {isolated(safe(action.scope))}" if action.scope else ""
        began = datetime.fromtimestamp(action.reserved_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        ago = age(time.time() - action.reserved_at)
        click.echo(f"{action.action}  {step}  begun {began}, {ago} ago{thread}")
    click.echo(
        "\nLook whether it took place, then: gapless review settle ACTION --happened --value JSON, or --not-happened"
    )


@click.command("settle", epilog="Example: gapless review settle 3fa2 --happened --value '{receipt: 17}'")
@click.argument("action")
@click.option("--happened/--not-happened", "happened", required=True, help="What you found out.")
@click.option("--value", help="With --happened: what the step would have handed over, as YAML or JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def settling(action: str, happened: bool, value: str | None, as_json: bool) -> None:
    """Say whether an effect took place. If not, the next run tries it again; if so, it hands over VALUE instead."""
    import msgspec

    from gapless.errors import UsageError
    from gapless.operations.review import parsed, settle

    if happened and value is None:
        raise UsageError(
            "--happened needs --value: what the step would have handed over. The next run goes on with it."
        )
    if not happened and value is not None:
        raise UsageError("--value goes with --happened: what did not happen handed nothing over.")
    with _ledger() as ledger:
        done = settle(ledger, action, happened, parsed(value, "--value") if value is not None else None)
    if as_json:
        click.echo(msgspec.json.encode({"action": done, "happened": happened}).decode())
        return
    click.echo(f"{done}: {'it happened' if happened else 'it did not happen'}. The next run knows.")


@contextmanager
def _ledger() -> Generator[DurableLedger]:
    from gapless.operations.review import open_ledger

    ledger = open_ledger()
    try:
        yield ledger
    finally:
        ledger.close()
