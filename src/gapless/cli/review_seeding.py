"""`gapless review seed` and `accuracy`: reviews with known answers among the real ones, and what reviewers made of them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from gapless.operations.seeding import Planted
    from gapless.records.estimate import Estimate
    from gapless.records.review import Accuracy, ReviewerAccuracy, ReviewRecord
    from gapless.review.seeded import Seeding

F = TypeVar("F", bound=Callable[..., Any])


def tell(command: F) -> F:
    """The option with which a reviewer asks to be told."""
    words = "Afterwards, say whether it was put in with a known answer, and which."
    return click.option("--tell", "tell", is_flag=True, help=words)(command)


@click.command("seed", epilog="Example: gapless review seed --share 0.1")
@click.option("--count", type=click.IntRange(min=1), help="Put in that many.")
@click.option("--share", type=float, help="Put in until they are this share of all that waits.")
@click.option(
    "--wrong",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Share of wrong ones among them.",
)
@click.option(
    "--again", is_flag=True, help="Take what one reviewer has judged, for another to judge the same."
)
@click.option("--withdraw", is_flag=True, help="Take out what nobody has decided, and put nothing in.")
@click.option("--measurement", help="Beginning of a measurement's id; the newest by default.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def seeding(
    count: int | None,
    share: float | None,
    wrong: float,
    again: bool,
    withdraw: bool,
    measurement: str | None,
    as_json: bool,
) -> None:
    """Put recorded handoffs with known answers in among the real reviews, to measure reviewers.

    They look like the real ones, belong to no run and never become labels. Which ones they are is not printed.
    """
    import asyncio

    import msgspec

    from gapless.errors import UsageError
    from gapless.operations.open import open_store, pick
    from gapless.operations.seeding import Wish, seed

    if withdraw:
        with _open() as seeding_:
            gone = seeding_.withdraw()
        click.echo(msgspec.json.encode({"withdrawn": gone}).decode() if as_json else f"{gone} taken out.")
        return
    if (count is None) == (share is None):
        raise UsageError("say how many: either --count N or --share 0.1.")
    wish = Wish(count=count, share=share, wrong=wrong, again=again)
    with open_store() as store, _open() as seeding_:
        done = asyncio.run(seed(store, seeding_, pick(store, measurement), wish))
    click.echo(msgspec.json.encode(done).decode() if as_json else _said(done))


@click.command("accuracy", epilog="Example: gapless review accuracy")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def measuring(as_json: bool) -> None:
    """Say how often reviewers approve what is right and stop what is wrong, from reviews with known answers."""
    import asyncio
    import json

    from gapless.operations.reviewers import accuracy
    from gapless.report.json import plain

    with _open() as seeding_:
        found = asyncio.run(accuracy(seeding_))
    click.echo(json.dumps(plain(found)) if as_json else _page(found))


def what_it_was(review: ReviewRecord) -> str:
    """What a reviewer who asks is told after the decision."""
    from gapless.cli.review_screen import safe
    from gapless.operations.reviewers import told

    with _open() as seeding_:
        return safe(told(review, seeding_.known(review.id)))


def _said(done: Planted) -> str:
    if not done.wanted:
        return "Nothing was put in: seeded reviews are that share of what waits already."
    lines = [f"{done.right} right and {done.wrong} wrong ones were put in."]
    lines += [f"  {number} known because: {how}" for how, number in sorted(done.sources.items())]
    if done.why_fewer:
        lines.append(done.why_fewer)
    lines.append("When they are decided: gapless review accuracy")
    return "\n".join(lines)


def _page(found: Accuracy) -> str:
    from gapless.cli.review_screen import safe

    lines: list[str] = []
    for one in (found.overall, *found.reviewers):
        lines += [_name(one), *_rates(one), ""]
    lines.append(f"two reviewers agree        {_share(found.agreement)}")
    asides = {
        "seeded and not decided yet": found.waiting,
        "seeded and refused because nobody decided in time": found.lapsed,
        "decided again by a reviewer who knew the handoff, not counted": found.repeated,
        "damaged rows left out": found.unreadable,
    }
    lines += [f"{number} {words}" for words, number in asides.items() if number]
    return "\n".join(safe(line) for line in lines)


def _name(one: ReviewerAccuracy) -> str:
    from gapless.report.printable import isolated, printable

    return "all reviewers" if one.reviewer is None else isolated(printable(one.reviewer))


def _rates(one: ReviewerAccuracy) -> list[str]:
    lines = [
        f"  right ones approved      {_share(one.right)}",
        f"  wrong ones stopped       {_share(one.wrong)}",
        f"  time to decide, median   {_seconds(one.seconds)}",
    ]
    if one.unclear:
        lines.append(f"  {one.unclear} edits of wrong ones that nothing could judge count as not stopped")
    return lines


def _share(rate: Estimate) -> str:
    from gapless.report.wording import level, percent

    if rate.point is None:
        return f"none: {rate.reason}"
    yes, low, high = round(rate.point * rate.n_runs), rate.low or 0.0, 1.0 if rate.high is None else rate.high
    few = f"; {rate.reason}" if rate.reason else ""
    cases = "" if rate.n_cases == rate.n_runs else f", {rate.n_cases} cases"
    limits = f"{level(rate)} interval {percent(low)} to {percent(high)}"
    return f"{yes} of {rate.n_runs}{cases}: {percent(rate.point)} ({limits}, {rate.method}{few})"


def _seconds(middle: Estimate) -> str:
    from gapless.report.wording import level

    if middle.point is None:
        return f"none: {middle.reason}"
    limits = [f"{limit:.1f} s" if limit is not None else "no limit" for limit in (middle.low, middle.high)]
    return f"{middle.point:.1f} s ({level(middle)} interval {limits[0]} to {limits[1]}, n={middle.n_runs})"


@contextmanager
def _open() -> Generator[Seeding]:
    from gapless.operations.review import open_seeding

    opened = open_seeding()
    try:
        yield opened
    finally:
        opened.close()
