"""`gapless calibrate`."""

from __future__ import annotations

from pathlib import Path

import click

from gapless.cli.show import MARKDOWN, html_option, write


@click.command("calibrate", epilog="Example: gapless calibrate --alpha 0.05 --delta 0.1")
@click.argument("measurement", required=False, metavar="[ID]")
@click.option("--alpha", type=float, default=0.05, show_default=True, help="The risk allowed.")
@click.option(
    "--delta",
    type=float,
    default=0.1,
    show_default=True,
    help="How often a calibration may be wrong about it.",
)
@click.option(
    "--risk",
    type=click.Choice(["joint", "conditional"]),
    default="joint",
    show_default=True,
    help="joint: delivered and wrong, of all answers. conditional: wrong, of those delivered.",
)
@click.option(
    "--gate", "gates", multiple=True, metavar="STEP", help="Only this gate; may be given several times."
)
@click.option(
    "--out",
    "--file",
    "out",
    type=click.Path(dir_okay=False),
    help="The file of thresholds; where the gates look for it by default, else gates.json.",
)
@click.option("--check", is_flag=True, help="Change nothing: say whether the thresholds in use still hold.")
@click.option("--workflow", metavar="TARGET", help="With --check: the workflow they are used in.")
@html_option("it, with its curves,")
@MARKDOWN
@click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON (gapless.gates/1, gapless.drift/1)."
)
def command(  # noqa: PLR0913 - click hands over one parameter per option
    measurement: str | None,
    alpha: float,
    delta: float,
    risk: str,
    gates: tuple[str, ...],
    out: str | None,
    check: bool,
    workflow: str | None,
    html: str | None,
    markdown: str | None,
    as_json: bool,
) -> int:
    """Find gate thresholds with a stated guarantee, on trials whose gates only logged.

    ID is the beginning of a measurement's id; the newest one in shadow by default. Say what you want before you look: asking
    the same trials another question divides delta. Exit code 1 where nothing can be certified, or --check finds harm.
    """
    from gapless.operations.open import open_store
    from gapless.settings import locate

    place = locate()
    with open_store(place) as store:
        if check:
            from gapless.operations.drift import check_drift
            from gapless.report.drift import render as render_drift
            from gapless.report.drift import render_json as drift_json

            found = check_drift(
                store, place, file=Path(out) if out else None, prefix=measurement, workflow=workflow
            )
            click.echo(drift_json(found) if as_json else render_drift(found))
            if found.alarm:
                raise SystemExit(1)
            return 0
        from gapless.operations.calibrate import CalibrateAsk, calibrate, pick_shadow
        from gapless.report.calibration import render, render_json, render_markdown

        ask = CalibrateAsk(
            alpha=alpha,
            delta=delta,
            risk="conditional" if risk == "conditional" else "joint",
            gates=gates,
            out=Path(out) if out else None,
        )
        made, file = calibrate(store, pick_shadow(store, measurement), ask, place)
    if html is not None:
        from gapless.report.html import render_calibration

        write(html, render_calibration(made))
    if markdown not in (None, "-"):
        write(markdown, render_markdown(made))
    if as_json:
        click.echo(render_json(made))
    else:
        click.echo(render_markdown(made) if markdown == "-" else render(made, str(file)), nl=markdown != "-")
    if not made.certified:
        raise SystemExit(1)
    return 0
